"""Exit codes of the command, and which error ends in which."""

from __future__ import annotations

from statek.exceptions import ConfigurationError, InvalidRequest, NotFound

__all__ = ["FAILED", "INTERRUPTED", "OK", "SUSPENDED", "TERMINATED", "USAGE", "exit_code_of"]

OK = 0
"""It worked; ``run``: the job is done."""

FAILED = 1
"""It did not work; ``run``: the job failed."""

USAGE = 2
"""A wrong argument, or something has to be set up first."""

SUSPENDED = 3
"""``run``: the job is suspended: a call in doubt or a future waits for an answer."""

INTERRUPTED = 130
"""Ended by SIGINT, as shells count it."""

TERMINATED = 143
"""Ended by SIGTERM, as shells count it."""


def exit_code_of(error: Exception) -> int:
    """The exit code of a command that ends with this error."""
    if isinstance(error, NotFound):
        return FAILED
    return USAGE if isinstance(error, ConfigurationError | InvalidRequest) else FAILED
