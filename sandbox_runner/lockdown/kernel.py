"""The few kernel calls that Python has no function for. x86_64 Linux only.

Numbers are those of the kernel's uapi headers (linux/prctl.h, asm/unistd_64.h).
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys

__all__ = [
    "PR_CAPBSET_DROP",
    "PR_CAP_AMBIENT",
    "PR_CAP_AMBIENT_CLEAR_ALL",
    "PR_SET_DUMPABLE",
    "PR_SET_NO_NEW_PRIVS",
    "PR_SET_PDEATHSIG",
    "UnsupportedMachine",
    "check_machine",
    "prctl",
    "syscall",
]

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class UnsupportedMachine(RuntimeError):
    """This machine cannot confine an executor; the message says what is missing."""


def check_machine() -> None:
    """Refuse machines whose system call numbers are not those of the filter.

    Raises:
        UnsupportedMachine: not Linux on x86_64.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise UnsupportedMachine(
            f"the runner confines code on Linux x86_64 only, this is {sys.platform} {platform.machine()}"
        )


def prctl(option: int, *arguments: int) -> int:
    """Change or read an attribute of this process (man page: prctl, section 2).

    Raises:
        OSError: the kernel refused.
    """
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    result = int(_libc.prctl(ctypes.c_int(option), *padded))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}): {os.strerror(code)}")
    return result


def syscall(number: int, *arguments: object) -> int:
    """Call a system call by its number; integers are passed as longs, ctypes objects as they are.

    Raises:
        OSError: the kernel refused.
    """
    converted = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *converted))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"system call {number}: {os.strerror(code)}")
    return result
