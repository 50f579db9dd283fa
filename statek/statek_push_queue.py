"""``StatekPushQueue``: messages for jobs and events for agents, kept until they are delivered.

A message reaches its job's inbox, an event becomes a job of its agent: each leaves the queue in the same atomic
block, so it arrives exactly once. What cannot be delivered is kept with the reason (``statek queues list``).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from statek.exceptions import InvalidRequest
from statek.message_text import message_text
from statek.packing import pack
from statek.queue_records import MESSAGES, find_lane, made_lane
from statek.runnable import QUEUES, announce
from statek.task import task_door
from statek.tool_threads import find_acting_context

if TYPE_CHECKING:
    from statek.agents.agent import Agent
    from statek.executors.job import Job

__all__ = ["StatekPushQueue"]


class StatekPushQueue:
    """The queues of the store; without state of its own, so every instance stands for the same ones.

    Usable in tools, where a store-effect tool's push is part of its call, and in the application, where a push is
    durable on return.

    Args:
        prefix: name of the store's prefix, or None; a data directory has one.

    Raises:
        InvalidRequest: the store's prefix has another name.
    """

    def __init__(self, prefix: str | None = None) -> None:
        if prefix is not None:
            _check_prefix(prefix)

    def push_to_job_console(self, job_uuid: str | Job, message: Any) -> None:
        """Tell a job something on behalf of its user; see ``Job.push_user_message``.

        Args:
            job_uuid: the job or its id.
            message: a text, or what ``statek.message_text`` makes one of, now and not when it is delivered.

        Raises:
            InvalidRequest: what is no text is for no job id, or the agent's adapter gives no text.
            LimitExceeded: the message is too large, or the queue is full.
        """
        target = _job_id(job_uuid)
        self._push(MESSAGES, message_text(message, lambda: task_door().agent_of(target)), target)

    def push_to_agent_queue(self, agent: Agent | str, event: Any) -> None:
        """Let an agent work on an event: it becomes a job whose warmup reads it under its one free name.

        Args:
            agent: the agent or its role.
            event: plain data, durable objects, or both.

        Raises:
            InvalidRequest: the event has no form that can be kept.
            LimitExceeded: it is too large, or the queue is full.
        """
        self._push(_role(agent), event, "")

    def pop_from_job_console(self, count: int, prefix: str | None = None) -> list[tuple[str, str]]:
        """Take the next messages out instead of letting them be delivered: ``(job id, message)`` in order."""
        if prefix is not None:
            _check_prefix(prefix)
        return [(target, str(value)) for target, value in self._pop(MESSAGES, count)]

    def pop_from_agent_queue(self, agent: Agent | str, count: int) -> list[Any]:
        """Take the next events of an agent out instead of letting them become jobs."""
        return [value for _, value in self._pop(_role(agent), count)]

    def has_agent_events(self, agent: Agent | str) -> bool:
        """Whether events of an agent wait."""
        return bool(self._count(_role(agent)))

    def has_job(self, job_uuid: str | Job, max_scan: int = 100) -> bool | None:
        """Whether a message for a job is among the first ``max_scan``; None when only later ones could be."""
        target = _job_id(job_uuid)

        def look(_value: object) -> bool | None:
            lane = find_lane(MESSAGES)
            if lane is None:
                return False
            if any(entry.target == target for entry in lane.waiting(max_scan)):
                return True
            return None if lane.tail - lane.head > max_scan else False

        found: bool | None = task_door().run(look, None)
        return found

    def is_empty(self) -> bool:
        """Whether no message for a job waits."""
        return not self._count(MESSAGES)

    @staticmethod
    def _count(name: str) -> int:
        def count(_value: object) -> int:
            lane = find_lane(name)
            return 0 if lane is None else lane.tail - lane.head

        return int(task_door().run(count, None))

    @staticmethod
    def _push(name: str, value: object, target: str) -> None:
        context = find_acting_context()
        by_job = context is not None and context.job is not None
        sender = pack([context.job_id, context.tenant, context.principal]) if context is not None and by_job else ""

        def push(given: object) -> None:
            made_lane(name).add(given, time.time_ns() // 1000, target, sender)
            announce(QUEUES, "")

        task_door().run(push, value)

    @staticmethod
    def _pop(name: str, count: int) -> list[tuple[str, Any]]:
        if count < 1:
            raise InvalidRequest(f"count is {count}, must be at least 1")

        def pop(_value: object) -> list[tuple[str, Any]]:
            lane, found = find_lane(name), []
            for _ in range(count):
                entry = lane.first() if lane is not None else None
                if lane is None or entry is None:
                    break
                found.append((entry.target, entry.value.load()))
                lane.drop_first()
            return found

        popped: list[tuple[str, Any]] = task_door().run(pop, None)
        return popped


def _check_prefix(prefix: str) -> None:
    name = task_door().prefix
    if prefix != name:
        raise InvalidRequest(f"the store's prefix is {name!r}, not {prefix!r}; a data directory has one prefix")


def _job_id(job: str | Job) -> str:
    id_ = job if isinstance(job, str) else getattr(job, "id", None)
    if not isinstance(id_, str) or not id_.isprintable() or len(id_) > 20:
        raise InvalidRequest(f"a message needs a job or its id (like j12), not {job!r:.80}")
    return id_


def _role(agent: Agent | str) -> str:
    role = agent if isinstance(agent, str) else getattr(agent, "role", None)
    if not isinstance(role, str) or not role.strip():
        raise InvalidRequest(f"an event needs an agent or its role, not {agent!r:.80}")
    return role
