"""The journal: what a re-run is answered from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine.journal import CallKey, Journal, StartEntry, outcome_blob, void_blob
from orchestrator.sandboxes.step import CallAnswer, CallKind
from statek.exceptions import StoreDamaged


def key(name: str, digest: str = "d") -> CallKey:
    return CallKey(CallKind.TOOL, 0, name, digest)


def answer(text: str) -> CallAnswer:
    return CallAnswer(value=text.encode())


def reloaded(*blobs: bytes) -> Journal:
    return Journal.load([blob for blob in blobs if blob])


def test_start_and_calls_come_back_in_order() -> None:
    journal = Journal()
    start = StartEntry(1_700_000_000_000_000, 2**62, b"states")
    journal.record_start(start)
    journal.record_call(key("a"), answer("1"), "none")
    journal.record_call(key("b"), CallAnswer(error_type="ValueError", error_message="no"), "store")
    again = reloaded(journal.drain())
    assert again.start == start
    assert [(call.number, call.key.name, call.effect) for call in again.calls] == [(1, "a", "none"), (2, "b", "store")]
    assert again.calls[1].answer == CallAnswer(error_type="ValueError", error_message="no")


def test_drain_gives_each_entry_once() -> None:
    journal = Journal()
    journal.record_call(key("a"), answer("1"), "none")
    first = journal.drain()
    assert journal.drain() == b""
    journal.record_call(key("b"), answer("2"), "none")
    assert [call.key.name for call in reloaded(first, journal.drain()).calls] == ["a", "b"]


def test_calls_match_by_name_arguments_and_occurrence() -> None:
    journal = Journal()
    journal.record_call(key("a", "x"), answer("first"), "none")
    journal.record_call(key("a", "x"), answer("second"), "none")
    journal.record_call(key("a", "y"), answer("other"), "none")
    again = reloaded(journal.drain())
    assert again.match(key("a", "y")).answer == answer("other")  # type: ignore[union-attr]
    assert again.match(key("a", "x")).answer == answer("first")  # type: ignore[union-attr]
    assert again.match(key("a", "x")).answer == answer("second")  # type: ignore[union-attr]
    assert again.match(key("a", "x")) is None
    assert again.match(key("b")) is None


def test_unmatched_effect_is_the_earliest_one_and_reads_do_not_count() -> None:
    journal = Journal()
    journal.record_call(key("read"), answer("r"), "none")
    journal.record_call(key("pay", "1"), answer("p"), "store")
    journal.record_call(key("pay", "2"), answer("q"), "store")
    again = reloaded(journal.drain())
    assert again.unmatched_effect().key == key("pay", "1")  # type: ignore[union-attr]
    again.match(key("pay", "1"))
    assert again.unmatched_effect().key == key("pay", "2")  # type: ignore[union-attr]
    again.match(key("pay", "2"))
    assert again.unmatched_effect() is None


def test_intent_without_outcome_is_in_doubt_until_somebody_says_what_became_of_it() -> None:
    journal = Journal()
    call = journal.record_intent(key("pay"), lambda number: f"key-{number}", b"args")
    intent = journal.drain()
    doubtful = reloaded(intent)
    assert doubtful.calls[0].in_doubt
    assert (doubtful.calls[0].idempotency_key, doubtful.calls[0].args) == ("key-1", b"args")
    journal.record_outcome(call, answer("done"))
    assert reloaded(intent, journal.drain()).calls[0].answer == answer("done")
    assert reloaded(intent, outcome_blob(doubtful.calls[0], answer("ok"))).calls[0].answer == answer("ok")


def test_voided_call_is_made_again_under_a_new_key() -> None:
    journal = Journal()
    call = journal.record_intent(key("pay"), lambda number: f"key-{number}", b"")
    again = reloaded(journal.drain(), void_blob(call))
    assert again.match(key("pay")) is None
    assert again.record_intent(key("pay"), lambda number: f"key-{number}", b"").idempotency_key == "key-2"


def test_garbage_is_named_as_damage() -> None:
    from sandbox_runner.wire import values

    with pytest.raises(StoreDamaged, match="unknown journal entry"):
        Journal.load([values.encode([["what", 1]])])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.sampled_from(["none", "store"]))))
def test_replaying_the_same_calls_matches_every_one_of_them(calls: list[tuple[str, str, str]]) -> None:
    journal = Journal()
    for index, (name, digest, effect) in enumerate(calls):
        journal.record_call(key(name, digest), answer(str(index)), effect)
    again = reloaded(journal.drain())
    replies = [again.match(key(name, digest)).answer for name, digest, _ in calls]  # type: ignore[union-attr]
    assert replies == [answer(str(index)) for index in range(len(calls))]
    assert again.unmatched_effect() is None
