"""Delivers what waits in the queues, as soon as it is there and there is room.

Woken by announcements, never by a clock. Each entry is delivered and taken out of its lane in one atomic block; one
flush makes a batch durable. An entry whose delivery raises moves to the held entries of its lane, in a block of its
own, so that nothing half made stays behind.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from orchestrator.engine.access import JobAccess
from orchestrator.engine.clock import now_us
from orchestrator.engine.durability import Durability
from statek.access import AccessRequest, Policy, ResourceKind, decide
from statek.agents.agent import Agent, SupervisedAgent
from statek.exceptions import InvalidRequest, StatekError, StoreError
from statek.inbox import USER, InboxEntry, push
from statek.packing import unpack
from statek.queue_records import MESSAGES, QueueEntry, QueueLane, find_lane, lanes
from statek.records import JobRecord
from statek.task_door import NewJob

__all__ = ["QueuePump", "event_name"]

_log = logging.getLogger("statek.queues")

_BATCH = 50
"""Entries between two flushes."""

_RELEASE = 200
"""Held entries that one visit to the store thread lets be tried again."""

_STORE_RETRY_SECONDS = 1.0


def event_name(agent: Agent) -> str:
    """The name under which an agent's warmup reads an event.

    Raises:
        InvalidRequest: its warmup does not have exactly one free name.
    """
    names = agent.referenced_locals if isinstance(agent, SupervisedAgent) else ()
    if len(names) != 1:
        read = ", ".join(names) or "none"
        raise InvalidRequest(
            f"the warmup of agent {agent.role!r} must read exactly one name that it does not set, the event; "
            f"it reads: {read}"
        )
    return names[0]


class QueuePump:
    """Moves entries from the queues to jobs while the service runs; its methods belong to the event loop.

    Args:
        durability: of the store.
        access: makes jobs.
        agents: registered agents by role; events of others wait.
        has_room: whether one more job may be made now.
    """

    def __init__(
        self, durability: Durability, access: JobAccess, agents: Mapping[str, Agent], has_room: Callable[[], bool]
    ) -> None:
        self._durability = durability
        self._store = durability.store
        self._access = access
        self._agents = agents
        self._has_room = has_room
        self._woken = asyncio.Event()
        self._rests = asyncio.Event()
        self._rests.set()
        self._starved = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, with what earlier starts could not deliver."""
        self._task = asyncio.create_task(self._run())
        self.wake()

    def wake(self) -> None:
        """Look at the queues: something was pushed."""
        self._rests.clear()
        self._woken.set()

    def note_room(self) -> None:
        """A job rests: look again if room was what lacked."""
        if self._starved:
            self.wake()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left that could be delivered now."""
        return self._rests.is_set()

    async def wait_idle(self) -> None:
        """Wait until nothing is left that could be delivered now."""
        await self._rests.wait()

    async def stop(self) -> None:
        """Deliver nothing more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        released = False
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                if not released:
                    await self._release()
                    released = True
                await self._deliver()
            except StoreError as error:
                _log.error("the queues wait, the store failed: %s", error)
                await asyncio.sleep(_STORE_RETRY_SECONDS)
                self._woken.set()
            if not self._woken.is_set():
                self._rests.set()

    async def _release(self) -> None:
        """Let held entries be tried again."""

        def release() -> bool:
            return any(lane.release_held(_RELEASE) for lane in lanes())

        while await self._store.write(release):
            pass

    async def _deliver(self) -> None:
        """Deliver all that can be."""
        self._starved = False
        names = await self._store.read(lambda: [lane.title() for lane in lanes()])
        for name in names:
            if name != MESSAGES and name not in self._agents:
                continue
            delivered = 0
            while await self._deliver_next(name):
                delivered += 1
                if delivered % _BATCH == 0:
                    await self._durability.commit(_nothing)
            if delivered:
                await self._durability.commit(_nothing)

    async def _deliver_next(self, name: str) -> bool:
        """Deliver the first entry of a lane, or put it aside; False when there is none, or no room."""
        if name != MESSAGES and not self._has_room():
            self._starved = True
            return False
        try:
            return await self._store.write(partial(self._move, name))
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 -- an agent's setup is application code
            reason = str(error) if isinstance(error, StatekError) else f"{type(error).__name__}: {error}"
            _log.error("an entry of the queue %s cannot be delivered, it is kept: %s", name or "of messages", reason)
            await self._store.write(partial(_hold, name, reason))
            return True

    def _move(self, name: str) -> bool:
        """Deliver the first entry and take it out (store thread, one atomic block)."""
        lane = find_lane(name)
        entry = lane.first() if lane is not None else None
        if lane is None or entry is None:
            return False
        if name == MESSAGES:
            self._tell(entry)
        else:
            self._make_job(self._agents[name], entry)
        lane.drop_first()
        return True

    def _tell(self, entry: QueueEntry) -> None:
        """Put a message into its job's inbox.

        Raises:
            InvalidRequest: there is no such job, or it cannot hear it any more.
            AccessDenied: the job whose tool pushed it may not tell it anything.
            LimitExceeded: too much waits for it.
        """
        record = self._access.record(entry.target)
        if entry.sender:
            self._decide(entry, record)
        pushed = push(record, InboxEntry(USER, str(entry.value.load()), entry.at_us), now_us())
        if not pushed.delivered:
            raise InvalidRequest(f"job {entry.target} ended by a failure that no message mends")

    def _decide(self, entry: QueueEntry, record: JobRecord) -> None:
        """May the job whose tool pushed an entry tell this one something?

        Raises:
            AccessDenied: no; the reason names the rule.
        """
        id_, tenant, principal = unpack(entry.sender)
        related = record.principal == principal or _family(record) == _family(self._access.record(id_))
        asked = AccessRequest(ResourceKind.TELL, entry.target, same_tenant=record.tenant == tenant, related=related)
        decide(asked, Policy()).require()

    def _make_job(self, agent: Agent, entry: QueueEntry) -> None:
        """Make a job that works on an event: of the owner, and for the principal, of the job whose tool pushed it."""
        variables = {event_name(agent): entry.value.load()}
        _, tenant, principal = unpack(entry.sender) if entry.sender else ("", None, None)
        self._access.create(agent, NewJob(shared_vars=variables, tenant=tenant or None, principal=principal or None))


def _family(record: JobRecord) -> int:
    """Number of the job at the top of a job's family."""
    while record.parent is not None:
        record = record.parent
    return int(record.number)


def _hold(name: str, reason: str) -> None:
    """Put the first entry of a lane aside (store thread)."""
    lane: QueueLane | None = find_lane(name)
    if lane is not None:
        lane.hold_first(reason)


def _nothing() -> None:
    """A commit of what was written before."""
