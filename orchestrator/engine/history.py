"""The past of a job: find a commit, look at it, compare two, give one a name, go back to one.

Plain functions that run on the store thread; ``orchestrator.engine.time_travel`` calls them for its users.
Nothing here changes what was written: going back appends a commit, so that it can be undone the same way.
"""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from itertools import islice
from typing import Any

from orchestrator.engine.jobs import JobRepository, job_id
from orchestrator.engine.journal import Journal
from orchestrator.engine.step_commit import kept_commit
from statek import durable
from statek.event_feed import emit
from statek.exceptions import InvalidRequest, LimitExceeded, NotFound
from statek.executors.history import CommitView, PastObject
from statek.job_mode import JobMode
from statek.job_status import JobStatus
from statek.packing import pack, unpack
from statek.records import JobRecord

__all__ = [
    "MAX_TAGS",
    "check_tag",
    "commit_view",
    "effects_of",
    "find_commit",
    "past_object",
    "roll_back",
    "tag_commit",
    "tags_of",
    "untag_commit",
]

MAX_TAGS = 1000
"""Names that the commits of one job may have."""

_TAG = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_HASH = re.compile(r"[0-9a-f]{7,64}")
_LATEST = "latest"
_SHOWN_EFFECTS = 50
_MAX_ITEMS = 100
_MAX_DEPTH = 5
_PLAIN = (bool, int, float, str, bytes, date, time, timedelta)


def commit_view(jobs: JobRepository, record: JobRecord, seq: int) -> CommitView:
    """A commit as plain data.

    Raises:
        NotFound: the job has no such commit.
    """
    commit = jobs.commit(record, seq)
    return CommitView(
        number=seq,
        hash=commit.hash,
        parent=commit.parent,
        kind=commit.kind,
        step=commit.step,
        at_us=commit.at_us,
        changed=tuple(commit.changed),
        image_digest=commit.image_digest,
        tags=tuple(sorted(name for name, at in tags_of(record).items() if at == seq)),
        mode=record.mode or JobMode.DURABLE.value,
        dropped_us=commit.dropped_us,
    )


def find_commit(jobs: JobRepository, record: JobRecord, reference: int | str | None) -> int | None:
    """The number of a commit that somebody named.

    Args:
        jobs: the records.
        record: the job.
        reference: a number, ``latest`` (or None), a tag, or the first seven or more digits of a hash.

    Returns:
        The number; None where only the hashes of the commits can tell.

    Raises:
        NotFound: there is no such commit.
        InvalidRequest: it names none.
    """
    count = jobs.commit_count(record)
    if reference is None or reference == _LATEST:
        return count - 1
    if isinstance(reference, str):
        tagged = tags_of(record).get(reference)
        if tagged is not None:
            return tagged
        if reference.isascii() and reference.isdigit() and len(reference) < 7:
            reference = int(reference)
        elif _HASH.fullmatch(reference):
            return None
    if isinstance(reference, int) and not isinstance(reference, bool):
        if not 0 <= reference < count:
            raise NotFound(f"job {job_id(record.number)} has no commit {reference}; it has 0 to {count - 1}")
        return reference
    raise InvalidRequest(
        f"{reference!r} names no commit of job {job_id(record.number)}; give its number, a tag, "
        "at least 7 digits of its hash, or 'latest'"
    )


# --------------------------------------------------------------------------------------------- tags


def tags_of(record: JobRecord) -> dict[str, int]:
    """The names that people gave to commits of a job, and which commit each is."""
    found: dict[str, int] = unpack(record.tags) or {}
    return found


def check_tag(name: str) -> None:
    """Refuse what cannot be the name of a commit.

    Raises:
        InvalidRequest: it cannot be a tag.
    """
    if not _TAG.fullmatch(name) or name == _LATEST or _HASH.fullmatch(name):
        raise InvalidRequest(
            f"{name!r} cannot be a tag: use letters, digits, '_', '.' and '-', a letter first, at most 100, "
            "and nothing that looks like a hash"
        )


def tag_commit(record: JobRecord, seq: int, name: str) -> None:
    """Give a commit a name; a name that is there already moves.

    Raises:
        InvalidRequest: it cannot be a tag.
        LimitExceeded: the job has as many as it may have.
    """
    check_tag(name)
    tags = tags_of(record)
    if name not in tags and len(tags) >= MAX_TAGS:
        raise LimitExceeded("tags", MAX_TAGS, len(tags) + 1, "take some away: statek tag ID NAME --delete")
    tags[name] = seq
    record.tags = pack(tags)
    emit(record, "commit.tagged", name, tagged=seq)


def untag_commit(record: JobRecord, name: str) -> None:
    """Take a name away.

    Raises:
        NotFound: no commit has it.
    """
    tags = tags_of(record)
    if name not in tags:
        raise NotFound(f"job {job_id(record.number)} has no tag {name!r}; it has {', '.join(sorted(tags)) or 'none'}")
    was = tags.pop(name)
    record.tags = pack(tags)
    emit(record, "commit.untagged", name, tagged=was)


# --------------------------------------------------------------------------------------- going back


def _check_restful(record: JobRecord, *, driven: bool) -> None:
    """Refuse to change the workspace of a job that is, or is about to be, at work.

    Args:
        record: the job.
        driven: whether a service runs: it may have taken up any job that is not done.

    Raises:
        InvalidRequest: the job is at work.
    """
    if record.flight or (driven and record.status != JobStatus.DONE.value):
        raise InvalidRequest(
            f"job {job_id(record.number)} is {record.status}: go back when it is done, cancel it first, or fork it"
        )


def effects_of(step: int, blobs: list[bytes]) -> list[str]:
    """The calls of one step that took effect, as texts (any thread but the store's: a journal may have megabytes).

    Args:
        step: its number.
        blobs: its journal.
    """
    return [f"{call.key.name}(...) in step {step}" for call in Journal.load(blobs).calls if call.effect != "none"]


def roll_back(
    jobs: JobRepository, record: JobRecord, seq: int, effects: list[str], *, by: str, driven: bool, now_us: int
) -> int:
    """Append a commit with the workspace of an earlier one, and say so in the chat log; gives its number.

    Args:
        jobs: the records.
        record: the job.
        seq: the commit whose variables and files come back.
        effects: what took effect since, for the model and for people: it stays.
        by: who asked for it; empty for nobody in particular.
        driven: whether a service runs over the store.
        now_us: microseconds UTC.

    Raises:
        InvalidRequest: the job is at work.
    """
    if record.mode == JobMode.STATELESS.value:
        raise InvalidRequest(f"job {job_id(record.number)} cannot go back: {JobMode.STATELESS.remark}")
    _check_restful(record, driven=driven)
    target, head = jobs.kept_workspace(record, seq), jobs.kept_workspace(record, jobs.commit_count(record) - 1)
    new = kept_commit(head.workspace, target, jobs.commit(record, seq).image_digest)
    made = jobs.add_commit(record, "rollback", 0, new, now_us, durable.state_number())
    jobs.add_message(record, "system", _note(seq, effects, by), now_us)
    emit(record, "job.rolled_back", str(seq), commit=made, by=by)
    return made


def _note(seq: int, effects: list[str], by: str) -> str:
    """What the model is told."""
    shown = "; ".join(effects[:_SHOWN_EFFECTS])
    more = f" and {len(effects) - _SHOWN_EFFECTS} more" if len(effects) > _SHOWN_EFFECTS else ""
    stays = f" What took effect since then stays: {shown}{more}." if effects else ""
    who = f" by {by}" if by else ""
    return f"The variables and files of this job were put back{who} to commit {seq}.{stays}"


# ------------------------------------------------------------------------------------ durable objects


def past_object(uuid: str, state_num: int) -> PastObject | None:
    """A durable object as it was in a state of the store; None where it did not exist.

    Raises:
        NotFound: the store has no such state.
    """
    with durable.past_state(state_num) as past:
        try:
            found = past.fetch(uuid)
        except NotFound:
            return None
        fields = {name: _plain(value, 0) for name, value in sorted(vars(found).items()) if not name.startswith("_")}
        return PastObject(type(found).__name__, uuid, fields)


def _plain(value: Any, depth: int) -> Any:
    """Plain data that outlives the look at the past: long collections cut, durable objects as ``<Class>``."""
    if durable.is_memo(value):
        return f"<{type(value).__name__}>"
    if not (durable.is_durable_list(value) or durable.is_durable_dict(value) or durable.is_durable_set(value)):
        return value if value is None or isinstance(value, _PLAIN) else str(value)
    if depth >= _MAX_DEPTH:
        return "..."
    first = list(islice(value, _MAX_ITEMS))
    if durable.is_durable_dict(value):
        return {key: _plain(value[key], depth + 1) for key in first}
    items = [_plain(item, depth + 1) for item in first]
    more = len(value) - len(first)
    return [*items, f"... ({more} more)"] if more else items
