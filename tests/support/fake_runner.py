"""A hand-made runner that says whatever a test wants, over a real socket."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from orchestrator.sandboxes.driver import RunnerRef, Tier
from orchestrator.sandboxes.step import CallAnswer, CallRequest, OutputItem
from sandbox_runner.wire.v1 import runner_pb2 as pb

METHOD = "/sandbox_runner.wire.v1.RunnerHost/Attach"


class FakeRunner:
    """Dials the host's socket and sends hand-made messages."""

    def __init__(self, socket: Path) -> None:
        self._channel = grpc.aio.insecure_channel(
            f"unix:{socket}",
            options=[("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)],
        )
        self.stream: Any = self._channel.stream_stream(METHOD)()
        self.seq = 0

    async def send(self, **body: Any) -> None:
        self.seq += 1
        await self.send_raw(pb.FromRunner(seq=self.seq, **body).SerializeToString())

    async def send_raw(self, data: bytes) -> None:
        try:
            await self.stream.write(data)
        except (grpc.RpcError, grpc.aio.BaseError, asyncio.InvalidStateError):
            # The host has hung up, as it should on a violation. A closed stream fails without waiting, and the
            # host shares this loop: a flood that never lets it run would never end.
            await asyncio.sleep(0)

    async def say(self, **body: Any) -> None:
        """Send an executor frame with this body."""
        await self.send(executor=pb.FromExecutor(**body).SerializeToString())

    async def hear(self) -> pb.ToRunner | None:
        data = await self.stream.read()
        return None if data is grpc.aio.EOF else pb.ToRunner.FromString(data)

    async def hear_frame(self) -> tuple[pb.ToExecutor, int]:
        """The next executor frame with its deadline in milliseconds."""
        message = await self.hear()
        assert message is not None
        assert message.WhichOneof("body") == "executor"
        return pb.ToExecutor.FromString(message.executor.frame), message.executor.deadline_ms

    async def greet(self) -> None:
        await self.send(hello=pb.Hello(protocol=1, python_version="3.11"))
        welcome = await self.hear()
        assert welcome is not None
        assert welcome.WhichOneof("body") == "welcome"

    async def accept_claim(self) -> pb.Limits:
        claim = await self.hear()
        assert claim is not None
        await self.send(ready=pb.Ready(pid=7, lockdown_ms=1))
        return claim.claim.limits

    async def accept_restore(self) -> pb.Restore:
        frame, _ = await self.hear_frame()
        while frame.WhichOneof("body") == "block":
            frame, _ = await self.hear_frame()
        await self.say(restored=pb.Restored())
        return frame.restore

    async def accept_step(self) -> pb.RunStep:
        frame, _ = await self.hear_frame()
        await self.say(started=pb.StepStarted(step=frame.run.step))
        return frame.run

    async def aclose(self) -> None:
        await self._channel.close()


class FakeDriver:
    """Counts the kills; there is no process behind it."""

    name = "fake"
    tier = Tier.PROCESS

    def __init__(self) -> None:
        self.killed: list[RunnerRef] = []

    async def kill(self, ref: RunnerRef) -> None:
        self.killed.append(ref)


class RecordingHandler:
    """Answers every call with its name and keeps the output."""

    def __init__(self) -> None:
        self.outputs: list[OutputItem] = []
        self.calls: list[CallRequest] = []

    async def call(self, request: CallRequest) -> CallAnswer:
        self.calls.append(request)
        return CallAnswer(value=request.name.encode())

    def output(self, item: OutputItem) -> None:
        self.outputs.append(item)
