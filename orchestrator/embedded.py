"""The service inside an application's own process: what ``statek.init`` and ``start_statek`` stand for.

An application may submit jobs before the service runs; they are durable at once and are driven when it
starts. One process has at most one of these, because dbzero is one per process. The store is opened
when it is first needed, so that an application may name its prefix first (``open_prefix``).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.app import open_store, running_service, wait_for_stop
from orchestrator.engine.inspection import Inspection, push_change
from orchestrator.engine.jobs import JobRepository, job_id, job_number
from orchestrator.engine.objects.grants import find_granted
from orchestrator.engine.objects.host_proxy import wrap
from orchestrator.engine.service import Service
from orchestrator.engine.submission import DEFAULT_TENANT, JobFactory
from orchestrator.engine.variables import read_variables_sync
from orchestrator.store.store import Store
from sandbox_runner.wire.values import Handle
from statek import durable
from statek.agents.agent import Agent
from statek.exceptions import ConfigurationError
from statek.executors.views import FileView, JobView, VariableView
from statek.inbox import Pushed
from statek.model import Model
from statek.settings import StatekSettings

__all__ = ["Embedded"]


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
        self._jobs = JobRepository()
        self._service: Service | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handover = threading.Lock()
        self._unnoticed: list[int] = []

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

    def submit(
        self, agent: Agent, *, shared_vars: Mapping[str, Any] | None, message: str, params: Mapping[str, Any]
    ) -> str:
        """Make a job durable, and runnable as soon as the service runs; blocks for one flush.

        Safe on any thread, the event loop's included (a flush takes about a millisecond).
        """
        new = JobFactory(self.store, self.settings, self._jobs).prepare(
            agent, shared_vars=shared_vars, message=message, params=params
        )
        number = self.store.commit_sync(new)
        with self._handover:
            if self._service is not None and self._loop is not None:
                self._loop.call_soon_threadsafe(self._service.notice, number, DEFAULT_TENANT)
            else:
                self._unnoticed.append(number)
        return job_id(number)

    def push_sync(self, id_: str, text: str, request_id: str = "") -> Pushed:
        """Tell a job something on behalf of its user; blocks for one flush. See ``Inspection.push``."""
        return self.store.commit_sync(push_change(self._jobs, id_, text, request_id))

    def job_sync(self, id_: str) -> JobView:
        """A job as of now; blocks for one read."""
        return Inspection(self.store).job_sync(id_)

    def variables_sync(self, id_: str) -> list[VariableView]:
        """A job's variables as of its newest commit; durable objects are proxies. Blocks for the reads."""
        proxies = self.handle_proxy(id_)
        return read_variables_sync(self.store, self._jobs, job_number(id_), from_handle=proxies)

    def files_sync(self, id_: str) -> list[FileView]:
        """The files below ``/work`` of a job's newest commit; blocks for one read."""
        return Inspection(self.store).files_sync(id_)

    def file_sync(self, id_: str, path: str) -> Iterator[bytes]:
        """The content of one of these files in pieces; blocks for the reads."""
        return Inspection(self.store).file_sync(id_, path)

    def handle_proxy(self, id_: str) -> Callable[[Handle], object]:
        """What gives a proxy of the object behind a job's handle.

        A handle stays a handle where the job was never granted one of this id, and after the job's end where the
        application did not keep the object.
        """
        store, number = self.store, job_number(id_)

        def proxy(handle: Handle) -> object:
            def find() -> object:
                found = find_granted(self._jobs.get(number).grants, handle.id)
                # The id comes from the sandbox: what was never granted stays what it is, a number.
                return handle if found is None else wrap(found, store)

            return store.read_sync(find)

        return proxy

    async def run(
        self,
        agents: Iterable[Agent],
        *,
        model: Model | None = None,
        max_concurrency: int | None = None,
        until_idle: bool = False,
    ) -> None:
        """Drive jobs until SIGTERM or SIGINT, or until none can go on when ``until_idle``.

        Raises:
            ConfigurationError: a service runs already, or no sandbox works here.
        """
        if self._service is not None:
            raise ConfigurationError("this process runs the service already")
        settings = self.settings if max_concurrency is None else replace(self.settings, max_concurrency=max_concurrency)
        async with running_service(settings, self.store, agents, model=model) as service:
            with self._handover:
                self._service, self._loop = service, asyncio.get_running_loop()
                unnoticed, self._unnoticed = self._unnoticed, []
            for number in unnoticed:
                if number > service.recovered:  # submitted by another thread while the service was starting
                    service.notice(number, DEFAULT_TENANT)
            try:
                await (service.wait_idle() if until_idle else wait_for_stop())
            finally:
                with self._handover:
                    self._service = self._loop = None

    def close(self) -> None:
        """Flush and close the store; nothing happens when it was never opened."""
        with self._opening:
            if self._store is not None:
                self._store.close()

    @property
    def data_dir(self) -> Path:
        """Where the store is."""
        return Path(self.settings.data_dir)
