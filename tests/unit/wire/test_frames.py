"""The executor's own protobuf codec against the generated classes, and local frames."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox_runner.wire import frames
from sandbox_runner.wire.v1 import runner_pb2

MESSAGES = [
    frames.Action,
    frames.Block,
    frames.CallResult,
    frames.Component,
    frames.File,
    frames.HostCall,
    frames.Lost,
    frames.Output,
    frames.Restore,
    frames.Restored,
    frames.RunStep,
    frames.StepFinished,
    frames.StepStarted,
    frames.ToolSpec,
    frames.Usage,
]
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = {
    "uint": st.integers(0, 2**64 - 1),
    "int": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "double": st.floats(allow_nan=False).filter(lambda value: value != 0),
    "string": TEXT,
    "bytes": st.binary(max_size=40),
}
SMALL = {"mode", "deadline_ms", "max_calls", "statement", "kind", "outcome", "form", "action"}


def messages(kind):
    built = {}
    for name, info in kind.__dataclass_fields__.items():
        what = info.metadata["kind"]
        if name in {"kind", "outcome", "form"}:
            strategy = st.integers(0, 3)
        elif name in SMALL:
            strategy = st.integers(0, 2**32 - 1)
        else:
            strategy = SCALARS[what] if isinstance(what, str) else messages(what)
        built[name] = st.lists(strategy, max_size=3) if info.metadata.get("repeated") else strategy
    return st.builds(kind, **built)


def test_every_executor_message_has_exactly_the_fields_of_the_schema():
    for kind in MESSAGES:
        descriptor = runner_pb2.DESCRIPTOR.message_types_by_name[kind.__name__]
        ours = {(name, info.metadata["number"]) for name, info in kind.__dataclass_fields__.items()}
        assert ours == {(field.name, field.number) for field in descriptor.fields}


def test_kind_bytes_are_the_field_numbers_of_the_bodies():
    for bodies, name in ((frames.FROM_EXECUTOR, "FromExecutor"), (frames.TO_EXECUTOR, "ToExecutor")):
        descriptor = runner_pb2.DESCRIPTOR.message_types_by_name[name]
        assert {number: body.__name__ for number, body in bodies.items()} == {
            field.number: field.message_type.name for field in descriptor.fields
        }


@settings(max_examples=15)
@given(st.data())
@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_both_codecs_write_and_read_the_same(kind, data):
    message = data.draw(messages(kind))
    generated = getattr(runner_pb2, kind.__name__)
    ours = frames.encode_message(message)
    theirs = generated.FromString(ours)
    assert theirs.SerializeToString(deterministic=True) == ours
    assert frames.decode_message(kind, theirs.SerializeToString()) == message


@settings(max_examples=100)
@given(st.binary(max_size=60), st.sampled_from(MESSAGES))
def test_random_bytes_give_a_message_or_a_frame_error(data, kind):
    try:
        frames.decode_message(kind, data)
    except frames.FrameError:
        return


def test_unknown_fields_are_skipped():
    data = b"\xf8\x07\x05" + frames.encode_message(frames.StepStarted(7)) + b"\xfa\x07\x02ab" + b"\xf9\x07" + bytes(8)
    assert frames.decode_message(frames.StepStarted, data) == frames.StepStarted(7)


def test_a_lone_surrogate_is_refused():
    with pytest.raises(frames.FrameError, match=r"^text with a lone surrogate at 1$"):
        frames.encode_message(frames.Output(1, 1, "a\ud800"))


def test_a_frame_is_a_header_and_a_serialized_wrapper():
    frame = frames.frame_of(frames.Output(3, 1, "hi"))
    payload = runner_pb2.FromExecutor(output=runner_pb2.Output(step=3, kind=1, text="hi")).SerializeToString()
    assert frame == len(payload).to_bytes(4, "little") + b"\x03" + payload
    assert frame == frames.pack_frame(frames.kind_of_payload(payload), payload)
    assert frames.unpack_payload(payload, frames.FROM_EXECUTOR) == frames.Output(3, 1, "hi")


@pytest.mark.parametrize("size", [0, 1, 127, 128, 20_000])
def test_a_block_frame_head_fits_its_data(size):
    data = b"x" * size
    assert frames.block_frame(5, size) + data == frames.frame_of(frames.Block(5, data))


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=30)), max_size=6), st.lists(st.integers(1, 9)))
def test_the_parser_gives_the_same_frames_however_the_stream_is_cut(sent, cuts):
    stream = b"".join(frames.pack_frame(kind, payload) for kind, payload in sent)
    parser = frames.FrameParser(30)
    seen = []
    for cut in cuts:
        seen += parser.feed(stream[:cut])
        stream = stream[cut:]
    seen += parser.feed(stream)
    assert (seen, parser.pending_bytes) == (sent, 0)


def test_the_parser_refuses_a_large_frame_at_its_header():
    with pytest.raises(frames.FrameError, match=r"^frame of 31 bytes, at most 30 are accepted$"):
        frames.FrameParser(30).feed((31).to_bytes(4, "little") + b"\1")


def test_blocking_receive():
    left, right = socket.socketpair()
    with left, right:
        left.sendall(frames.pack_frame(4, b"abc") + frames.pack_frame(2, b""))
        assert frames.receive_frame(right, 3) == (4, b"abc")
        assert frames.receive_frame(right, 3) == (2, b"")
        left.sendall(frames.pack_frame(1, b"abcd"))
        with pytest.raises(frames.FrameError, match=r"^frame of 4 bytes, at most 3 are accepted$"):
            frames.receive_frame(right, 3)
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"\x05\0\0\0\1ab")
        left.close()
        with pytest.raises(frames.FrameError, match=r"^the stream ended inside a frame$"):
            frames.receive_frame(right, 9)
        assert frames.receive_frame(right, 9) is None


@pytest.mark.parametrize("payload", [b"", b"\x08\x01", b"\x82\x01\x00"])
def test_a_payload_without_body_is_refused(payload):
    with pytest.raises(frames.FrameError, match=r"^the payload does not start with a message body$"):
        frames.kind_of_payload(payload)


@pytest.mark.parametrize(
    ("payload", "text"),
    [(b"\x12\x01", "the payload is not exactly one message body"), (b"\x7a\x00", "unknown kind of message 15")],
)
def test_a_malformed_payload_is_refused(payload, text):
    with pytest.raises(frames.FrameError, match=rf"^{text}$"):
        frames.unpack_payload(payload, frames.FROM_EXECUTOR)
