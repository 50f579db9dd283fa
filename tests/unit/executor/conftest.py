"""A host for one real executor: forked, spoken to in frames over a socket pair."""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
from dataclasses import dataclass, field

import pytest

from sandbox_runner.executor import run_executor
from sandbox_runner.wire import frames
from sandbox_runner.wire.values import decode, encode

LIMITS = {"frame_bytes": 1 << 20, "output_head_bytes": 32 << 10, "output_tail_bytes": 16 << 10}
KINDS = {1: "PRINT", 2: "ECHO", 3: "ERROR", 4: "STREAM", 5: "NOTE"}


@dataclass
class Commit:
    components: list = field(default_factory=list)
    files: list = field(default_factory=list)
    lost: list = field(default_factory=list)
    blocks: dict = field(default_factory=dict)


@dataclass
class Step:
    output: list
    finished: frames.StepFinished
    sent: dict
    calls: list
    slots: dict

    @property
    def sent_bytes(self):
        return sum(map(len, self.sent.values()))

    @property
    def lost(self):
        return {item.name: item.reason for item in self.finished.lost}

    @property
    def names(self):
        return sorted(name for component in self.finished.components for name in component.names)

    @property
    def groups(self):
        return sorted(tuple(component.names) for component in self.finished.components)


class Host:
    """The other side of one executor."""

    def __init__(self, work_dir, limits):
        self.sock, child = socket.socketpair()
        self.sock.settimeout(10)
        self.step = 0
        self.blocks = {}
        self.host_ids = 0
        self.pid = os.fork()
        if self.pid == 0:
            try:
                # What the other tests left must never be collected here: the end of a gRPC object of the
                # parent spins for ever in a child.
                gc.freeze()
                self.sock.close()
                run_executor(child, {**LIMITS, **limits}, str(work_dir))
            finally:
                os._exit(1)
        child.close()

    def close(self):
        if not self.pid:
            return 0
        self.sock.shutdown(socket.SHUT_RDWR)  # a later child has a copy of this socket
        self.sock.close()
        handle = os.pidfd_open(self.pid)
        if not select.select([handle], [], [], 10)[0]:
            os.kill(self.pid, signal.SIGKILL)  # it does not look at its socket
        os.close(handle)
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def send(self, message):
        self.sock.sendall(frames.frame_of(message, to_executor=True))

    def receive(self):
        frame = frames.receive_frame(self.sock, 1 << 20)
        assert frame is not None, "the executor died"
        return frames.unpack_payload(frame[1], frames.FROM_EXECUTOR)

    def run(self, code, *, tools=(), answer=None, handles=b"", echo=True, seed=1, max_calls=0, actions=()):
        self.step += 1
        self.send(frames.RunStep(self.step, code, 0, seed, list(tools), handles, echo, max_calls, list(actions)))
        assert self.receive() == frames.StepStarted(self.step)
        output, sent, calls = [], {}, []
        slots = {number: [] for number in range(1, len(actions) + 1)} | {0: output}
        while True:
            message = self.receive()
            if isinstance(message, frames.Output):
                assert message.step == self.step
                slots[message.action].append((KINDS[message.kind], message.text))
            elif isinstance(message, frames.Block):
                assert message.id % 2 == 1
                assert message.id not in self.blocks
                sent[message.id] = self.blocks[message.id] = message.data
            elif isinstance(message, frames.HostCall):
                assert (message.step, message.call) == (self.step, len(calls) + 1)
                calls.append(message)
                found = answer(message)
                if not isinstance(found, frames.CallResult):
                    found = frames.CallResult(value=encode(found))
                found.step, found.call = self.step, message.call
                self.send(found)
            else:
                assert isinstance(message, frames.StepFinished)
                assert all(number in self.blocks for c in message.components for number in c.blocks)
                for component in message.components:
                    assert component.names == sorted(component.names)
                    assert sum(len(self.blocks[number]) for number in component.blocks) == component.size_bytes
                del slots[0]
                return Step(output, message, sent, calls, slots)

    def commit(self, step):
        used = {number for item in [*step.finished.components, *step.finished.files] for number in item.blocks}
        return Commit(
            step.finished.components,
            step.finished.files,
            step.finished.lost,
            {number: self.blocks[number] for number in used},
        )

    def restore(self, commit, **how):
        ids = {}
        for number, data in commit.blocks.items():
            self.host_ids += 2
            ids[number] = self.host_ids
            self.blocks[self.host_ids] = data
            self.send(frames.Block(self.host_ids, data))
        components = [
            frames.Component(c.names, c.form, [ids[n] for n in c.blocks], c.size_bytes, c.previews)
            for c in commit.components
        ]
        files = [frames.File(f.path, f.mode, f.size_bytes, [ids[n] for n in f.blocks]) for f in commit.files]
        self.send(frames.Restore(components, files, commit.lost, **how))
        message = self.receive()
        assert isinstance(message, frames.Restored)
        return {item.name: item.reason for item in message.lost}

    def values(self, step):
        """What the host can read of a step's variables."""
        found = {}
        for component in step.finished.components:
            if component.form == 1:
                found |= decode(b"".join(self.blocks[number] for number in component.blocks))
        return found


@pytest.fixture
def start(tmp_path):
    hosts = []

    def starter(work_dir=None, **limits):
        folder = work_dir or tmp_path / f"work{len(hosts)}"
        folder.mkdir(exist_ok=True)
        hosts.append(Host(folder, limits))
        return hosts[-1]

    yield starter
    codes = [host.close() for host in hosts]
    assert codes == [0] * len(codes)


@pytest.fixture
def host(start):
    return start()


@pytest.fixture
def moved(start):
    """Continue a workspace in another executor."""

    def mover(old, step, **limits):
        new = start(**limits)
        assert new.restore(old.commit(step)) == {}
        new.step = old.step
        return new

    return mover
