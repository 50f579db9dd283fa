from __future__ import annotations

import asyncio
import itertools
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from orchestrator.digests import content_digest
from orchestrator.sandboxes.step import (
    CallAnswer,
    CallRequest,
    Component,
    Death,
    DeathCause,
    Form,
    LostValue,
    Outcome,
    OutputItem,
    OutputKind,
    StepResult,
    StepUsage,
    ToolSpec,
    WorkFile,
    Workspace,
)
from sandbox_runner.wire.v1 import runner_pb2 as pb
from statek.exceptions import InvalidRequest, LimitExceeded, RunnerLost, RunnerViolation
from tests.contract.conftest import Talk
from tests.support.fake_runner import FakeRunner
from tests.support.heap import quiet_heap


def finished(step: int = 1, **changes: object) -> pb.StepFinished:
    fields: dict[str, object] = {"step": step, "outcome": pb.OUTCOME_OK, **changes}
    return pb.StepFinished(**fields)


def call(number: int, step: int = 1, name: str = "f") -> pb.HostCall:
    return pb.HostCall(step=step, call=number, kind=pb.CALL_KIND_TOOL, name=name)


async def test_a_whole_step(talk: Talk) -> None:
    step = talk.begin_step(step=4, code="x = 1", time_us=-5, seed=9, tools=(ToolSpec("f", "(a)", "doc"),), max_calls=7)
    await talk.runner.accept_restore()
    run = await talk.runner.accept_step()
    await talk.runner.say(output=pb.Output(step=4, kind=pb.OUTPUT_KIND_ECHO, text="1"))
    await talk.runner.say(call=call(1, step=4))
    answer, deadline_ms = await talk.runner.hear_frame()
    await talk.runner.say(block=pb.Block(id=1, data=b"abc"))
    await talk.runner.say(
        finished=finished(
            4,
            components=[pb.Component(names=["x"], form=pb.FORM_GRAPH, blocks=[1], size_bytes=3, previews=["int 1"])],
            files=[pb.File(path="a/b", mode=0o644, size_bytes=6, blocks=[1, 1])],
            lost=[pb.Lost(name="g", reason="generator")],
            held=[5],
            statement=2,
            output_dropped_bytes=3,
            usage=pb.Usage(wall_seconds=0.5, cpu_seconds=0.25, max_rss_bytes=1, checkpoint_seconds=0.125),
        )
    )

    digest = content_digest(b"abc")
    assert run == pb.RunStep(
        step=4,
        code="x = 1",
        time_us=-5,
        seed=9,
        tools=[pb.ToolSpec(name="f", signature="(a)", doc="doc")],
        echo=True,
        max_calls=7,
    )
    assert answer.result == pb.CallResult(step=4, call=1, value=b"f")
    assert 29_000 < deadline_ms <= 30_000
    assert talk.handler.outputs == [OutputItem(OutputKind.ECHO, "1")]
    assert await step == StepResult(
        outcome=Outcome.OK,
        error_type="",
        error_message="",
        exit_value=b"",
        workspace=Workspace(
            (Component(("x",), Form.GRAPH, (digest,), 3, ("int 1",)),),
            (WorkFile("a/b", 0o644, 6, (digest, digest)),),
            (LostValue("g", "generator"),),
        ),
        new_blocks={digest: b"abc"},
        held=(5,),
        statement=2,
        output_dropped_bytes=3,
        usage=StepUsage(0.5, 0.25, 1, 0.125),
    )
    assert talk.driver.killed == []


async def test_restore_sends_each_block_once_and_a_step_may_name_it_again(talk: Talk) -> None:
    data = {content_digest(piece): piece for piece in (b"one", b"three")}
    one, three = data
    workspace = Workspace(
        (Component(("a",), Form.OPAQUE, (one, three), 8, ("p",)),),
        (WorkFile("f", 0o600, 3, (one,)),),
        (LostValue("z", "gone"),),
    )

    async def fetch(digests: Sequence[str]) -> dict[str, bytes]:
        return {digest: data[digest] for digest in digests}

    restoring = asyncio.create_task(talk.sandbox.restore(workspace, fetch))
    frames = [await talk.runner.hear_frame() for _ in range(2)]
    await talk.runner.say(restored=pb.Restored(lost=[pb.Lost(name="a", reason="version")]))

    assert list(frames[0][0].blocks.blocks) == [pb.Block(id=2, data=b"one"), pb.Block(id=4, data=b"three")]
    assert frames[1] == (
        pb.ToExecutor(
            restore=pb.Restore(
                components=[
                    pb.Component(names=["a"], form=pb.FORM_OPAQUE, blocks=[2, 4], size_bytes=8, previews=["p"])
                ],
                files=[pb.File(path="f", mode=0o600, size_bytes=3, blocks=[2])],
                lost=[pb.Lost(name="z", reason="gone")],
            )
        ),
        5000,
    )
    assert await restoring == (LostValue("a", "version"),)

    step = talk.begin_step()
    await talk.runner.accept_step()
    await talk.runner.say(finished=finished(files=[pb.File(path="f", mode=0o600, size_bytes=5, blocks=[4])]))
    end = await step

    assert isinstance(end, StepResult)
    assert (end.workspace.files, end.new_blocks) == ((WorkFile("f", 0o600, 5, (three,)),), {})


async def test_a_stored_block_that_does_not_fit_a_frame(talk: Talk) -> None:
    data = b"x" * (64 << 10)

    async def fetch(digests: Sequence[str]) -> dict[str, bytes]:
        return dict.fromkeys(digests, data)

    with pytest.raises(LimitExceeded, match=r"^limit frame_bytes is 65536, this needs 65546$"):
        await talk.sandbox.restore(Workspace(files=(WorkFile("f", 0o600, len(data), ("dd" * 32,)),)), fetch)


Say = Callable[[FakeRunner], Any]


def saying(**body: Any) -> Say:
    return lambda runner: runner.say(**body)


COMPONENT = {"names": ["x"], "form": pb.FORM_GRAPH, "previews": ["p"]}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param([saying(started=pb.StepStarted(step=1))], "turn: StepStarted twice", id="started-twice"),
        pytest.param(
            [saying(output=pb.Output(step=2, kind=1, text="x"))],
            "turn: a message of step 2 in step 1",
            id="another-step",
        ),
        pytest.param([saying(restored=pb.Restored())], "turn: Restored was not asked for", id="restored-again"),
        pytest.param([saying(call=call(2))], "turn: call 2 came where 1 was due", id="call-gap"),
        pytest.param(
            [saying(call=call(1)), saying(call=call(1))],
            "turn: call 1 before the answer to call 1",
            id="call-before-answer",
        ),
        pytest.param(
            [saying(call=call(1)), saying(finished=finished())],
            "turn: StepFinished before the answer to call 1",
            id="finish-before-answer",
        ),
        pytest.param([saying(output=pb.Output(step=1, kind=9, text="x"))], "enum: output kind is 9", id="unknown-enum"),
        pytest.param(
            [saying(block=pb.Block(id=2, data=b"x"))],
            "block: id 2 is even, those are the host's",
            id="even-block",
        ),
        pytest.param(
            [saying(block=pb.Block(id=3, data=b"x")), saying(block=pb.Block(id=1, data=b"x"))],
            "block: id 1 came after 3",
            id="falling-block",
        ),
        pytest.param(
            [saying(finished=finished(components=[pb.Component(**COMPONENT, blocks=[1], size_bytes=1)]))],
            "block: id 1 is unknown",
            id="unknown-block",
        ),
        pytest.param(
            [
                saying(block=pb.Block(id=1, data=b"xy")),
                saying(finished=finished(components=[pb.Component(**COMPONENT, blocks=[1], size_bytes=1)])),
            ],
            "size: blocks of 2 bytes for a size of 1",
            id="wrong-size",
        ),
        pytest.param(
            [saying(block=pb.Block(id=1, data=b"x" * 60_000)), saying(block=pb.Block(id=3, data=b"x" * 60_000))],
            "size: more than checkpoint_bytes = 65536 in blocks of a step",
            id="block-budget",
        ),
        pytest.param(
            [saying(output=pb.Output(step=1, kind=1, text="x" * 60_000))] * 5,
            "size: more output than output_head_bytes and output_tail_bytes allow",
            id="output-budget",
        ),
        pytest.param(
            [lambda runner: runner.send(executor=b"x" * 65_537)],
            "size: a frame of 65537 bytes, at most 65536",
            id="frame-too-large",
        ),
        pytest.param([lambda runner: runner.send(executor=b"\xff\xff")], None, id="garbage-frame"),
        pytest.param([lambda runner: runner.send_raw(b"\xff\xff")], None, id="garbage-message"),
        pytest.param(
            [lambda runner: runner.send(hello=pb.Hello(protocol=1))],
            "turn: hello as message 5",
            id="second-hello",
        ),
        pytest.param(
            [lambda runner: runner.send(death=pb.ExecutorDeath(cause=pb.CAUSE_LOST))],
            "enum: cause of death is 6",
            id="unknown-cause",
        ),
    ],
)
async def test_a_violation_ends_the_step(talk: Talk, messages: list[Say], expected: str | None) -> None:
    async def hang(request: CallRequest) -> CallAnswer:
        # The runner is killed at once, but the effect of the call still gets its outcome.
        while not talk.driver.killed:
            await asyncio.sleep(0.001)
        return CallAnswer()

    talk.handler.call = hang  # type: ignore[method-assign]
    step = talk.begin_step()
    await talk.runner.accept_restore()
    await talk.runner.accept_step()
    for say in messages:
        await say(talk.runner)
    end = await asyncio.wait_for(step, 10)

    assert isinstance(end, Death)
    assert end.cause is DeathCause.VIOLATION
    if expected is None:
        assert end.detail.startswith("decode: ")
    else:
        assert end.detail == expected
    assert talk.driver.killed == [talk.sandbox.runner]
    assert talk.sandbox.death == end


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"output": pb.Output(step=1, kind=1, text="x")}, "turn: OutputMessage before StepStarted"),
        ({"finished": finished()}, "turn: FinishedMessage before StepStarted"),
        ({"block": pb.Block(id=1, data=b"x")}, "turn: a block before StepStarted"),
    ],
)
async def test_nothing_comes_before_the_start(talk: Talk, body: dict[str, Any], expected: str) -> None:
    step = talk.begin_step()
    await talk.runner.accept_restore()
    await talk.runner.hear_frame()
    await talk.runner.say(**body)

    assert await step == Death(DeathCause.VIOLATION, expected)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"output": pb.Output(step=1, kind=1, text="late")}, "turn: OutputMessage while no step runs"),
        ({"call": call(1)}, "turn: CallRequest while no step runs"),
        ({"block": pb.Block(id=1, data=b"x")}, "turn: BlockMessage while no step runs"),
    ],
)
async def test_nothing_comes_after_the_end(talk: Talk, body: dict[str, Any], expected: str) -> None:
    step = talk.begin_step()
    await talk.runner.accept_restore()
    await talk.runner.accept_step()
    await talk.runner.say(finished=finished())
    assert isinstance(await step, StepResult)
    await talk.runner.say(**body)
    error = await asyncio.wait_for(asyncio.shield(talk.link.lost), 10)

    assert (type(error), str(error)) == (RunnerViolation, expected)
    assert await talk.begin_step(2) == Death(DeathCause.VIOLATION, expected)


async def test_more_calls_than_allowed(talk: Talk) -> None:
    step = talk.begin_step(max_calls=1)
    await talk.runner.accept_restore()
    await talk.runner.accept_step()
    await talk.runner.say(call=call(1))
    await talk.runner.hear_frame()
    await talk.runner.say(call=call(2))

    assert await step == Death(DeathCause.VIOLATION, "count: more than max_calls = 1 calls")


async def test_no_start_acknowledgement_is_a_loss(talk: Talk) -> None:
    step = talk.begin_step()
    await talk.runner.accept_restore()
    await talk.runner.hear_frame()

    assert await step == Death(DeathCause.LOST, "the runner did not start the step within 2 s")
    assert talk.driver.killed == [talk.sandbox.runner]


async def test_the_host_kills_when_the_runner_ignores_the_deadline(talk: Talk) -> None:
    step = talk.begin_step(deadline_seconds=0.05)
    await talk.runner.accept_restore()
    await talk.runner.accept_step()

    assert await step == Death(DeathCause.DEADLINE, "the step ran past its deadline and the runner did not end it")
    assert talk.driver.killed == [talk.sandbox.runner]


async def test_the_clock_stands_still_while_the_host_works(talk: Talk) -> None:
    release = asyncio.Event()

    async def slow(request: CallRequest) -> CallAnswer:
        await release.wait()
        return CallAnswer()

    talk.handler.call = slow  # type: ignore[method-assign]
    step = talk.begin_step(deadline_seconds=0.3)
    await talk.runner.accept_restore()
    await talk.runner.accept_step()
    await talk.runner.say(call=call(1))
    # Longer than deadline and backstop together.
    done, _ = await asyncio.wait({step}, timeout=0.6)
    assert done == set()
    release.set()
    _, deadline_ms = await talk.runner.hear_frame()
    await talk.runner.say(finished=finished())

    assert 1 <= deadline_ms <= 300
    assert isinstance(await step, StepResult)


async def test_a_handler_that_raises_ends_the_runner(talk: Talk) -> None:
    class StepAborted(BaseException):
        pass

    async def abort(request: CallRequest) -> CallAnswer:
        raise StepAborted

    talk.handler.call = abort  # type: ignore[method-assign]
    step = talk.begin_step()
    await talk.runner.accept_restore()
    await talk.runner.accept_step()
    await talk.runner.say(call=call(1))
    with pytest.raises(StepAborted):
        await step

    assert talk.driver.killed == [talk.sandbox.runner]


async def test_an_answer_that_does_not_fit_becomes_an_error(talk: Talk) -> None:
    async def large(request: CallRequest) -> CallAnswer:
        return CallAnswer(value=b"x" * (64 << 10))

    talk.handler.call = large  # type: ignore[method-assign]
    step = talk.begin_step()
    await talk.runner.accept_restore()
    await talk.runner.accept_step()
    await talk.runner.say(call=call(1))
    answer, _ = await talk.runner.hear_frame()
    await talk.runner.say(finished=finished())

    assert answer.result == pb.CallResult(
        step=1,
        call=1,
        error_type="LimitExceeded",
        error_message="limit frame_bytes is 65536, this answer needs 65548",
    )
    assert isinstance(await step, StepResult)


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (pb.CAUSE_DEADLINE, DeathCause.DEADLINE),
        (pb.CAUSE_MEMORY, DeathCause.MEMORY),
        (pb.CAUSE_CRASHED, DeathCause.CRASHED),
        (pb.CAUSE_VIOLATION, DeathCause.VIOLATION),
    ],
)
async def test_the_zygote_reports_a_death(talk: Talk, cause: pb.Cause, expected: DeathCause) -> None:
    step = talk.begin_step()
    await talk.runner.accept_restore()
    await talk.runner.accept_step()
    await talk.runner.send(death=pb.ExecutorDeath(cause=cause, cpu_seconds=2, max_rss_bytes=3, detail="why"))

    assert await step == Death(expected, "why", StepUsage(cpu_seconds=2, max_rss_bytes=3))


async def test_a_death_between_steps_is_a_loss(talk: Talk) -> None:
    step = talk.begin_step()
    await talk.runner.accept_restore()
    await talk.runner.accept_step()
    await talk.runner.say(finished=finished())
    await step
    await talk.runner.send(death=pb.ExecutorDeath(cause=pb.CAUSE_CRASHED, detail="signal 9"))
    while talk.sandbox.death is None:
        await asyncio.sleep(0)

    assert await talk.begin_step(2) == Death(DeathCause.LOST, "the executor ended between steps: signal 9")


async def test_a_death_before_the_step_has_begun_is_a_loss(talk: Talk) -> None:
    step = talk.begin_step()
    await talk.runner.accept_restore()
    await talk.runner.hear_frame()
    await talk.runner.send(death=pb.ExecutorDeath(cause=pb.CAUSE_CRASHED, detail="signal 9"))

    assert await step == Death(DeathCause.LOST, "the executor ended before the step began: signal 9")


async def test_a_stream_that_ends_in_a_step_is_a_loss(talk: Talk) -> None:
    step = talk.begin_step()
    await talk.runner.accept_restore()
    await talk.runner.accept_step()
    await talk.runner.aclose()
    end = await step

    assert isinstance(end, Death)
    assert end.cause is DeathCause.LOST


async def test_a_death_while_restoring(talk: Talk) -> None:
    async def none(digests: Sequence[str]) -> dict[str, bytes]:
        raise AssertionError

    restoring = asyncio.create_task(talk.sandbox.restore(Workspace(), none))
    await talk.runner.hear_frame()
    await talk.runner.send(death=pb.ExecutorDeath(cause=pb.CAUSE_MEMORY, detail="too large"))

    with pytest.raises(RunnerLost, match=r"^restoring the workspace ended the runner: memory: too large$"):
        await restoring
    assert talk.sandbox.death == Death(DeathCause.MEMORY, "too large", StepUsage())


async def test_wrong_use_by_the_host(talk: Talk) -> None:
    step = talk.begin_step(3)
    await talk.runner.accept_restore()
    await talk.runner.accept_step()
    await talk.runner.say(finished=finished(3))
    await step

    with pytest.raises(InvalidRequest, match=r"^step 3 after step 3$"):
        await talk.begin_step(3)
    with pytest.raises(InvalidRequest, match=r"^the step needs a frame of \d+ bytes, 65536 at most$"):
        await talk.begin_step(4, code="x" * (64 << 10))


def hostile_bodies() -> Iterator[dict[str, Any]]:
    """Legal console output, for ever."""
    return itertools.repeat({"output": pb.Output(step=1, kind=1, text="")})


async def test_a_flood_leaves_memory_flat_and_the_loop_responsive(talk: Talk) -> None:
    step = talk.begin_step(deadline_seconds=60)
    await talk.runner.accept_restore()
    await talk.runner.accept_step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    talk.handler.output = lambda item: None  # type: ignore[method-assign]

    async def flood() -> None:
        for body in hostile_bodies():
            if step.done():
                return
            await talk.runner.say(**body)

    async def longest_pause() -> float:
        # As far as this process used the processor: what others took of a busy machine is no pause of ours.
        longest = 0.0
        while not step.done():
            wall, cpu = time.monotonic(), time.process_time()
            await asyncio.sleep(0)
            longest = max(longest, min(time.monotonic() - wall, time.process_time() - cpu))
        return longest

    talk.sandbox._step.output_items_left = 3000  # type: ignore[union-attr]
    with quiet_heap():
        _, pause = await asyncio.gather(flood(), longest_pause())

    assert await step == Death(DeathCause.VIOLATION, "count: more than 200000 console elements")
    print(f"longest pause {pause * 1e3:.1f} ms (aim 10)")
    assert 0 < pause < 0.1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10
