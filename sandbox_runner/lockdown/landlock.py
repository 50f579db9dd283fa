"""File rights of an executor by Landlock (linux/landlock.h, Documentation/userspace-api/landlock.rst)."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from sandbox_runner.lockdown.kernel import syscall

__all__ = ["landlock_abi", "make_ruleset", "restrict_files"]

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_CHAR, _MAKE_DIR, _MAKE_REG, _MAKE_SOCK = 1 << 6, 1 << 7, 1 << 8, 1 << 9
_MAKE_FIFO, _MAKE_BLOCK, _MAKE_SYM = 1 << 10, 1 << 11, 1 << 12
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_NET_BIND_TCP, _NET_CONNECT_TCP = 1 << 0, 1 << 1
_SCOPE_ABSTRACT_UNIX_SOCKET, _SCOPE_SIGNAL = 1 << 0, 1 << 1

_ABI_REFER, _ABI_TRUNCATE, _ABI_NET, _ABI_IOCTL_DEV, _ABI_SCOPE = 2, 3, 4, 5, 6

_READ = _READ_FILE | _READ_DIR
# Devices, sockets and executables are never made or started, not even in the writable folders.
_CHANGE = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_FIFO | _MAKE_SYM | _REFER | _TRUNCATE
_FILE_ONLY = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV


class _RulesetAttr(ctypes.Structure):
    _fields_ = [
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    ]


class _PathBeneathAttr(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32)]


def landlock_abi() -> int:
    """The kernel's Landlock generation; 0 where there is none."""
    try:
        return syscall(_CREATE_RULESET, ctypes.c_void_p(None), ctypes.c_size_t(0), _CREATE_RULESET_VERSION)
    except OSError:
        return 0


def _handled_files(abi: int) -> int:
    handled = (1 << 13) - 1
    for since, right in ((_ABI_REFER, _REFER), (_ABI_TRUNCATE, _TRUNCATE), (_ABI_IOCTL_DEV, _IOCTL_DEV)):
        if abi >= since:
            handled |= right
    return handled


def make_ruleset(*, readable: Iterable[str], writable: Iterable[str], abi: int) -> int:
    """Prepare rules that leave a process no file but the named ones, no TCP and no outside signals.

    Paths that do not exist here are passed over: the list covers several kinds of file system. Those below
    /proc/self mean the process that calls.

    Args:
        readable: files and folders to read.
        writable: files and folders to read and change.
        abi: what :func:`landlock_abi` gave; 1 or more.

    Returns:
        Its descriptor, for :func:`restrict_files`.

    Raises:
        OSError: the kernel refused a rule.
    """
    handled = _handled_files(abi)
    attributes = _RulesetAttr(
        handled_access_fs=handled,
        handled_access_net=_NET_BIND_TCP | _NET_CONNECT_TCP if abi >= _ABI_NET else 0,
        scoped=_SCOPE_ABSTRACT_UNIX_SOCKET | _SCOPE_SIGNAL if abi >= _ABI_SCOPE else 0,
    )
    size = 24 if abi >= _ABI_SCOPE else 16 if abi >= _ABI_NET else 8
    ruleset = syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0)
    try:
        for paths, rights in ((readable, _READ), (writable, _READ | _CHANGE)):
            for path in paths:
                _allow(ruleset, path, rights & handled)
    except BaseException:
        os.close(ruleset)
        raise
    return ruleset


def restrict_files(ruleset: int, *, readable: Iterable[str], abi: int) -> None:
    """Put prepared rules in force for this process and what it starts, for good; closes the descriptor.

    Args:
        ruleset: of :func:`make_ruleset`.
        readable: further paths to read, those that mean this process.
        abi: what :func:`landlock_abi` gave; 1 or more.

    Raises:
        OSError: the kernel refused a rule or the restriction.
    """
    try:
        for path in readable:
            _allow(ruleset, path, _READ & _handled_files(abi))
        syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):  # noqa: PTH112
            rights &= _FILE_ONLY
        rule = _PathBeneathAttr(rights, descriptor)
        syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)
