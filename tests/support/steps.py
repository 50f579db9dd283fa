"""Runs one step of code in a sandbox, without an engine."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.sandboxes.bubblewrap import BubblewrapDriver
from orchestrator.sandboxes.driver import Driver
from orchestrator.sandboxes.sandbox import Sandbox
from orchestrator.sandboxes.step import CallAnswer, CallRequest, OutputItem, StepEnd, StepInput, Workspace

__all__ = ["Console", "bounded_by_rlimit", "run"]


class Console:
    """Takes the output and refuses every call."""

    def __init__(self) -> None:
        self.text = ""

    async def call(self, request: CallRequest) -> CallAnswer:
        return CallAnswer(error_type="PermissionError", error_message="no calls here")

    def output(self, item: OutputItem) -> None:
        self.text += item.text


async def run(sandbox: Sandbox, code: str, *, deadline: float = 20.0, console: Console | None = None) -> StepEnd:
    await sandbox.restore(Workspace(), _no_blocks)
    step = StepInput(step=1, code=code, time_us=0, seed=1, deadline_seconds=deadline)
    return await sandbox.run_step(step, console or Console())


async def _no_blocks(digests: Sequence[str]) -> dict[str, bytes]:
    raise AssertionError(f"no blocks {digests} were named")


def bounded_by_rlimit(driver: Driver) -> bool:
    """Whether the memory of its runners is bounded by RLIMIT_AS alone, which the code sees as a MemoryError.

    An ordinary user has no cgroup of its own to make groups in; ``statek doctor`` says which of the two it is.
    """
    return isinstance(driver, BubblewrapDriver) and not driver.grouped
