"""A driver whose runners are real gRPC clients in the test's own loop, with a script for how they behave.

They dial the pool's real sockets and speak the real protocol, so the pool and the link under test are
the real ones; only the process on the other side is missing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import grpc.aio

from orchestrator.sandboxes.driver import ProbeReport, RunnerRef, RunnerSpec, RunnerStats, Tier
from sandbox_runner.wire.v1 import runner_pb2 as pb
from sandbox_runner.wire.v1 import runner_pb2_grpc
from statek.exceptions import RunnerLost

__all__ = ["Script", "ScriptedDriver"]


@dataclass
class Script:
    """How one runner behaves.

    Attributes:
        refuse: the engine refuses to start it.
        hello: it says hello.
        ready: it answers its claim.
        dies: it ends before it says hello.
    """

    refuse: bool = False
    hello: bool = True
    ready: bool = True
    dies: bool = False


@dataclass
class ScriptedDriver:
    """Starts scripted runners: the n-th start follows ``script(n)``, n counts from 0."""

    script: Callable[[int], Script] = field(default=lambda number: Script())
    orphans: list[RunnerRef] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)
    alive: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    specs: dict[str, RunnerSpec] = field(default_factory=dict)
    most_alive: int = 0
    kill_gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.kill_gate.set()

    name = "scripted"
    tier = Tier.PROCESS

    async def probe(self) -> ProbeReport:
        return ProbeReport(self.name, self.tier, available=True, reason="always")

    async def prepare(self, flavour: str) -> str:
        return f"digest-of-{flavour}"

    async def start(self, spec: RunnerSpec) -> RunnerRef:
        script = self.script(len(self.started))
        self.started.append(spec.runner_id)
        if script.refuse:
            raise RunnerLost("the engine refused: script")
        self.specs[spec.runner_id] = spec
        self.alive[spec.runner_id] = asyncio.create_task(_live(spec, script))
        self.most_alive = max(self.most_alive, len(self.alive))
        return RunnerRef(self.name, spec.runner_id, spec.runner_id, spec.incarnation)

    async def wait_exit(self, ref: RunnerRef) -> str:
        task = self.alive.get(ref.runner_id)
        if task is not None:
            await asyncio.wait([task])
        return "its script is over"

    async def kill(self, ref: RunnerRef) -> None:
        await self.kill_gate.wait()
        self.orphans = [orphan for orphan in self.orphans if orphan != ref]
        task = self.alive.pop(ref.runner_id, None)
        if task is not None:
            self.killed.append(ref.runner_id)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def stats(self, ref: RunnerRef) -> RunnerStats:
        return RunnerStats(memory_bytes=0, pids=0, oom_kills=0)

    async def list_runners(self, store_id: str) -> list[RunnerRef]:
        alive = [RunnerRef(self.name, key, key, self.specs[key].incarnation) for key in self.alive]
        return [*self.orphans, *alive]

    async def aclose(self) -> None:
        for task in self.alive.values():
            task.cancel()
        await asyncio.gather(*self.alive.values(), return_exceptions=True)


async def _live(spec: RunnerSpec, script: Script) -> None:
    if script.dies:
        return
    if not script.hello:
        await asyncio.Event().wait()
    outbound: asyncio.Queue[pb.FromRunner] = asyncio.Queue()
    hello = pb.Hello(protocol=1, python_version="3.11.0", image_digest="d", landlock_abi=0, seccomp=True)
    outbound.put_nowait(pb.FromRunner(hello=hello))

    async def messages() -> AsyncIterator[pb.FromRunner]:
        number = 0
        while True:
            message = await outbound.get()
            number += 1
            message.seq = number
            yield message

    async with grpc.aio.insecure_channel(f"unix:{spec.socket}") as channel:
        stream = runner_pb2_grpc.RunnerHostStub(channel).Attach(messages())
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for message in stream:
                match message.WhichOneof("body"):
                    case "claim" if script.ready:
                        outbound.put_nowait(pb.FromRunner(ready=pb.Ready(pid=2, lockdown_ms=1.0)))
                    case "ping":
                        outbound.put_nowait(pb.FromRunner(pong=pb.Pong(nonce=message.ping.nonce)))
