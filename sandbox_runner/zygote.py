"""PID 1 of a runner: forks the supervisor, loads the libraries, forks, confines and ends the executor.

Single-threaded and without gRPC, because a process forked from one with threads or with gRPC's state
inherits locks that nobody releases. It never reads a byte that user code wrote: what it gets comes from
the supervisor as small control messages (sandbox_runner.control).

Order of birth: control socket pair and shared deadline, supervisor (which alone imports gRPC), libraries,
check of the thread count, ``gc.freeze``, executor, then the loop. The one executor is forked while nobody waits for it
and gives up all that no claim has a say in; then it waits in this package's own code, until the claim brings its limits
and its socket. With these it installs its filter, lets go of the gate to the zygote and may run user code.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from sandbox_runner.control import (
    MAX_MESSAGE_BYTES,
    Claimed,
    Ended,
    KillOrder,
    LockedDown,
    SharedDeadline,
    Wake,
    Warm,
    decode_control,
    encode_control,
)
from sandbox_runner.lockdown.confine import (
    Confinement,
    Offer,
    confine_claimed,
    confine_waiting,
    confine_zygote,
    prepare_files,
    readable_paths,
    survey,
)
from sandbox_runner.lockdown.identity import may_switch_uids
from sandbox_runner.lockdown.kernel import UnsupportedMachine
from sandbox_runner.lockdown.limits import ExecutorLimits, close_descriptors_but
from sandbox_runner.lockdown.memory import OomCounter
from sandbox_runner.options import DEFAULT_PRELOAD, RunnerOptions

__all__ = ["STATUS_BAD_PRELOAD", "STATUS_UNREACHABLE", "STATUS_UNSUPPORTED", "run_zygote"]

STATUS_BAD_PRELOAD = 3
STATUS_UNSUPPORTED = 4
STATUS_UNREACHABLE = 5

_LEAVE_SECONDS = 0.5

# Numbers of the proto enum Cause; the generated module would bring protobuf into every executor.
_FINISHED, _DEADLINE, _MEMORY, _CRASHED, _VIOLATION = 1, 2, 3, 4, 5


class _StartError(Exception):
    """The runner cannot start; carries the exit status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def run_zygote(options: RunnerOptions) -> int:
    """Run a whole runner; returns its exit status when everything it started is gone."""
    try:
        try:
            offer = survey(allow_missing_seccomp=options.allow_missing_seccomp)
        except UnsupportedMachine as error:
            raise _StartError(STATUS_UNSUPPORTED, str(error)) from None
        if options.switch_uids and not may_switch_uids():
            raise _StartError(
                STATUS_UNSUPPORTED, "uids cannot be switched (needs SETUID, SETGID and KILL); see --no-uid-switch"
            )
        confine_zygote(offer, switch_uids=options.switch_uids)
        zygote = _Zygote(options, offer)
        zygote.start_supervisor()
        try:
            zygote.preload()
            zygote.fork_executor()
            return zygote.serve()
        finally:
            zygote.end_everything()
    except _StartError as error:
        print(f"sandbox_runner: {error}", file=sys.stderr, flush=True)
        return error.status


class _Zygote:
    def __init__(self, options: RunnerOptions, offer: Offer) -> None:
        self._options = options
        self._offer = offer
        self._control, self._supervisor_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._deadline = SharedDeadline()
        self._promised = 0
        self._supervisor = 0
        self._supervisor_status = 0
        self._executor = 0
        self._claimed = False
        self._limits = ExecutorLimits()
        self._claimed_at = 0
        self._gate, self._executor_gate = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._entering = False
        self._kill_cause = 0
        self._kill_detail = ""
        self._oom = OomCounter()
        self._stopping = False
        self._hung_up = False
        self._wakeup, self._wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._run_executor: Callable[[socket.socket, ExecutorLimits, str], NoReturn] | None = None

    # ------------------------------------------------------------ birth

    def start_supervisor(self) -> None:
        """Fork the supervisor, before anything is loaded that it does not need."""
        parent = os.getpid()
        # What is loaded so far stays shared by all three: a collector that looks at it would copy every page of it.
        gc.freeze()
        pid = os.fork()
        if pid == 0:
            status = STATUS_UNREACHABLE
            try:
                self._control.close()
                self._gate.close()
                self._executor_gate.close()
                os.close(self._wakeup)
                os.close(self._wakeup_write)
                # asyncio imports it where it is there: 1 MB and a tenth of the time to load all, for a Unix socket.
                sys.modules["ssl"] = None  # type: ignore[assignment]
                # The supervisor alone imports gRPC, after it has become what it stays.
                from sandbox_runner.supervisor import run_supervisor

                status = run_supervisor(self._options, self._offer, self._supervisor_end, self._deadline, parent)
            except BaseException as error:  # noqa: BLE001 - the last chance to say why; the fork must not return
                print(f"sandbox_runner: supervisor: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            finally:
                os._exit(status)
        self._supervisor = pid
        self._supervisor_end.close()
        self._deadline.hide_from_forks()
        signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # The kernel ignores SIGTERM for a PID 1 that has no handler.
        signal.signal(signal.SIGTERM, self._on_stop_signal)
        signal.signal(signal.SIGINT, self._on_stop_signal)

    def _on_stop_signal(self, *_: object) -> None:
        self._stopping = True

    def preload(self) -> None:
        """Load what every executor needs, once."""
        os.environ["HOME"] = str(self._options.work_dir)
        for name in (*DEFAULT_PRELOAD, *self._options.preload):
            try:
                importlib.import_module(name)  # noqa: TID251 - names come from the command line of the image
            except ImportError as error:
                raise _StartError(STATUS_BAD_PRELOAD, f"cannot preload {name}: {error}") from None
        from sandbox_runner.executor import run_executor

        self._run_executor = run_executor
        threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208
        if threads != 1:
            raise _StartError(
                STATUS_BAD_PRELOAD,
                f"preloading left {threads} threads; a forked executor would inherit their locks",
            )
        self._confinement = Confinement(
            offer=self._offer,
            uid=self._options.executor_uid if self._options.switch_uids else None,
            files=prepare_files(
                self._offer,
                readable=readable_paths(self._options.read_paths),
                writable=(str(self._options.work_dir), str(self._options.tmp_dir)),
            ),
            limit_address_space=self._options.limit_address_space,
            limit_threads=self._options.limit_threads,
        )
        gc.collect()
        gc.freeze()

    # ------------------------------------------------------------ loop

    def serve(self) -> int:
        """Carry out claims and deadlines until the supervisor is gone."""
        self._tell(Warm())
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(self._wakeup, select.POLLIN)
        while not self._stopping:
            events = poller.poll(self._milliseconds_to_deadline())
            for descriptor, _ in events:
                if descriptor == self._wakeup:
                    os.read(self._wakeup, 4096)
                elif self._entering and descriptor == self._gate.fileno():
                    poller.unregister(descriptor)
                    self._take_ready()
                elif not self._take_control():
                    return self._end_of_supervisor()
            if self._entering:
                poller.register(self._gate, select.POLLIN)
            self._enforce_deadline()
            if not self._reap():
                return self._supervisor_status
        return self._end_of_supervisor() if self._hung_up else 0

    def _end_of_supervisor(self) -> int:
        """The exit status of a supervisor that has hung up; it is about to end, or is ended."""
        last = time.monotonic() + _LEAVE_SECONDS
        while self._reap() and (left := last - time.monotonic()) > 0:
            if select.select([self._wakeup], [], [], left)[0]:
                os.read(self._wakeup, 4096)
        return self._supervisor_status

    def _milliseconds_to_deadline(self) -> float | None:
        if not self._executor:
            return None
        now = time.monotonic_ns()
        times = [at for at in (self._deadline.read(), self._promised if self._promised > now else 0) if at]
        # poll counts whole milliseconds: rounded up, or the last one would be spent in a busy loop.
        return max(0, -(-(min(times) - now) // 1_000_000)) if times else None

    def _enforce_deadline(self) -> None:
        deadline = self._deadline.read()
        if deadline and self._executor and time.monotonic_ns() >= deadline and not self._kill_cause:
            self._kill_executor(_DEADLINE, "the step ran past its deadline")

    def _kill_executor(self, cause: int, detail: str) -> None:
        self._kill_cause, self._kill_detail = cause, detail
        self._deadline.clear()
        _kill(self._executor)

    def _take_control(self) -> bool:
        """Act on one message; False when the supervisor has closed its end or makes no sense."""
        data, descriptors, _, _ = socket.recv_fds(self._control, MAX_MESSAGE_BYTES, 4)
        if not data:
            return False
        try:
            match decode_control(data):
                case Claimed(limits) if len(descriptors) == 1 and not self._claimed:
                    self._claimed = True
                    self._limits = limits
                    self._let_in(data, descriptors[0])
                    return True
                case KillOrder(detail) if not descriptors:
                    if self._executor and not self._kill_cause:
                        self._kill_executor(_VIOLATION, detail)
                    return True
                case Wake(at_ns) if not descriptors:
                    self._promised = at_ns
                    return True
                case _:
                    return False
        except ValueError:
            return False
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _tell(self, message: Warm | LockedDown | Ended) -> None:
        try:
            self._control.send(encode_control(message))
        except OSError:
            self._hung_up = self._stopping = True

    # ------------------------------------------------------------ executor

    def fork_executor(self) -> None:
        """Fork the executor; returns when it has given up what no claim has a say in, and waits.

        Raises:
            _StartError: it could not.
        """
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_executor(parent)
        self._executor = pid
        self._executor_gate.close()
        word = self._gate.recv(MAX_MESSAGE_BYTES)
        if word != b"+":
            reason = word[1:].decode("utf-8", "replace") or "it died first"
            raise _StartError(STATUS_UNSUPPORTED, f"an executor cannot be confined: {reason}")

    def _become_executor(self, parent: int) -> NoReturn:
        gate = self._executor_gate
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            null = os.open(os.devnull, os.O_RDWR)
            for standard in (0, 1, 2):
                os.dup2(null, standard)
            close_descriptors_but({gate.fileno(), self._confinement.files})
            os.environ["TMPDIR"] = str(self._options.tmp_dir)
            program = confine_waiting(self._confinement, parent)
            os.chdir(self._options.work_dir)
            gate.send(b"+")
            data, descriptors, _, _ = socket.recv_fds(gate, MAX_MESSAGE_BYTES, 1)
            if not data:
                os._exit(0)  # the zygote is gone
            claim = decode_control(data)
            assert isinstance(claim, Claimed)
            confine_claimed(self._confinement, claim.limits, program)
            gate.send(b"+")
            gate.close()
        except BaseException as error:  # noqa: BLE001 - an executor that is not confined must not run anything
            gate.send(f"-{type(error).__name__}: {error}".encode("utf-8", "replace")[:1000])
            os._exit(STATUS_UNSUPPORTED)
        try:
            assert self._run_executor is not None
            self._run_executor(socket.socket(fileno=descriptors[0]), claim.limits, str(self._options.work_dir))
        finally:
            os._exit(1)

    def _let_in(self, claim: bytes, descriptor: int) -> None:
        """Give the waiting executor its limits and its socket."""
        self._claimed_at = time.monotonic_ns()
        try:
            socket.send_fds(self._gate, [claim], [descriptor])
            self._entering = True
        except OSError:
            self._stopping = True  # it died while it waited, and so does the runner

    def _take_ready(self) -> None:
        self._entering = False
        try:
            word = self._gate.recv(MAX_MESSAGE_BYTES)
        except OSError:
            word = b""
        self._gate.close()
        if word == b"+":
            self._tell(LockedDown(self._executor, (time.monotonic_ns() - self._claimed_at) / 1e6))
        else:
            reason = word[1:].decode("utf-8", "replace") or "it died first"
            self._kill_cause, self._kill_detail = _CRASHED, f"the executor could not be confined: {reason}"
            _kill(self._executor)

    def _reap(self) -> bool:
        """Collect every dead child; False when the supervisor was one of them."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._supervisor:
                self._supervisor = 0
                code = os.waitstatus_to_exitcode(status)
                self._supervisor_status = code if code >= 0 else STATUS_UNREACHABLE
                return False
            if pid == self._executor:
                self._executor = 0
                if not self._claimed:
                    self._stopping = True  # nobody knows of it yet; a claim would wait in vain
                    return True
                self._tell(self._verdict(status, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime))

    def _verdict(self, status: int, max_rss_bytes: int, cpu_seconds: float) -> Ended:
        code = os.waitstatus_to_exitcode(status)
        number = -code if code < 0 else 0
        limit = self._limits.cpu_seconds
        if self._kill_cause:
            cause, detail = self._kill_cause, self._kill_detail
        elif limit and cpu_seconds >= limit and number in {signal.SIGKILL, signal.SIGXCPU}:
            cause, detail = _DEADLINE, f"used its {limit} s of CPU time"
        elif number == signal.SIGKILL and (self._oom.has_grown() or not self._oom.readable):
            cause, detail = _MEMORY, "killed by the kernel for memory"
        elif number:
            cause, detail = _CRASHED, f"ended by signal {number} ({_signal_name(number)})"
        else:
            cause, detail = _CRASHED, f"left with exit code {code}"
        return Ended(cause, max(code, 0), number, max_rss_bytes, cpu_seconds, detail)

    # ------------------------------------------------------------ end

    def end_everything(self) -> None:
        """Kill what is left and wait until it is gone."""
        for pid in (self._executor, self._supervisor):
            _kill(pid)
        for pid in (self._executor, self._supervisor):
            if pid:
                try:
                    os.waitpid(pid, 0)
                except ChildProcessError:
                    continue


def _kill(pid: int) -> None:
    if pid:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
