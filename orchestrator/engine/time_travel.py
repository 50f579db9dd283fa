"""Looks at the past of jobs, compares commits, names them, goes back and forks: the questions of one store.

Each question is written once, as a generator that gives functions for the store thread one after the other, so that
no visit there is long (what is long gets a thread of its own); the coroutine asks it on the event loop, its ``_sync``
twin on other threads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from orchestrator.engine import history
from orchestrator.engine.clock import now_us
from orchestrator.engine.durability import Durability
from orchestrator.engine.files import list_files, list_files_sync
from orchestrator.engine.forks import fork_job
from orchestrator.engine.future_reader import StoredFutures
from orchestrator.engine.jobs import JobRepository, job_id, job_number
from orchestrator.engine.manifest import changed_names
from orchestrator.engine.submission import check_identity
from orchestrator.engine.variables import FromHandle, read_variables, read_variables_sync
from orchestrator.store.store import Store
from sandbox_runner.wire import values
from statek.durable import is_memo, uuid_of
from statek.exceptions import InvalidRequest, NotFound
from statek.executors.history import (
    CommitDiff,
    CommitState,
    CommitView,
    Focus,
    HistoricalView,
    compared,
    focused,
)
from statek.executors.views import VariableView
from statek.runnable import announce, is_heard

__all__ = ["Reference", "TimeTravel"]

T = TypeVar("T")
Reference = int | str | None
"""A commit as people name it: number, tag, first digits of its hash, ``latest`` or None for the newest."""

_PAGE = 50
"""Commits that one visit to the store thread reads at most."""

_PAGE_SECONDS = 0.004
"""How long it goes on; a hostile step may have written a commit of thousands of names."""


@dataclass(frozen=True, slots=True)
class _Away:
    """What is asked of neither the store thread nor the event loop: reading a journal takes long."""

    work: Callable[[], Any]


_Question = Generator[Callable[[], Any] | _Away, Any, T]


def _paged(start: int, count: int) -> Iterator[int]:
    """The numbers of one visit, at least one."""
    begun = time.perf_counter()
    for seq in range(start, min(start + _PAGE, count)):
        yield seq
        if time.perf_counter() - begun > _PAGE_SECONDS:
            return


class TimeTravel:
    """The past of the jobs of one store; every number and name in it is checked."""

    def __init__(self, store: Store, jobs: JobRepository) -> None:
        """Args are the open store and its job records."""
        self._store = store
        self._jobs = jobs
        self._durability = Durability(store)

    # ---------------------------------------------------------------------------------- questions

    def _find(self, number: int, reference: Reference) -> _Question[int]:
        """The number of the commit that somebody named."""
        found = yield lambda: history.find_commit(self._jobs, self._jobs.get(number), reference)
        if found is not None:
            return int(found)
        prefix = str(reference)
        count = yield lambda: self._jobs.commit_count(self._jobs.get(number))
        hits: list[int] = []
        start = 0
        while start < count:
            found, start = yield partial(self._hashes, number, prefix, start, count)
            hits += found
        if len(hits) > 1:
            raise InvalidRequest(f"{len(hits)} commits of job {job_id(number)} have a hash that begins with {prefix}")
        if not hits:
            raise NotFound(f"job {job_id(number)} has no commit whose hash begins with {prefix}")
        return hits[0]

    def _hashes(self, number: int, prefix: str, start: int, count: int) -> tuple[list[int], int]:
        """The commits of one visit whose hash begins so, and where the next visit goes on."""
        record, hits = self._jobs.get(number), list[int]()
        for seq in _paged(start, count):
            if self._jobs.commit(record, seq).hash.startswith(prefix):
                hits.append(seq)
        return hits, seq + 1

    def _commits(self, number: int, newest: int) -> _Question[list[CommitView]]:
        count = yield lambda: self._jobs.commit_count(self._jobs.get(number))
        found: list[CommitView] = []
        start = max(0, count - newest)
        while start + len(found) < count:
            found += yield partial(self._views, number, start + len(found), count)
        return found

    def _views(self, number: int, start: int, count: int) -> list[CommitView]:
        """The commits of one visit."""
        record = self._jobs.get(number)
        return [history.commit_view(self._jobs, record, seq) for seq in _paged(start, count)]

    def _view(self, number: int, reference: Reference) -> _Question[CommitView]:
        seq = yield from self._find(number, reference)
        found = yield lambda: history.commit_view(self._jobs, self._jobs.get(number), seq)
        view: CommitView = found
        return view

    def _effects(self, number: int, seq: int) -> _Question[list[str]]:
        """What took effect after a commit, the newest steps first read, in order of time."""
        count = yield lambda: self._jobs.item_count(self._jobs.get(number))
        effects: list[str] = []
        for index in range(count - 1, -1, -1):
            found = yield partial(self._journal_after, number, index, seq)
            if found is None:
                break
            step, blobs = found
            if blobs:
                read = yield _Away(partial(history.effects_of, step, blobs))
                effects = read + effects
        return effects

    def _journal_after(self, number: int, index: int, seq: int) -> tuple[int, list[bytes]] | None:
        """Step and journal of one chat item; None for one that made the commit or came before it."""
        record = self._jobs.get(number)
        item = self._jobs.item(record, index)
        if item.start_commit < seq:
            return None
        return item.step, [] if item.end is None else self._jobs.journal_blobs(record, item)

    def _changed(self, number: int, before: int, after: int) -> frozenset[str]:
        """Names of variables and files that two commits do not agree on (store thread)."""
        record = self._jobs.get(number)
        workspaces = [self._jobs.kept_workspace(record, seq).workspace for seq in (before, after)]
        return frozenset(changed_names(*workspaces))

    # -------------------------------------------------------------------------------------- asking

    async def _ask(self, question: _Question[T]) -> T:
        answer: Any = None
        while True:
            try:
                visit = question.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(visit, _Away):
                answer = await asyncio.to_thread(visit.work)
            else:
                answer = await self._store.read(visit)

    def _ask_sync(self, question: _Question[T]) -> T:
        answer: Any = None
        while True:
            try:
                visit = question.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer = visit.work() if isinstance(visit, _Away) else self._store.read_sync(visit)

    # ------------------------------------------------------------------------------------- looking

    async def commits(self, id_: str, *, newest: int = 1000) -> list[CommitView]:
        """The newest commits of a job, oldest first.

        Raises:
            NotFound: there is no such job.
        """
        return await self._ask(self._commits(job_number(id_), newest))

    def commits_sync(self, id_: str, *, newest: int = 1 << 62) -> list[CommitView]:
        """``commits`` for other threads than the event loop's."""
        return self._ask_sync(self._commits(job_number(id_), newest))

    async def commit(self, id_: str, at: Reference = None) -> CommitView:
        """One commit, by any of its names.

        Raises:
            NotFound: there is no such job or commit.
            InvalidRequest: ``at`` names no commit.
        """
        return await self._ask(self._view(job_number(id_), at))

    async def changed(self, id_: str, before: int, after: int) -> frozenset[str]:
        """Names of variables and files that two commits do not agree on.

        Raises:
            NotFound: there is no such job or commit.
        """
        return await self._store.read(partial(self._changed, job_number(id_), before, after))

    async def state(self, id_: str, at: Reference = None, *, focus: Focus = "full") -> CommitState:
        """Variables and files as of a commit; with focus ``recent`` those that it changed.

        Raises:
            NotFound: there is no such job or commit.
            InvalidRequest: ``at`` names no commit.
        """
        number = job_number(id_)
        commit = await self._ask(self._view(number, at))
        variables = await read_variables(self._store, self._jobs, number, at=commit.number)
        files = await list_files(self._store, self._jobs, number, at=commit.number)
        return focused(CommitState(commit, tuple(variables), tuple(files)), focus)

    def _state_sync(self, number: int, at: Reference) -> CommitState:
        commit = self._ask_sync(self._view(number, at))
        variables = read_variables_sync(self._store, self._jobs, number, at=commit.number)
        files = list_files_sync(self._store, self._jobs, number, at=commit.number)
        return CommitState(commit, tuple(variables), tuple(files))

    def view_sync(self, id_: str, at: Reference = None, *, focus: Focus = "full") -> HistoricalView:
        """A read-only look at a commit for other threads than the event loop's; values are read when asked for.

        Raises:
            NotFound: there is no such job or commit.
            InvalidRequest: ``at`` names no commit.
        """
        number = job_number(id_)
        commit = self._ask_sync(self._view(number, at))

        def names() -> frozenset[str]:
            workspace = self._jobs.kept_workspace(self._jobs.get(number), commit.number).workspace
            found = {name for component in workspace.components for name in component.names}
            return frozenset(found | {lost.name for lost in workspace.lost})

        found, files = self._store.read_sync(names), list_files_sync(self._store, self._jobs, number, at=commit.number)
        if focus == "recent":
            found &= set(commit.changed)
            files = [file for file in files if f"/work/{file.path}" in commit.changed]
        from_handle, futures = self.past_handles(number, commit.number), StoredFutures(self._store)

        def load(name: str) -> VariableView:
            views = read_variables_sync(
                self._store,
                self._jobs,
                number,
                at=commit.number,
                only=frozenset({name}),
                from_handle=from_handle,
                from_future=lambda ref: futures.of_workspace(ref, number),
            )
            return next(view for view in views if view.name == name)

        return HistoricalView(commit, focus, tuple(found), tuple(files), load)

    def past_handles(self, number: int, seq: int) -> FromHandle:
        """What stands for a durable object in the variables of a commit: its fields as they were then."""

        def past(handle: values.Handle) -> object:
            def read() -> object:
                record = self._jobs.get(number)
                name = _name_in(record.grants, handle.id)
                found = history.past_object(name, self._jobs.commit(record, seq).state_num) if name else None
                return handle if found is None else found

            return self._store.read_sync(read)

        return past

    async def diff(self, id_: str, before: Reference, after: Reference) -> CommitDiff:
        """What differs from one commit to another.

        Raises:
            NotFound: there is no such job or commit.
            InvalidRequest: a reference names no commit.
        """
        number = job_number(id_)
        first, second = await self.state(id_, before), await self.state(id_, after)
        names = await self._store.read(partial(self._changed, number, first.commit.number, second.commit.number))
        return compared(first, second, names)

    def diff_sync(self, id_: str, before: Reference, after: Reference) -> CommitDiff:
        """``diff`` for other threads than the event loop's."""
        number = job_number(id_)
        first, second = self._state_sync(number, before), self._state_sync(number, after)
        names = self._store.read_sync(partial(self._changed, number, first.commit.number, second.commit.number))
        return compared(first, second, names)

    # ------------------------------------------------------------------------------------ changing

    async def tag(self, id_: str, at: Reference, name: str) -> CommitView:
        """Give a commit a name; durable on return. A name that is there already moves.

        Raises:
            InvalidRequest: it cannot be a tag.
            LimitExceeded: the job has as many as it may have.
        """
        number = job_number(id_)
        seq = await self._ask(self._find(number, at))
        return await self._durability.commit(partial(self._tag, number, seq, name))

    def tag_sync(self, id_: str, at: Reference, name: str) -> CommitView:
        """``tag`` for other threads than the event loop's."""
        number = job_number(id_)
        seq = self._ask_sync(self._find(number, at))
        return self._store.commit_sync(partial(self._tag, number, seq, name))

    def _tag(self, number: int, seq: int, name: str) -> CommitView:
        record = self._jobs.get(number)
        self._jobs.kept_commit(record, seq)
        history.tag_commit(record, seq, name)
        return history.commit_view(self._jobs, record, seq)

    async def untag(self, id_: str, name: str) -> None:
        """Take a name away; durable on return.

        Raises:
            NotFound: no commit has it.
        """
        number = job_number(id_)
        await self._durability.commit(lambda: history.untag_commit(self._jobs.get(number), name))

    async def roll_back(self, id_: str, at: Reference, *, by: str = "") -> CommitView:
        """Put variables and files back to a commit, by a new commit; gives that. Durable on return.

        Raises:
            NotFound: there is no such job or commit.
            InvalidRequest: the job is at work, or ``at`` names no commit.
        """
        number = job_number(id_)
        seq = await self._ask(self._find(number, at))
        effects = await self._ask(self._effects(number, seq))
        return await self._durability.commit(partial(self._roll_back, number, seq, effects, by))

    def roll_back_sync(self, id_: str, at: Reference, *, by: str = "") -> CommitView:
        """``roll_back`` for other threads than the event loop's."""
        number = job_number(id_)
        seq = self._ask_sync(self._find(number, at))
        effects = self._ask_sync(self._effects(number, seq))
        return self._store.commit_sync(partial(self._roll_back, number, seq, effects, by))

    def _roll_back(self, number: int, seq: int, effects: list[str], by: str) -> CommitView:
        check_identity("principal", by)
        record = self._jobs.get(number)
        made = history.roll_back(self._jobs, record, seq, effects, by=by, driven=is_heard(), now_us=now_us())
        return history.commit_view(self._jobs, record, made)

    async def fork(self, id_: str, at: Reference = None, *, message: str = "", principal: str = "") -> str:
        """Make a job that goes on from a commit; gives its id. Durable on return.

        Args:
            id_: the job.
            at: the commit.
            message: what the user says to the new job first; empty for nothing.
            principal: on whose behalf it acts; empty for that of the job.

        Raises:
            NotFound: there is no such job or commit.
            InvalidRequest: ``at`` names no commit.
        """
        number = job_number(id_)
        seq = await self._ask(self._find(number, at))
        return await self._durability.commit(partial(self._fork, number, seq, message, principal))

    def fork_sync(self, id_: str, at: Reference = None, *, message: str = "", principal: str = "") -> str:
        """``fork`` for other threads than the event loop's."""
        number = job_number(id_)
        seq = self._ask_sync(self._find(number, at))
        return self._store.commit_sync(partial(self._fork, number, seq, message, principal))

    def _fork(self, number: int, seq: int, message: str, principal: str) -> str:
        check_identity("principal", principal)
        at = now_us()
        fork = fork_job(self._jobs, self._jobs.get(number), seq, principal=principal, now_us=at)
        if message:
            self._jobs.add_message(fork, "user", message, at)
        announce(fork.number, fork.tenant)
        return job_id(fork.number)


def _name_in(table: Any, handle: int) -> str:
    """The permanent name of a granted object, also of one whose job has ended; empty for what has none."""
    if 0 < handle <= len(table.objects):
        target = table.objects[handle - 1]
        return uuid_of(target) if is_memo(target) else ""
    return str(table.names[handle - 1]) if 0 < handle <= len(table.names) else ""
