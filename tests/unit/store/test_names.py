"""What the log calls a piece of work."""

from __future__ import annotations

from functools import partial

from orchestrator.store.store import _named


class _Loud:
    """Arguments must not be looked at."""

    def __repr__(self) -> str:
        raise AssertionError("an argument was made into text")


def work(value: object) -> None:
    """Some work."""


def test_work_is_named_by_its_function_and_arguments_stay_out() -> None:
    for given in (work, partial(work, _Loud()), partial(partial(work), value=_Loud())):

        def run() -> None:
            return

        named = _named(run, given)  # type: ignore[arg-type]
        assert named is not None
        assert named.__qualname__ == "work"
