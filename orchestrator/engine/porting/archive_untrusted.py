"""The only place where what an archive of a job says is decoded. Assume that every archive is hostile.

A whole archive is checked before anything of it is written: the frames and their seal (``archive``), then here the
types and bounds of every field, the order and number of the entries, the references between them, and every digest.
What passes is written again by our own encoders, or is bytes whose digest was computed here.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from functools import partial
from typing import Any, BinaryIO

from orchestrator.digests import content_digest
from orchestrator.engine.elements import ChatItem, Commit, StepEnd, commit_hash, decode_commit, decode_end, decode_item
from orchestrator.engine.history import MAX_TAGS, check_tag
from orchestrator.engine.journal import Journal
from orchestrator.engine.manifest import PlacedWorkspace, decode_manifest
from orchestrator.engine.porting.archive import MAX_ARCHIVE_BYTES, Kind, read_frame_at, read_frames
from orchestrator.engine.porting.contents import COUNTERS, FORMAT, ArchiveHead, ArchiveIndex
from orchestrator.engine.porting.fields import (
    check_outcome,
    check_usage,
    checked_line,
    checked_text,
    checked_whole,
)
from orchestrator.engine.porting.handles_in_values import reaches_durable_objects
from orchestrator.engine.porting.workspaces import check_workspace
from orchestrator.sandboxes.inbound_messages import InboundLimits
from sandbox_runner.wire import values
from statek.difficulty import TaskDifficulty
from statek.exceptions import InvalidArchive, LimitExceeded, StatekError
from statek.executors.decision import FailureKind
from statek.job_status import JobStatus

__all__ = ["LOST_REASON", "check_archive"]

LOST_REASON = "a durable object stays in the store that it belongs to; it did not come with the imported job"
"""What is said of a variable that reaches durable objects."""

_MAX_TEXT = 64 << 10
_MAX_LOOKED_BYTES = MAX_ARCHIVE_BYTES
_LEAST_LOOK_BYTES = 1 << 10
_MAX_HANDLES = InboundLimits().held
_ITEM_KINDS = frozenset({"user", "system", "notification", "reminder", "post_processed"})
_STEP_KINDS = frozenset({"warmup", "reply"})
_COMMIT_KINDS = frozenset({"start", "step", "rollback", "import", "migration"})
_END_STATES = frozenset({"committed", "died"})
_GRAPH_LIMITS = values.GraphLimits(max_bytes=16 << 20, max_nodes=2_000_000, max_text_bytes=16 << 20)


def check_archive(file: BinaryIO) -> ArchiveIndex:
    """Check a whole archive; takes seconds for a large one.

    Args:
        file: at the beginning of the archive, seekable.

    Raises:
        InvalidArchive: it is damaged, or says what cannot be.
        LimitExceeded: it is larger than is taken.
    """
    check = _Check()
    try:
        for frame in read_frames(file):
            check.take(frame.kind, frame.content, frame.offset)
        return check.finish(file)
    except StatekError as error:
        if isinstance(error, InvalidArchive | LimitExceeded):
            raise
        raise InvalidArchive(f"the archive says what cannot be: {error}") from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise InvalidArchive(f"the archive says what cannot be: {type(error).__name__}: {error}") from None


class _Check:
    """What was seen of an archive so far.

    The order is: head, blocks, commits, then chat items, each with the journal and the end of its step.
    """

    def __init__(self) -> None:
        self._index: ArchiveIndex | None = None
        self._sizes: dict[str, int] = {}
        self._inline: list[tuple[str, ...]] = []
        self._inline_sizes: list[tuple[int, ...]] = []
        self._commit_offsets: list[int] = []
        self._head_placed = PlacedWorkspace()
        self._hash = ""
        self._commits = self._items = self._steps = self._ends = self._users = 0
        self._journal: list[bytes] = []
        self._max_held = self._looked_bytes = 0
        self._newest_dropped = False

    def take(self, kind: Kind, content: bytes, offset: int) -> None:
        """The next frame."""
        if self._index is None:
            if kind is not Kind.HEAD:
                raise InvalidArchive("the archive does not begin with its head")
            self._index = ArchiveIndex(_read_head(content))
            return
        match kind:
            case Kind.BLOCK if not self._commits:
                self._take_block(content, offset)
            case Kind.COMMIT if not self._items:
                self._take_commit(decode_commit(self._commits, content))
                self._commit_offsets.append(offset)
            case Kind.ITEM if not self._journal and self._ends == self._steps:
                self._take_item(decode_item(self._items, content))
            case Kind.JOURNAL if self._ends < self._steps:
                self._journal.append(content)
            case Kind.END if self._ends < self._steps:
                self._take_end(decode_end(self._ends + 1, content))
            case _:
                raise InvalidArchive(f"the archive has a frame of kind {kind.name.lower()} where none can be")

    def finish(self, file: BinaryIO) -> ArchiveIndex:
        """Check what only the whole shows."""
        index = self._index
        if index is None:
            raise InvalidArchive("the archive is empty")
        head = index.head
        found = (self._items, self._ends, self._commits, len(index.blocks))
        said = (head.items, head.ends, head.commits, head.blocks)
        if found != said or self._ends != self._steps or not self._commits:
            raise InvalidArchive(f"the archive has {found} entries, ends, commits and blocks; its head says {said}")
        if self._newest_dropped:
            raise InvalidArchive("the newest commit of the archive is dropped")
        if self._max_held > head.handles:
            raise InvalidArchive(f"a commit holds handle {self._max_held}, the job was given {head.handles}")
        if head.counters["num_completions"] > self._users:
            raise InvalidArchive("the archive counts more completions than it has messages of the user")
        if any(at >= self._commits for at in head.tags.values()):
            raise InvalidArchive("a tag of the archive names a commit that it does not have")
        if self._head_placed.held:
            index.lost.update(self._lost(file))
        return index

    # -------------------------------------------------------------------------------------- frames

    def _take_block(self, content: bytes, offset: int) -> None:
        assert self._index is not None
        digest = content_digest(content)
        if digest in self._sizes:
            raise InvalidArchive(f"the archive has block {digest} twice")
        self._sizes[digest] = len(content)
        self._index.blocks[digest] = offset

    def _take_commit(self, commit: Commit) -> None:
        seq = self._commits
        if commit.parent != seq - 1 or commit.kind not in _COMMIT_KINDS or (seq == 0 and commit.kind != "start"):
            raise InvalidArchive(f"commit {seq} of the archive is none: kind {commit.kind!r}, parent {commit.parent}")
        where = f"commit {seq}"
        for value in (commit.step, commit.at_us, commit.state_num):
            checked_whole(value, where)
        checked_line(commit.image_digest, f"the image of {where}")
        check_usage(commit.usage, where)
        for name in commit.changed:
            checked_text(name, f"a changed name of {where}", _MAX_TEXT)
        if commit.dropped_us:
            self._take_dropped(commit, where)
            return
        if commit_hash(commit, self._hash) != commit.hash:
            raise InvalidArchive(f"{where} of the archive does not have the hash that it says")
        self._hash = commit.hash
        self._inline.append(tuple(map(content_digest, commit.blocks)))
        self._inline_sizes.append(tuple(map(len, commit.blocks)))
        placed = decode_manifest(commit.manifest)
        check_workspace(placed, where, self._size_of)
        self._max_held = max(self._max_held, *placed.held, 0)
        self._head_placed = placed
        self._newest_dropped = False
        self._commits += 1

    def _take_dropped(self, commit: Commit, where: str) -> None:
        """One whose workspace a compaction has dropped: others may name blocks in it."""
        checked_whole(commit.dropped_us, where)
        if commit.manifest or commit.changed:
            raise InvalidArchive(f"{where} of the archive is dropped and names variables all the same")
        self._hash = commit.hash
        self._inline.append(tuple(map(content_digest, commit.blocks)))
        self._inline_sizes.append(tuple(map(len, commit.blocks)))
        self._newest_dropped = True
        self._commits += 1

    def _size_of(self, digest: str, commit: int, index: int) -> int:
        """Length of a block that a manifest names."""
        if commit == -1 and index == 0 and digest in self._sizes:
            return self._sizes[digest]
        in_a_commit = 0 <= commit < len(self._inline) and 0 <= index < len(self._inline[commit])
        if in_a_commit and self._inline[commit][index] == digest:
            return self._inline_sizes[commit][index]
        raise InvalidArchive(f"a commit of the archive names block {digest}, which is not in it at that place")

    def _take_item(self, item: ChatItem) -> None:
        where = f"entry {self._items}"
        runs = item.kind in _STEP_KINDS
        if not (runs or item.kind in _ITEM_KINDS) or runs != bool(item.step) or (runs and item.step != self._steps + 1):
            raise InvalidArchive(f"{where} of the archive is none: kind {item.kind!r}, step {item.step}")
        checked_whole(item.at_us, where)
        if not -1 <= item.start_commit < self._commits:
            raise InvalidArchive(f"{where} of the archive saw commit {item.start_commit}, which is not there")
        check_usage(item.usage, where)
        check_outcome(item.outcome, where)
        self._items += 1
        self._steps += runs
        self._users += item.kind == "user"

    def _take_end(self, end: StepEnd) -> None:
        where = f"the end of step {self._steps}"
        if end.state not in _END_STATES or not -1 <= end.end_commit < self._commits:
            raise InvalidArchive(f"{where} in the archive is none: {end.state!r}, commit {end.end_commit}")
        if (end.first_piece, end.last_piece) != (0, len(self._journal)):
            raise InvalidArchive(f"{where} in the archive does not say how many pieces its journal has")
        for value in (end.attempts, end.crashes, end.put_downs):
            checked_whole(value, where)
        check_outcome(end.outcome, where)
        check_usage(end.usage, where)
        Journal.load([*self._journal, end.journal] if end.journal else self._journal)
        self._journal.clear()
        self._ends += 1

    # ---------------------------------------------------------------------------------- the newest

    def _lost(self, file: BinaryIO) -> dict[str, str]:
        """The variables of the newest commit that reach durable objects."""
        lost = {}
        for component in self._head_placed.workspace.components:
            if reaches_durable_objects(component, partial(self._read, file)):
                lost.update(dict.fromkeys(component.names, LOST_REASON))
        return lost

    def _read(self, file: BinaryIO, digest: str) -> bytes:
        """A block of the newest commit. It is paid for each time: blocks may be named again and again.

        Raises:
            LimitExceeded: more was read than the largest job has.
        """
        assert self._index is not None
        place = self._head_placed.places[digest]
        if place.commit < 0:
            content = read_frame_at(file, self._index.blocks[digest])
        else:
            content = read_frame_at(file, self._commit_offsets[place.commit])
        self._looked_bytes += max(len(content), _LEAST_LOOK_BYTES)
        if self._looked_bytes > _MAX_LOOKED_BYTES:
            what = "the variables of the archive name their blocks too often"
            raise LimitExceeded("archive_bytes", _MAX_LOOKED_BYTES, self._looked_bytes, what)
        return content if place.commit < 0 else decode_commit(place.commit, content).blocks[place.index]


# ------------------------------------------------------------------------------------------- the head


def _read_head(content: bytes) -> ArchiveHead:
    """The head.

    Raises:
        InvalidArchive: it is none, or of a later version.
    """
    try:
        data: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidArchive(f"the head of the archive does not read: {error}") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else None
        raise InvalidArchive(f"the archive has format {str(found)[:40]}, this version of the service reads {FORMAT}")
    failure = _failure(data.get("failure"))
    status: Any = data.get("status")
    difficulty: Any = data.get("difficulty")
    if status not in JobStatus.__members__ or difficulty not in {"", *(level.value for level in TaskDifficulty)}:
        raise InvalidArchive("the head of the archive has an unknown status or difficulty")
    definition = data.get("definition")
    if not isinstance(definition, dict) or not isinstance(data.get("answered"), bool):
        raise InvalidArchive("the head of the archive has no definition, or no word on its last answer")
    counters, tags = _counts(data.get("counters")), _counts(data.get("tags"))
    if set(counters) != set(COUNTERS) or len(tags) > MAX_TAGS:
        raise InvalidArchive("the head of the archive has other counters than a job has, or too many tags")
    for name in tags:
        check_tag(name)
    lines = {name: checked_line(data.get(name), f"the head's {name}") for name in _LINES}
    texts = {name: checked_text(data.get(name), f"the head's {name}", _MAX_TEXT) for name in _TEXTS}
    numbers = {name: checked_whole(data.get(name), f"the head's {name}") for name in _NUMBERS}
    if numbers["handles"] > _MAX_HANDLES:
        raise InvalidArchive(f"the job of the archive was given {numbers['handles']} handles")
    checked: dict[str, Any] = {**lines, **texts, **numbers}
    return ArchiveHead(
        **checked,
        definition=definition,
        status=status,
        failure=failure,
        exit_status=_exit_status(data.get("exit_status")),
        difficulty=difficulty,
        answered=data["answered"],
        counters=counters,
        tags=tags,
    )


_LINES = ("store", "job", "service", "tier")
_TEXTS = ("role", "principal", "reason")
_NUMBERS = ("exported_us", "created_us", "changed_us", "handles", "items", "ends", "commits", "blocks")


def _counts(data: Any) -> dict[str, int]:
    if not isinstance(data, dict):
        raise InvalidArchive("the head of the archive has no numbers by name where they belong")
    return {name: checked_whole(value, f"the head's {name[:80]!r}") for name, value in data.items()}


def _failure(data: Any) -> Mapping[str, str]:
    if data == {}:
        return {}
    kinds = {kind.value for kind in FailureKind}
    if not isinstance(data, dict) or set(data) != {"kind", "message"} or data["kind"] not in kinds:
        raise InvalidArchive("the head of the archive has a failure of an unknown kind")
    return {"kind": data["kind"], "message": checked_text(data["message"], "the failure's message", _MAX_TEXT)}


def _exit_status(data: Any) -> bytes | None:
    if data is None:
        return None
    try:
        found = base64.b64decode(data, validate=True)
        values.decode(found, limits=_GRAPH_LIMITS)
    except (TypeError, ValueError, binascii.Error) as error:
        raise InvalidArchive(f"the exit status of the archive does not read: {error}") from None
    return found
