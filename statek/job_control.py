"""What a tool may do with the job that it serves (``ToolContext.job``).

A Protocol, because the core knows no engine; ``orchestrator.engine.job_control`` implements it. Every
method may be called on any thread, the store thread of a store-effect tool included: there it joins the call's atomic
block, elsewhere it is a block of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from statek.access import Policy, Reach
    from statek.agents.agent import Agent
    from statek.chat_style import ChatStyle
    from statek.difficulty import TaskDifficulty
    from statek.settings import StatekSettings
    from statek.shared_context import SharedContext
    from statek.task_door import TaskDoor
    from statek.tools import ToolDef

__all__ = ["JobControl"]


class JobControl(Protocol):
    """One job, as its own tools see it."""

    def difficulty(self) -> TaskDifficulty:
        """The difficulty in force."""
        ...

    def raise_difficulty(self, to: TaskDifficulty | None = None) -> TaskDifficulty:
        """Raise the difficulty for the next request; it is never lowered.

        Args:
            to: at least this; None for one level more.

        Returns:
            The difficulty in force from now on.

        Raises:
            RuntimeError: one level more was asked for, and it is the highest already.
        """
        ...

    @property
    def tasks(self) -> TaskDoor:
        """What makes and links jobs on behalf of this one (``statek.task``)."""
        ...

    @property
    def agent(self) -> Agent:
        """The agent of the job's role."""
        ...

    @property
    def chat_style(self) -> ChatStyle:
        """The chat style of the job."""
        ...

    @property
    def policy(self) -> Policy:
        """For whom access is decided, under which settings."""
        ...

    @property
    def settings(self) -> StatekSettings:
        """The settings in force."""
        ...

    def variable(self, name: str, default: Any = None) -> Any:
        """A variable of the job as the newest commit keeps it, where that is a plain value.

        What the running step has assigned is not seen: it is not durable yet.
        """
        ...

    def tool(self, name: str) -> ToolDef | None:
        """The tool of that name that the running step may call; None without one."""
        ...

    def class_of(self, value: object) -> tuple[type, Reach] | None:
        """Class of a durable object that the job was granted, and how it came to it; None for a plain value."""
        ...

    def bind_shared_context(self, specifiers: Iterable[object], *, read_only: bool) -> None:
        """Let the job read the shared variables of these specifiers too (store thread).

        Args:
            specifiers: texts and durable objects, added to those that it has.
            read_only: whether it may not write from now on.
        """
        ...

    def shared_context(self) -> SharedContext | None:
        """The shared variables that the job is bound to (to be used on the store thread); None where it is not."""
        ...

    def shared_context_is_read_only(self) -> bool:
        """Whether the job may not write shared variables."""
        ...

    def memory_get(self, key: str, default: Any = None) -> Any:
        """What the job remembers under a key (``last_example_id``, ``last_topic_id`` ...)."""
        ...

    def memory_set(self, key: str, value: Any) -> None:
        """Remember a JSON value for the rest of the job.

        Raises:
            InvalidRequest: the value is no JSON value, or the memory is full.
        """
        ...
