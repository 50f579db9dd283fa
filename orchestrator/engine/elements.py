"""What a job's packed elements hold: chat items, ends of steps, commits, the step in flight.

Pure functions and frozen host values, no store. ``orchestrator.engine.jobs`` keeps the bytes; everybody else gets
``ChatItem``, ``StepInFlight`` and ``Commit``. A chat item is written once, when it is added, and the end of its step
once, when it ended: nothing that was written is written again.

An element is several byte strings in one (``statek.packing.join_parts``), the first of them JSON:

item
    ``[kind, at_us, step, start_commit, usage, outcome]``, text, code, JSON of the console. The last two say something
    of an item that runs nothing; a step's are in its end. Texts are UTF-8 with surrogates kept.
end
    ``[state, attempts, crashes, put_downs, end_commit, outcome, usage, first_piece, last_piece]``, JSON of the
    console, last piece of the journal. The pieces written before it are those from ``first_piece`` up to but without
    ``last_piece`` of the job's journal list.
commit
    ``[parent, kind, step, at_us, changed, image_digest, state_num, usage]``, its hash, manifest, then the blocks that
    travel in the commit, each a part of its own: one is read without the others. The head of one that a compaction has
    dropped ends with the time of that; its manifest is empty, and so are the blocks that no other commit needs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.digests import content_digest
from statek.exceptions import StoreDamaged
from statek.packing import join_parts, pack, split_parts

__all__ = [
    "ChatItem",
    "Commit",
    "StepEnd",
    "StepInFlight",
    "commit_hash",
    "decode_commit",
    "decode_end",
    "decode_flight",
    "decode_item",
    "encode_commit",
    "encode_end",
    "encode_flight",
    "encode_item",
    "with_end",
    "with_flight",
]


_END_OF_TIME_US = 253_402_300_800_000_000  # the year 10000, which no calendar here has


@dataclass(frozen=True, slots=True)
class StepInFlight:
    """What changes of a step between its beginning and its end.

    Attributes:
        item: index of its chat item.
        kind: ``reply`` or ``warmup``.
        step: its number.
        begun: whether it is being run; otherwise it waits for a sandbox.
        attempts: how often it was begun.
        crashes: orchestrator starts that found it begun.
        put_downs: runs that were ended in good order without an end of the step (a planned stop, a call in doubt).
        start_commit: number of the commit that it sees.
        first_piece: index of its first piece in the job's journal list.
    """

    item: int
    kind: str
    step: int
    begun: bool
    attempts: int
    crashes: int
    put_downs: int
    start_commit: int
    first_piece: int


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How a step ended.

    Attributes:
        state: ``committed`` or ``died``.
        attempts, crashes, put_downs: as they were in flight.
        end_commit: number of the commit that it made; that of the one it saw where it made none.
        outcome: ``{"outcome", "type", "message"}``.
        usage: sandbox usage.
        first_piece, last_piece: its pieces in the job's journal list, the last one not included.
        console: ``[kind, text]`` elements.
        journal: what of the journal was written with the end; empty for nothing.
    """

    state: str
    attempts: int
    crashes: int
    put_downs: int
    end_commit: int
    outcome: dict[str, Any]
    usage: dict[str, Any]
    first_piece: int
    last_piece: int
    console: Sequence[Sequence[str]] = ()
    journal: bytes = b""


@dataclass(frozen=True, slots=True)
class ChatItem:
    """One entry of the chat log; for a warmup block or a model reply also the step that ran it.

    Attributes:
        index: its place in the chat log.
        kind: ``user``, ``warmup``, ``reply``, ``system``, ``notification`` ...
        at_us: when it became durable, microseconds UTC.
        text: the message, or the reply as the model gave it.
        step: number of its step; 0 where nothing is to be run.
        code: Python source.
        start_commit, end_commit: number of the commit it saw and of the one it made (-1: none yet).
        usage: model usage (replies) and sandbox usage (steps that ended).
        state: ``none`` | ``waiting`` (not begun) | ``begun`` | ``committed`` | ``died``.
        attempts, crashes, put_downs: see ``StepInFlight``.
        console: ``[kind, text]`` elements.
        outcome: ``{"outcome", "type", "message"}`` once the step ended, or of what an entry without a step tells of;
            else empty.
        end: the end of its step, None while there is none; it says where the journal is.
    """

    index: int
    kind: str
    at_us: int
    text: str
    step: int
    code: str
    start_commit: int
    end_commit: int = -1
    usage: dict[str, Any] = field(default_factory=dict)
    state: str = "none"
    attempts: int = 0
    crashes: int = 0
    put_downs: int = 0
    console: Sequence[Sequence[str]] = ()
    outcome: dict[str, Any] = field(default_factory=dict)
    end: StepEnd | None = None

    @property
    def hidden(self) -> bool:
        """Whether it is kept out of the model's history (a hidden warmup block)."""
        return self.usage.get("hidden", False) is True


@dataclass(frozen=True, slots=True)
class Commit:
    """The durable end of a step: the whole workspace as references.

    Attributes:
        seq: index in the job's commits.
        parent: seq it was made from; -1 for the first.
        kind: ``start``, ``step`` or ``rollback``.
        step: the step that made it; 0 where none did.
        at_us: microseconds UTC.
        changed: names of the variables and files that differ from the parent.
        image_digest: of the runner that made it; empty for the start.
        state_num: number of the prefix state it was written in.
        usage: the step's sandbox usage.
        manifest: the encoded manifest of the workspace (orchestrator.engine.manifest).
        blocks: the blocks that travel in it.
        hash: 64 hex digits over the hash of the commit before it and all of the above: the same hash is the same past.
        dropped_us: when a compaction dropped it, microseconds UTC; 0 while it is kept.
    """

    seq: int
    parent: int
    kind: str
    step: int
    at_us: int
    changed: tuple[str, ...]
    image_digest: str
    state_num: int
    usage: dict[str, Any]
    manifest: bytes
    blocks: tuple[bytes, ...] = ()
    hash: str = ""
    dropped_us: int = 0


# -------------------------------------------------------------------------------------------- items


def encode_item(item: ChatItem) -> bytes:
    """Write a chat item as it is when it is added."""
    head = [item.kind, item.at_us, item.step, item.start_commit, item.usage, item.outcome]
    return join_parts([pack(head).encode(), _utf8(item.text), _utf8(item.code), _encode_console(item.console)])


def decode_item(index: int, data: bytes) -> ChatItem:
    """Read a chat item back; its step, if it has one, is to be added by ``with_end`` or ``with_flight``.

    Raises:
        StoreDamaged: these bytes are not a chat item.
    """
    try:
        head, text, code, console = split_parts(data)
        match json.loads(head):
            case [str(kind), int(at_us), int(step), int(start_commit), dict(usage), dict(outcome)]:
                return ChatItem(
                    index,
                    kind,
                    at_us,
                    _text(text),
                    step,
                    _text(code),
                    start_commit,
                    usage=usage,
                    console=_console(console),
                    outcome=outcome,
                )
    except (ValueError, RecursionError) as error:
        raise StoreDamaged(f"chat item {index} does not read: {error}") from error
    raise StoreDamaged(f"chat item {index} does not read: unknown head {head[:80]!r}")


def with_end(item: ChatItem, end: StepEnd) -> ChatItem:
    """A chat item whose step ended."""
    return replace(
        item,
        end_commit=end.end_commit,
        usage={**item.usage, **end.usage},
        state=end.state,
        attempts=end.attempts,
        crashes=end.crashes,
        put_downs=end.put_downs,
        console=end.console,
        outcome=end.outcome,
        end=end,
    )


def with_flight(item: ChatItem, flight: StepInFlight) -> ChatItem:
    """A chat item whose step is in flight."""
    return replace(
        item,
        state="begun" if flight.begun else "waiting",
        attempts=flight.attempts,
        crashes=flight.crashes,
        put_downs=flight.put_downs,
    )


# --------------------------------------------------------------------------------------------- ends


def encode_end(end: StepEnd) -> bytes:
    """Write the end of a step."""
    head = [end.state, end.attempts, end.crashes, end.put_downs, end.end_commit, end.outcome, end.usage]
    head += [end.first_piece, end.last_piece]
    return join_parts([pack(head).encode(), _encode_console(end.console), end.journal])


def decode_end(step: int, data: bytes) -> StepEnd:
    """Read the end of a step back.

    Raises:
        StoreDamaged: these bytes are not the end of a step.
    """
    try:
        head, console, journal = split_parts(data)
        match json.loads(head):
            case [str(state), int(runs), int(crashes), int(downs), int(seq), dict(outcome), dict(usage), *pieces]:
                first, last = map(int, pieces)
                elements = _console(console)
                return StepEnd(state, runs, crashes, downs, seq, outcome, usage, first, last, elements, journal)
    except (ValueError, TypeError, RecursionError) as error:
        raise StoreDamaged(f"the end of step {step} does not read: {error}") from error
    raise StoreDamaged(f"the end of step {step} does not read: unknown head {head[:80]!r}")


def _encode_console(console: Sequence[Sequence[str]]) -> bytes:
    """Write a console; an empty one takes no bytes."""
    return pack([list(element) for element in console]).encode() if console else b""


def _console(data: bytes) -> tuple[tuple[str, str], ...]:
    """The elements of a console.

    Raises:
        ValueError: they are not pairs of texts.
    """
    found = json.loads(data) if data else []
    elements = []
    for element in found if isinstance(found, list) else [found]:
        match element:
            case [str(kind), str(text)]:
                elements.append((kind, text))
            case _:
                raise ValueError("a console holds something else than pairs of texts")
    return tuple(elements)


# ------------------------------------------------------------------------------------------- flight


def encode_flight(flight: StepInFlight) -> str:
    """Write the step in flight as a text of a few dozen characters."""
    return pack(
        [
            flight.item,
            flight.kind,
            flight.step,
            flight.begun,
            flight.attempts,
            flight.crashes,
            flight.put_downs,
            flight.start_commit,
            flight.first_piece,
        ]
    )


def decode_flight(text: str) -> StepInFlight:
    """Read the step in flight back.

    Raises:
        StoreDamaged: this text is not a step in flight.
    """
    try:
        match json.loads(text):
            case [int(), str(), int(), bool(), int(), int(), int(), int(), int()] as fields:
                return StepInFlight(*fields)
    except (ValueError, RecursionError) as error:
        raise StoreDamaged(f"the step in flight does not read: {error}") from error
    raise StoreDamaged(f"the step in flight does not read: {text[:80]!r}")


# ------------------------------------------------------------------------------------------ commits


def encode_commit(commit: Commit) -> bytes:
    """Write a commit; its number is its place in the list."""
    return join_parts([_commit_head(commit), bytes.fromhex(commit.hash), commit.manifest, *commit.blocks])


def commit_hash(commit: Commit, before: str) -> str:
    """The hash of a commit that follows one of hash ``before`` (empty for none)."""
    # The manifest names every block by its digest, those that travel in the commit too.
    return content_digest(join_parts([before.encode(), _commit_head(commit), commit.manifest]))


def _commit_head(commit: Commit) -> bytes:
    head = [commit.parent, commit.kind, commit.step, commit.at_us, list(commit.changed), commit.image_digest]
    dropped = [commit.dropped_us] if commit.dropped_us else []
    return pack([*head, commit.state_num, commit.usage, *dropped]).encode()


def decode_commit(seq: int, data: bytes) -> Commit:
    """Read a commit back.

    Raises:
        StoreDamaged: these bytes are not a commit.
    """
    try:
        head, digest, manifest, *blocks = split_parts(data)
        match json.loads(head):
            case [int(parent), str(kind), int(step), int(at), list(changed), str(image), int(state_num), *last]:
                names = tuple(map(str, changed))
                usage, dropped_us = _last_of_head(last)
                rest = (usage, manifest, tuple(blocks), digest.hex(), dropped_us)
                return Commit(seq, parent, kind, step, at, names, image, state_num, *rest)
    except (ValueError, RecursionError) as error:
        raise StoreDamaged(f"commit {seq} does not read: {error}") from error
    raise StoreDamaged(f"commit {seq} does not read: unknown head {head[:80]!r}")


def _last_of_head(last: list[Any]) -> tuple[dict[str, Any], int]:
    """The usage of a commit, and when it was dropped.

    Raises:
        ValueError: they are not that.
    """
    match last:
        case [dict(usage)]:
            return usage, 0
        case [dict(usage), int(dropped_us)] if dropped_us is not True and 0 < dropped_us < _END_OF_TIME_US:
            return usage, dropped_us
    raise ValueError("unknown end of its head")


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
