"""Composes the service: store, driver, pool, model, engine; the only place where all of them meet."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.digests import content_digest
from orchestrator.engine.inspection import Inspection
from orchestrator.engine.job_logs import JobLogs
from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.service import Service
from orchestrator.grpc_calls import wait_calls_ended
from orchestrator.models.gateway import LiteLLMModel
from orchestrator.models.settings import GatewaySettings
from orchestrator.models.tracing import TracingModel
from orchestrator.sandboxes.driver import Driver, RunnerLimits
from orchestrator.sandboxes.pool import Pool
from orchestrator.sandboxes.probe import require_tier, select_driver
from orchestrator.sandboxes.step import StepLimits
from orchestrator.store.block_locations import BlockLocation
from orchestrator.store.store import Store
from statek.agents.agent import Agent
from statek.agents.definitions import read_library
from statek.exceptions import ConfigurationError
from statek.model import Model
from statek.settings import StatekSettings

__all__ = [
    "block_location",
    "open_inspection",
    "open_service",
    "open_store",
    "prefix_of",
    "running_service",
    "serve",
    "step_limits",
    "until_terminated",
    "wait_for_stop",
]

_log = logging.getLogger("statek.app")

_LOGGERS = ("statek", "orchestrator")
"""Above every logger of the service; where their lines go is the application's or the command line's to say."""

_MAX_SOCKET_FOLDER_BYTES = 70
"""Leaves room for the name of a socket below sun_path's 107 bytes."""

Progress = Callable[[str], None]

T = TypeVar("T")

_DEFAULT_PREFIX = "default"


def _silent(_text: str) -> None:
    """Progress that nobody reads."""


def open_store(settings: StatekSettings, *, prefix: str | None = None) -> Store:
    """Open the store of the data directory; blocking.

    Args:
        settings: settings in force.
        prefix: its dbzero prefix; None takes the one that is there, ``default`` for a new store.

    Raises:
        ConfigurationError: the store holds another prefix, or keeps its blocks elsewhere.
        InvalidRequest: an illegal prefix name.
        StoreLocked: another process owns it.
        StoreDamaged: it cannot be rebuilt.
    """
    root = Path(settings.data_dir) / "store"
    held = _held_prefixes(root)
    name = prefix if prefix is not None else prefix_of(root)
    if held and name not in held:
        raise ConfigurationError(
            f"the store {root} holds the prefix {', '.join(held)}; one data directory has one prefix, "
            f"choose another data directory for {name}"
        )
    return Store.open(root, prefix=name, blocks=block_location(settings))


def prefix_of(root: Path) -> str:
    """The name of the prefix that a store holds, or would get."""
    held = _held_prefixes(root)
    return held[0] if len(held) == 1 else _DEFAULT_PREFIX


def _held_prefixes(root: Path) -> list[str]:
    return sorted(path.stem for path in root.glob("*.db0"))


def block_location(settings: StatekSettings) -> BlockLocation:
    """Where the settings say that blocks are."""
    return BlockLocation(settings.blocks, settings.blocks_cache_bytes)


def runner_limits(settings: StatekSettings) -> RunnerLimits:
    """Limits of a runner as a whole."""
    return RunnerLimits(
        memory_bytes=settings.memory_bytes,
        cpus=settings.cpus,
        pids=settings.pids,
        tmp_bytes=settings.tmp_bytes,
        work_bytes=settings.work_bytes,
    )


def step_limits(settings: StatekSettings) -> StepLimits:
    """Limits of the executor within it."""
    return StepLimits(
        memory_bytes=settings.memory_bytes,
        output_head_bytes=settings.output_head_bytes,
        output_tail_bytes=settings.output_tail_bytes,
        work_bytes=settings.work_bytes,
        checkpoint_bytes=settings.checkpoint_bytes,
    )


def _socket_folder(data_dir: Path) -> Path:
    """Where the runners' sockets are: below the data directory, or in a short place when that is too deep.

    A Unix socket's path has at most 107 bytes; the runners are started elsewhere, so it is absolute.
    """
    folder = data_dir.resolve() / "run"
    if len(os.fsencode(folder)) <= _MAX_SOCKET_FOLDER_BYTES:
        return folder
    return Path(tempfile.gettempdir()) / f"statek-{content_digest(os.fsencode(folder))[:16]}"


@asynccontextmanager
async def open_service(
    settings: StatekSettings,
    agents: Iterable[Agent],
    *,
    model: Model | None = None,
    driver: Driver | None = None,
    progress: Progress = _silent,
) -> AsyncIterator[Service]:
    """Open the store and run a service over it until the block is left.

    Args:
        settings: settings in force.
        agents: agents whose jobs it may drive.
        model: answers model requests; None takes litellm.
        driver: makes the runners; None takes the one of the settings.
        progress: gets a line for whatever takes long.

    Raises:
        ConfigurationError: no sandbox works here, or the image cannot be made.
        StoreError: the store cannot be opened.
    """
    store = await asyncio.to_thread(open_store, settings)
    try:
        async with running_service(settings, store, agents, model=model, driver=driver, progress=progress) as service:
            yield service
    finally:
        await asyncio.to_thread(store.close)


@asynccontextmanager
async def running_service(
    settings: StatekSettings,
    store: Store,
    agents: Iterable[Agent],
    *,
    model: Model | None = None,
    driver: Driver | None = None,
    progress: Progress = _silent,
    task_queue_size_funcs: Mapping[Agent, Callable[[], int]] | None = None,
) -> AsyncIterator[Service]:
    """Run a service over an open store until the block is left; see ``open_service`` and ``start_statek``."""
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(settings.log_level)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(wait_calls_ended)  # the last thing of all: every server has stopped by then
        chosen = driver or await select_driver(
            settings.driver, base_image=settings.base_image or "", runtime=settings.runtime or ""
        )
        if driver is None:
            stack.push_async_callback(chosen.aclose)
        require_tier(chosen, settings.required_tier)
        answers = model or _gateway(settings)
        if model is None and isinstance(answers, LiteLLMModel):
            stack.push_async_callback(answers.aclose)
        progress(f"preparing sandboxes: driver {chosen.name}, tier {chosen.tier.label}")
        pool = Pool(
            chosen,
            size=settings.pool_size,
            max_runners=settings.max_runners,
            socket_dir=_socket_folder(Path(settings.data_dir)),
            store_id=store.store_id,
            incarnation=store.incarnation,
            runner_limits=runner_limits(settings),
            step_limits=step_limits(settings),
            flavour=settings.flavour,
        )
        stack.push_async_callback(pool.aclose)
        # Importing litellm takes seconds and stalls the loop for moments: before any job waits for it.
        await asyncio.gather(pool.start(), answers.start() if isinstance(answers, LiteLLMModel) else _nothing())
        if settings.trace_path is not None:
            tracing = TracingModel(
                answers, settings.trace_path, max_bytes=settings.trace_max_bytes, backups=settings.trace_backups
            )
            answers = tracing
            stack.push_async_callback(asyncio.to_thread, tracing.close)
        agents = list(agents)
        await asyncio.to_thread(read_library, settings, agents)
        service = Service(settings, store, pool, answers, agents, task_queue_size_funcs=task_queue_size_funcs)
        if settings.logs_path is not None:
            logs = await _job_logs(settings.logs_path, service, store)
            service.watch.listeners.append(logs.note)
            stack.push_async_callback(logs.aclose)
        await service.start()
        stack.callback(service.feed.close)
        stack.push_async_callback(service.stop)
        yield service


def _gateway(settings: StatekSettings) -> LiteLLMModel:
    """The model gateway of the settings."""
    return LiteLLMModel(
        GatewaySettings(timeout_seconds=settings.model_timeout_seconds, attempts=1 + settings.model_retries)
    )


async def _job_logs(folder: Path, service: Service, store: Store) -> JobLogs:
    """The writer of a log per job, before any job is driven."""
    jobs = JobRepository()

    async def read_role(number: int) -> str:
        return await store.read(lambda: str(jobs.get(number).role))

    known = await store.read(lambda: jobs.numbers(newest=1).stop - 1)
    return JobLogs(folder, lambda id_, start: service.items(id_, start=start), read_role, known=known)


async def _nothing() -> None:
    """The start of a model that needs none."""


@asynccontextmanager
async def open_inspection(settings: StatekSettings) -> AsyncIterator[Inspection]:
    """Open the store to look at jobs and to decide about them, without driving any."""
    store = await asyncio.to_thread(open_store, settings)
    try:
        yield Inspection(store)
    finally:
        await asyncio.to_thread(store.close)


async def until_terminated(work: Coroutine[Any, Any, T], *, handler: Callable[[], object] | None = None) -> T:
    """Run to the end, or until SIGTERM, which ends it as an orderly stop.

    The signal is taken between two callbacks of the loop, which is never busy for long. Python calls a handler wherever
    the main thread is: one that raises there (``sys.exit()``) leaves gRPC's compiled code in the middle, or has every
    task of the loop cancelled at once, gRPC's own too, which is a segmentation fault now and then.

    Args:
        work: is cancelled by SIGTERM, so that its services flush and close.
        handler: is called at SIGTERM; the work goes on unless it raises. None cancels the work at once.

    Returns:
        What it returns.

    Raises:
        asyncio.CancelledError: SIGTERM came, and the work is closed.
        BaseException: what the handler raised, when the work is closed.
    """
    task, loop = asyncio.ensure_future(work), asyncio.get_running_loop()
    raised: list[BaseException] = []

    def terminated() -> None:
        if handler is None:
            task.cancel()
            return
        try:
            handler()
        except BaseException as error:  # noqa: BLE001 - SystemExit before all; raised below
            raised.append(error)
            task.cancel()

    before = signal.getsignal(signal.SIGTERM) or signal.SIG_DFL
    loop.add_signal_handler(signal.SIGTERM, terminated)
    try:
        await task
    except asyncio.CancelledError:
        if not raised:
            raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)
    if raised:
        raise raised[0]
    return task.result()


async def wait_for_stop() -> None:
    """Return at SIGTERM or SIGINT; from then on a second one ends the process the hard way."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def serve(
    settings: StatekSettings, agents: Iterable[Agent], *, model: Model | None = None, progress: Progress = _silent
) -> None:
    """Run the service and its API socket until SIGTERM or SIGINT, then flush and close."""
    from orchestrator.api.server import ApiServer

    async with open_service(settings, agents, model=model, progress=progress) as service, ApiServer(service, settings):
        await wait_for_stop()
