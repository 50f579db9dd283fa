"""Errors of job definitions: why jobs fail, and how often the warmup of a definition has failed.

A warmup that fails ends its own job only (every other job goes on), and is counted for the definition: all jobs of
equal definitions share the count. The newest errors are kept with it; the tracebacks in them are texts that the sandbox
made of the job's own code, bounded, and hostile like everything from there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from statek.packing import pack, unpack

__all__ = [
    "MAX_KEPT_ERRORS",
    "MAX_MESSAGE_CHARS",
    "MAX_TRACEBACK_CHARS",
    "MAX_TRACEBACK_LINES",
    "DefinitionErrors",
    "JobDefError",
    "kept_traceback",
]

MAX_KEPT_ERRORS = 8
"""Errors of one definition that are kept; older ones are counted only."""

MAX_MESSAGE_CHARS = 2000
"""Length of a kept message; the job itself has all of it."""

MAX_TRACEBACK_CHARS = 8000
"""Length of a kept traceback, whatever the sandbox sends."""

MAX_TRACEBACK_LINES = 200


def kept_traceback(text: str) -> list[str]:
    """The lines that are kept of what a sandbox sent as a traceback."""
    return text[:MAX_TRACEBACK_CHARS].split("\n")[:MAX_TRACEBACK_LINES]


@dataclass(frozen=True, slots=True)
class JobDefError:
    """Why a job ended by failure, or what failed in a definition.

    Attributes:
        kind: ``warmup`` | ``limit`` | ``model`` | ``post_processor`` | ``quarantine`` | ``restore`` | ``lost`` |
            ``cancelled`` | ``internal``; ``application`` for one that ``JobDef.set_error`` noted.
        error_message: text for a person.
        traceback: of the code in the sandbox, line by line; None where no code of the job raised it.
        job: id of the job; empty where the application noted it.
    """

    kind: str
    error_message: str
    traceback: tuple[str, ...] | None = None
    job: str = ""


@dataclass(frozen=True, slots=True)
class DefinitionErrors:
    """What is kept of the errors of one definition.

    Attributes:
        count: how many there were since they were last cleared.
        newest: the newest of them, oldest first.
    """

    count: int = 0
    newest: tuple[JobDefError, ...] = ()

    def with_error(self, error: JobDefError) -> DefinitionErrors:
        """These and one more."""
        kept = replace(error, error_message=error.error_message[:MAX_MESSAGE_CHARS])
        return DefinitionErrors(self.count + 1, (*self.newest, kept)[-MAX_KEPT_ERRORS:])

    def to_text(self) -> str:
        """The stored form."""
        newest = [[one.kind, one.error_message, one.traceback, one.job] for one in self.newest]
        return pack([self.count, newest])

    @classmethod
    def from_text(cls, text: str) -> DefinitionErrors:
        """The errors of a stored form; none of an empty one."""
        count, newest = unpack(text) or (0, [])
        errors = [
            JobDefError(kind, message, None if trace is None else tuple(trace), job)
            for kind, message, trace, job in newest
        ]
        return cls(count, tuple(errors))
