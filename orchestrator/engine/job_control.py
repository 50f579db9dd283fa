"""``statek.job_control.JobControl`` over the records of a job."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from orchestrator.engine.objects import ObjectGateway
from orchestrator.engine.objects.host_proxy import unwrap
from orchestrator.store.store import Store
from statek.access import Policy, Reach
from statek.agents.agent import Agent
from statek.chat_style import ChatStyle
from statek.difficulty import TaskDifficulty
from statek.exceptions import InvalidRequest
from statek.job_definition import JobDefinition
from statek.packing import pack, unpack
from statek.records import JobRecord
from statek.settings import StatekSettings
from statek.shared_context import SharedContext, specifier_texts
from statek.task_door import TaskDoor
from statek.tools import ToolDef

__all__ = ["MAX_MEMORY_CHARS", "EngineJobControl", "current_difficulty", "raise_difficulty", "shared_context_of"]

T = TypeVar("T")

MAX_MEMORY_CHARS = 16_000
"""Length of everything that a job remembers, as JSON; it is written anew with every change."""


def current_difficulty(record: JobRecord, definition: JobDefinition) -> TaskDifficulty:
    """The difficulty in force: that the job was raised to, else the one it started with (store thread)."""
    return TaskDifficulty(record.difficulty) if record.difficulty else definition.difficulty


def raise_difficulty(record: JobRecord, definition: JobDefinition, to: TaskDifficulty | None = None) -> TaskDifficulty:
    """Raise the difficulty for the next request, never lower it; gives the one in force (store thread).

    Args:
        record: the job.
        definition: of the job.
        to: at least this; None for one level more.

    Raises:
        RuntimeError: one level more was asked for, and it is the highest already.
    """
    now = current_difficulty(record, definition)
    wanted = now.next_level() if to is None else to
    if wanted is None:
        # Text of the behaviour reference, section 25.
        raise RuntimeError(f"Job is already at {now.name.lower()} difficulty: {now.name.lower()}")
    if wanted.level <= now.level:
        return now
    record.difficulty = wanted.value
    return wanted


def shared_context_of(record: JobRecord) -> SharedContext | None:
    """The shared variables that a job is bound to (store thread); None where it is bound to none."""
    if not record.shared_binding:
        return None
    return SharedContext.bound(unpack(record.shared_binding), record.tenant)


class EngineJobControl:
    """What the tools of one step may do with their job.

    Args:
        record: the job (store thread only).
        definition: of the job.
        agent, policy: of the job.
        tools: the tools that the running step may call.
        objects: the job's durable objects.
        settings: in force.
        variable: reads a variable of the workspace that the step began with, or gives the default (store thread).
        store: the store.
        tasks: makes and links jobs on its behalf.
    """

    def __init__(
        self,
        record: JobRecord,
        *,
        definition: JobDefinition,
        agent: Agent,
        policy: Policy,
        tools: Mapping[str, ToolDef],
        objects: ObjectGateway,
        settings: StatekSettings,
        variable: Callable[[str, Any], Any],
        store: Store,
        tasks: TaskDoor,
    ) -> None:
        self._record = record
        self._definition = definition
        self._tools = tools
        self._objects = objects
        self._store = store
        self.agent = agent
        self.tasks = tasks
        self.chat_style: ChatStyle = definition.chat_style
        self.policy = policy
        self.settings = settings
        self._variable = variable

    def _on_store(self, change: Callable[[], T]) -> T:
        """Run on the store thread: in the atomic block that is open there, or in one of its own."""
        return self._store.write_sync(change)

    def difficulty(self) -> TaskDifficulty:
        """The difficulty in force."""
        return self._on_store(lambda: current_difficulty(self._record, self._definition))

    def raise_difficulty(self, to: TaskDifficulty | None = None) -> TaskDifficulty:
        """Raise the difficulty for the next request; never lowers it.

        Raises:
            RuntimeError: one level more was asked for, and it is the highest already.
        """
        return self._on_store(lambda: raise_difficulty(self._record, self._definition, to))

    def variable(self, name: str, default: Any = None) -> Any:
        """A variable of the job as the newest commit keeps it, where that is a plain value."""
        return self._on_store(lambda: self._variable(name, default))

    def tool(self, name: str) -> ToolDef | None:
        """The tool of that name that the running step may call."""
        return self._tools.get(name)

    def class_of(self, value: object) -> tuple[type, Reach] | None:
        """Class of a durable object that the job was granted, and how it came to it."""
        return self._on_store(lambda: self._objects.class_of(unwrap(value)))

    def bind_shared_context(self, specifiers: Iterable[object], *, read_only: bool) -> None:
        """Let the job read the shared variables of these specifiers too (store thread)."""

        def change() -> None:
            bound: list[str] = unpack(self._record.shared_binding) or []
            self._record.shared_binding = pack(sorted({*bound, *specifier_texts(unwrap(list(specifiers)))}))
            self._record.shared_read_only = read_only

        self._on_store(change)

    def shared_context(self) -> SharedContext | None:
        """The shared variables that the job is bound to; None where it is not."""
        return self._on_store(lambda: shared_context_of(self._record))

    def shared_context_is_read_only(self) -> bool:
        """Whether the job may not write shared variables."""
        return self._on_store(lambda: bool(self._record.shared_read_only))

    def memory_get(self, key: str, default: Any = None) -> Any:
        """What the job remembers under a key."""
        memory = self._on_store(lambda: unpack(self._record.memory)) or {}
        return memory.get(key, default)

    def memory_set(self, key: str, value: Any) -> None:
        """Remember a JSON value."""
        try:
            text = json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidRequest(f"what a job remembers must be a JSON value, {key!r} is not: {error}") from None

        def change() -> None:
            memory = unpack(self._record.memory) or {}
            memory[key] = json.loads(text)
            packed = pack(memory)
            if len(packed) > MAX_MEMORY_CHARS:
                raise InvalidRequest(f"a job remembers at most {MAX_MEMORY_CHARS} characters, {key!r} is too much")
            self._record.memory = packed

        self._on_store(change)
