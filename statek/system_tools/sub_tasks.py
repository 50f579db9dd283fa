"""``find_sub_task_handler``: what became of work that the job gave to others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from statek.system import tool

if TYPE_CHECKING:
    from statek.sub_task_handler import SubTaskHandler  # a durable class: with it dbzero, which prompts do not need

__all__ = ["find_sub_task_handler"]


@tool(system=True, effect="store")
def find_sub_task_handler(id: str | None = None, ctx: Any = None, **kwargs: Any) -> SubTaskHandler | None:  # noqa: A002
    """Find a sub-task of this job; print it to see its result.

    Args:
        id: the name of the sub-task; without one, the sub-task that ended last
    """
    found: SubTaskHandler | None = ctx.job.tasks.find_handler(id)
    return found
