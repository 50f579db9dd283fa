"""Form 2: chat items, ends of steps and commits as packed elements.

Form 1 kept each of them as a memo object of its own, which made every flush dearer the longer a job was
(docs/decisions/0008-packed-records.md). The classes below are those of form 1. They are known only to the process that
upgrades: a store of form 2 has none of their objects.

A chat item of form 1 said how its step ended, and kept the step's journal. Both move to lists of the job. What is new
since then and cannot be known of a job of form 1 has the value of a job that never used it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from orchestrator.engine.element_lists import extend, length_of, to_element
from orchestrator.engine.elements import (
    ChatItem,
    Commit,
    StepEnd,
    StepInFlight,
    commit_hash,
    encode_commit,
    encode_end,
    encode_flight,
    encode_item,
)
from orchestrator.engine.job_reader import ROOT_TAG, job_id
from orchestrator.engine.manifest import decode_manifest
from orchestrator.engine.upgrading.record_upgrade import Progress, RecordUpgrade
from orchestrator.store.store import Store
from sandbox_runner.wire import values
from statek import durable
from statek.durable import memo
from statek.exceptions import StoreDamaged
from statek.packing import join_pieces, pieces_of, unpack
from statek.records import JobRecord, ServiceRecord

__all__ = ["PACKED_RECORDS", "ChatItemRecord", "CommitRecord"]

_FORM = 2
_INLINE_LIMITS = values.GraphLimits(max_bytes=64 << 20, max_nodes=1 << 20, max_text_bytes=64 << 20)


@memo(id="statek.ChatItemRecord")
class ChatItemRecord:
    """One entry of the chat log in form 1; for a warmup block or a model reply also the step that ran it.

    Attributes:
        kind, at_us, step, start_commit, end_commit, state, attempts, crashes, put_downs: as in ``elements.ChatItem``.
        text, code, console, outcome, usage: JSON texts of the same.
        journal: pieces of the step's journal: bytes while there is one, then a list.
    """

    put_downs = 0

    def __init__(self, kind: str, at_us: int, text: str, step: int, code: str, state: str, start_commit: int) -> None:
        self.kind = kind
        self.at_us = at_us
        self.text = text
        self.step = step
        self.code = code
        self.state = state
        self.attempts = 0
        self.crashes = 0
        self.put_downs = 0
        self.start_commit = start_commit
        self.end_commit = -1
        self.journal: Any = b""
        self.console = "[]"
        self.outcome = ""
        self.usage = "{}"


@memo(id="statek.CommitRecord")
class CommitRecord:
    """A commit in form 1.

    Attributes:
        seq, parent, kind, step, at_us, image_digest, state_num: as in ``elements.Commit``.
        changed, usage: JSON texts of the same.
        manifest: bytes, or a list of pieces.
        inline: the blocks that travel in it: graph form of their list, or the list itself.
    """

    def __init__(
        self,
        seq: int,
        parent: int,
        kind: str,
        step: int,
        at_us: int,
        changed: str,
        manifest: Any,
        inline: Any,
        image_digest: str,
        state_num: int,
        usage: str,
    ) -> None:
        self.seq = seq
        self.parent = parent
        self.kind = kind
        self.step = step
        self.at_us = at_us
        self.changed = changed
        self.manifest = manifest
        self.inline = inline
        self.image_digest = image_digest
        self.state_num = state_num
        self.usage = usage


def _apply(store: Store, progress: Progress) -> None:
    """Convert every job, one block each.

    Raises:
        StoreDamaged: a job does not read; it is named.
    """
    (root,) = store.read_sync(lambda: list(durable.find(ServiceRecord, ROOT_TAG)))
    count = store.read_sync(lambda: len(root.jobs))
    for index in range(count):
        progress(f"packing job {index + 1} of {count}")
        store.write_sync(lambda at=index: _convert(root.jobs[at]))  # type: ignore[misc]

    def note() -> None:
        root.record_format = _FORM

    store.commit_sync(note)


def _convert(record: JobRecord) -> None:
    try:
        _convert_job(record)
    except StoreDamaged as error:
        raise StoreDamaged(f"job {job_id(record.number)} does not read: {error}") from error
    except (ValueError, TypeError, AttributeError, values.GraphError) as error:
        raise StoreDamaged(f"job {job_id(record.number)} does not read: {type(error).__name__}: {error}") from error


def _convert_job(record: Any) -> None:
    items, commits, current = list(record.chat), list(record.commits), record.current
    record.ends = []
    record.journal = record.overflow = None
    record.flight = ""
    record.answered = False
    record.error_handlers = ""
    record.dialog_length = sum(item.kind == "user" for item in items)
    if not hasattr(record, "repeated_replies"):
        record.repeated_replies = 0
    chat: list[bytes] = []
    for index, old in enumerate(items):
        item = _item(index, old)
        chat.append(to_element(record, encode_item(item)))
        if not old.step:
            continue
        first = length_of(record.journal)
        pieces = [bytes(piece) for piece in pieces_of(old.journal)]
        if pieces:
            extend(record, "journal", pieces)
        if old.state in {"waiting", "begun"}:
            record.flight = encode_flight(_flight(index, old, first))
        else:
            record.ends.append(to_element(record, encode_end(_end(old, first, first + len(pieces)))))
    if (current is not None) != bool(record.flight) or len(record.ends) + bool(record.flight) != record.next_step - 1:
        raise StoreDamaged(f"it has {record.next_step - 1} step(s), its chat log has others")
    record.chat = chat
    record.commits = [to_element(record, encode_commit(commit)) for commit in _commits(commits)]
    record.current = None


def _item(index: int, old: Any) -> ChatItem:
    """A chat item; console and outcome of one with a step are written with the step's end."""
    return ChatItem(
        index,
        old.kind,
        old.at_us,
        unpack(old.text) or "",
        old.step,
        unpack(old.code) or "",
        old.start_commit,
        usage=unpack(old.usage) or {},
        console=() if old.step else _console(old),
        outcome={} if old.step else unpack(old.outcome) or {},
    )


def _flight(index: int, old: Any, first_piece: int) -> StepInFlight:
    return StepInFlight(
        item=index,
        kind=old.kind,
        step=old.step,
        begun=old.state == "begun",
        attempts=old.attempts,
        crashes=old.crashes,
        put_downs=old.put_downs,
        start_commit=old.start_commit,
        first_piece=first_piece,
    )


def _end(old: Any, first_piece: int, last_piece: int) -> StepEnd:
    """The end of a step; its usage is with the chat item, where form 1 had put both."""
    return StepEnd(
        state=old.state,
        attempts=old.attempts,
        crashes=old.crashes,
        put_downs=old.put_downs,
        end_commit=old.end_commit,
        outcome=unpack(old.outcome) or {},
        usage={},
        first_piece=first_piece,
        last_piece=last_piece,
        console=_console(old),
    )


def _console(old: Any) -> list[tuple[str, str]]:
    return [(kind, text) for kind, text in unpack(old.console) or []]


def _commits(old: list[Any]) -> Iterable[Commit]:
    """The commits with the hashes that form 1 did not have."""
    before = ""
    for seq, one in enumerate(old):
        manifest = join_pieces(bytes(piece) for piece in pieces_of(one.manifest))
        decode_manifest(manifest)  # of the same form then and now
        commit = Commit(
            seq=seq,
            parent=one.parent,
            kind=one.kind,
            step=one.step,
            at_us=one.at_us,
            changed=tuple(unpack(one.changed) or ()),
            image_digest=one.image_digest,
            state_num=one.state_num,
            usage=unpack(one.usage) or {},
            manifest=manifest,
            blocks=_blocks(one.inline),
        )
        before = commit_hash(commit, before)
        yield replace(commit, hash=before)


def _blocks(inline: Any) -> tuple[bytes, ...]:
    """The blocks that travel in a commit."""
    if not isinstance(inline, bytes):
        return tuple(bytes(block) for block in inline)
    found = values.decode(inline, limits=_INLINE_LIMITS) if inline else []
    if not isinstance(found, list) or not all(isinstance(block, bytes) for block in found):
        raise ValueError("the blocks in a commit are no list of bytes")
    return tuple(found)


PACKED_RECORDS = RecordUpgrade(
    _FORM, "chat log, steps and commits are packed, so that a late step costs what an early one does", _apply
)
