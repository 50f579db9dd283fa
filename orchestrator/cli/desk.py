"""Where a command gets its answers: from the running service, or from the store itself when none runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from orchestrator.api.limits import DEFAULT_COMMITS, DEFAULT_NEWEST
from orchestrator.api.socket_file import api_socket, is_answering
from statek.events import Event
from statek.exceptions import InternalError, NotFound
from statek.executors.history import CommitDiff, CommitState, CommitView, Focus
from statek.executors.porting import Imported
from statek.executors.views import (
    AgentView,
    CallView,
    FileView,
    FutureView,
    ItemView,
    JobSummary,
    JobView,
    QueueView,
    VariableView,
)
from statek.settings import StatekSettings
from statek.upkeep import BackedUp, Compacted

if TYPE_CHECKING:
    # Imported where used: the engine takes half a second, gRPC a tenth.
    from orchestrator.engine.inspection import Inspection

__all__ = ["Desk", "StoreDesk", "open_desk", "open_service_desk", "service_answers"]

ResultT = TypeVar("ResultT")
Verdict = Literal["happened", "failed", "retry"]


class Desk(Protocol):
    """What commands ask; ``orchestrator.api.client.StatekClient`` is one."""

    def jobs(self, *, newest: int = DEFAULT_NEWEST) -> list[JobSummary]:
        """Summaries of the newest jobs, oldest first."""
        ...

    def job(self, id_: str) -> JobView:
        """A whole job."""
        ...

    def variables(self, id_: str) -> list[VariableView]:
        """Its variables."""
        ...

    def files(self, id_: str) -> list[FileView]:
        """Its files."""
        ...

    def file(self, id_: str, path: str) -> Iterator[bytes]:
        """The content of one of its files."""
        ...

    def commits(self, id_: str, *, newest: int = DEFAULT_COMMITS) -> list[CommitView]:
        """Its newest commits, oldest first."""
        ...

    def view(self, id_: str, at: str = "", *, focus: Focus = "full") -> CommitState:
        """What it had at a commit."""
        ...

    def diff(self, id_: str, before: str, after: str = "") -> CommitDiff:
        """What differs between two commits."""
        ...

    def tag(self, id_: str, name: str, at: str = "") -> CommitView:
        """Name a commit."""
        ...

    def untag(self, id_: str, name: str) -> None:
        """Take a name away."""
        ...

    def rollback(self, id_: str, at: str) -> CommitView:
        """Go back to a commit."""
        ...

    def fork(self, id_: str, at: str = "", *, message: str = "") -> str:
        """Go on from a commit in a new job."""
        ...

    def export_to(self, id_: str, path: Path) -> int:
        """Write its archive to a new file; gives its size in bytes."""
        ...

    def import_from(self, path: Path, *, principal: str = "", request_id: str = "") -> Imported:
        """Make a job of an archive."""
        ...

    def backup(self, folder: Path, progress: Callable[[str], None]) -> BackedUp:
        """Write a backup of the whole store."""
        ...

    def compact(
        self,
        id_: str | None = None,
        *,
        keep_last: int | None = None,
        keep_tagged: bool = True,
        dry_run: bool = False,
        progress: Callable[[str], None],
    ) -> Compacted:
        """Drop commits of one job, or of all, and remove the blocks that nothing names any more."""
        ...

    def follow(self, id_: str, *, start: int = 0) -> Iterator[ItemView]:
        """Its finished items, as they come."""
        ...

    def events(self, *, after: int = 0, match: str = "", tenant: str = "", follow: bool = False) -> Iterator[Event]:
        """What happened to the jobs of a tenant, in order."""
        ...

    def cancel(self, id_: str, reason: str = "") -> JobSummary:
        """End it."""
        ...

    def push(self, id_: str, text: str, *, request_id: str = "") -> bool:
        """Tell a job something; gives whether it will hear it."""
        ...

    def agents(self) -> list[AgentView]:
        """Every agent that the store knows."""
        ...

    def queues(self) -> list[QueueView]:
        """Every queue."""
        ...

    def calls(self) -> list[CallView]:
        """Every call in doubt."""
        ...

    def resolve(self, id_: str, call: int, verdict: Verdict, *, value: object = None, message: str = "") -> JobSummary:
        """Decide about a call in doubt."""
        ...

    def futures(self) -> list[FutureView]:
        """Every open future, oldest first."""
        ...

    def future(self, id_: str) -> FutureView:
        """One future."""
        ...

    def resolve_future(self, id_: str, value: object = None) -> FutureView:
        """Give a future its value."""
        ...

    def fail_future(self, id_: str, message: str) -> FutureView:
        """Let a future end without a value."""
        ...

    def cancel_future(self, id_: str, reason: str = "") -> FutureView:
        """Call a future off."""
        ...


class StoreDesk:
    """Answers from the store, which is opened for each question and locked meanwhile; drives nothing."""

    def __init__(self, settings: StatekSettings) -> None:
        """Args are the settings that name the data directory."""
        self._settings = settings

    def _ask(self, question: Callable[[Inspection], Awaitable[ResultT]]) -> ResultT:
        from orchestrator.app import open_inspection

        async def ask() -> ResultT:
            async with open_inspection(self._settings) as inspection:
                return await question(inspection)

        return asyncio.run(ask())

    def jobs(self, *, newest: int = DEFAULT_NEWEST) -> list[JobSummary]:
        """Summaries of the newest jobs, oldest first."""
        return self._ask(lambda inspection: inspection.jobs(newest=newest))

    def job(self, id_: str) -> JobView:
        """A whole job."""
        return self._ask(lambda inspection: inspection.job(id_))

    def variables(self, id_: str) -> list[VariableView]:
        """Its variables."""
        return self._ask(lambda inspection: inspection.variables(id_))

    def files(self, id_: str) -> list[FileView]:
        """Its files."""
        return self._ask(lambda inspection: inspection.files(id_))

    def file(self, id_: str, path: str) -> Iterator[bytes]:
        """The content of one of its files; read at once, because the store is closed again meanwhile."""

        async def read(inspection: Inspection) -> list[bytes]:
            return [piece async for piece in inspection.file(id_, path)]

        yield from self._ask(read)

    def commits(self, id_: str, *, newest: int = DEFAULT_COMMITS) -> list[CommitView]:
        """Its newest commits, oldest first."""
        return self._ask(lambda inspection: inspection.past.commits(id_, newest=newest))

    def view(self, id_: str, at: str = "", *, focus: Focus = "full") -> CommitState:
        """What it had at a commit."""
        return self._ask(lambda inspection: inspection.past.state(id_, at or None, focus=focus))

    def diff(self, id_: str, before: str, after: str = "") -> CommitDiff:
        """What differs between two commits."""
        return self._ask(lambda inspection: inspection.past.diff(id_, before or None, after or None))

    def tag(self, id_: str, name: str, at: str = "") -> CommitView:
        """Name a commit."""
        return self._ask(lambda inspection: inspection.past.tag(id_, at or None, name))

    def untag(self, id_: str, name: str) -> None:
        """Take a name away."""
        return self._ask(lambda inspection: inspection.past.untag(id_, name))

    def rollback(self, id_: str, at: str) -> CommitView:
        """Go back to a commit."""
        return self._ask(lambda inspection: inspection.past.roll_back(id_, at))

    def fork(self, id_: str, at: str = "", *, message: str = "") -> str:
        """Make the new job; the next service drives it."""
        return self._ask(lambda inspection: inspection.past.fork(id_, at or None, message=message))

    def export_to(self, id_: str, path: Path) -> int:
        """Write its archive to a new file."""
        return self._ask(lambda inspection: asyncio.to_thread(inspection.porter.export_to_sync, id_, path))

    def import_from(self, path: Path, *, principal: str = "", request_id: str = "") -> Imported:
        """Make a job of an archive."""

        def read(inspection: Inspection) -> Imported:
            return inspection.porter.import_from_sync(path, principal=principal, request_id=request_id)

        return self._ask(lambda inspection: asyncio.to_thread(read, inspection))

    def backup(self, folder: Path, progress: Callable[[str], None]) -> BackedUp:
        """Write a backup of the whole store."""

        async def write(inspection: Inspection) -> BackedUp:
            async for said in inspection.upkeep.back_up(folder):
                if not isinstance(said, str):
                    return said
                progress(said)
            raise InternalError("a backup ended without a word on it")

        return self._ask(write)

    def compact(
        self,
        id_: str | None = None,
        *,
        keep_last: int | None = None,
        keep_tagged: bool = True,
        dry_run: bool = False,
        progress: Callable[[str], None],
    ) -> Compacted:
        """Drop commits of one job, or of all, and remove the blocks that nothing names any more."""
        from orchestrator.engine.retention import Choice

        choice = Choice(id_, keep_last, keep_tagged, dry_run)
        return self._ask(lambda inspection: asyncio.to_thread(inspection.retention.run_sync, choice, progress))

    def follow(self, id_: str, *, start: int = 0) -> Iterator[ItemView]:
        """Its finished items; no more will come while no service runs."""
        yield from self._ask(lambda inspection: inspection.items(id_, start=start))

    def events(self, *, after: int = 0, match: str = "", tenant: str = "", follow: bool = False) -> Iterator[Event]:
        """What happened to the jobs of a tenant; no more will come while no service runs, also with ``follow``."""
        from orchestrator.app import open_store
        from orchestrator.engine.events import EventFeeds

        with closing(open_store(self._settings)) as store:
            yield from EventFeeds(store).follow_sync(after, match, tenant=tenant, follow=False)

    def cancel(self, id_: str, reason: str = "") -> JobSummary:
        """Note that it is to end; the next service ends it."""
        return self._ask(lambda inspection: inspection.cancel(id_, reason))

    def push(self, id_: str, text: str, *, request_id: str = "") -> bool:
        """Tell a job something; the next service goes on with it."""
        return self._ask(lambda inspection: inspection.push(id_, text, request_id=request_id)).delivered

    def agents(self) -> list[AgentView]:
        """Every agent that the store knows."""
        return self._ask(lambda inspection: inspection.agents())

    def queues(self) -> list[QueueView]:
        """Every queue."""
        return self._ask(lambda inspection: inspection.queues())

    def calls(self) -> list[CallView]:
        """Every call in doubt."""
        return self._ask(lambda inspection: inspection.calls())

    def resolve(self, id_: str, call: int, verdict: Verdict, *, value: object = None, message: str = "") -> JobSummary:
        """Decide about a call in doubt; the next service goes on with the job."""
        from orchestrator.engine.operator_calls import Resolution
        from orchestrator.engine.operator_calls import Verdict as Decided

        resolution = Resolution(Decided(verdict), value=value, message=message)
        return self._ask(lambda inspection: inspection.resolve(id_, call, resolution))

    def futures(self) -> list[FutureView]:
        """Every open future, oldest first."""
        return self._ask(lambda inspection: inspection.futures())

    def future(self, id_: str) -> FutureView:
        """One future."""
        return self._ask(lambda inspection: inspection.future(id_))

    def resolve_future(self, id_: str, value: object = None) -> FutureView:
        """Give a future its value; the next service goes on with the jobs that wait for it."""
        return self._settle_future(id_, "resolved", value=value)

    def fail_future(self, id_: str, message: str) -> FutureView:
        """Let a future end without a value."""
        return self._settle_future(id_, "failed", message=message)

    def cancel_future(self, id_: str, reason: str = "") -> FutureView:
        """Call a future off."""
        return self._settle_future(id_, "cancelled", message=reason)

    def _settle_future(self, id_: str, state: str, *, value: object = None, message: str = "") -> FutureView:
        from statek.future import FutureState, Settlement

        settlement = Settlement(FutureState(state), value, message)
        return self._ask(lambda inspection: inspection.settle_future(id_, settlement))


def service_answers(settings: StatekSettings) -> bool:
    """Whether a service of these settings is running."""
    return is_answering(api_socket(settings))


@contextmanager
def open_service_desk(settings: StatekSettings) -> Iterator[Desk]:
    """The running service's desk; whether one runs shows at the first question."""
    from orchestrator.api.client import StatekClient

    with StatekClient(api_socket(settings)) as client:
        yield client


@contextmanager
def open_desk(settings: StatekSettings) -> Iterator[Desk]:
    """The running service's desk, else the store's.

    Raises:
        NotFound: there is neither.
    """
    if service_answers(settings):
        with open_service_desk(settings) as desk:
            yield desk
        return
    store = settings.data_dir / "store"
    if not (store / "statek").is_dir():
        raise NotFound(f"no store at {store.absolute()} yet; statek run and statek serve make one")
    yield StoreDesk(settings)
