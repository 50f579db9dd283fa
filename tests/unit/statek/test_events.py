"""Events as values: their stored form, their limits, and the patterns of whoever follows them."""

from __future__ import annotations

import fnmatch
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.events import (
    MAX_CHANGE_CHARS,
    MAX_CHANGES,
    MAX_NAME_CHARS,
    MAX_PATTERN_CHARS,
    MAX_PREVIEW_CHARS,
    MAX_TEXT_CHARS,
    Event,
    EventPattern,
    StateChange,
    changes_payload,
    decode_event,
    encode_event,
)
from statek.exceptions import InvalidRequest, LimitExceeded, StoreDamaged
from statek.packing import MAX_PIECE_BYTES

TEXTS = st.text(st.characters(), max_size=700) | st.text(st.characters(categories=["Cs", "Cc"]), max_size=700)


def event(kind: str = "commit.made", job: str = "j1", name: str = "", **payload: Any) -> Event:
    return Event(1, 5, "default", job, kind, name, payload=payload)


@given(TEXTS, TEXTS, st.lists(st.tuples(TEXTS, st.none() | TEXTS, st.none() | TEXTS), max_size=60))
def test_event_of_any_texts_reads_back_cut_and_fits_an_element(
    name: str, text: str, changes: list[tuple[str, str | None, str | None]]
) -> None:
    found = changes_payload((StateChange(*change) for change in changes), len(changes))
    element = encode_event(7, 3, "commit.made", name, 4, 5, {"text": text, **found})
    assert len(element) < MAX_PIECE_BYTES
    read = decode_event(9, "acme", element)
    assert (read.seq, read.at_us, read.tenant, read.job, read.kind) == (9, 7, "acme", "j3", "commit.made")
    assert (read.commit, read.step) == (4, 5)
    cut = name if len(name) <= MAX_NAME_CHARS else name[: MAX_NAME_CHARS - 1] + "…"
    # JSON joins the halves of a surrogate pair, as every reader of UTF-16 does.
    assert read.name.encode("utf-16", "surrogatepass") == cut.encode("utf-16", "surrogatepass")
    assert len(read.payload.get("text", "")) <= MAX_TEXT_CHARS
    assert len(read.changes) + read.payload.get("more", 0) == len(changes)


def test_longest_event_fits_an_element() -> None:
    wide = "\ud800"
    changes = [StateChange(wide * 1000, wide * 1000, wide * 1000)] * 100
    found = changes_payload(changes, 1000)
    element = encode_event(
        1 << 62, 1 << 40, "call.resolved", wide * 1000, 1 << 30, 1 << 30, {"a": wide * 1000, **found}
    )
    assert len(element) < MAX_PIECE_BYTES


def test_changes_are_cut_and_those_beyond_the_limits_counted() -> None:
    many = [StateChange(f"v{n}", None, "1") for n in range(MAX_CHANGES + 10)]
    found = changes_payload(many, 70)
    assert [len(found["changes"]), found["more"]] == [MAX_CHANGES, 20]
    long = StateChange("n" * 1000, "o" * 1000, "w" * 1000)
    row = changes_payload([long], 1)["changes"][0]
    assert [len(text) for text in row] == [MAX_NAME_CHARS, MAX_PREVIEW_CHARS, MAX_PREVIEW_CHARS]
    assert [text[-2:] for text in row] == ["n…", "o…", "w…"]
    full = changes_payload([long] * 20, 20)
    assert len(full["changes"]) == MAX_CHANGE_CHARS // (MAX_NAME_CHARS + 2 * MAX_PREVIEW_CHARS)
    assert full["more"] == 20 - len(full["changes"])
    assert changes_payload([], 0) == {}


def test_empty_texts_take_no_room() -> None:
    element = encode_event(1, 2, "job.status", "DONE", 0, 0, {"old": "STARTED", "reason": ""})
    assert json.loads(element) == [1, 2, "job.status", "DONE", 0, 0, {"old": "STARTED"}]
    assert json.loads(encode_event(1, 2, "job.done", "", 0, 0, {})) == [1, 2, "job.done", "", 0, 0]


@pytest.mark.parametrize(
    "element",
    [
        b"",
        b"{}",
        b"[1,2,3]",
        b'["1",2,"a","",0,0]',
        b'[1,2,"a","",0,0,{},{}]',
        b'[1,2,"a","",0,0,5]',
        b'[1,2,"a","",0,0,{"changes":[["x",1,null]]}]',
        b'[1,2,"a","",0,0,{"changes":5}]',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_damaged_event_is_named(element: bytes) -> None:
    with pytest.raises(StoreDamaged, match=r"^event 4 of tenant 'acme' does not read: "):
        decode_event(4, "acme", element)


@given(st.binary(max_size=200))
def test_any_bytes_read_as_an_event_or_are_named_damaged(element: bytes) -> None:
    with suppress(StoreDamaged):
        decode_event(1, "acme", element)


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("", True),
        ("  ", True),
        ("commit.made", True),
        ("commit.*", True),
        ("*", True),
        ("call.*", False),
        ("call.* commit.*", True),
        ("kind=commit.* job=j12", True),
        ("kind=commit.* job=j1", False),
        ("job=j1*", True),
        ("name=total", True),
        ("name=tot*", True),
        ("name=other name=tot*", True),
        ("name=other", False),
        ("commit.* name=other", False),
    ],
)
def test_pattern_names_kinds_jobs_and_names(pattern: str, wanted: bool) -> None:
    told = event(job="j12", changes=[["x", None, "1"], ["total", "1", "2"]])
    assert EventPattern(pattern).matches(told) is wanted


def test_pattern_of_a_name_fits_the_event_itself() -> None:
    assert EventPattern("call.* name=send_*").matches(event("call.ended", name="send_mail"))
    assert not EventPattern("name=send_*").matches(event("job.done"))


@pytest.mark.parametrize("pattern", ["tenant=x", "kind=", "=x", "commit.made name="])
def test_pattern_that_makes_no_sense_is_named(pattern: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        EventPattern(pattern)
    assert str(error.value).startswith(
        f"event pattern {pattern!r}: {pattern.split()[-1]!r} is not kind=, job= or name="
    )


def test_long_pattern_is_refused() -> None:
    EventPattern("k" * MAX_PATTERN_CHARS)
    with pytest.raises(LimitExceeded) as error:
        EventPattern("k" * (MAX_PATTERN_CHARS + 1))
    assert error.value.limit == "event_pattern_chars"


@given(st.text("ab*", min_size=1, max_size=12), st.text("ab", max_size=12))
def test_glob_is_that_of_files_with_stars_only(glob: str, text: str) -> None:
    assert EventPattern(f"name={glob}").matches(event("call.ended", name=text)) is fnmatch.fnmatchcase(text, glob)


@given(st.text(max_size=400))
def test_any_pattern_is_taken_or_refused_by_name(pattern: str) -> None:
    with suppress(InvalidRequest, LimitExceeded):
        EventPattern(pattern).matches(event(name="x"))


def test_hostile_pattern_and_name_cost_little() -> None:
    pattern = EventPattern("name=" + "*a" * 146 + "*b")
    told = event("commit.made", changes=[["a" * MAX_NAME_CHARS, None, None]] * MAX_CHANGES)
    assert not pattern.matches(told)
