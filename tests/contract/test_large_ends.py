"""What a large but legal message of a runner costs: its own step's time, never the loop's."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from orchestrator.sandboxes import sandbox as module
from orchestrator.sandboxes.sandbox import Sandbox
from orchestrator.sandboxes.step import StepResult
from sandbox_runner.wire.v1 import runner_pb2 as pb
from tests.contract.conftest import Talk


async def test_a_large_end_is_decoded_beside_the_loop(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = threading.get_ident()
    threads: list[tuple[str, bool]] = []
    decode, result = module.decode_executor, Sandbox._result

    def noted_decode(data: bytes, limits: Any) -> Any:
        threads.append((type(found := decode(data, limits)).__name__, threading.get_ident() == loop))
        return found

    def noted_result(self: Sandbox, done: Any) -> Any:
        threads.append(("result", threading.get_ident() == loop))
        return result(self, done)

    monkeypatch.setattr(module, "decode_executor", noted_decode)
    monkeypatch.setattr(Sandbox, "_result", noted_result)
    step = talk.begin_step()
    await talk.runner.accept_restore()
    await talk.runner.accept_step()
    await talk.runner.say(block=pb.Block(id=1, data=b"x" * 50_000))
    names = [f"v{number:04}" for number in range(3000)]
    components = [pb.Component(names=[name], form=pb.FORM_GRAPH) for name in names]
    await talk.runner.say(finished=pb.StepFinished(step=1, outcome=pb.OUTCOME_OK, components=components))
    end = await step

    assert isinstance(end, StepResult), end
    assert [item.names for item in end.workspace.components] == [(name,) for name in names]
    assert threads[-3:] == [("BlockMessage", True), ("FinishedMessage", False), ("result", False)]
