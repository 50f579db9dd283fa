"""``panic``: the model says that its task is harder than it is equipped for."""

from __future__ import annotations

from typing import Any

from statek.system import tool

__all__ = ["panic"]


@tool(system=True, effect="store")
def panic(ctx: Any = None, **kwargs: Any) -> None:
    """Ask for help with a task that is too hard: raises its difficulty by one level from your next turn on.

    Raises:
        RuntimeError: the difficulty is the highest already, or no job calls it
    """
    if ctx is None or ctx.job is None:
        raise RuntimeError("panic() is for jobs: no job calls it here")
    level = ctx.job.raise_difficulty().name.lower()
    ctx.show(f"# Difficulty increased to {level}. Continue with the harder task.")
