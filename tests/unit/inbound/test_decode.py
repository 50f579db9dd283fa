from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.sandboxes.inbound_messages import (
    BlockMessage,
    ExecutorFrame,
    ExecutorFrames,
    HelloInfo,
    InboundLimits,
    OutputMessage,
    RestoredMessage,
    RunnerDeath,
    RunnerPong,
    RunnerReady,
    StartedMessage,
)
from orchestrator.sandboxes.inbound_untrusted import InboundSequence, decode_executor
from orchestrator.sandboxes.step import CallKind, CallRequest, DeathCause, LostValue, OutputItem, OutputKind, StepLimits
from sandbox_runner.wire.v1 import runner_pb2 as pb
from statek.exceptions import RunnerViolation

LIMITS = InboundLimits()


def refused(body: pb.FromExecutor, limits: InboundLimits = LIMITS) -> str:
    with pytest.raises(RunnerViolation) as caught:
        decode_executor(body.SerializeToString(), limits)
    return str(caught.value)


def refused_finished(limits: InboundLimits = LIMITS, **changes: object) -> str:
    fields: dict[str, object] = {"step": 1, "outcome": pb.OUTCOME_OK, **changes}
    return refused(pb.FromExecutor(finished=pb.StepFinished(**fields)), limits)


def sequence_refused(*messages: bytes) -> str:
    inbound = InboundSequence()
    for message in messages[:-1]:
        inbound.decode(message)
    with pytest.raises(RunnerViolation) as caught:
        inbound.decode(messages[-1])
    return str(caught.value)


HELLO = pb.FromRunner(seq=1, hello=pb.Hello(protocol=1, python_version="3.11.7")).SerializeToString()


# ---------------------------------------------------------------- FromRunner


def test_runner_messages_in_order() -> None:
    inbound = InboundSequence()
    death = pb.ExecutorDeath(cause=pb.CAUSE_MEMORY, signal=9, max_rss_bytes=7, cpu_seconds=0.5, detail="why")
    bodies = [
        pb.FromRunner(seq=2, ready=pb.Ready(pid=5, lockdown_ms=1.5)),
        pb.FromRunner(seq=3, pong=pb.Pong(nonce=4)),
        pb.FromRunner(seq=4, executor=b"abc"),
        pb.FromRunner(seq=5, executors=pb.ExecutorFrames(frames=[b"d", b"", b"e" * 1000])),
        pb.FromRunner(seq=6, death=death),
    ]

    decoded = [inbound.decode(HELLO), *(inbound.decode(body.SerializeToString()) for body in bodies)]

    assert decoded == [
        HelloInfo(1, "3.11.7", "", 0, seccomp=False, separate_uids=False),
        RunnerReady(5, 1.5),
        RunnerPong(4),
        ExecutorFrame(b"abc"),
        ExecutorFrames((ExecutorFrame(b"d"), ExecutorFrame(b""), ExecutorFrame(b"e" * 1000))),
        RunnerDeath(DeathCause.MEMORY, 0, 9, 7, 0.5, "why"),
    ]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ((b"\xff\xff",), "decode: 2 bytes are not a FromRunner"),
        ((b"",), "seq: message 0 came where 1 was due"),
        ((pb.FromRunner(seq=2, hello=pb.Hello()).SerializeToString(),), "seq: message 2 came where 1 was due"),
        ((pb.FromRunner(seq=1, pong=pb.Pong()).SerializeToString(),), "turn: pong as message 1"),
        ((pb.FromRunner(seq=1).SerializeToString(),), "turn: nothing as message 1"),
        ((HELLO, HELLO), "seq: message 1 came where 2 was due"),
        ((HELLO, pb.FromRunner(seq=2, hello=pb.Hello()).SerializeToString()), "turn: hello as message 2"),
        ((HELLO, pb.FromRunner(seq=2).SerializeToString()), "decode: a FromRunner without a known body"),
        (
            (HELLO, pb.FromRunner(seq=2, death=pb.ExecutorDeath()).SerializeToString()),
            "enum: cause of death is 0",
        ),
        (
            (HELLO, pb.FromRunner(seq=2, death=pb.ExecutorDeath(cause=pb.CAUSE_LOST)).SerializeToString()),
            "enum: cause of death is 6",
        ),
        (
            (HELLO, pb.FromRunner(seq=2, ready=pb.Ready(lockdown_ms=float("nan"))).SerializeToString()),
            "number: lockdown_ms is nan",
        ),
        (
            (HELLO, pb.FromRunner(seq=2, executors=pb.ExecutorFrames(frames=[b""] * 17)).SerializeToString()),
            "count: 17 frames in one message, at most 16",
        ),
        (
            (HELLO, pb.FromRunner(seq=2, executors=pb.ExecutorFrames(frames=[b"x" * 30_000] * 2)).SerializeToString()),
            "size: 60000 bytes of frames in one message, at most 32768",
        ),
        (
            (pb.FromRunner(seq=1, hello=pb.Hello(python_version="9" * 65)).SerializeToString(),),
            "text: python_version is longer than 64 bytes",
        ),
    ],
)
def test_runner_message_refused(messages: tuple[bytes, ...], expected: str) -> None:
    assert sequence_refused(*messages) == expected


# ---------------------------------------------------------------- FromExecutor


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (pb.FromExecutor(started=pb.StepStarted(step=3)), StartedMessage(3)),
        (
            pb.FromExecutor(output=pb.Output(step=1, kind=pb.OUTPUT_KIND_PRINT, text="é\0")),
            OutputMessage(1, OutputItem(OutputKind.PRINT, "é\0"), 3),
        ),
        (pb.FromExecutor(block=pb.Block(id=1, data=b"x")), BlockMessage(1, b"x")),
        (
            pb.FromExecutor(restored=pb.Restored(lost=[pb.Lost(name="a", reason="b")])),
            RestoredMessage((LostValue("a", "b"),)),
        ),
        (
            pb.FromExecutor(
                call=pb.HostCall(step=1, call=2, kind=pb.CALL_KIND_METHOD, handle=9, name="move", args=b"a")
            ),
            CallRequest(1, 2, CallKind.METHOD, 9, "move", b"a", b""),
        ),
        (
            pb.FromExecutor(call=pb.HostCall(step=1, call=2, kind=pb.CALL_KIND_GET_ATTRIBUTE, handle=9, args=b"a")),
            CallRequest(1, 2, CallKind.GET_ATTRIBUTE, 9, "", b"a", b""),
        ),
    ],
)
def test_executor_message(body: pb.FromExecutor, expected: object) -> None:
    assert decode_executor(body.SerializeToString(), LIMITS) == expected


def test_two_bodies_in_one_frame_are_refused() -> None:
    # The supervisor would have stopped the clock for the call, the host would have seen output.
    call = pb.FromExecutor(call=pb.HostCall(step=1, call=1, kind=1, name="f")).SerializeToString()
    output = pb.FromExecutor(output=pb.Output(step=1, kind=1, text="x")).SerializeToString()

    with pytest.raises(RunnerViolation) as caught:
        decode_executor(call + output, LIMITS)

    assert str(caught.value) == "decode: a FromExecutor is exactly one body"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (pb.FromExecutor(started=pb.StepStarted()), "number: step is 0, expected 1 to 9223372036854775807"),
        (pb.FromExecutor(output=pb.Output(step=1, text="x")), "enum: output kind is 0"),
        (pb.FromExecutor(call=pb.HostCall(step=1, call=1, name="f")), "enum: call kind is 0"),
        (
            pb.FromExecutor(call=pb.HostCall(step=1, call=1, kind=1, name="a\nb")),
            "name: a call's name is not printable text: 'a\\nb'",
        ),
        (
            pb.FromExecutor(call=pb.HostCall(step=1, call=1, kind=2, handle=1, name="")),
            "name: a call's name is not printable text: ''",
        ),
        (
            pb.FromExecutor(call=pb.HostCall(step=1, call=1, kind=2, name="f")),
            "number: a METHOD call with handle 0",
        ),
        (
            pb.FromExecutor(call=pb.HostCall(step=1, call=1, kind=1, handle=1, name="f")),
            "number: a TOOL call with handle 1",
        ),
        (
            pb.FromExecutor(block=pb.Block(id=0, data=b"x")),
            "number: a block's id is 0, expected 1 to 9223372036854775807",
        ),
    ],
)
def test_executor_message_refused(body: pb.FromExecutor, expected: str) -> None:
    assert refused(body) == expected


def component(**changes: object) -> pb.Component:
    fields: dict[str, object] = {"names": ["a"], "form": pb.FORM_GRAPH, "previews": ["p"], **changes}
    return pb.Component(**fields)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"outcome": 0}, "enum: outcome is 0"),
        ({"error_type": "E"}, "text: outcome OK with error type 'E'"),
        ({"error_traceback": "T"}, "text: outcome OK with a traceback"),
        ({"exit_value": b"x"}, "size: outcome OK with an exit value"),
        ({"components": [component(names=["a\0"])]}, "name: a variable is not printable text: 'a\\x00'"),
        ({"components": [component(names=[""])]}, "name: a variable is not printable text: ''"),
        ({"components": [component(names=[])]}, "count: a component without a name"),
        ({"components": [component(previews=["p", "q"])]}, "count: 2 previews for 1 names"),
        ({"components": [component(form=0)]}, "enum: form is 0"),
        ({"components": [component(), component()]}, "name: variable 'a' is named twice"),
        ({"files": [pb.File(path="../x")]}, "path: not a plain relative path: '../x'"),
        ({"files": [pb.File(path="/x")]}, "path: not a plain relative path: '/x'"),
        ({"files": [pb.File(path="a\0b")]}, "path: not a plain relative path: 'a\\x00b'"),
        ({"files": [pb.File(path="a", mode=0o4755)]}, "number: a file's mode is 2541, at most 511"),
        ({"files": [pb.File(path="a"), pb.File(path="a")]}, "name: file 'a' is named twice"),
        ({"files": [pb.File(path=f"f{n}") for n in range(1025)]}, "count: 1025 files, at most 1024"),
        (
            {"files": [pb.File(path="a", size_bytes=1 << 40)]},
            "number: a file's size is 1099511627776, at most 67108864",
        ),
        ({"held": [0]}, "number: a held handle is 0, expected 1 to 9223372036854775807"),
        ({"usage": pb.Usage(wall_seconds=-1)}, "number: wall_seconds is -1.0"),
        ({"usage": pb.Usage(cpu_seconds=float("inf"))}, "number: cpu_seconds is inf"),
        ({"lost": [pb.Lost(name="n" * 5000)]}, "text: a lost name is longer than 4096 bytes"),
    ],
)
def test_finished_refused(changes: dict[str, object], expected: str) -> None:
    assert refused_finished(**changes) == expected


def test_finished_counts_are_bounded() -> None:
    small = InboundLimits(held=2, names=2, blocks=3, lost=1)

    assert refused_finished(small, held=[1, 2, 3]) == "count: 3 held handles, at most 2"
    assert refused_finished(small, components=[component()] * 3) == "count: 3 components, at most 2"
    assert refused_finished(small, lost=[pb.Lost(name="a")] * 2) == "count: 2 lost values, at most 1"
    spread = [component(names=[name], blocks=[1, 3]) for name in "ab"]
    assert refused_finished(small, components=spread) == "number: the number of block ids is 4, at most 3"


def test_oversized_frame_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(RunnerViolation) as caught:
        decode_executor(b"\xff" * 11, InboundLimits(frame_bytes=10))

    assert str(caught.value) == "size: a frame of 11 bytes, at most 10"


def test_invalid_utf8_is_refused() -> None:
    inner = b"\x08\x01\x10\x01\x1a\x02\xff\xfe"

    with pytest.raises(RunnerViolation) as caught:
        decode_executor(b"\x1a" + struct.pack("B", len(inner)) + inner, LIMITS)

    assert str(caught.value) == "decode: 10 bytes are not a FromExecutor"


def test_limits_of_a_claim() -> None:
    of_claim = InboundLimits.of(StepLimits(frame_bytes=5, work_files=6, work_bytes=0, checkpoint_bytes=8))

    assert (of_claim.frame_bytes, of_claim.files, of_claim.file_bytes, of_claim.checkpoint_bytes) == (5, 6, 64 << 20, 8)


# ---------------------------------------------------------------- fuzz

_small = st.integers(0, 5)
_text = st.text(max_size=6)
_components = st.builds(
    lambda names, form, blocks, size, previews: pb.Component(
        names=names, form=form, blocks=blocks, size_bytes=size, previews=previews
    ),
    st.lists(_text, max_size=3),
    _small,
    st.lists(st.integers(0, (1 << 64) - 1), max_size=3),
    st.integers(0, (1 << 64) - 1),
    st.lists(_text, max_size=3),
)
_finished = st.builds(
    lambda step, outcome, error, components, paths, held, wall: pb.FromExecutor(
        finished=pb.StepFinished(
            step=step,
            outcome=outcome,
            error_type=error,
            components=components,
            files=[pb.File(path=path) for path in paths],
            held=held,
            usage=pb.Usage(wall_seconds=wall),
        )
    ),
    _small,
    _small,
    _text,
    st.lists(_components, max_size=3),
    st.lists(_text, max_size=3),
    st.lists(st.integers(0, (1 << 64) - 1), max_size=3),
    st.floats(),
)


def rule_of(decode: Callable[[bytes], object], data: bytes) -> str:
    try:
        decode(data)
    except RunnerViolation as error:
        return str(error).split(":")[0]
    return "accepted"


EXECUTOR_RULES = {"accepted", "decode", "enum", "text", "name", "path", "number", "count", "size"}


def rule_of_executor(data: bytes) -> str:
    return rule_of(lambda frame: decode_executor(frame, LIMITS), data)


@settings(max_examples=60)
@given(st.binary(max_size=80))
def test_garbage_raises_only_violations(data: bytes) -> None:
    assert rule_of_executor(data) in EXECUTOR_RULES
    assert rule_of(InboundSequence().decode, data) in {"accepted", "decode", "seq", "turn", "text", "number"}


@settings(max_examples=60)
@given(_finished, st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), max_size=3))
def test_damaged_results_raise_only_violations(body: pb.FromExecutor, damage: list[tuple[int, int]]) -> None:
    data = bytearray(body.SerializeToString())
    for position, value in damage:
        data[position % len(data)] = value

    assert rule_of_executor(bytes(data)) in EXECUTOR_RULES


def test_what_goes_into_the_log_stays_on_one_line() -> None:
    sequence = InboundSequence()
    hello = pb.Hello(protocol=1, python_version="3\n\x1b[2J", image_digest="d\r")
    death = pb.ExecutorDeath(cause=pb.CAUSE_CRASHED, detail="why\n2026 all is well \u202e")

    assert sequence.decode(pb.FromRunner(seq=1, hello=hello).SerializeToString()) == HelloInfo(
        1, "3  [2J", "d ", 0, False, False
    )
    decoded = sequence.decode(pb.FromRunner(seq=2, death=death).SerializeToString())
    assert isinstance(decoded, RunnerDeath)
    assert decoded.detail == "why 2026 all is well  "
