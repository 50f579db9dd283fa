"""Who a process of the runner is: uid, gid, capabilities."""

from __future__ import annotations

import contextlib
import ctypes
import os

from sandbox_runner.lockdown.kernel import (
    PR_CAP_AMBIENT,
    PR_CAP_AMBIENT_CLEAR_ALL,
    PR_CAPBSET_DROP,
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    prctl,
    syscall,
)

__all__ = ["drop_identity", "keep_capabilities_for_forking", "may_switch_uids"]

_CAPSET = 126
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_KILL = 5
_CAP_SETGID = 6
_CAP_SETUID = 7
_HIGHEST_CAPABILITY = 63


class _CapHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapData(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def may_switch_uids() -> bool:
    """Whether this process has the capabilities to become other uids and to end them again."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:  # noqa: PTH123
        for line in file:
            if line.startswith("CapEff:"):
                held = int(line.split()[1], 16)
                return all(held >> capability & 1 for capability in (_CAP_KILL, _CAP_SETGID, _CAP_SETUID))
    return False


def _empty_bounding_set() -> None:
    for capability in range(_HIGHEST_CAPABILITY + 1):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            # Without CAP_SETPCAP (EPERM) no_new_privs keeps the bounding set out of reach; EINVAL ends the list.
            break


def _hold_capabilities(held: int) -> None:
    """Hold these capabilities, a bit mask of the first 32, and no other."""
    with contextlib.suppress(OSError):  # an old kernel without ambient capabilities has none to clear
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    data = (_CapData * 2)()
    data[0].effective = data[0].permitted = held
    syscall(_CAPSET, ctypes.byref(_CapHeader(_CAPABILITY_VERSION_3, 0)), ctypes.byref(data))


def keep_capabilities_for_forking() -> None:
    """Give up every capability but SETUID, SETGID and KILL.

    Raises:
        OSError: the kernel refused a step that must not fail.
    """
    _empty_bounding_set()
    _hold_capabilities(1 << _CAP_KILL | 1 << _CAP_SETGID | 1 << _CAP_SETUID)


def drop_identity(uid: int | None) -> None:
    """Give up every privilege of this process for good.

    Args:
        uid: uid and gid to become, None to keep the present ones.

    Raises:
        OSError: the kernel refused a step that must not fail.
    """
    _empty_bounding_set()
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    _hold_capabilities(0)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    # Not dumpable: no process of the same uid may attach to it or read its memory.
    prctl(PR_SET_DUMPABLE, 0)
