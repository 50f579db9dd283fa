"""The executor's life: restore once, then run steps until the host ends it."""

from __future__ import annotations

import os
import random
import resource
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from sandbox_runner.executor.actions import run_actions, show_failure
from sandbox_runner.executor.blocks import BlockTable
from sandbox_runner.executor.calls import Caller
from sandbox_runner.executor.checkpoint import Checkpoint, Checkpointer
from sandbox_runner.executor.console import ECHO, NOTE, PRINT, Console, ConsoleStream, printable
from sandbox_runner.executor.describing import Describer
from sandbox_runner.executor.errors import StepExit, install_module
from sandbox_runner.executor.futures import value_of
from sandbox_runner.executor.handle_collections import KINDS
from sandbox_runner.executor.handles import Handles
from sandbox_runner.executor.link import Link
from sandbox_runner.executor.namespace import Namespace
from sandbox_runner.executor.pickling import Pickles
from sandbox_runner.executor.rendering import render
from sandbox_runner.executor.restore import Restorer
from sandbox_runner.executor.statements import ERROR as ENDED_BY_ERROR
from sandbox_runner.executor.statements import EXIT as ENDED_BY_EXIT
from sandbox_runner.executor.statements import Ending, Failure, PythonCli, run_code
from sandbox_runner.executor.work_files import WorkFiles
from sandbox_runner.wire.frames import (
    Block,
    Blocks,
    File,
    Lost,
    Restore,
    Restored,
    RunStep,
    StepFinished,
    StepStarted,
    Usage,
    encode_message,
)
from sandbox_runner.wire.values import GraphError, encode

__all__ = ["Executor", "run_executor"]

_PROTOCOL_BROKEN = 70
_MESSAGE_CHARS = 2000
_SHOWN_NAMES = 20
_NAME_CHARS = 100


def run_executor(sock: socket.socket, limits: object, work_dir: str = "/work") -> NoReturn:
    """Serve one job. Called in the forked, confined child; never returns.

    Args:
        sock: blocking stream socket to the supervisor.
        limits: the proto message Limits as attributes or as a mapping; what is missing is 0, no limit.
        work_dir: the directory whose files are kept.
    """
    executor = Executor(sock, limits, work_dir)
    sys.stdout = sys.stderr = executor.stream
    executor.serve()


class Executor:
    """One workspace and its connection.

    Args:
        sock: blocking stream socket to the supervisor.
        limits: see ``run_executor``.
        work_dir: see ``run_executor``.
    """

    def __init__(self, sock: socket.socket, limits: object, work_dir: str) -> None:
        def limit(name: str) -> int:
            found = limits.get(name, 0) if isinstance(limits, Mapping) else getattr(limits, name, 0)
            return int(found or 0)

        install_module()
        self.link = Link(sock)
        self._frame_bytes = limit("frame_bytes") or 1 << 20
        self.console = Console(self.link, limit("output_head_bytes"), limit("output_tail_bytes"))
        self.stream = ConsoleStream(self.console)
        self.caller = Caller(self.link, self._frame_bytes)
        self.handles = Handles(self.caller, KINDS)
        self.namespace = Namespace(self.caller)
        own: dict[str, Callable[..., Any]] = {"print": self._print, "exit": self._exit, "quit": self._exit}
        own |= {"get_all": self.handles.futures.get_all, "get_any": self.handles.futures.get_any}
        own["python_cli"] = PythonCli(self.namespace, self._echo).python_cli
        self.namespace.define(own)
        self.caller.describe = Describer(self.namespace, self.handles)
        self.caller.show = self._show
        self.pickles = Pickles(self.namespace, self.handles)
        self.pickles.own_names = {id(value): name for name, value in own.items()}
        self.blocks = BlockTable(self.link, self._frame_bytes)
        self.checkpointer = Checkpointer(
            self.namespace, self.handles, self.pickles, self.blocks, limit("checkpoint_bytes")
        )
        self.files = WorkFiles(work_dir, self.blocks, limit("work_bytes"), limit("work_files"))
        self._received: dict[int, bytes] = {}
        self._saved_files: list[File] = []
        self._reported: dict[str, str] = {}
        self._unsaved = False
        self._one_step = False
        self._started_with: frozenset[str] = frozenset()
        self._undated: set[str] = set()  # not restored, and no step has begun since
        if os.path.isdir(work_dir):  # noqa: PTH112 -- pathlib is not needed before user code
            os.chdir(work_dir)

    def serve(self) -> NoReturn:
        """Answer the host's messages for ever."""
        while True:
            self.serve_one()

    def serve_one(self) -> None:
        """Answer one message."""
        message = self.link.receive()
        if isinstance(message, Block):
            self._received[message.id] = message.data
        elif isinstance(message, Blocks):
            self._received.update((block.id, block.data) for block in message.blocks)
        elif isinstance(message, Restore):
            self._unsaved, self._one_step = message.unsaved, message.one_step
            restorer = Restorer(self.namespace, self.handles, self.pickles, self.blocks, self.files)
            lost = restorer.restore(message, self._received)
            self._received = {}
            self._started_with = frozenset(self.namespace.saved())
            self._undated = {item.name for item in lost} & self.namespace.lost.keys()
            self._reported = dict(self.namespace.lost)
            self.link.send(Restored([Lost(printable(item.name), printable(item.reason)) for item in lost]))
        elif isinstance(message, RunStep):
            self._run(message)
        else:
            os._exit(_PROTOCOL_BROKEN)

    def _print(self, *values: object, sep: str | None = " ", end: str | None = "\n", **ignored: object) -> None:
        """Show values: text as it is, everything else rendered. One console element per call."""
        text = (" " if sep is None else sep).join([render(value) for value in values])
        self.console.emit(PRINT, (text + ("\n" if end is None else end)).rstrip("\n"))

    def _show(self, text: str) -> None:
        """Print what a tool of the host shows."""
        self.console.emit(PRINT, text)

    def _exit(self, value: Any = None) -> NoReturn:
        """End the step (and the job) with a result."""
        value = value_of(value)
        self.handles.futures.settle(value, self.handles.to_handle)
        raise StepExit(value)

    def _echo(self, value: object) -> None:
        self.console.emit(ECHO, render(value))

    def _run(self, run: RunStep) -> None:
        started = time.monotonic()
        cpu = _cpu_seconds()
        self.link.send(StepStarted(run.step))
        self.handles.apply(run.handles)
        self.namespace.renew()
        self.namespace.set_enums(run.enums)
        self.namespace.set_tools(run.tools)
        self.namespace.share(active=run.shared_context, names=run.shared_names)
        self._date_losses(run.step)
        _seed(run.seed)
        self.console.begin(run.step, 1 + len(run.actions))
        self.caller.begin(run.step, run.max_calls)
        self.handles.futures.begin()
        ending = run_actions(run.actions, run.step, self.namespace, self.console, self._echo)
        if ending is None:
            echo = self._echo if run.echo else None
            ending = run_code(run.code, f"step {run.step}", self.namespace, echo)
        self.caller.end()
        self.console.end()
        exit_value = self._exit_value(ending)
        failure = ending.failure
        if failure is not None:
            show_failure(self.console, failure)
        before = time.monotonic()
        saved = self._save(run.step)
        now = time.monotonic()
        self.console.close()
        finished = StepFinished(
            run.step,
            ending.outcome,
            printable(failure.type_name[:_MESSAGE_CHARS]) if failure else "",
            printable(failure.message[:_MESSAGE_CHARS]) if failure else "",
            exit_value,
            saved.components,
            self._saved_files,
            saved.lost,
            sorted(saved.held),
            ending.statement,
            self.console.dropped_bytes,
            Usage(
                now - started,
                _cpu_seconds() - cpu,
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
                now - before,
            ),
            printable(failure.traceback) if failure else "",
        )
        self.link.send(self._bounded(finished))

    def _exit_value(self, ending: Ending) -> bytes:
        if ending.outcome != ENDED_BY_EXIT:
            return b""
        try:
            return encode(ending.exit_value, to_handle=self.handles.to_handle, max_bytes=self._frame_bytes // 2)
        except GraphError as error:
            ending.outcome = ENDED_BY_ERROR
            ending.failure = Failure("TypeError", f"exit(): {error}", 0, "")
            return b""

    def _date_losses(self, step: int) -> None:
        """Name the step before which variables could not be restored."""
        for name in self._undated:
            self._reported[name] = self.namespace.lost[name] = f"before step {step}: {self.namespace.lost[name]}"
        self._undated.clear()

    def _save(self, step: int) -> Checkpoint:
        if self._unsaved:
            self._say_what_goes()
            return Checkpoint(held=self.handles.in_use())
        saved = self.checkpointer.take()
        self._saved_files, lost_files = self.files.save()
        earlier = self.namespace.lost
        for item in saved.lost:
            if item.name not in earlier:
                known = self._reported.get(item.name)
                plain = item.reason
                # The step in which it was first lost stays in the reason.
                item.reason = known if known and known.endswith(f": {plain}") else f"step {step}: {plain}"
        current = {item.name: item.reason for item in saved.lost} | {item.name: item.reason for item in lost_files}
        news = {name: reason for name, reason in current.items() if self._reported.get(name) != reason}
        self._reported = current
        if news:
            listed = "; ".join(f"{name} ({reason.removeprefix(f'step {step}: ')})" for name, reason in news.items())
            self.console.final(NOTE, f"Not kept after this step: {listed}")
        saved.lost += lost_files
        for item in saved.lost:
            item.name, item.reason = printable(item.name), printable(item.reason)
        return saved

    def _say_what_goes(self) -> None:
        """Tell whoever reads the console that no later step finds the names of this one."""
        names = sorted(self.namespace.saved().keys() - self._started_with) if self._one_step else []
        if names:
            more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
            listed = ", ".join(printable(name[:_NAME_CHARS]) for name in names[:_SHOWN_NAMES])
            self.console.final(NOTE, f"Not kept after this step, as nothing of this job is: {listed}{more}")

    def _bounded(self, finished: StepFinished) -> StepFinished:
        """Keep the message within a frame: previews go first, then the components with most variables or blocks."""
        limit = self._frame_bytes - 1024
        if len(encode_message(finished)) <= limit:
            return finished
        for component in finished.components:
            component.previews = []
        while finished.components and len(encode_message(finished)) > limit:
            largest = max(finished.components, key=lambda component: len(encode_message(component)))
            finished.components.remove(largest)
            reason = f"step {finished.step}: limit frame_bytes: the list of its blocks does not fit in one message"
            finished.lost += [Lost(name, reason) for name in largest.names[:20]]
        return finished


def _seed(seed: int) -> None:
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed & 0xFFFFFFFF)


def _cpu_seconds() -> float:
    return time.process_time()
