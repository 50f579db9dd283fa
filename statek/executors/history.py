"""The past of a job: its commits, a read-only look at any of them, and what differs between two."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from statek.exceptions import InvalidRequest
from statek.executors.views import FileView, VariableView
from statek.job_mode import JobMode
from statek.pyenv import UnreadableValue

__all__ = [
    "CommitDiff",
    "CommitState",
    "CommitView",
    "FileChange",
    "Focus",
    "HistoricalView",
    "PastObject",
    "VariableChange",
    "compared",
    "focused",
    "parse_focus",
]

Focus = Literal["full", "recent"]
"""What a view shows: every variable, or those that its commit changed."""


def parse_focus(text: str) -> Focus:
    """The focus that somebody asked for.

    Raises:
        InvalidRequest: it is neither ``full`` nor ``recent``.
    """
    if text == "full":
        return "full"
    if text == "recent":
        return "recent"
    raise InvalidRequest(f"focus must be 'full' or 'recent', not {text!r}")


@dataclass(frozen=True, slots=True)
class CommitView:
    """One commit.

    Attributes:
        number: its number in the job, from 0 (the start).
        hash: 64 hex digits; covers its content and its whole ancestry.
        parent: number of the commit that it was made from; -1 for the first.
        kind: ``start`` | ``step`` | ``rollback``.
        step: the step that made it; 0 where none did.
        at_us: microseconds UTC.
        changed: names of variables and files (as ``/work/path``) that differ from the parent.
        image_digest: of the runner that made it; empty where none did.
        tags: names that people gave it, sorted.
        mode: of its job; one that is not ``durable`` keeps no variables of its own.
        dropped_us: when a compaction dropped it, microseconds UTC; 0 while its variables and files are kept.
    """

    number: int
    hash: str
    parent: int
    kind: str
    step: int
    at_us: int
    changed: tuple[str, ...]
    image_digest: str
    tags: tuple[str, ...] = ()
    mode: str = JobMode.DURABLE.value
    dropped_us: int = 0


@dataclass(frozen=True, slots=True)
class PastObject:
    """A durable object as it was: plain data, detached from the object of today.

    Attributes:
        type_name: its class.
        uuid: its permanent name.
        fields: its stored public fields; durable objects among them as texts like ``<Meeting>``.
    """

    type_name: str
    uuid: str
    fields: Mapping[str, Any]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.fields.items())
        return f"{self.type_name}({shown})"


@dataclass(frozen=True, slots=True)
class VariableChange:
    """A variable that two commits do not agree on; None where it does not exist."""

    name: str
    before: VariableView | None
    after: VariableView | None


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file below ``/work`` that two commits do not agree on; None where it does not exist."""

    path: str
    before: FileView | None
    after: FileView | None


@dataclass(frozen=True, slots=True)
class CommitDiff:
    """What differs from one commit to another.

    Attributes:
        before, after: the two commits.
        variables, files: what is not the same in both, by name.
    """

    before: CommitView
    after: CommitView
    variables: tuple[VariableChange, ...]
    files: tuple[FileChange, ...]


@dataclass(frozen=True, slots=True)
class CommitState:
    """What a job had at a commit: its variables sorted by name, its files sorted by path."""

    commit: CommitView
    variables: tuple[VariableView, ...]
    files: tuple[FileView, ...]


def focused(state: CommitState, focus: Focus) -> CommitState:
    """The part of a state that a focus shows."""
    if focus == "full":
        return state
    changed = set(state.commit.changed)
    variables = tuple(variable for variable in state.variables if variable.name in changed)
    files = tuple(file for file in state.files if f"/work/{file.path}" in changed)
    return CommitState(state.commit, variables, files)


def compared(before: CommitState, after: CommitState, names: Collection[str]) -> CommitDiff:
    """Two states side by side.

    Args:
        before: the first state.
        after: the second one.
        names: variables and files (as ``/work/path``) that they do not agree on.
    """
    olds = {variable.name: variable for variable in before.variables}
    news = {variable.name: variable for variable in after.variables}
    variables = [
        VariableChange(name, olds.get(name), news.get(name))
        for name in sorted(olds.keys() | news.keys())
        if name in names
    ]
    old_files, new_files = ({file.path: file for file in state.files} for state in (before, after))
    files = [
        FileChange(path, old_files.get(path), new_files.get(path))
        for path in sorted(old_files.keys() | new_files.keys())
        if f"/work/{path}" in names
    ]
    return CommitDiff(before.commit, after.commit, tuple(variables), tuple(files))


class HistoricalView(Mapping[str, Any]):
    """The variables of a job as of one commit, by name; it cannot be written.

    Values are read when they are asked for. What the host cannot read is a ``statek.pyenv.UnreadableValue``;
    a durable object is a ``PastObject``: its fields as of that commit.

    Attributes:
        commit: the commit.
        focus: ``full``, or ``recent`` for the variables that the commit changed alone.
        files: the files below ``/work`` in it (with focus ``recent``, those that it changed).
    """

    __slots__ = ("_load", "_names", "commit", "files", "focus")

    def __init__(
        self,
        commit: CommitView,
        focus: Focus,
        names: tuple[str, ...],
        files: tuple[FileView, ...],
        load: Callable[[str], VariableView],
    ) -> None:
        """``load`` reads one of ``names``."""
        self.commit = commit
        self.focus: Focus = focus
        self.files = files
        self._names = dict.fromkeys(sorted(names))
        self._load = load

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        found = self._load(name)
        return found.value if found.form == "graph" else UnreadableValue(found.preview, found.form)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __repr__(self) -> str:
        remark = JobMode(self.commit.mode).remark
        shown = ", ".join(self._names) or "no variables"
        return f"<commit {self.commit.number} {self.commit.hash[:12]}: {shown}{f' ({remark})' if remark else ''}>"
