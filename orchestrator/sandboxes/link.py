"""One runner's socket and its Attach stream, on the host's event loop.

Serves exactly one stream of raw bytes; every message goes through :mod:`inbound_untrusted`. Nothing is
queued: the reading task hands each message to the one receiver and waits for it, so HTTP/2 flow control
stops a runner that sends faster than it is heard; a sender waits until the runner has taken the message.

A rate limit slows a runner down instead of ending it: correct code may call tools quickly, and what it
may send in all is bounded by the turn rules. The wait is the runner's, never the loop's.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import grpc
import grpc.aio

from orchestrator.sandboxes.inbound_messages import (
    ExecutorFrame,
    ExecutorFrames,
    HelloInfo,
    RunnerDeath,
    RunnerPong,
    RunnerReady,
)
from orchestrator.sandboxes.inbound_untrusted import InboundSequence
from orchestrator.sandboxes.step import StepLimits
from sandbox_runner.wire.v1 import runner_pb2 as pb
from statek.exceptions import InvalidRequest, RunnerError, RunnerLost, RunnerViolation

__all__ = ["PROTOCOL", "LinkLimits", "Receiver", "RunnerLink"]

PROTOCOL = 1
"""The generation of runner.proto that this host speaks."""

_MAX_SOCKET_PATH = 107
# FromRunner's own fields around an executor frame: sequence number, tag, length.
_ENVELOPE_BYTES = 64
_STREAM_ERRORS = (grpc.RpcError, grpc.aio.BaseError, asyncio.InvalidStateError)
_METHOD = "/sandbox_runner.wire.v1.RunnerHost/Attach"

_T = TypeVar("_T")

Receiver = Callable[[ExecutorFrame | RunnerDeath], Awaitable[None]]
"""Takes executor frames and the executor's death; raises RunnerViolation for what breaks a rule."""


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """What one runner may do to its link.

    Attributes:
        frame_bytes: largest executor frame.
        messages_per_second: sustained rate of messages; more waits.
        bytes_per_second: sustained rate of bytes; more waits.
        burst_seconds: how many seconds' worth of both may come at once.
        ping_interval_seconds: between two pings of a claimed runner.
        idle_ping_interval_seconds: between two pings of a runner that waits for its claim.
        ping_timeout_seconds: a runner that sends nothing for so long after a ping is lost.
    """

    frame_bytes: int = 1 << 20
    messages_per_second: float = 20_000
    bytes_per_second: float = 512 << 20
    burst_seconds: float = 0.5
    ping_interval_seconds: float = 1.0
    idle_ping_interval_seconds: float = 5.0
    ping_timeout_seconds: float = 2.0


class _Bucket:
    """A bounded allowance that refills with time."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._at = time.monotonic()

    def take(self, amount: float) -> float:
        """Take the amount and give the seconds to wait before going on."""
        now = time.monotonic()
        self._level = min(self._burst, self._level + (now - self._at) * self._rate) - amount
        self._at = now
        return max(0.0, -self._level / self._rate)


class RunnerLink:
    """Serves one socket for one runner.

    Attributes:
        lost: done when the runner is gone or has broken a rule; its result is the RunnerError.

    Preconditions:
        All methods are called on one running event loop.
    """

    def __init__(self, socket: Path, *, limits: LinkLimits | None = None) -> None:
        self._socket = socket
        self._limits = limits or LinkLimits()
        self.lost: asyncio.Future[RunnerError] = asyncio.get_running_loop().create_future()
        self._server: grpc.aio.Server | None = None
        self._context: Any = None
        self._attach_task: asyncio.Task[Any] | None = None
        self._hello: asyncio.Future[HelloInfo] = asyncio.get_running_loop().create_future()
        self._ready: asyncio.Future[RunnerReady] | None = None
        self._claimed = False
        self._receiver: Receiver | None = None
        self._inbound = InboundSequence()
        self._write_lock = asyncio.Lock()
        self._seq = 0
        self._ping_nonce = 0
        self._pong_nonce = 0
        self._heard_at = time.monotonic()
        self._heard = asyncio.Event()
        self._pinger: asyncio.Task[None] | None = None
        self._messages = _Bucket(
            self._limits.messages_per_second, self._limits.messages_per_second * self._limits.burst_seconds
        )
        self._bytes = _Bucket(self._limits.bytes_per_second, self._limits.bytes_per_second * self._limits.burst_seconds)

    @property
    def socket(self) -> Path:
        """The socket's path on the host."""
        return self._socket

    @property
    def hello(self) -> HelloInfo | None:
        """What the runner said of itself, once it has."""
        return self._hello.result() if self._hello.done() and not self._hello.cancelled() else None

    # ------------------------------------------------------------ life

    async def listen(self) -> None:
        """Serve the socket; the file exists when this returns.

        Raises:
            InvalidRequest: the path is too long for a Unix socket.
            RunnerLost: the socket cannot be bound.
        """
        length = len(str(self._socket).encode())
        if length > _MAX_SOCKET_PATH:
            raise InvalidRequest(f"socket path has {length} bytes, {_MAX_SOCKET_PATH} at most: {self._socket}")
        frame = self._limits.frame_bytes + _ENVELOPE_BYTES
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", frame),
                ("grpc.max_send_message_length", 64 << 20),
                ("grpc.max_concurrent_streams", 2),
                ("grpc.max_metadata_size", 8 << 10),
                ("grpc.so_reuseport", 0),
                ("grpc.http2.max_pings_without_data", 0),
            ],
            maximum_concurrent_rpcs=2,
        )
        # No deserializer: the bytes of a runner are decoded in one module only.
        handler: Any = grpc.stream_stream_rpc_method_handler(self._attach)
        server.add_generic_rpc_handlers((_OneMethod(handler),))
        try:
            server.add_insecure_port(f"unix:{self._socket}")
            await server.start()
        except RuntimeError as error:
            raise RunnerLost(f"cannot listen on {self._socket}: {error}") from None
        # Whoever may pass the folder may connect: the supervisor's uid is not ours. The folder is what
        # keeps others out.
        self._socket.chmod(0o666)
        self._server = server

    async def wait_hello(self, timeout: float) -> HelloInfo:
        """Wait until the runner has dialled and said Hello.

        Args:
            timeout: seconds.

        Raises:
            RunnerLost: it did not come in time, or went away.
            RunnerViolation: it broke a rule.
        """
        return await self._wait(self._hello, timeout, "Hello")

    async def claim(self, limits: StepLimits, timeout: float) -> RunnerReady:
        """Make the runner fork its executor; once only.

        Args:
            limits: what the executor may use; its ``frame_bytes`` must not exceed the link's.
            timeout: seconds.

        Raises:
            InvalidRequest: claimed before, or larger frames than the link takes.
            RunnerLost: no answer in time, the executor could not be confined, or the runner went away.
            RunnerViolation: it broke a rule.
        """
        if self._claimed:
            raise InvalidRequest("a runner is claimed once")
        if not 0 < limits.frame_bytes <= self._limits.frame_bytes:
            raise InvalidRequest(f"frame_bytes is {limits.frame_bytes}, the link takes 1 to {self._limits.frame_bytes}")
        self._claimed = True
        self._ready = asyncio.get_running_loop().create_future()
        names = pb.Limits.DESCRIPTOR.fields_by_name
        values = {name: getattr(limits, name) for name in names}
        await self._send(pb.ToRunner(claim=pb.Claim(limits=pb.Limits(**values))))
        return await self._wait(self._ready, timeout, "Ready")

    def receive_with(self, receiver: Receiver) -> None:
        """Name the one receiver of executor frames and of the executor's death."""
        self._receiver = receiver

    async def send_frame(self, frame: bytes, *, deadline_ms: int = 0) -> None:
        """Send one serialized ToExecutor; returns when the stream has taken it.

        Args:
            frame: the message.
            deadline_ms: milliseconds until the zygote kills the executor; 0 leaves the clock as it is.

        Raises:
            RunnerLost: the runner is gone.
            RunnerViolation: it broke a rule before.
        """
        await self._send(pb.ToRunner(executor=pb.HostFrame(frame=frame, deadline_ms=deadline_ms)))

    def fail(self, error: RunnerError) -> None:
        """End the conversation: the first error is what everybody sees."""
        if not self.lost.done():
            self.lost.set_result(error)
        self._context = None
        # The end of the stream ends the supervisor, the zygote and the executor of a runner that obeys.
        task = self._attach_task
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    async def aclose(self) -> None:
        """End the stream and the server and remove the socket. Idempotent."""
        self.fail(RunnerLost("the link was closed"))
        if self._pinger is not None:
            self._pinger.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pinger
            self._pinger = None
        server, self._server = self._server, None
        if server is not None:
            await server.stop(None)
        self._socket.unlink(missing_ok=True)

    # ------------------------------------------------------------ outbound

    async def _send(self, message: pb.ToRunner) -> None:
        async with self._write_lock:
            context = self._context
            if context is None:
                raise self._error()
            self._seq += 1
            message.seq = self._seq
            data = message.SerializeToString()
            try:
                await context.write(data)
            except _STREAM_ERRORS:
                self.fail(RunnerLost("the runner's stream broke"))
                raise self._error() from None

    def _error(self) -> RunnerError:
        return self.lost.result() if self.lost.done() else RunnerLost("the runner is not attached")

    async def _wait(self, future: asyncio.Future[_T], seconds: float, what: str) -> _T:
        await asyncio.wait((future, self.lost), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if self.lost.done():
            raise self.lost.result()
        if not future.done():
            raise RunnerLost(f"the runner sent no {what} within {seconds:g} s")
        return future.result()

    async def _ping(self) -> None:
        limits = self._limits
        while True:
            await asyncio.sleep(limits.ping_interval_seconds if self._claimed else limits.idle_ping_interval_seconds)
            asked_at = time.monotonic()
            if asked_at - self._heard_at < limits.ping_interval_seconds:
                continue
            self._ping_nonce += 1
            try:
                async with asyncio.timeout(limits.ping_timeout_seconds):
                    self._heard.clear()  # before: the answer may be read before the sending is told to be done
                    await self._send(pb.ToRunner(ping=pb.Ping(nonce=self._ping_nonce)))
                    await self._heard.wait()
            except TimeoutError:
                self.fail(RunnerLost(f"the runner did not answer a ping within {limits.ping_timeout_seconds:g} s"))
                return
            except RunnerError:
                return

    # ------------------------------------------------------------ inbound

    async def _attach(self, _requests: object, context: Any) -> None:
        if self._attach_task is not None:
            self.fail(RunnerViolation("one-stream: a second stream was opened"))
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "one stream only")
        if self.lost.done():
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the link is closed")
        self._attach_task = asyncio.current_task()
        self._context = context
        try:
            await self._read(context)
        except RunnerViolation as error:
            self.fail(error)
        except _STREAM_ERRORS:
            self.fail(RunnerLost("the runner's stream broke"))
        except asyncio.CancelledError:
            self.fail(RunnerLost("the runner went away"))
            raise
        finally:
            self.fail(RunnerLost("the runner went away"))

    async def _read(self, context: Any) -> None:
        while True:
            data = await context.read()
            if data is grpc.aio.EOF:
                return
            self._heard_at = time.monotonic()
            self._heard.set()
            pause = max(self._messages.take(1), self._bytes.take(len(data)))
            if pause:
                await asyncio.sleep(pause)
                self._heard_at = time.monotonic()
            await self._dispatch(data)

    async def _dispatch(self, data: bytes) -> None:
        message = self._inbound.decode(data)
        match message:
            case ExecutorFrame() | RunnerDeath():
                await self._hear(message)
            case ExecutorFrames(frames):
                self._messages.take(max(0, len(frames) - 1))  # one was taken before it was read; more waits next time
                for frame in frames:
                    await self._hear(frame)
            case RunnerPong(nonce):
                if not self._pong_nonce < nonce <= self._ping_nonce:
                    raise RunnerViolation(f"turn: pong {nonce} was not asked for")
                self._pong_nonce = nonce
            case HelloInfo():
                self._take_hello(message)
                await self._send(
                    pb.ToRunner(welcome=pb.Welcome(protocol=PROTOCOL, max_frame_bytes=self._limits.frame_bytes))
                )
                self._pinger = asyncio.get_running_loop().create_task(self._ping())
                self._hello.set_result(message)
            case RunnerReady():
                if self._ready is None or self._ready.done():
                    raise RunnerViolation("turn: Ready without a claim that waits for it")
                self._ready.set_result(message)

    async def _hear(self, message: ExecutorFrame | RunnerDeath) -> None:
        if self._ready is None:
            raise RunnerViolation("turn: an executor spoke before the claim")
        if isinstance(message, RunnerDeath) and not self._ready.done():
            self.fail(RunnerLost(f"the executor did not start: {message.detail}"))
            return
        if self._receiver is None:
            raise RunnerViolation("turn: an executor spoke before it was asked")
        await self._receiver(message)

    def _take_hello(self, hello: HelloInfo) -> None:
        if hello.protocol != PROTOCOL:
            raise RunnerViolation(f"protocol: generation {hello.protocol} is not spoken here, {PROTOCOL} is")


class _OneMethod(grpc.GenericRpcHandler):
    """Serves Attach and nothing else."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler

    def service(self, handler_call_details: Any) -> Any:
        """The handler of Attach; None (unimplemented) for every other method."""
        return self._handler if handler_call_details.method == _METHOD else None
