"""Exceptions that user code meets in the sandbox; importable there as the module ``statek_errors``.

Errors of host calls arrive as (type name, message). A name maps to the class below, to the builtin exception of
that name, or to a class made for it, always the same one, so that ``except`` and pickles work.
"""

from __future__ import annotations

import ast
import builtins
import sys
import types

__all__ = [
    "AccessDenied",
    "FutureCancelled",
    "FutureError",
    "FutureFailed",
    "InvalidRequest",
    "LimitExceeded",
    "LostVariableError",
    "NotFound",
    "StaleObjectError",
    "StatekError",
    "StepExit",
    "ToolError",
    "UnstorableValue",
    "error_class",
    "install_module",
    "make_error",
    "public_errors",
]

MODULE = "statek_errors"


class StepExit(BaseException):
    """``exit(value)`` was called: ends the step at once. Not an Exception, so that user code does not swallow it."""

    def __init__(self, value: object) -> None:
        super().__init__(value)
        self.value = value


class StatekError(Exception):
    """Base of the errors below."""


class AccessDenied(StatekError, PermissionError):
    """The host refused; the message names the rule that decided."""


class LimitExceeded(StatekError, RuntimeError):
    """A limit spoke; the message names it."""


class StaleObjectError(StatekError):
    """A durable object changed since this code read it."""


class ToolError(StatekError):
    """A tool failed."""


class FutureError(StatekError):
    """A future has no value."""


class FutureCancelled(FutureError):
    """What was waited for was called off."""


class FutureFailed(FutureError):
    """What was waited for ended without a value; the message says why."""


class InvalidRequest(StatekError, ValueError):
    """The host could not make sense of the call."""


class NotFound(InvalidRequest):
    """The host does not know what was named."""


class UnstorableValue(InvalidRequest):
    """A durable object cannot hold this value unchanged."""


class LostVariableError(StatekError, NameError):
    """A variable that an earlier sandbox could not save; assign it again."""


_OWN: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        StatekError,
        AccessDenied,
        LimitExceeded,
        StaleObjectError,
        ToolError,
        FutureError,
        FutureCancelled,
        FutureFailed,
        InvalidRequest,
        NotFound,
        UnstorableValue,
        LostVariableError,
    )
}
for _kind in _OWN.values():
    _kind.__module__ = MODULE
_MADE: dict[str, type[Exception]] = {}


def public_errors() -> dict[str, type[Exception]]:
    """The error classes that are names of the workspace."""
    return dict(_OWN)


def error_class(name: str) -> type[Exception]:
    """Find or make the exception class for a type name from the host."""
    found = _OWN.get(name) or getattr(builtins, name, None) or _MADE.get(name)
    if isinstance(found, type) and issubclass(found, Exception):
        return found
    shown = name if name.isidentifier() else "HostError"
    return _MADE.setdefault(
        shown, type(shown, (StatekError,), {"__module__": MODULE, "__doc__": "Raised by the host."})
    )


def make_error(name: str, message: str) -> Exception:
    """Make the exception to raise for an error that the host answered."""
    kind = error_class(name)
    if issubclass(kind, KeyError):
        # str(KeyError) is the repr of its key: undo it, or it would be quoted twice.
        try:
            return kind(ast.literal_eval(message))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return kind(message)
    try:
        error = kind(message)
    except Exception:
        return StatekError(f"{name}: {message}")  # a builtin that needs more than a message (UnicodeDecodeError)
    return error


def install_module() -> None:
    """Make ``import statek_errors`` work, and with it pickles of the classes that were made on demand."""
    module = types.ModuleType(MODULE, "Errors that the host and the sandbox raise.")
    module.__dict__.update(_OWN)

    def missing(name: str) -> type[Exception]:
        if name.startswith("_"):
            raise AttributeError(name)
        return error_class(name)

    module.__getattr__ = missing  # type: ignore[method-assign]
    sys.modules[MODULE] = module
