"""The packed elements of a job: what is written reads back, what is not ours is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine.elements import (
    ChatItem,
    Commit,
    StepEnd,
    StepInFlight,
    decode_commit,
    decode_end,
    decode_flight,
    decode_item,
    encode_commit,
    encode_end,
    encode_flight,
    encode_item,
    with_end,
    with_flight,
)
from statek.exceptions import StoreDamaged
from statek.packing import join_parts, pack, split_parts

_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)
_SMALL = st.integers(0, 1 << 40)
_USAGE = st.dictionaries(_TEXT, st.none() | st.integers(-(1 << 60), 1 << 60) | _TEXT, max_size=3)
_FLIGHT = st.builds(StepInFlight, _SMALL, _TEXT, _SMALL, st.booleans(), _SMALL, _SMALL, _SMALL, _SMALL, _SMALL)


@given(kind=_TEXT, at=_SMALL, text=_TEXT, step=_SMALL, code=_TEXT, usage=_USAGE)
def test_an_item_reads_back(kind: str, at: int, text: str, step: int, code: str, usage: dict[str, Any]) -> None:
    item = ChatItem(7, kind, at, text, step, code, 3, usage=usage, console=(("print", text),), outcome={"type": code})
    assert decode_item(7, encode_item(item)) == item


@given(outcome=_USAGE, usage=_USAGE, console=st.lists(st.tuples(_TEXT, _TEXT), max_size=4), journal=st.binary())
def test_an_end_reads_back(
    outcome: dict[str, Any], usage: dict[str, Any], console: list[tuple[str, str]], journal: bytes
) -> None:
    end = StepEnd("committed", 2, 1, 0, 9, outcome, usage, 4, 6, tuple(console), journal)
    assert decode_end(5, encode_end(end)) == end


@given(flight=_FLIGHT)
def test_a_step_in_flight_reads_back(flight: StepInFlight) -> None:
    text = encode_flight(flight)
    assert (decode_flight(text), text.isascii()) == (flight, True)


@given(changed=st.lists(_TEXT, max_size=4), manifest=st.binary(), blocks=st.lists(st.binary(), max_size=4))
def test_a_commit_reads_back(changed: list[str], manifest: bytes, blocks: list[bytes]) -> None:
    commit = Commit(4, 3, "step", 4, 10, tuple(changed), "sha256:1", 12, {"cpu": 0.5}, manifest, tuple(blocks))
    assert decode_commit(4, encode_commit(commit)) == commit


@given(blocks=st.lists(st.binary(), max_size=4), at=st.integers(1, 253_402_300_799_999_999))
def test_a_dropped_commit_reads_back(blocks: list[bytes], at: int) -> None:
    commit = Commit(4, 3, "step", 4, 10, (), "sha256:1", 12, {"cpu": 0.5}, b"", tuple(blocks), "ab" * 32, at)
    assert decode_commit(4, encode_commit(commit)) == commit


@pytest.mark.parametrize(
    "last", [[{}, 0], [{}, -1], [{}, True], [{}, 1 << 62], [{}, "1"], [{}, 1, 1], [], [1], [{}, {}]]
)
def test_the_end_of_a_commit_head_is_checked(last: list[Any]) -> None:
    head = [3, "step", 4, 10, [], "sha256:1", 12, *last]
    with pytest.raises(StoreDamaged, match="commit 4 does not read"):
        decode_commit(4, join_parts([pack(head).encode(), bytes(32), b""]))


def test_an_item_takes_the_state_of_its_step() -> None:
    item = ChatItem(0, "reply", 1, "text", 1, "x = 1", 0, usage={"model": 1})
    waiting = with_flight(item, StepInFlight(0, "reply", 1, False, 2, 1, 0, 0, 0))
    ended = with_end(item, StepEnd("died", 3, 1, 1, 0, {"outcome": "died"}, {"sandbox": 2}, 0, 0, (("error", "e"),)))
    assert (waiting.state, waiting.attempts, waiting.crashes) == ("waiting", 2, 1)
    assert (ended.state, ended.usage, ended.console) == ("died", {"model": 1, "sandbox": 2}, (("error", "e"),))
    assert (ended.attempts, ended.crashes, ended.put_downs, ended.end_commit) == (3, 1, 1, 0)


def test_only_a_warmup_block_that_says_so_is_hidden() -> None:
    shown = ChatItem(0, "warmup", 1, "", 1, "", 0)
    assert (shown.hidden, ChatItem(0, "warmup", 1, "", 1, "", 0, usage={"hidden": True}).hidden) == (False, True)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=10) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=12,
)
_FOREIGN = st.binary(max_size=200) | st.lists(
    st.binary(max_size=30) | _JSON.map(lambda value: pack(value).encode()), max_size=4
).map(join_parts)


@given(data=_FOREIGN)
def test_foreign_bytes_are_refused_by_name(data: bytes) -> None:
    for decode in (decode_item, decode_end, decode_commit):
        try:
            decode(1, data)
        except StoreDamaged as error:
            assert "does not read" in str(error)  # noqa: PT017 -- some foreign bytes are well formed


@given(text=_TEXT | _JSON.map(pack))
def test_a_foreign_text_is_no_step_in_flight(text: str) -> None:
    try:
        decode_flight(text)
    except StoreDamaged as error:
        assert "the step in flight does not read" in str(error)  # noqa: PT017


@given(parts=st.lists(st.binary(max_size=30), max_size=5), cut=st.integers(0, 3))
def test_parts_read_back_and_cut_ones_are_refused(parts: list[bytes], cut: int) -> None:
    data = join_parts(parts)
    assert split_parts(data) == parts
    with pytest.raises(ValueError, match="part"):
        split_parts(data[:cut])
