"""Makes a job that goes on from a commit of another one.

What came before is not copied: the new job's past *is* that of the old one up to the commit, read where it is
(``JobRecord.base``), so a fork costs the same after one step and after a thousand. Its variables and files are those of
the commit. Durable objects are the application's and stay as they are; the handles in its variables stand for those
of them that are still there. Pending messages, waits, approvals, tags of later commits, usage and the counters of
limits stay with the old job; idempotency keys hold the id of the job: a call of a fork is never one of its base.
"""

from __future__ import annotations

from orchestrator.engine.elements import ChatItem
from orchestrator.engine.history import tags_of
from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.objects.grants import GrantTable, copied_grants
from statek.event_feed import emit
from statek.packing import pack
from statek.records import JobRecord

__all__ = ["fork_job"]


def fork_job(jobs: JobRepository, source: JobRecord, seq: int, *, principal: str, now_us: int) -> JobRecord:
    """Make a job whose past is that of ``source`` up to commit ``seq`` (store thread, inside an atomic block).

    Args:
        jobs: the records.
        source: the job to fork; it may be at work, its commits do not change.
        seq: number of the commit.
        principal: on whose behalf the new job acts.
        now_us: microseconds UTC.

    Returns:
        The new record, READY.

    Raises:
        NotFound: the job has no such commit.
    """
    commit = jobs.commit(source, seq)
    held = jobs.kept_workspace(source, seq).held
    grants = GrantTable()
    copied_grants(source.grants, grants, frozenset(held))
    fork = jobs.create(
        tenant=source.tenant,
        role=source.role,
        principal=principal or source.principal,
        definition=source.definition,
        grants=grants,
        now_us=now_us,
    )
    items, steps, warmups = _past(jobs, source, seq)
    fork.base = source
    fork.base_items, fork.base_steps, fork.base_commits = items, steps, seq + 1
    fork.next_step = steps + 1
    fork.warmup_next = warmups
    fork.difficulty = source.difficulty
    fork.mode = source.mode
    fork.memory = source.memory
    fork.muted = source.muted
    fork.shared_binding = source.shared_binding
    fork.shared_read_only = source.shared_read_only
    fork.image_digest = commit.image_digest
    tags = {name: at for name, at in tags_of(source).items() if at <= seq}
    if tags:
        fork.tags = pack(tags)
    emit(fork, "job.forked", f"j{source.number}", commit=seq, role=fork.role, principal=fork.principal)
    return fork


def _past(jobs: JobRepository, source: JobRecord, seq: int) -> tuple[int, int, int]:
    """How much of the chat log and of the steps led to a commit, and how many warmup blocks were among them.

    Chat items are in order of time, and a later one never saw an earlier commit: what led to the commit is found
    by halving.
    """
    low, high = 0, jobs.item_count(source)
    while low < high:
        middle = (low + high) // 2
        if _belongs(jobs.item(source, middle), seq):
            low = middle + 1
        else:
            high = middle
    if seq == 0:  # the start commit: what was said before anything ran
        while low < jobs.item_count(source) and not jobs.item(source, low).step:
            low += 1
    steps = next((item.step for item in (jobs.item(source, at) for at in range(low - 1, -1, -1)) if item.step), 0)
    warmups = 0
    for index in range(low):  # warmup blocks are the first steps of a job
        item = jobs.item(source, index)
        if item.kind == "reply":
            break
        warmups += item.kind == "warmup" and item.state == "committed"
    return low, steps, warmups


def _belongs(item: ChatItem, seq: int) -> bool:
    """Whether an entry made a commit or one before it, or came before it."""
    return item.end_commit <= seq if item.state == "committed" else item.start_commit < seq
