"""The filter program, run by a small interpreter of classic BPF instead of the kernel."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from sandbox_runner.lockdown import seccomp
from sandbox_runner.lockdown.seccomp import build_filter, build_zygote_filter

PID = 4242
ALLOW = 0x7FFF0000
KILL = 0x80000000
EPERM = 0x00050000 | errno.EPERM
ENOSYS = 0x00050000 | errno.ENOSYS
X86_64 = 0xC000003E
PROGRAM = list(struct.iter_unpack("=HBBI", build_filter(PID)))
SUPERVISOR = list(struct.iter_unpack("=HBBI", build_filter(PID, may_connect=True)))
ZYGOTE = list(struct.iter_unpack("=HBBI", build_zygote_filter()))


def decide(number: int, *arguments: int, arch: int = X86_64, program: list[tuple[int, ...]] = PROGRAM) -> int:
    values = [value & ((1 << 64) - 1) for value in (*arguments, 0, 0, 0, 0, 0, 0)[:6]]
    data = struct.pack("<IIQ6Q", number, arch, 0, *values)
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        match code:
            case 0x20:
                accumulator = struct.unpack_from("<I", data, value)[0]
            case 0x15:
                at += if_true if accumulator == value else if_false
            case 0x35:
                at += if_true if accumulator >= value else if_false
            case 0x45:
                at += if_true if accumulator & value else if_false
            case 0x54:
                accumulator &= value
            case 0x06:
                return value
            case _:
                pytest.fail(f"unknown instruction {code:#x}")


THREAD_FLAGS = 0x3D0F00  # what glibc gives pthread_create
SIGCHLD = 17


@pytest.mark.parametrize(
    ("number", "arguments", "expected"),
    [
        pytest.param(0, (), ALLOW, id="read"),
        pytest.param(202, (), ALLOW, id="futex"),
        pytest.param(257, (), ALLOW, id="openat"),
        pytest.param(56, (THREAD_FLAGS,), ALLOW, id="clone-thread"),
        pytest.param(56, (SIGCHLD,), EPERM, id="clone-fork"),
        pytest.param(56, (THREAD_FLAGS | 0x10000000,), EPERM, id="clone-newuser"),
        pytest.param(56, (0x4111,), EPERM, id="clone-vfork"),
        pytest.param(435, (), ENOSYS, id="clone3"),
        pytest.param(57, (), EPERM, id="fork"),
        pytest.param(58, (), EPERM, id="vfork"),
        pytest.param(59, (), EPERM, id="execve"),
        pytest.param(322, (), EPERM, id="execveat"),
        pytest.param(41, (socket.AF_UNIX,), EPERM, id="socket-unix"),
        pytest.param(41, (40,), EPERM, id="socket-vsock"),
        pytest.param(42, (), EPERM, id="connect"),
        pytest.param(53, (1, 1 | socket.SOCK_CLOEXEC), ALLOW, id="socketpair-stream"),
        pytest.param(53, (1, 5), ALLOW, id="socketpair-seqpacket"),
        pytest.param(53, (1, 2), EPERM, id="socketpair-dgram"),
        pytest.param(53, (2, 1), EPERM, id="socketpair-inet"),
        pytest.param(62, (PID, 9), ALLOW, id="kill-self"),
        pytest.param(62, (1, 9), EPERM, id="kill-pid-1"),
        pytest.param(62, (-1, 9), EPERM, id="kill-all"),
        pytest.param(62, (0, 9), EPERM, id="kill-group"),
        pytest.param(234, (PID, 5, 9), ALLOW, id="tgkill-self"),
        pytest.param(234, (7, 7, 9), EPERM, id="tgkill-other"),
        pytest.param(200, (PID, 9), EPERM, id="tkill"),
        pytest.param(16, (0, 0x5421), ALLOW, id="ioctl-fionbio"),
        pytest.param(16, (0, 0x5412), EPERM, id="ioctl-tiocsti"),
        pytest.param(157, (15,), ALLOW, id="prctl-set-name"),
        pytest.param(157, (1,), EPERM, id="prctl-pdeathsig"),
        pytest.param(157, (4,), EPERM, id="prctl-dumpable"),
        pytest.param(302, (0, 7, 0, 1), ALLOW, id="prlimit-read"),
        pytest.param(302, (0, 7, 1 << 40, 0), EPERM, id="prlimit-write-high-pointer"),
        pytest.param(302, (0, 7, 4096, 0), EPERM, id="prlimit-write"),
        pytest.param(302, (1, 7, 0, 1), EPERM, id="prlimit-other"),
        pytest.param(160, (), EPERM, id="setrlimit"),
        pytest.param(240, (), EPERM, id="mq_open"),
        pytest.param(142, (), EPERM, id="sched_setparam"),
        pytest.param(144, (), EPERM, id="sched_setscheduler"),
        pytest.param(314, (), EPERM, id="sched_setattr"),
        pytest.param(101, (), EPERM, id="ptrace"),
        pytest.param(310, (), EPERM, id="process_vm_readv"),
        pytest.param(272, (), EPERM, id="unshare"),
        pytest.param(308, (), EPERM, id="setns"),
        pytest.param(165, (), EPERM, id="mount"),
        pytest.param(161, (), EPERM, id="chroot"),
        pytest.param(105, (), EPERM, id="setuid"),
        pytest.param(126, (), EPERM, id="capset"),
        pytest.param(317, (), EPERM, id="seccomp"),
        pytest.param(321, (), EPERM, id="bpf"),
        pytest.param(425, (), EPERM, id="io_uring_setup"),
        pytest.param(426, (), EPERM, id="io_uring_enter"),
        pytest.param(323, (), EPERM, id="userfaultfd"),
        pytest.param(298, (), EPERM, id="perf_event_open"),
        pytest.param(248, (), EPERM, id="add_key"),
        pytest.param(250, (), EPERM, id="keyctl"),
        pytest.param(434, (), EPERM, id="pidfd_open"),
        pytest.param(424, (), EPERM, id="pidfd_send_signal"),
        pytest.param(438, (), EPERM, id="pidfd_getfd"),
        pytest.param(447, (), EPERM, id="memfd_secret"),
        pytest.param(135, (), EPERM, id="personality"),
        pytest.param(154, (), EPERM, id="modify_ldt"),
        pytest.param(278, (), EPERM, id="vmsplice"),
        pytest.param(312, (), EPERM, id="kcmp"),
        pytest.param(72, (3, 1030, 0), ALLOW, id="fcntl-dup"),
        pytest.param(72, (3, 6, 0), ALLOW, id="fcntl-lock"),
        pytest.param(72, (3, 8, 1), EPERM, id="fcntl-setown"),
        pytest.param(72, (3, 10, 9), EPERM, id="fcntl-setsig"),
        pytest.param(72, (3, 15, 4096), EPERM, id="fcntl-setown-ex"),
        pytest.param(72, (3, 1024, 1), EPERM, id="fcntl-lease"),
        pytest.param(72, (3, 1026, 1), EPERM, id="fcntl-notify"),
        pytest.param(54, (3, 1, 7), ALLOW, id="setsockopt-sndbuf"),
        pytest.param(54, (3, 1, 26), EPERM, id="setsockopt-attach-filter"),
        pytest.param(54, (3, 1, 50), EPERM, id="setsockopt-attach-bpf"),
        pytest.param(54, (3, 6, 7), EPERM, id="setsockopt-tcp"),
        pytest.param(453, (), ENOSYS, id="newer-than-the-list"),
        pytest.param(0x40000000 | 1, (), KILL, id="x32"),
    ],
)
def test_decision(number: int, arguments: tuple[int, ...], expected: int) -> None:
    assert decide(number, *arguments) == expected


@pytest.mark.parametrize(
    ("number", "arguments", "expected"),
    [
        pytest.param(41, (socket.AF_UNIX, 1 | socket.SOCK_CLOEXEC), ALLOW, id="socket-unix"),
        pytest.param(41, (socket.AF_UNIX, 2), EPERM, id="socket-unix-datagram"),
        pytest.param(41, (socket.AF_INET, 1), EPERM, id="socket-inet"),
        pytest.param(41, (40, 1), EPERM, id="socket-vsock"),
        pytest.param(42, (3,), ALLOW, id="connect"),
        pytest.param(49, (3,), EPERM, id="bind"),
        pytest.param(57, (), EPERM, id="fork"),
        pytest.param(59, (), EPERM, id="execve"),
        pytest.param(62, (1, 9), EPERM, id="kill-pid-1"),
        pytest.param(101, (), EPERM, id="ptrace"),
        pytest.param(425, (), EPERM, id="io_uring_setup"),
    ],
)
def test_decision_for_the_supervisor(number: int, arguments: tuple[int, ...], expected: int) -> None:
    assert decide(number, *arguments, program=SUPERVISOR) == expected


@pytest.mark.parametrize(
    ("number", "arguments", "expected"),
    [
        pytest.param(56, (0x1200011,), ALLOW, id="clone-fork"),
        pytest.param(56, (0x10000011,), EPERM, id="clone-newuser"),
        pytest.param(62, (7, 9), ALLOW, id="kill"),
        pytest.param(117, (1, 1, 1), ALLOW, id="setresuid"),
        pytest.param(317, (1, 0, 4096), ALLOW, id="seccomp"),
        pytest.param(59, (), EPERM, id="execve"),
        pytest.param(101, (), EPERM, id="ptrace"),
        pytest.param(165, (), EPERM, id="mount"),
        pytest.param(272, (), EPERM, id="unshare"),
        pytest.param(41, (40, 1), EPERM, id="socket-vsock"),
        pytest.param(425, (), EPERM, id="io_uring_setup"),
        pytest.param(0x40000000 | 1, (), KILL, id="x32"),
    ],
)
def test_decision_for_pid_1(number: int, arguments: tuple[int, ...], expected: int) -> None:
    assert decide(number, *arguments, program=ZYGOTE) == expected


@pytest.mark.parametrize("program", [PROGRAM, SUPERVISOR, ZYGOTE])
def test_another_architecture_ends_the_process(program: list[tuple[int, ...]]) -> None:
    assert decide(1, arch=0x40000003, program=program) == KILL


def test_the_program_fits_the_kernel() -> None:
    assert len(PROGRAM) <= 4096


@pytest.mark.parametrize(
    ("code", "available"), [(0, True), (errno.EINVAL, True), (errno.EOPNOTSUPP, False), (errno.ENOSYS, False)]
)
def test_a_kernel_that_does_not_know_the_question_counts_as_one_with_filters(
    monkeypatch: pytest.MonkeyPatch, code: int, available: bool
) -> None:
    def answer(*_: object) -> int:
        if code:
            raise OSError(code, "refused")
        return 0

    monkeypatch.setattr(seccomp, "syscall", answer)
    assert seccomp.seccomp_available() is available
