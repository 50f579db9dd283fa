"""Commits and what differs between them as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.cli.present import table, when
from orchestrator.printable import printable
from statek.executors.history import CommitDiff, CommitView
from statek.executors.views import FileView, VariableView

__all__ = ["commit_rows", "diff_lines"]

_SHOWN_HASH = 12
_SHOWN_NAMES = 6


def commit_rows(commits: Sequence[CommitView]) -> list[str]:
    """A table of commits."""
    header = ("COMMIT", "HASH", "KIND", "STEP", "MADE (UTC)", "TAGS", "CHANGED")
    rows = [
        (
            str(commit.number),
            commit.hash[:_SHOWN_HASH],
            commit.kind,
            str(commit.step or "-"),
            when(commit.at_us),
            ",".join(commit.tags) or "-",
            f"dropped {when(commit.dropped_us)}" if commit.dropped_us else _names(commit.changed),
        )
        for commit in commits
    ]
    return table(header, rows)


def _names(changed: Sequence[str]) -> str:
    """The first names, and how many more."""
    more = f" and {len(changed) - _SHOWN_NAMES} more" if len(changed) > _SHOWN_NAMES else ""
    return f"{', '.join(changed[:_SHOWN_NAMES])}{more}" if changed else "-"


def diff_lines(diff: CommitDiff) -> Iterator[str]:
    """What differs, a line with ``-`` for what was and one with ``+`` for what is."""
    yield f"commit {diff.before.number} {diff.before.hash[:_SHOWN_HASH]}"
    yield f"    -> {diff.after.number} {diff.after.hash[:_SHOWN_HASH]}"
    for variable in diff.variables:
        yield from _sides(variable.name, _variable(variable.before), _variable(variable.after))
    for file in diff.files:
        yield from _sides(f"/work/{file.path}", _file(file.before), _file(file.after))


def _sides(name: str, before: str | None, after: str | None) -> Iterator[str]:
    """One name."""
    yield printable(name)
    if before is not None:
        yield f"  - {printable(before)}"
    if after is not None:
        yield f"  + {printable(after)}"


def _variable(variable: VariableView | None) -> str | None:
    """A variable in one line."""
    if variable is None:
        return None
    return f"{variable.preview}  ({variable.form}, {variable.size_bytes} bytes)"


def _file(file: FileView | None) -> str | None:
    """A file in one line."""
    return None if file is None else f"{file.size_bytes} bytes, mode {file.mode:o}"
