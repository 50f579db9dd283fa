"""Output of actions: only of those that the step has."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.sandboxes.step import Action, ActionKind, Death, DeathCause, OutputItem, OutputKind
from sandbox_runner.wire.v1 import runner_pb2 as pb
from tests.contract.conftest import Talk

ACTIONS = (Action(ActionKind.CODE, code="1"), Action(ActionKind.REFUSED, error_type="E", error_message="m"))


async def test_actions_cross_whole_and_their_output_comes_back(talk: Talk) -> None:
    step = talk.begin_step(actions=ACTIONS)
    await talk.runner.accept_restore()
    run = await talk.runner.accept_step()
    assert [(action.kind, action.code, action.error_message) for action in run.actions] == [(1, "1", ""), (3, "", "m")]
    await talk.runner.say(output=pb.Output(step=1, kind=pb.OUTPUT_KIND_ECHO, text="1", action=2))
    await talk.runner.say(finished=pb.StepFinished(step=1, outcome=pb.OUTCOME_OK))
    await asyncio.wait_for(step, 10)
    assert talk.handler.outputs == [OutputItem(OutputKind.ECHO, "1", 2)]


@pytest.mark.parametrize("action", [3, 2**32 - 1])
async def test_output_of_an_action_that_the_step_has_not_ends_it(talk: Talk, action: int) -> None:
    step = talk.begin_step(actions=ACTIONS)
    await talk.runner.accept_restore()
    await talk.runner.accept_step()
    await talk.runner.say(output=pb.Output(step=1, kind=1, text="x", action=action))
    end = await asyncio.wait_for(step, 10)
    assert end == Death(DeathCause.VIOLATION, f"number: output of action {action} of 2")
