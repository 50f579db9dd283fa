"""The only gRPC process of a runner: one Attach stream to the host, one socket to the executor.

It relays executor frames unread, apart from their kind, which stops the step's clock. Everything is
bounded: an executor is read only when the host has taken what was read before, and the host only while
the executor takes what it is sent (with a small allowance, so that pings are answered meanwhile).

asyncio gRPC was chosen over the blocking one: the round trip over a Unix socket is shorter (108 against
170 microseconds here) and an idle stream never wakes, while the blocking client looks every 100 ms.
"""

from __future__ import annotations

import asyncio
import os
import platform
import socket
from collections import deque
from collections.abc import Coroutine
from typing import Any

from sandbox_runner.control import (
    MAX_MESSAGE_BYTES,
    Claimed,
    Ended,
    KillOrder,
    LockedDown,
    SharedDeadline,
    Warm,
    decode_control,
    encode_control,
)
from sandbox_runner.lockdown.confine import Offer, confine_supervisor, readable_paths
from sandbox_runner.lockdown.limits import ExecutorLimits
from sandbox_runner.options import RunnerOptions

__all__ = ["PROTOCOL", "run_supervisor"]

PROTOCOL = 1
"""The generation of runner.proto that this runner speaks."""

_CONNECT_SECONDS = 10.0
_READ_BYTES = 256 << 10
_SOCKET_BUFFER_BYTES = 1 << 20
_PENDING_BYTES = 4 << 20
_DEFAULT_FRAME_BYTES = 1 << 20
_FRAME_HEAD_BYTES = 4  # of one among several in a message: tag and length
_TOGETHER = 16
_TOGETHER_BYTES = 32 << 10
"""How many frames go in one message at most, and how many bytes of them: what a step ends with usually fits."""

_LOST_HOST_STATUS = 5


class _HostGone(Exception):
    """The stream ended: the runner has nothing more to do."""


def run_supervisor(
    options: RunnerOptions, offer: Offer, control: socket.socket, deadline: SharedDeadline, parent_pid: int
) -> int:
    """Be the supervisor until the stream ends.

    Args:
        options: of the runner.
        offer: what the kernel offers, for Hello.
        control: the supervisor's end of the pair with the zygote.
        deadline: shared with the zygote.
        parent_pid: the zygote.

    Returns:
        The exit status.
    """
    uid = options.supervisor_uid if options.switch_uids else None
    confine_supervisor(uid, parent_pid, offer, readable_paths(options.read_paths))
    return asyncio.run(_Supervisor(options, offer, control, deadline).run())


class _Supervisor:
    def __init__(self, options: RunnerOptions, offer: Offer, control: socket.socket, deadline: SharedDeadline) -> None:
        # Everything that a claim or a step needs is loaded here, while nobody waits.
        from sandbox_runner.wire import framing
        from sandbox_runner.wire.v1 import runner_pb2, runner_pb2_grpc

        self._framing = framing
        self._pb = runner_pb2
        self._grpc = runner_pb2_grpc
        self._options = options
        self._offer = offer
        self._control = control
        self._deadline = deadline
        self._stream: Any = None
        self._seq = 0
        self._write_lock = asyncio.Lock()
        self._warm = asyncio.Event()
        self._executor: socket.socket | None = None
        self._executor_drained = asyncio.Event()
        self._frame_bytes = _DEFAULT_FRAME_BYTES
        self._pending: deque[memoryview] = deque()
        self._pending_bytes = 0
        self._room = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        import grpc

        self._control.setblocking(False)
        asyncio.get_running_loop().add_reader(self._control, self._take_control)
        # Small frames dominate; what the host may send at most is bounded by its own frame limit.
        arguments = [("grpc.max_receive_message_length", 64 << 20), ("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(f"unix:{self._options.socket}", options=arguments) as channel:
            try:
                if not await asyncio.wait_for(self._connect(channel), _CONNECT_SECONDS):
                    return _LOST_HOST_STATUS
            except TimeoutError:
                return _LOST_HOST_STATUS
            self._stream = self._grpc.RunnerHostStub(channel).Attach()  # type: ignore[no-untyped-call]
            await self._warm.wait()
            try:
                await self._send(hello=self._hello())
                await self._read_host()
            except (_HostGone, grpc.RpcError, grpc.aio.BaseError, asyncio.InvalidStateError):
                return 0
        return 0

    async def _connect(self, channel: Any) -> bool:
        """Connect once; False when nobody listens.

        The host listens before it starts a runner, so a refusal means that it died since. Trying again, as the channel
        would, keeps a runner alive that nothing ties to its orchestrator: one that was still being made then.
        """
        import grpc

        while (state := channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
            if state in {grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN}:
                return False
            await channel.wait_for_state_change(state)
        return True

    def _hello(self) -> Any:
        return self._pb.Hello(
            protocol=PROTOCOL,
            python_version=platform.python_version(),
            image_digest=self._options.image_digest,
            landlock_abi=self._offer.landlock_abi,
            seccomp=self._offer.seccomp,
            separate_uids=self._options.switch_uids,
        )

    # ------------------------------------------------------------ host

    async def _send(self, **body: Any) -> None:
        async with self._write_lock:
            self._seq += 1
            await self._stream.write(self._pb.FromRunner(seq=self._seq, **body))

    async def _read_host(self) -> None:
        import grpc

        while True:
            message = await self._stream.read()
            if message is grpc.aio.EOF:
                raise _HostGone
            match message.WhichOneof("body"):
                case "executor":
                    await self._relay_to_executor(message.executor)
                case "ping":
                    self._spawn(self._send(pong=self._pb.Pong(nonce=message.ping.nonce)))
                case "claim":
                    self._claim(message.claim.limits)
                case "welcome":
                    if message.welcome.protocol != PROTOCOL:
                        raise _HostGone
                case _:
                    raise _HostGone

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None and self._stream is not None:
            # A failed write means a broken stream; reading must not wait for it.
            self._stream.cancel()

    # ------------------------------------------------------------ zygote

    def _claim(self, limits: Any) -> None:
        if self._executor is not None:
            raise _HostGone
        values = {name: getattr(limits, name) for name in ExecutorLimits.__slots__}
        self._frame_bytes = values["frame_bytes"] or _DEFAULT_FRAME_BYTES
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER_BYTES)
        ours.setblocking(False)
        self._executor = ours
        socket.send_fds(self._control, [encode_control(Claimed(ExecutorLimits(**values)))], [theirs.fileno()])
        theirs.close()
        self._spawn(self._relay_to_host(ours))

    def _take_control(self) -> None:
        try:
            data = self._control.recv(MAX_MESSAGE_BYTES)
        except BlockingIOError:
            return
        if not data:
            os._exit(0)  # the zygote is gone, and with it everything to supervise
        match decode_control(data):
            case Warm():
                self._warm.set()
            case LockedDown(pid, lockdown_ms):
                self._spawn(self._send(ready=self._pb.Ready(pid=pid, lockdown_ms=lockdown_ms)))
            case Ended() as ended:
                self._spawn(self._report_death(ended))

    async def _report_death(self, ended: Ended) -> None:
        # What the executor said before it died comes first; its socket ends with it.
        await self._executor_drained.wait()
        await self._send(
            death=self._pb.ExecutorDeath(
                cause=self._pb.Cause.Name(ended.cause),
                exit_code=ended.exit_code,
                signal=ended.signal,
                max_rss_bytes=ended.max_rss_bytes,
                cpu_seconds=ended.cpu_seconds,
                detail=ended.detail,
            )
        )

    # ------------------------------------------------------------ executor

    async def _relay_to_host(self, executor: socket.socket) -> None:
        kind_of_payload = self._framing.kind_of_payload
        loop = asyncio.get_running_loop()
        pb = self._pb.FromExecutor
        stopping = {pb.RESTORED_FIELD_NUMBER, pb.CALL_FIELD_NUMBER, pb.FINISHED_FIELD_NUMBER}
        parser = self._framing.FrameParser(self._frame_bytes)
        try:
            while True:
                try:
                    data = await loop.sock_recv(executor, _READ_BYTES)
                except OSError:
                    data = b""
                if not data:
                    return
                payloads = []
                for kind, payload in parser.feed(data):
                    if kind != kind_of_payload(payload):
                        raise self._framing.FrameError(
                            f"frame of kind {kind} holds a message of kind {kind_of_payload(payload)}"
                        )
                    if kind in stopping:
                        self._deadline.clear()
                    payloads.append(payload)
                await self._relay(payloads)
        except self._framing.FrameError as error:
            self._control.send(encode_control(KillOrder(str(error))))
        finally:
            self._executor_drained.set()

    async def _relay(self, payloads: list[bytes]) -> None:
        """Send frames to the host, those that came together in one message: each message costs both sides the same."""
        together: list[bytes] = []
        size, room = 0, min(_TOGETHER_BYTES, self._frame_bytes)
        for payload in payloads:
            if together and (len(together) == _TOGETHER or size + len(payload) + _FRAME_HEAD_BYTES > room):
                await self._send_together(together)
                together, size = [], 0
            together.append(payload)
            size += len(payload) + _FRAME_HEAD_BYTES
        if together:
            await self._send_together(together)

    async def _send_together(self, payloads: list[bytes]) -> None:
        if len(payloads) == 1:
            await self._send(executor=payloads[0])
        else:
            await self._send(executors=self._pb.ExecutorFrames(frames=payloads))

    async def _relay_to_executor(self, order: Any) -> None:
        executor = self._executor
        if executor is None:
            raise _HostGone
        if order.deadline_ms:
            self._deadline.arm(order.deadline_ms, self._control)
        frame = memoryview(self._framing.pack_frame(self._framing.kind_of_payload(order.frame), order.frame))
        if not self._pending:
            try:
                sent = executor.send(frame)
            except BlockingIOError:
                sent = 0
            except OSError:
                return  # dead; its end is reported by the zygote
            if sent == len(frame):
                return
            frame = frame[sent:]
            self._pending.append(frame)
            self._pending_bytes += len(frame)
            self._spawn(self._drain_pending(executor))
        else:
            self._pending.append(frame)
            self._pending_bytes += len(frame)
        while self._pending_bytes > _PENDING_BYTES:
            self._room.clear()
            await self._room.wait()

    async def _drain_pending(self, executor: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._pending:
                await loop.sock_sendall(executor, self._pending[0])
                self._pending_bytes -= len(self._pending.popleft())
                self._room.set()
        except OSError:
            # Dead: what is still pending goes nowhere.
            self._pending.clear()
            self._pending_bytes = 0
            self._room.set()
