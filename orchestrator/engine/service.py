"""The service: submit, drive, inspect and control jobs of one store.

Composes the engine's parts. Every public coroutine may be called from the event loop that started the
service; nothing here blocks it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from functools import partial
from typing import Any

from orchestrator.engine.access import JobAccess
from orchestrator.engine.active_job import ActiveJob, load_active_job
from orchestrator.engine.agent_book import AgentBook
from orchestrator.engine.block_holders import BlockHolder, holding
from orchestrator.engine.broker import SandboxBroker
from orchestrator.engine.clock import now_us
from orchestrator.engine.error_handling import ErrorHandling
from orchestrator.engine.futures import FutureBoard, Settled
from orchestrator.engine.history_limits import HistoryRoom
from orchestrator.engine.images import check_image
from orchestrator.engine.inspection import Inspection
from orchestrator.engine.job_driver import JobDriver
from orchestrator.engine.job_futures import FutureWaits, JobFutures
from orchestrator.engine.job_watch import JobWatch
from orchestrator.engine.jobs import job_id, job_number
from orchestrator.engine.manifest import BlockPlace
from orchestrator.engine.migration import Migration
from orchestrator.engine.model_windows import conversation_tokens
from orchestrator.engine.objects import ObjectGateway
from orchestrator.engine.operator_calls import Resolution
from orchestrator.engine.porting import Porter
from orchestrator.engine.processing import ReplyProcessor
from orchestrator.engine.pull_queues import PullQueues
from orchestrator.engine.queue_pump import QueuePump
from orchestrator.engine.recovery import recover
from orchestrator.engine.reminders import attach_reminders
from orchestrator.engine.scheduler import Scheduler
from orchestrator.engine.stalled_jobs import StalledJobs
from orchestrator.engine.step_run import StepRunner
from orchestrator.engine.submission import DEFAULT_TENANT, JobFactory, job_policy
from orchestrator.engine.tool_runner import ToolRunner
from orchestrator.sandboxes.pool import Pool
from orchestrator.store.store import Store
from statek.agents.agent import Agent
from statek.agents.definitions import read_library
from statek.chat_style import ChatStyle
from statek.context_enums import encoded_enums
from statek.exceptions import (
    HistoryFull,
    ImageMismatch,
    InvalidRequest,
    NotFound,
    RestoreFailed,
    RunnerLost,
    StoreError,
    StoreFull,
)
from statek.executors.decision import FailureKind
from statek.executors.views import AgentView, FutureView, ItemView, JobSummary
from statek.future import Settlement
from statek.job_definition import JobDefinition
from statek.job_mode import JobMode
from statek.job_status import JobStatus
from statek.model import Model
from statek.post_processors import PostProcessor
from statek.pricing import load_model_pricing
from statek.runnable import QUEUES, listening
from statek.settings import StatekSettings
from statek.task_door import NewJob
from statek.upkeep import Migrated

__all__ = ["Service"]

_log = logging.getLogger("statek.service")


class Service(Inspection):
    """One running service over an open store and a pool of sandboxes.

    Attributes:
        access: what the tools of its jobs may do with jobs.
        watch: who watches its jobs.
    """

    def __init__(
        self,
        settings: StatekSettings,
        store: Store,
        pool: Pool,
        model: Model,
        agents: Iterable[Agent],
        *,
        task_queue_size_funcs: Mapping[Agent, Callable[[], int]] | None = None,
    ) -> None:
        """Nothing runs until ``start``."""
        super().__init__(store)
        self._settings = settings
        self._pool = pool
        self._model = model
        self._agents = AgentBook(agents, self._jobs)
        self._history_room = HistoryRoom(settings, store)
        self.porter = Porter(store, self._jobs, self._agents, check_room=self._history_room.check_store)
        self._migration = Migration(self._durability, self._jobs, pool)
        self._factory = JobFactory(store, settings, self._jobs)
        self._tool_runner = ToolRunner()
        self._broker = SandboxBroker(
            pool,
            max_runners=settings.max_runners,
            idle_hold_seconds=settings.idle_hold_seconds,
            live_hold_seconds=settings.live_hold_seconds,
        )
        self.access = JobAccess(settings, store, self._agents)
        self._handling = ErrorHandling(self._durability, self._jobs, self._tool_runner, self.access, self._agents)
        self._board = FutureBoard(self._durability, self._jobs, self.notice)
        waits = FutureWaits(self._board, self._durability, self._jobs, self._broker)
        self._steps = StepRunner(settings, self._durability, self._jobs, self._tool_runner, self.access, waits)
        self._scheduler = Scheduler(
            self._drive, max_concurrency=settings.max_concurrency, rested=lambda: self._queues.note_room()
        )
        self._queues = QueuePump(self._durability, self.access, self._agents, lambda: self._room() > 0)
        self._pulled = PullQueues(
            self._durability,
            self.access,
            {agent.role: length for agent, length in (task_queue_size_funcs or {}).items()},
            room=self._room,
            interval_seconds=settings.pull_interval_seconds,
        )
        self._drivers: dict[int, JobDriver] = {}
        self.watch = JobWatch(store, self._jobs)
        self._stalled = StalledJobs(self._durability, self._jobs, notice=self.notice, changed=self.watch.changed)
        self._listening = ExitStack()

    # ---------------------------------------------------------------------------------- life cycle

    async def start(self) -> None:
        """Recover what an earlier process left and start driving jobs.

        Raises:
            ConfigurationError: ``model_info_dir`` cannot be read.
        """
        if self._settings.model_info_dir is not None:
            await asyncio.to_thread(load_model_pricing, self._settings.model_info_dir)
        loop = asyncio.get_running_loop()

        def hear(number: int, tenant: str, cancelled: bool) -> None:
            with suppress(RuntimeError):  # the loop is closed: the next start finds the job
                loop.call_soon_threadsafe(self._heard, number, tenant, cancelled)

        def room_made() -> None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._stalled.again)

        self._listening.enter_context(listening(hear))
        self._listening.enter_context(holding(BlockHolder(self._held_places, room_made)))
        await self._durability.commit(partial(self._register, list(self._agents.values())))
        await asyncio.to_thread(self.porter.remove_leftovers_sync)
        await self._history_room.start()
        runnable = await recover(self._durability, self._jobs)
        runnable += await self._durability.commit(self._handling.recover)
        await self._board.start()
        self._queues.start()
        await self._pulled.start()
        for number, tenant in runnable:
            self.notice(number, tenant)

    def _register(self, agents: Sequence[Agent]) -> None:
        """Keep what is durable of agents (store thread)."""
        attach_reminders(self._store, self._jobs, agents)
        self._agents.register(agents, now_us())

    async def replace_agent(self, agent: Agent) -> None:
        """Let new jobs of a role have another agent, while the service runs; a role that it did not have is added.

        A job that has not ended keeps the agent and the functions that it has until it ends, or until a restart. The
        prompt and warmup files of the settings are applied as at a start.

        Raises:
            ConfigurationError: such a file is broken; nothing was replaced.
        """
        await asyncio.to_thread(read_library, self._settings, [agent])
        await self._durability.commit(partial(self._register, [agent]))
        await self._store.read(partial(self._agents.replace, agent))
        await self._agents.settle(self._store)
        self._queues.wake()

    async def agents(self) -> list[AgentView]:
        """Every agent that the store knows; those of this service are marked."""
        return await self._store.read(self._agents.views)

    async def stop(self) -> None:
        """Stop driving; steps in flight are put down and run again at the next start."""
        self._listening.close()
        await self._queues.stop()
        await self._pulled.stop()
        self._stalled.close()
        drivers = list(self._drivers.values())
        await self._scheduler.stop()
        await self._broker.aclose()
        await self._board.stop()
        self._tool_runner.close()

        def put_down() -> None:
            for driver in drivers:
                self._jobs.put_down(driver.job.record, crashed=False)

        try:
            # Not by the way that outwaits a full disk: a stop must come to an end.
            await self._store.commit(put_down)
        except StoreFull as error:
            _log.error("the last writes before the stop are not durable, the disk is full: %s", error)

    # ------------------------------------------------------------------------------------- driving

    async def _drive(self, number: int) -> None:
        """Drive one job (the scheduler's coroutine), and call its error handlers if it failed."""
        await self._drive_to_rest(number)
        await self._handling.run(number)
        if self._agents.is_kept_for(number) and await self._store.read(partial(self._has_ended, number)):
            self._agents.note_ended(number)

    def _held_places(self) -> dict[int, Mapping[str, BlockPlace]]:
        """Where the blocks are that runners may name (any thread)."""
        return {number: driver.job.places for number, driver in list(self._drivers.items())}

    def _has_ended(self, number: int) -> bool:
        """Whether a job is done (store thread)."""
        return self._jobs.has(number) and self._jobs.get(number).status == JobStatus.DONE.value

    async def _drive_to_rest(self, number: int) -> None:
        """Drive one job; whatever happens, it ends, waits, or is tried again."""
        try:
            try:
                job = await self._store.read(partial(self._load, number))
                if job is not None:
                    job.offer_tools()
                    if job.agent.has_context:  # made by code of the application, which may take its time
                        job.enums = await asyncio.to_thread(encoded_enums, job.agent)
            except NotFound as error:
                await self._stalled.stall(number, str(error))
                return
            except InvalidRequest as error:
                await self._stalled.give_up(number, f"its definition cannot be used any more: {error}")
                return
            if job is not None:
                job.conversation.limit(await conversation_tokens(job, self._model, self._settings.context_tokens))
                while await self._store.read(job.read_page):
                    pass
                await self._run(job)
        except (ImageMismatch, HistoryFull) as error:
            await self._stalled.stall(number, str(error), retry=False)
        except RunnerLost as error:
            await self._stalled.stall(number, f"no sandbox: {error}")
        except RestoreFailed as error:
            await self._stalled.give_up(number, str(error), FailureKind.RESTORE)
        except StoreError as error:
            await self._stalled.stall(number, f"the store failed: {error}")
        except Exception as error:  # noqa: BLE001 -- one job must not take the service down
            _log.exception("driving job %s failed; please report this", job_id(number))
            await self._stalled.give_up(number, f"{type(error).__name__}: {error}")
        finally:
            self.watch.changed(number)

    async def _run(self, job: ActiveJob) -> None:
        """Hand a loaded job to a driver of its own."""
        driver = JobDriver(
            job,
            durability=self._durability,
            jobs=self._jobs,
            steps=self._steps,
            broker=self._broker,
            model=self._model,
            processor=ReplyProcessor(job.processors, self._tool_runner, self.access.job(job.number)),
            changed=self.watch.changed,
        )
        self._drivers[job.number] = driver
        self._stalled.discard(job.number)
        if job.view.cancel_requested:
            driver.cancel()
        try:
            await driver.run()
        finally:
            del self._drivers[job.number]

    def _load(self, number: int) -> ActiveJob | None:
        """Build the active job (store thread); None when it is done or waits: a notice is a hint only."""
        if not self._jobs.has(number):
            return None  # a submission that was rolled back
        record = self._jobs.get(number)
        waits = record.status == JobStatus.SUSPENDED.value and not record.cancel_requested
        if record.status == JobStatus.DONE.value or waits:
            return None
        check_image(self._jobs, record, self._pool.image_digest)
        agent = self._agents.of_job(record.role, number)
        policy = job_policy(agent, self._settings)
        return load_active_job(
            self._jobs,
            record,
            agent=agent,
            policy=policy,
            objects=ObjectGateway(record.grants, policy=policy),
            futures=JobFutures(number, self._board),
            settings=self._settings,
            room=self._history_room,
        )

    async def submit(
        self,
        role: str,
        *,
        shared_vars: Mapping[str, Any] | None = None,
        message: str = "",
        tenant: str = DEFAULT_TENANT,
        principal: str = "",
        locale: str | None = None,
        chat_style: ChatStyle | str | None = None,
        post_processing: PostProcessor | Sequence[PostProcessor] | str | None = None,
        job_def: JobDefinition | None = None,
        mode: JobMode | str | None = None,
        **job_params: Any,
    ) -> str:
        """Make a job durable and runnable.

        Args:
            role: role of a registered agent.
            shared_vars: startup variables by name; durable objects become handles.
            message: what the user says first; empty for nothing.
            tenant: who owns it.
            principal: on whose behalf it acts.
            locale: ``LANG-COUNTRY``; None for none.
            chat_style: of the conversation; None takes the agent's, else the setting.
            post_processing: post-processors or their text; None takes the agent's.
            job_def: a setup that was made before; it fixes the three above and the parameters.
            mode: what becomes of its variables between steps; None for the agent's default.
            job_params: values for the prompt's placeholders.

        Returns:
            The job's id; the job survives SIGKILL from here on.

        Raises:
            NotFound: no agent of that role is registered.
            InvalidRequest: illegal variable name, value that cannot cross, a definition that does not fit.
            LimitExceeded: the startup variables are too large, or the store may not keep more.
        """
        self._history_room.check_store()
        given = NewJob(
            shared_vars=shared_vars or {},
            message=message,
            tenant=tenant,
            principal=principal,
            params=job_params,
            locale=locale,
            chat_style=chat_style,
            post_processing=post_processing,
            definition=job_def,
            mode=mode,
        )
        agent = self._agents.require(role)
        create = self._factory.prepare(agent, given)

        def make() -> int:
            number = create()
            self._agents.note_made(agent, number)
            return number

        number = await self._durability.commit(make)
        self.notice(number, tenant)
        return job_id(number)

    def _heard(self, number: int, tenant: str, cancelled: bool) -> None:
        """A change in the store made a job runnable, or asks for its end."""
        if number == QUEUES:
            self._queues.wake()
            return
        driver = self._drivers.get(number) if cancelled else None
        if driver is not None:
            driver.cancel()
        self.notice(number, tenant)

    def _room(self) -> int:
        """How many more jobs could be driven now."""
        counts = self._scheduler.statistics()
        return max(0, self._settings.max_concurrency - counts["running"] - counts["runnable"])

    async def migrate(self, id_: str, image: str, *, dry_run: bool = False) -> Migrated:
        """Move a job that was saved on another image to the one in force, and let it go on; see ``Migration``."""
        found = await self._migration.migrate(id_, image, dry_run=dry_run)
        number = job_number(id_)
        if found.commit >= 0:
            self._stalled.discard(number)
            self.notice(number, await self._store.read(lambda: str(self._jobs.get(number).tenant)))
        return found

    def notice(self, number: int, tenant: str) -> None:
        """Drive a job that has become runnable."""
        self._scheduler.add(number, tenant)

    # --------------------------------------------------------------------------------------- waiting

    async def wait(self, id_: str) -> JobSummary:
        """Wait until the job is done, suspended, or cannot go on for now (its reason says why)."""
        number = job_number(id_)
        resting = {JobStatus.DONE.value, JobStatus.SUSPENDED.value}
        # While a driver holds the job it does not rest: to read its record would cost each step the store's time.
        async for summary in self.watch.summaries(
            number, lambda: number not in self._drivers or number in self._stalled
        ):
            if (summary.status in resting and number not in self._drivers) or number in self._stalled:
                return summary
        raise AssertionError("unreachable")

    async def wait_idle(self) -> None:
        """Wait until every job is done, suspended or stalled, and nothing that is under way can wake or make one."""
        while True:
            await self._queues.wait_idle()
            await self._scheduler.wait_idle()
            await self._board.wait_idle()
            if self._queues.is_idle and self._scheduler.is_idle and self._board.is_idle:
                return

    async def follow(self, id_: str, *, start: int = 0) -> AsyncIterator[ItemView]:
        """Finished chat items in order, from index ``start``, until the job is done."""
        index = start
        async for summary in self.watch.summaries(job_number(id_)):
            for item in await self.items(id_, start=index):
                index += 1
                yield item
            if summary.status == JobStatus.DONE.value:
                return

    # ------------------------------------------------------------------------------------ controlling

    async def cancel(self, id_: str, reason: str) -> JobSummary:
        """End a job; what it did stays done.

        Raises:
            InvalidRequest: it is done already.
        """
        number = job_number(id_)
        requested = await super().cancel(id_, reason)
        self._stalled.discard(number)
        driver = self._drivers.get(number)
        if driver is not None:
            driver.cancel()
        # Also a job that is driven: its driver may be past its last look, on the way to a suspension.
        self.notice(number, requested.tenant)
        async for summary in self.watch.summaries(number):
            if summary.status == JobStatus.DONE.value or number in self._stalled:
                return summary
        raise AssertionError("unreachable")

    async def resolve(self, id_: str, call: int, resolution: Resolution) -> JobSummary:
        """Decide what became of a call in doubt, and let its job go on.

        Raises:
            InvalidRequest: that call is not in doubt.
        """
        summary = await super().resolve(id_, call, resolution)
        self.notice(job_number(id_), summary.tenant)
        return summary

    async def settle_future(self, id_: str, settlement: Settlement) -> FutureView:
        """End a future, once; the jobs that wait for it go on.

        Raises:
            NotFound: there is none of that id.
            FutureSettled: it had come to an end before.
            InvalidRequest: the value cannot be kept.
            LimitExceeded: it is too large.
        """
        await self._board.durable(id_)
        settled, view = await self._durability.commit(partial(self.settle_on_store, id_, settlement))
        self._board.publish(settled)
        return view

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that it runs on; None while it does not run."""
        return self._board.loop

    def publish(self, settled: Settled) -> None:
        """Wake whoever waited for futures that somebody else has ended durably."""
        self._board.publish(settled)

    def statistics(self) -> dict[str, Any]:
        """Counters for operators."""
        return {
            "scheduler": self._scheduler.statistics(),
            "futures": self._board.statistics(),
            "pool": asdict(self._pool.statistics()),
            "parked": self._broker.parked,
            "blocks": self._store.blocks.description,
            "full": self._durability.full_reason,
        }
