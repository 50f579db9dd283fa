"""The service inside an application's own process: what ``statek.init`` and ``start_statek`` stand for.

An application may submit jobs before the service runs; they are durable at once and are driven when it
starts. One process has at most one of these, because dbzero is one per process. The store is opened
when it is first needed, so that an application may name its prefix first (``open_prefix``).
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from orchestrator.app import open_store, running_service, until_terminated, wait_for_stop
from orchestrator.engine.access import JobAccess
from orchestrator.engine.events import EventFeeds
from orchestrator.engine.future_reader import StoredFutures
from orchestrator.engine.inspection import Inspection
from orchestrator.engine.job_tasks import JobTasks
from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.service import Service
from orchestrator.store.store import Store
from statek import durable
from statek.agents.agent import Agent
from statek.agents.registry import declared_agents, import_agent, made_agent, missing_agents
from statek.events import Event
from statek.exceptions import ConfigurationError, InvalidRequest
from statek.executors.job import Job
from statek.executors.views import FutureView
from statek.future import FutureDoor, FutureResult, Settlement
from statek.model import Model
from statek.settings import StatekSettings
from statek.task_door import NewJob

__all__ = ["Embedded"]

_log = logging.getLogger("statek.agents")


class Embedded:
    """A store, and the service over it while it runs.

    Attributes:
        settings: settings in force.
    """

    def __init__(self, settings: StatekSettings) -> None:
        """Nothing is opened yet."""
        self.settings = settings
        self._store: Store | None = None
        self._opening = threading.Lock()
        self._service: Service | None = None
        self._access: JobAccess | None = None
        self._feed: EventFeeds | None = None
        self._agents: dict[str, Agent] = {}

    @property
    def store(self) -> Store:
        """The open store, opened at the first use; ``store.commit_sync`` makes an application's durable objects.

        Raises:
            StoreError: it cannot be opened.
            ConfigurationError: the application has a dbzero prefix open itself.
        """
        return self._store or self.open_prefix()

    def open_prefix(self, name: str | None = None) -> Store:
        """Open the store; blocking, some 100 ms.

        Args:
            name: its dbzero prefix; None takes the one that is there, ``default`` for a new store.

        Raises:
            InvalidRequest: an illegal name.
            ConfigurationError: the store holds another prefix, or the application has one open itself.
            StoreError: it cannot be opened.
        """
        with self._opening:
            if self._store is None:
                durable.let_go()
                self._store = open_store(self.settings, prefix=name)
            elif name is not None and name != self._store.prefix:
                raise ConfigurationError(
                    f"the prefix {self._store.prefix} is open, and one data directory has one prefix; "
                    f"call statek.open_prefix({name!r}) before the store is first used, in another data directory"
                )
            return self._store

    @property
    def access(self) -> JobAccess:
        """The jobs of the store, for application code on any thread."""
        if self._access is None:
            self._access = _Access(self.settings, self.store, self._agents)
        return self._access

    @property
    def tasks(self) -> JobTasks:
        """What makes jobs for the application itself."""
        return JobTasks(self.access)

    def submit_batch(self, agent: Agent | str, given: Sequence[NewJob]) -> list[Job]:
        """Make jobs of one agent durable with one flush, and runnable as soon as the service runs.

        A crash before the flush may leave some of them. Safe on any thread, the event loop's included (a flush takes
        about a millisecond).
        """
        if isinstance(agent, str) and agent not in self._agents and (made := made_agent(agent)) is not None:
            self._agents[agent] = made
        return self.tasks.create_batch(agent, given)

    @property
    def futures(self) -> FutureDoor:
        """The futures of this process's store, for code outside of tools."""
        return _Futures(self)

    def settle_future(self, id_: str, settlement: Settlement) -> FutureView:
        """End a future durably; blocks for one flush, and on other threads for a call that is making the future.

        Raises:
            NotFound: there is none of that id.
            FutureSettled: it had come to an end before.
            InvalidRequest: the value cannot be kept.
            LimitExceeded: it is too large.
        """
        service = self._service
        if service is not None and service.loop is not None and not _runs_here(service.loop):
            return asyncio.run_coroutine_threadsafe(service.settle_future(id_, settlement), service.loop).result()
        keeper = service or Inspection(self.store)
        settled, view = self.store.commit_sync(lambda: keeper.settle_on_store(id_, settlement))
        if service is not None:
            service.publish(settled)
        return view

    def events(self, *, after: int, match: str, tenant: str, follow: bool) -> Iterator[Event]:
        """What happens to the jobs of a tenant, on any thread but the store's and the event loop's.

        See ``StatekClientAPI.events``.
        """
        self._feed = self._feed or EventFeeds(self.store)
        return self._feed.follow_sync(after, match, tenant=tenant, follow=follow)

    def replace_agent(self, agent: Agent) -> None:
        """Let new jobs of a role have another agent, at once where the service runs; see ``Service.replace_agent``.

        Blocks for some flushes.

        Raises:
            InvalidRequest: called on the service's own event loop; await ``Service.replace_agent`` there.
            ConfigurationError: a prompt or warmup file is broken; nothing was replaced.
        """
        service = self._service
        if service is not None and service.loop is not None:
            if _runs_here(service.loop):
                raise InvalidRequest("replace an agent on another thread than the service's event loop")
            asyncio.run_coroutine_threadsafe(service.replace_agent(agent), service.loop).result()
        self._agents[agent.role] = agent

    def find_agents(self) -> list[Agent]:
        """The agents of this process and, from the modules that hold them, those that the store knows besides.

        Blocks for a read and for imports.

        Raises:
            InvalidRequest: two agents of this process have one role.
            ConfigurationError: there is no agent, or one that has work to do cannot be found; names the role.
        """
        jobs = JobRepository()
        found = declared_agents(self._agents)
        missing = missing_agents(found, self.store.read_sync(jobs.agents))
        lost: dict[str, ConfigurationError] = {}
        for view in missing:
            try:
                found[view.role] = import_agent(view)
            except ConfigurationError as error:
                lost[view.role] = error
        if lost:
            needed = set[str]()
            visit = jobs.visit_active(lambda record: needed.add(record.role))
            while self.store.read_sync(visit):
                pass
            for role, why in lost.items():
                if role in needed:
                    raise why
                _log.warning("%s; it has no work to do", why)
        if not found:
            raise ConfigurationError("this process has made no agent and the store knows none; give start_statek some")
        return list(found.values())

    async def run(
        self,
        agents: Iterable[Agent],
        *,
        model: Model | None = None,
        max_concurrency: int | None = None,
        until_idle: bool = False,
        task_queue_size_funcs: Mapping[Agent, Callable[[], int]] | None = None,
    ) -> None:
        """Drive jobs until SIGTERM or SIGINT, or until none can go on when ``until_idle``.

        Raises:
            ConfigurationError: a service runs already, or no sandbox works here.
            SystemExit: SIGTERM came before ``until_idle``, and the application has no handler of its own: the service
                has stopped, the store is flushed and closed.
        """
        driven = self._drive(
            agents, model, max_concurrency, until_idle=until_idle, task_queue_size_funcs=task_queue_size_funcs
        )
        handler = signal.getsignal(signal.SIGTERM)
        is_main = threading.current_thread() is threading.main_thread()
        if not until_idle or not is_main or (handler is not signal.SIG_DFL and not callable(handler)):
            await driven
            return
        if callable(handler):
            await until_terminated(driven, handler=partial(handler, signal.SIGTERM, None))
            return
        try:
            await until_terminated(driven)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # the caller's: SIGINT, for one
            await asyncio.to_thread(self.close)
            logging.getLogger("statek.app").warning("terminated; everything is on the disk")
            raise SystemExit(128 + signal.SIGTERM) from None

    async def _drive(
        self,
        agents: Iterable[Agent],
        model: Model | None,
        max_concurrency: int | None,
        *,
        until_idle: bool,
        task_queue_size_funcs: Mapping[Agent, Callable[[], int]] | None,
    ) -> None:
        """Run the service until its end."""
        if self._service is not None:
            raise ConfigurationError("this process runs the service already")
        agents = list(agents)
        self._agents.update({agent.role: agent for agent in agents})
        settings = self.settings if max_concurrency is None else replace(self.settings, max_concurrency=max_concurrency)
        async with running_service(
            settings, self.store, agents, model=model, task_queue_size_funcs=task_queue_size_funcs
        ) as service:
            self._service = service
            try:
                await (service.wait_idle() if until_idle else wait_for_stop())
            finally:
                self._service = None

    def close(self) -> None:
        """Flush and close the store; nothing happens when it was never opened."""
        if self._feed is not None:
            self._feed.close()
        with self._opening:
            if self._store is not None:
                self._store.close()

    @property
    def data_dir(self) -> Path:
        """Where the store is."""
        return Path(self.settings.data_dir)


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this is code of that event loop, which must not wait for it."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


class _Access(JobAccess):
    """The jobs of the store as the application sees them: an agent that it gave a job is known before it is run."""

    def __init__(self, settings: StatekSettings, store: Store, agents: dict[str, Agent]) -> None:
        super().__init__(settings, store, agents)
        self._given = agents

    def agent(self, agent: Agent | str) -> Agent:
        """The agent itself, which its jobs find by its role from now on, or the one of that role.

        Raises:
            NotFound: none of that role is known here.
        """
        if isinstance(agent, Agent):
            self._given.setdefault(agent.role, agent)
        return super().agent(agent)


class _Futures(StoredFutures):
    """The futures of a store, as ``statek.future`` needs them (a ``FutureDoor``)."""

    def __init__(self, service: Embedded) -> None:
        super().__init__(service.store)
        self._service = service

    def announce(self, future: FutureResult) -> str:
        """Futures are made by tools."""
        raise InvalidRequest("a future is made by a tool of a job")

    def settle(self, id_: str, settlement: Settlement) -> None:
        """End a future durably."""
        self._service.settle_future(id_, settlement)
