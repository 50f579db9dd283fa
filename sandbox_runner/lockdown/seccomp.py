"""The system calls of executor and supervisor: an allow list with checked arguments, as a classic BPF program.

Everything not named is refused with EPERM, so that code sees PermissionError; calls newer than the
list answer ENOSYS, because libraries then fall back to older ones. The list was made by tracing the
standard library, asyncio, sqlite3, numpy and pandas. Left out on purpose: everything that starts
processes or programs, opens sockets, signals or inspects other processes, changes identity, mounts,
namespaces, keys, io_uring, bpf, perf events and user fault handling. fcntl and setsockopt are let through by
command: the kernel sends signals to whom F_SETOWN names, and compiles programs given to SO_ATTACH_FILTER.

Only x86_64 numbers are known (asm/unistd_64.h).
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Iterable

from sandbox_runner.lockdown.kernel import prctl, syscall

__all__ = ["build_filter", "build_zygote_filter", "install_filter", "seccomp_available"]

_ALLOWED: dict[str, int] = {
    "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "poll": 7, "lseek": 8,
    "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14,
    "rt_sigreturn": 15, "pread64": 17, "pwrite64": 18, "readv": 19, "writev": 20, "access": 21, "pipe": 22,
    "select": 23, "sched_yield": 24, "mremap": 25, "msync": 26, "mincore": 27, "madvise": 28, "dup": 32,
    "dup2": 33, "pause": 34, "nanosleep": 35, "getitimer": 36, "alarm": 37, "setitimer": 38, "getpid": 39,
    "sendfile": 40, "sendto": 44, "recvfrom": 45, "sendmsg": 46, "recvmsg": 47, "shutdown": 48,
    "getsockname": 51, "getpeername": 52, "getsockopt": 55, "exit": 60, "wait4": 61,
    "uname": 63, "flock": 73, "fsync": 74, "fdatasync": 75, "truncate": 76, "ftruncate": 77,
    "getdents": 78, "getcwd": 79, "chdir": 80, "fchdir": 81, "rename": 82, "mkdir": 83, "rmdir": 84,
    "creat": 85, "link": 86, "unlink": 87, "symlink": 88, "readlink": 89, "chmod": 90, "fchmod": 91,
    "fchown": 93, "umask": 95, "gettimeofday": 96, "getrlimit": 97, "getrusage": 98, "sysinfo": 99,
    "times": 100, "getuid": 102, "getgid": 104, "geteuid": 107, "getegid": 108, "getppid": 110, "getpgrp": 111,
    "getgroups": 115, "getresuid": 118, "getresgid": 120, "getpgid": 121, "getsid": 124, "rt_sigpending": 127,
    "rt_sigtimedwait": 128, "rt_sigsuspend": 130, "sigaltstack": 131, "utime": 132, "statfs": 137,
    "fstatfs": 138, "sched_getparam": 143, "sched_getscheduler": 145, "sched_get_priority_max": 146,
    "sched_get_priority_min": 147, "arch_prctl": 158, "gettid": 186, "readahead": 187, "getxattr": 191,
    "lgetxattr": 192, "fgetxattr": 193, "listxattr": 194, "llistxattr": 195, "flistxattr": 196, "time": 201,
    "futex": 202, "sched_getaffinity": 204, "epoll_create": 213, "getdents64": 217, "set_tid_address": 218,
    "restart_syscall": 219, "fadvise64": 221, "clock_gettime": 228, "clock_getres": 229,
    "clock_nanosleep": 230, "exit_group": 231, "epoll_wait": 232, "epoll_ctl": 233, "utimes": 235,
    "waitid": 247, "openat": 257, "mkdirat": 258, "newfstatat": 262, "unlinkat": 263, "renameat": 264,
    "linkat": 265, "symlinkat": 266, "readlinkat": 267, "fchmodat": 268, "faccessat": 269, "pselect6": 270,
    "ppoll": 271, "set_robust_list": 273, "utimensat": 280, "epoll_pwait": 281, "signalfd": 282,
    "timerfd_create": 283, "eventfd": 284, "fallocate": 285, "timerfd_settime": 286, "timerfd_gettime": 287,
    "signalfd4": 289, "eventfd2": 290, "epoll_create1": 291, "dup3": 292, "pipe2": 293, "preadv": 295,
    "pwritev": 296, "getcpu": 309, "renameat2": 316, "getrandom": 318, "memfd_create": 319, "membarrier": 324,
    "copy_file_range": 326, "preadv2": 327, "pwritev2": 328, "statx": 332, "rseq": 334, "close_range": 436,
    "faccessat2": 439, "epoll_pwait2": 441, "fchmodat2": 452,
}  # fmt: skip

# What PID 1 and the forks from it need before these have their own filters: to fork, to change uid, to set limits
# and rules, to end and bury their children. Nothing in a runner ever starts a program.
_ZYGOTE_ALLOWED: dict[str, int] = {
    "connect": 42, "fork": 57, "kill": 62, "setuid": 105, "setgid": 106, "setpgid": 109, "setsid": 112,
    "setgroups": 116, "setresuid": 117, "setresgid": 119, "capget": 125, "capset": 126, "prctl": 157,
    "setrlimit": 160, "sched_setaffinity": 203, "tgkill": 234, "mbind": 237, "prlimit64": 302, "seccomp": 317,
    "landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446,
}  # fmt: skip

_IOCTL, _SOCKET, _CONNECT, _SOCKETPAIR, _SETSOCKOPT, _CLONE, _KILL, _FCNTL, _PRCTL = 16, 41, 42, 53, 54, 56, 62, 72, 157
_RT_SIGQUEUEINFO, _TGKILL, _PRLIMIT64, _CLONE3 = 129, 234, 302, 435
_NEWEST_KNOWN = 452

# FIONBIO keeps asyncio alive; the terminal questions answer "not a terminal" and hurt nobody.
_IOCTLS = (0x5421, 0x541B, 0x5450, 0x5451, 0x5401, 0x5413)  # FIONBIO FIONREAD FIONCLEX FIOCLEX TCGETS TIOCGWINSZ
_PRCTLS = (15, 16, 3, 0x53564D41)  # PR_SET_NAME PR_GET_NAME PR_GET_DUMPABLE PR_SET_VMA
# Copies, flags, locks of both kinds, pipe sizes, seals: nothing that has a signal sent (F_SETOWN, F_SETSIG, leases,
# notices of changes).
_FCNTLS = (0, 1, 2, 3, 4, 1030, 5, 6, 7, 36, 37, 38, 1031, 1032, 1033, 1034)
_SOL_SOCKET = 1
# REUSEADDR SNDBUF RCVBUF KEEPALIVE LINGER PASSCRED RCVLOWAT RCVTIMEO SNDTIMEO
_SOCKET_OPTIONS = (2, 7, 8, 9, 13, 16, 18, 20, 21)
_AF_UNIX = 1
_SOCKET_TYPES = (1, 5)  # SOCK_STREAM, SOCK_SEQPACKET: a datagram socket could be sent to any path
_SOCKET_FLAGS = 0o2004000  # SOCK_CLOEXEC | SOCK_NONBLOCK
_THREAD = 0x00010000 | 0x00000100 | 0x00000800  # CLONE_THREAD | CLONE_VM | CLONE_SIGHAND
_NAMESPACES = 0x7E020080  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET,TIME}

_LD_ABS, _JEQ, _JGE, _JSET, _AND, _RET = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ARCH_X86_64 = 0xC000003E
_X32_BIT = 0x40000000
_KILL_PROCESS = 0x80000000
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_SECCOMP = 317
_SET_MODE_FILTER, _GET_ACTION_AVAIL = 1, 2
_PR_GET_SECCOMP = 21

Instruction = tuple[int, int, int, int]


def _load(offset: int) -> Instruction:
    return (_LD_ABS, 0, 0, offset)


def _argument_low(index: int) -> Instruction:
    return _load(16 + 8 * index)


def _argument_high(index: int) -> Instruction:
    return _load(20 + 8 * index)


def _refuse(code: int) -> Instruction:
    return (_RET, 0, 0, _ERRNO | code)


_PASS: Instruction = (_RET, 0, 0, _ALLOW)
_NO: Instruction = _refuse(errno.EPERM)


def _on(number: int, body: list[Instruction]) -> list[Instruction]:
    """Run the body, which must return, when the call is ``number``; the accumulator holds the call's number."""
    return [(_JEQ, 0, len(body), number), *body]


def _one_of(argument: int, values: Iterable[int]) -> list[Instruction]:
    body = [_argument_low(argument)]
    for value in values:
        body += [(_JEQ, 0, 1, value), _PASS]
    return [*body, _NO]


def _unix_socket(types: tuple[int, ...]) -> list[Instruction]:
    body = [_argument_low(0), (_JEQ, 1, 0, _AF_UNIX), _NO, _argument_low(1), (_AND, 0, 0, 0xFFFFFFFF & ~_SOCKET_FLAGS)]
    for kind in types:
        body += [(_JEQ, 0, 1, kind), _PASS]
    return [*body, _NO]


def _own_pid(pid: int) -> list[Instruction]:
    return [_argument_low(0), (_JEQ, 0, 1, pid), _PASS, _NO]


def build_filter(pid: int, *, may_connect: bool = False) -> bytes:
    """Assemble the program for the process with this pid (as it sees itself).

    Args:
        pid: the only process that may be signalled.
        may_connect: allow Unix stream sockets and connect, which the supervisor needs to dial the host.
    """
    program = _common()
    program += _on(
        _CLONE,
        [
            _argument_low(0),
            (_JSET, 0, 1, _NAMESPACES),
            _NO,
            (_AND, 0, 0, _THREAD),
            (_JEQ, 0, 1, _THREAD),
            _PASS,
            _NO,
        ],
    )
    program += _on(_KILL, _own_pid(pid))
    program += _on(_TGKILL, _own_pid(pid))
    program += _on(_RT_SIGQUEUEINFO, _own_pid(pid))
    program += _on(_PRCTL, _one_of(0, _PRCTLS))
    if may_connect:
        program += _on(_SOCKET, _unix_socket(_SOCKET_TYPES[:1]))
        program += _on(_CONNECT, [_PASS])
    # Reading limits only: the pointer to new ones must be null.
    program += _on(
        _PRLIMIT64,
        [_argument_low(2), (_JEQ, 1, 0, 0), _NO, _argument_high(2), (_JEQ, 1, 0, 0), _NO, *_own_pid_or_zero(pid)],
    )
    return _packed(program)


def build_zygote_filter() -> bytes:
    """Assemble the program for PID 1, which everything in the runner inherits below its own."""
    program = _common()
    for number in _ZYGOTE_ALLOWED.values():
        program += _on(number, [_PASS])
    program += _on(_CLONE, [_argument_low(0), (_JSET, 0, 1, _NAMESPACES), _NO, _PASS])
    program += _on(_SOCKET, _unix_socket(_SOCKET_TYPES[:1]))
    return _packed(program)


def _common() -> list[Instruction]:
    """The head of every program: what machine it is for, and what every process of a runner may do."""
    program: list[Instruction] = [
        _load(4),
        (_JEQ, 1, 0, _ARCH_X86_64),
        (_RET, 0, 0, _KILL_PROCESS),
        _load(0),
        (_JGE, 0, 1, _X32_BIT),
        (_RET, 0, 0, _KILL_PROCESS),
    ]
    # The frequent calls first: the program is read from the top.
    frequent = ("futex", "read", "write", "sendto", "recvfrom", "mmap", "munmap", "brk", "clock_gettime")
    for name in (*frequent, *sorted(set(_ALLOWED) - set(frequent))):
        program += _on(_ALLOWED[name], [_PASS])
    program += _on(_CLONE3, [_refuse(errno.ENOSYS)])
    program += _on(_IOCTL, _one_of(1, _IOCTLS))
    program += _on(_FCNTL, _one_of(1, _FCNTLS))
    program += _on(_SETSOCKOPT, [_argument_low(1), (_JEQ, 1, 0, _SOL_SOCKET), _NO, *_one_of(2, _SOCKET_OPTIONS)])
    return program + _on(_SOCKETPAIR, _unix_socket(_SOCKET_TYPES))


def _packed(program: list[Instruction]) -> bytes:
    program = [*program, (_JGE, 0, 1, _NEWEST_KNOWN + 1), _refuse(errno.ENOSYS), _NO]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _own_pid_or_zero(pid: int) -> list[Instruction]:
    return [_argument_low(0), (_JEQ, 1, 0, 0), (_JEQ, 0, 1, pid), _PASS, _NO]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def seccomp_available() -> bool:
    """Whether the kernel takes filter programs with error answers.

    A kernel that knows filters but not the question (gVisor's; Linux before 4.14) counts as one that does: where it
    then refuses the program, the executor does not start.
    """
    action = ctypes.c_uint32(_ERRNO)
    try:
        prctl(_PR_GET_SECCOMP)
        syscall(_SECCOMP, _GET_ACTION_AVAIL, 0, ctypes.byref(action))
    except OSError as error:
        return error.errno == errno.EINVAL
    return True


def install_filter(program: bytes) -> None:
    """Put the program in force for this thread and everything that it starts, for good.

    Preconditions: no_new_privs is set.

    Raises:
        OSError: the kernel refused the program.
    """
    buffer = ctypes.create_string_buffer(program, len(program))
    header = _Program(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    syscall(_SECCOMP, _SET_MODE_FILTER, 0, ctypes.byref(header))
