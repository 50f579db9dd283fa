"""The errors of definitions in a real store: bounded in number, whoever makes definitions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.engine import definition_errors
from orchestrator.engine.definition_errors import clear_errors, errors_of, note_error
from orchestrator.engine.jobs import JobRepository
from orchestrator.store.store import Store
from statek.definition_errors import JobDefError

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    yield opened
    opened.close()


def _note(store: Store, jobs: JobRepository, *definitions: str) -> None:
    for definition in definitions:
        store.commit_sync(lambda: note_error(jobs.made_root(), definition, JobDefError("warmup", "no")))  # noqa: B023


def _counts(store: Store, jobs: JobRepository, definitions: list[str]) -> list[int]:
    return [store.read_sync(lambda: errors_of(jobs.root(), each).count) for each in definitions]  # noqa: B023


def test_the_definitions_without_an_error_for_longest_are_forgotten(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(definition_errors, "MAX_DEFINITIONS", 4)
    monkeypatch.setattr(definition_errors, "_FORGOTTEN_AT_ONCE", 2)
    jobs = JobRepository()
    _note(store, jobs, "a", "b", "c", "d", "a", "e")
    assert _counts(store, jobs, ["a", "b", "c", "d", "e"]) == [2, 0, 0, 1, 1]
    assert caplog.messages == ["errors of more than 4 definitions; those of the oldest 2 are forgotten"]
    root = store.read_sync(jobs.made_root)
    assert store.read_sync(lambda: (len(root.definition_errors), len(root.definition_errors_us))) == (3, 3)


def test_errors_that_were_kept_before_they_had_a_time_go_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definition_errors, "MAX_DEFINITIONS", 2)
    monkeypatch.setattr(definition_errors, "_FORGOTTEN_AT_ONCE", 1)
    jobs = JobRepository()
    _note(store, jobs, "old", "new")

    def as_it_was() -> None:
        jobs.made_root().definition_errors_us = None

    store.commit_sync(as_it_was)
    _note(store, jobs, "new", "newer")
    assert _counts(store, jobs, ["old", "new", "newer"]) == [0, 2, 1]
    store.commit_sync(lambda: clear_errors(jobs.root(), "new"))
    assert _counts(store, jobs, ["new", "newer"]) == [0, 1]
