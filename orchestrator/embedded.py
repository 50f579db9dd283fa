"""The service inside an application's own process: what ``statek.init`` and ``start_statek`` stand for.

An application may submit jobs before the service runs; they are durable at once and are driven when it
starts. One process has at most one of these, because dbzero is one per process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.app import open_store, running_service, wait_for_stop
from orchestrator.engine.inspection import Inspection
from orchestrator.engine.jobs import job_id
from orchestrator.engine.service import Service
from orchestrator.engine.submission import DEFAULT_TENANT, JobFactory
from orchestrator.store.store import Store
from statek.agents.agent import Agent
from statek.exceptions import ConfigurationError
from statek.executors.views import JobView, VariableView
from statek.model import Model
from statek.settings import StatekSettings

__all__ = ["Embedded"]


class Embedded:
    """An open store, and the service over it while it runs.

    Attributes:
        settings: settings in force.
        store: the open store; ``store.commit_sync`` is how an application makes its durable objects.
    """

    def __init__(self, settings: StatekSettings) -> None:
        """Open the store; blocking.

        Raises:
            StoreError: it cannot be opened.
        """
        self.settings = settings
        self.store: Store = open_store(settings)
        self._inspection = Inspection(self.store)
        self._factory = JobFactory(self.store, settings)
        self._service: Service | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(
        self, agent: Agent, *, shared_vars: Mapping[str, Any] | None, message: str, params: Mapping[str, Any]
    ) -> str:
        """Make a job durable, and runnable as soon as the service runs; blocks for one flush.

        Safe on any thread, the event loop's included (a flush takes about a millisecond).
        """
        new = self._factory.prepare(agent, shared_vars=shared_vars, message=message, params=params)
        number = self.store.commit_sync(new)
        if self._service is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._service.notice, number, DEFAULT_TENANT)
        return job_id(number)

    def job_sync(self, id_: str) -> JobView:
        """A job as of now; blocks for one read."""
        return self._inspection.job_sync(id_)

    def variables_sync(self, id_: str) -> list[VariableView]:
        """A job's variables as of its newest commit; blocks for the reads."""
        return self._inspection.variables_sync(id_)

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
            self._service, self._loop = service, asyncio.get_running_loop()
            try:
                await (service.wait_idle() if until_idle else wait_for_stop())
            finally:
                self._service = self._loop = None

    def close(self) -> None:
        """Flush and close the store."""
        self.store.close()

    @property
    def data_dir(self) -> Path:
        """Where the store is."""
        return Path(self.settings.data_dir)
