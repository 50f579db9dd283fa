"""Events: what happened to the jobs of a tenant, in one order (docs/events.md).

Plain values and pure functions. ``statek.event_feed`` keeps events durably, ``orchestrator.engine.events`` reads them.

A stored event is one ASCII JSON list: ``[at_us, job number, kind, name, commit, step, payload]``; empty texts of the
payload, and an empty payload, are left out. Its number is its place in the feed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from statek.exceptions import InvalidRequest, LimitExceeded, StoreDamaged

__all__ = [
    "MAX_CHANGES",
    "MAX_CHANGE_CHARS",
    "MAX_NAME_CHARS",
    "MAX_PATTERN_CHARS",
    "MAX_PREVIEW_CHARS",
    "MAX_TEXT_CHARS",
    "Event",
    "EventPattern",
    "StateChange",
    "changes_payload",
    "decode_event",
    "encode_event",
]

MAX_NAME_CHARS = 200
"""Length of an event's name, and of the name of a change; a longer one is cut, and ends with an ellipsis then."""

MAX_TEXT_CHARS = 500
"""Length of each text of a payload; longer ones are cut in the same way."""

MAX_PREVIEW_CHARS = 100
"""Length of an old or a new preview; longer ones are cut in the same way."""

MAX_CHANGES = 50
"""Changes that one event names."""

MAX_CHANGE_CHARS = 4000
"""Characters of all changes of one event together. Those beyond either limit are counted (``more`` in the payload)."""

MAX_PATTERN_CHARS = 300
"""Length of a pattern."""

_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))
_FIELDS = ("kind", "job", "name")


@dataclass(frozen=True, slots=True)
class StateChange:
    """One variable or file that a commit changed.

    Attributes:
        name: the variable, or ``/work/path``; written by the sandbox.
        old, new: one line about the value before and after, written by the sandbox; None where there was or is none.
    """

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job, durably.

    Attributes:
        seq: its number in the feed of its tenant, from 1, without gaps; the cursor behind it.
        at_us: when it was written, microseconds UTC.
        tenant: whose feed it is in.
        job: id of the job.
        kind: what happened, such as ``commit.made``.
        name: of what it happened to (tool, tag, future ...); empty for the job itself.
        commit: number of the newest commit of the job then: the one that it made, where it made one; -1 for none.
        step: number of the step that it belongs to; 0 for none.
        payload: what else is to be known, JSON.
    """

    seq: int
    at_us: int
    tenant: str
    job: str
    kind: str
    name: str = ""
    commit: int = -1
    step: int = 0
    payload: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changes(self) -> tuple[StateChange, ...]:
        """What the commit that it tells of changed; at most ``MAX_CHANGES``."""
        return tuple(StateChange(*change) for change in self.payload.get("changes", ()))


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _short(value: Any) -> Any:
    return _cut(value, MAX_TEXT_CHARS) if type(value) is str else value


def encode_event(
    at_us: int, job: int, kind: str, name: str, commit: int, step: int, payload: Mapping[str, Any]
) -> bytes:
    """The stored form of an event; texts that are too long are cut, so that it is always far below 64 KB.

    Args:
        at_us: microseconds UTC.
        job: number of the job.
        kind: as in ``Event``.
        name: as there, of any length.
        commit: as there.
        step: as there.
        payload: JSON; its changes from ``changes_payload``, everything else short but for texts.
    """
    row = [at_us, job, kind, _cut(name, MAX_NAME_CHARS) if name else name, commit, step]
    if payload and (told := {key: _short(value) for key, value in payload.items() if value != ""}):
        row.append(told)
    return _ENCODER.encode(row).encode("ascii")


def changes_payload(changes: Iterable[StateChange], total: int) -> dict[str, Any]:
    """The changes of a commit as a payload has them, within the limits.

    Args:
        changes: in order; no more than ``MAX_CHANGES`` are looked at.
        total: how many there are in all.
    """
    kept: list[list[str | None]] = []
    room = MAX_CHANGE_CHARS
    for change in changes:
        row = [_cut(change.name, MAX_NAME_CHARS)]
        row += [text if text is None else _cut(text, MAX_PREVIEW_CHARS) for text in (change.old, change.new)]  # type: ignore[misc]
        room -= sum(len(text) for text in row if text is not None)
        if room < 0 or len(kept) == MAX_CHANGES:
            break
        kept.append([*row])
    found: dict[str, Any] = {"changes": kept} if kept else {}
    if total > len(kept):
        found["more"] = total - len(kept)
    return found


def decode_event(seq: int, tenant: str, element: bytes) -> Event:
    """Read a stored event back.

    Raises:
        StoreDamaged: these bytes are not an event.
    """
    try:
        match json.loads(element):
            case [int(at_us), int(job), str(kind), str(name), int(commit), int(step), *rest]:
                payload = rest[0] if rest else {}
                if len(rest) > 1 or not isinstance(payload, dict) or not _is_sound(payload.get("changes", ())):
                    raise ValueError("its payload is malformed")
                return Event(seq, at_us, tenant, f"j{job}", kind, name, commit, step, payload)
        raise ValueError("it is no list of six or seven fields")
    except (ValueError, RecursionError) as error:
        raise StoreDamaged(f"event {seq} of tenant {tenant!r} does not read: {error}") from None


def _is_sound(changes: Any) -> bool:
    """Whether these are changes, as ``Event.changes`` relies on."""
    return isinstance(changes, list | tuple) and all(
        isinstance(row, list)
        and len(row) == 3
        and isinstance(row[0], str)
        and all(text is None or isinstance(text, str) for text in row[1:])
        for row in changes
    )


class _Glob:
    """A text in which ``*`` stands for any characters; its cost grows with the product of the lengths at most."""

    __slots__ = ("_first", "_last", "_middle", "_whole")

    def __init__(self, text: str) -> None:
        first, *rest = text.split("*")
        self._whole = not rest
        self._first = first
        self._last = rest[-1] if rest else ""
        self._middle = [part for part in rest[:-1] if part]

    def matches(self, text: str) -> bool:
        """Whether the whole text is as the pattern says."""
        if self._whole:
            return text == self._first
        end = len(text) - len(self._last)
        if len(self._first) > end or not (text.startswith(self._first) and text.endswith(self._last)):
            return False
        at = len(self._first)
        for part in self._middle:  # the leftmost place of each leaves the most for those behind it
            found = text.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True


class EventPattern:
    """Which events somebody wants to hear of.

    Terms are separated by spaces: ``kind=GLOB``, ``job=GLOB``, ``name=GLOB``, and a bare ``GLOB`` for a kind. Of
    several terms of one field one must fit, of each field that is named one must. The name of an event fits as well
    where that of one of its changes does.

    Args:
        text: the pattern; empty for every event.

    Raises:
        LimitExceeded: longer than ``MAX_PATTERN_CHARS``.
        InvalidRequest: it names another field, or nothing behind one.
    """

    def __init__(self, text: str = "") -> None:
        if len(text) > MAX_PATTERN_CHARS:
            raise LimitExceeded("event_pattern_chars", MAX_PATTERN_CHARS, len(text), "follow with several patterns")
        self.text = text
        found: dict[str, list[_Glob]] = {name: [] for name in _FIELDS}
        for term in text.split():
            name, equals, glob = term.partition("=")
            if not equals:
                name, glob = "kind", term
            if name not in found or not glob:
                raise InvalidRequest(
                    f"event pattern {text!r}: {term!r} is not kind=, job= or name= with a text behind it, "
                    "in which * stands for any characters"
                )
            found[name].append(_Glob(glob))
        self._kinds, self._jobs, self._names = (found[name] for name in _FIELDS)

    def matches(self, event: Event) -> bool:
        """Whether the event is wanted."""
        return (
            _fits(self._kinds, (event.kind,))
            and _fits(self._jobs, (event.job,))
            and (not self._names or _fits(self._names, (event.name, *(change.name for change in event.changes))))
        )


def _fits(globs: Sequence[_Glob], texts: Iterable[str]) -> bool:
    return not globs or any(glob.matches(text) for text in texts for glob in globs)
