"""What the functions of ``statek.task`` need of whoever makes jobs: the tool call they run in, or this process.

A Protocol, because the core knows no engine; ``orchestrator.engine.subtasks`` implements it. Every method may be
called on any thread; on the store thread of a store-effect tool it joins the call's atomic block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from statek.agents.agent import Agent
    from statek.chat_style import ChatStyle
    from statek.executors.job import Job
    from statek.job_definition import JobDefinition
    from statek.job_mode import JobMode
    from statek.post_processors import PostProcessor
    from statek.sub_task_handler import SubTaskHandler
    from statek.warmup import WarmupSource

__all__ = ["NewJob", "TaskDoor"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a new job is given.

    Attributes:
        shared_vars: startup variables by name; durable objects become handles, and nothing else is shared.
        message: what the user says first; empty for nothing.
        tenant, principal: who owns it, on whose behalf; None takes those of the parent.
        params: values for the prompt's placeholders.
        warmup_code: run before the agent's own warmup.
        locale: ``LANG-COUNTRY``; None takes that of the parent.
        chat_style: of the conversation; None takes CHAT_STYLE of the agent's metadata, else the setting.
        post_processing: its post-processors, or their text; None takes the agent's metadata.
        mode: what becomes of its variables between steps (``statek.job_mode``); None takes the agent's metadata.
        definition: a setup that was made before; it fixes everything but variables, message, owner and parent.
        parent: id of the job that gives it its work; empty for the job whose tool makes it, if there is one.
        detached: it goes on when its parent is cancelled.
    """

    shared_vars: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""
    tenant: str | None = None
    principal: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    warmup_code: WarmupSource = None
    locale: str | None = None
    chat_style: ChatStyle | str | None = None
    post_processing: PostProcessor | Sequence[PostProcessor] | str | None = None
    mode: JobMode | str | None = None
    definition: JobDefinition | None = None
    parent: str = ""
    detached: bool = False


class TaskDoor(Protocol):
    """Makes jobs and links them."""

    @property
    def prefix(self) -> str:
        """Name of the store's prefix."""
        ...

    def run(self, change: Callable[[Any], T], value: Any) -> T:
        """Run a change on the store thread; durable on return, unless it is part of a tool's call.

        Args:
            change: gets ``value`` with durable objects as such; must not wait.
            value: what it needs; proxies in it become the objects.

        Returns:
            What the change gives; off the store thread durable objects in it are proxies.
        """
        ...

    def agent_of(self, job_id: str) -> Agent:
        """The agent of a job, as this process knows it now.

        Raises:
            NotFound: there is no such job, or this process does not know its agent.
        """
        ...

    def job(self, job_id: str) -> Job:
        """The job of that id, to look at and to talk to."""
        ...

    def create(self, agent: Agent | str, given: NewJob, *, is_dialog: bool = False) -> Job:
        """Make a READY job.

        Args:
            agent: who is to do the work, or the role.
            given: what the job is given.
            is_dialog: only an agent that talks with a user will do.

        Raises:
            InvalidRequest: an illegal variable name, an incomplete agent, a value that cannot cross, an agent that does
                not talk.
            NotFound: no agent of that role is there.
            LimitExceeded: the variables are too large, or it would have too many jobs above it or beside it.
        """
        ...

    def create_batch(self, agent: Agent | str, given: Sequence[NewJob]) -> list[Job]:
        """Make several; durable together with one flush."""
        ...

    def link(
        self, job: Job, id_: str | None, handler_type: type[SubTaskHandler], attributes: Mapping[str, Any]
    ) -> SubTaskHandler:
        """Make the handler of a READY job's work, and give it to the job as the variable ``sub_task_handler``.

        Raises:
            InvalidRequest: the job has begun, has a handler, or the id is no usable text.
        """
        ...

    def delegate(
        self, agent: Agent | str, given: NewJob, *, id_: str | None, muted: bool, is_dialog: bool
    ) -> SubTaskHandler:
        """Make a job and the handler of its work in one atomic block; its giver is not told of the end.

        Args:
            agent: who is to do the work, or the role.
            given: what the job is given.
            id_: name of the sub-task; the job's own id by default.
            muted: what it says to its user is kept in the handler instead of being sent.
            is_dialog: only an agent that talks with a user will do.

        Raises:
            As ``create``; InvalidRequest too for an agent that does not talk, and an id that is no usable text.
        """
        ...

    def name(self, handler: SubTaskHandler, id_: str) -> SubTaskHandler:
        """Give a handler the id by which its parent knows it."""
        ...

    def complete(self, result: Any, error: str | None) -> None:
        """End the sub-task that this job is.

        Raises:
            RuntimeError: it is none, or has ended.
        """
        ...

    def find_handler(self, id_: str | None) -> SubTaskHandler | None:
        """The handler of a sub-task of this job; see ``statek.sub_task_handler.find_handler``."""
        ...
