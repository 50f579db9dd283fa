from __future__ import annotations

from typing import Any

from statek.executors import metrics
from statek.executors.views import ItemView


def item(kind: str, at: float = 0.0, **changes: Any) -> ItemView:
    fields: dict[str, Any] = {
        "kind": kind, "at_us": int(at * 1e6), "text": "", "step": 1, "code": "", "state": "committed", "attempts": 1,
        "console": (), "outcome": {}, "changed": (), "calls": (), "start_commit": 0, "end_commit": 1, "usage": {},
    }  # fmt: skip
    return ItemView(**{**fields, **changes})


def reply(at: float = 0.0, outcome: str = "ok", **changes: Any) -> ItemView:
    return item("reply", at, outcome={"outcome": outcome}, **changes)


def test_actions_are_code_calls_and_texts() -> None:
    items = [
        item("warmup", code="x = 1"),
        reply(code="# only a comment"),
        reply(code="# Checking\nx = 1", usage={"prose": "Checking", "calls": [1, 2]}),
        reply(usage={"prose": "Done"}),
    ]
    assert metrics.count_llm_actions(items) == 1 + 2 + 1 + 1


def test_exceptions_and_their_longest_run() -> None:
    items = [reply(outcome=outcome) for outcome in ("error", "ok", "died", "error", "ok")]
    items.insert(3, item("warmup", outcome={"outcome": "error"}))
    assert (metrics.count_exceptions(items), metrics.longest_exception_streak(items)) == (3, 2)
    assert metrics.longest_exception_streak([]) == 0


def test_times_and_sizes() -> None:
    model = {"seconds": 0.5, "output_tokens": 20}
    items = [
        item("user", 10),
        reply(11, usage={"model": model}, text="x" * 40),
        reply(12.5, usage={"model": model, "prose": "Hi"}, text="Hi"),
        reply(13, usage={"model": model, "prose": "More"}),
        item("user", 20),
        item("user", 21),
        reply(24, outcome="exit", usage={"model": model}),
        item("user", 30),
    ]
    assert metrics.response_seconds(items) == [2.5, 4.0]
    assert metrics.llm_response_seconds(items) == [0.5] * 4
    assert metrics.step_sizes(items) == [10, 0, 0, 0]
    assert metrics.tokens_per_second(items) == 40.0
    assert metrics.tokens_per_second([]) == 0.0
