from __future__ import annotations

import socket

from hypothesis import given
from hypothesis import strategies as st

from sandbox_runner.control import (
    Claimed,
    Ended,
    KillOrder,
    LockedDown,
    SharedDeadline,
    Wake,
    Warm,
    decode_control,
    encode_control,
)
from sandbox_runner.lockdown.limits import ExecutorLimits

_u64 = st.integers(0, (1 << 64) - 1)
_detail = st.text(st.characters(codec="utf-8"), max_size=50)


@given(
    st.one_of(
        st.just(Warm()),
        st.builds(Wake, _u64),
        st.builds(KillOrder, _detail),
        st.builds(LockedDown, st.integers(0, (1 << 32) - 1), st.floats(allow_nan=False)),
        st.builds(
            Ended,
            st.integers(0, 6),
            st.integers(0, 255),
            st.integers(0, 64),
            _u64,
            st.floats(allow_nan=False),
            _detail,
        ),
        st.builds(Claimed, st.builds(ExecutorLimits, _u64, _u64, _u64, _u64, _u64, _u64, _u64, _u64, _u64, _u64, _u64)),
    )
)
def test_round_trip(message: Warm | Wake | KillOrder | LockedDown | Ended | Claimed) -> None:
    assert decode_control(encode_control(message)) == message


@given(st.binary(max_size=60))
def test_garbage_is_a_value_error(data: bytes) -> None:
    try:
        message = decode_control(data)
    except ValueError:
        return
    assert encode_control(message) == data or isinstance(message, Ended | LockedDown)


def test_a_long_detail_is_cut_at_a_character() -> None:
    assert decode_control(encode_control(KillOrder("é" * 600))) == KillOrder("é" * 512)


def woken(receiver: socket.socket) -> int:
    receiver.setblocking(False)
    count = 0
    while True:
        try:
            receiver.recv(100)
        except BlockingIOError:
            return count
        count += 1


def test_only_an_earlier_deadline_wakes() -> None:
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with sender, receiver:
        deadline = SharedDeadline()
        deadline.arm(60_000, sender)
        assert woken(receiver) == 1
        deadline.clear()
        assert deadline.read() == 0
        deadline.arm(60_000, sender)
        assert woken(receiver) == 0
        deadline.arm(50, sender)
        assert woken(receiver) == 1
