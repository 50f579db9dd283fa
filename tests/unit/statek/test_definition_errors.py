"""What is kept of the errors of a definition, whatever a sandbox says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from statek.definition_errors import (
    MAX_KEPT_ERRORS,
    MAX_MESSAGE_CHARS,
    MAX_TRACEBACK_CHARS,
    MAX_TRACEBACK_LINES,
    DefinitionErrors,
    JobDefError,
    kept_traceback,
)


def test_every_error_is_counted_and_the_newest_are_kept() -> None:
    errors = DefinitionErrors()
    for number in range(MAX_KEPT_ERRORS + 3):
        errors = errors.with_error(JobDefError("warmup", "x" * 3000, None, f"j{number}"))
    assert errors.count == MAX_KEPT_ERRORS + 3
    assert [error.job for error in errors.newest] == [f"j{number}" for number in range(3, MAX_KEPT_ERRORS + 3)]
    assert {len(error.error_message) for error in errors.newest} == {MAX_MESSAGE_CHARS}
    assert DefinitionErrors.from_text("") == DefinitionErrors()


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=50)


@given(ANY_TEXT, st.lists(ANY_TEXT, max_size=5))
def test_any_text_comes_back(message: str, lines: list[str]) -> None:
    errors = DefinitionErrors().with_error(JobDefError("warmup", message, tuple(lines), "j1"))
    stored = errors.to_text()
    assert (DefinitionErrors.from_text(stored), stored.isascii(), "\0" in stored) == (errors, True, False)


@given(ANY_TEXT, st.integers(1, 5000))
def test_a_hostile_traceback_is_bounded(piece: str, times: int) -> None:
    lines = kept_traceback((piece + "\n") * times)
    assert len(lines) <= MAX_TRACEBACK_LINES
    assert sum(map(len, lines)) <= MAX_TRACEBACK_CHARS
