"""``SubTaskHandler``: the durable link between a parent job and the work it gave to another.

Everything in it happens on the store thread inside an atomic block, so the end of a sub-task, what its parent
hears of it, and the parent's going on stand or fall together.
"""

from __future__ import annotations

import enum
import hashlib
import time
import weakref
from collections.abc import Iterable
from typing import Any

from sandbox_runner.wire.values import GraphError, GraphLimits, Handle, decode, encode
from statek import durable
from statek.durable import is_durable_dict, is_durable_list, is_durable_set, is_memo, memo
from statek.exceptions import ConfigurationError, InvalidRequest, LimitExceeded
from statek.executors.job import Job
from statek.executors.job_source import JobSource
from statek.inbox import NOTIFICATION, InboxEntry, Pushed, push
from statek.job_status import JobStatus
from statek.packing import join_pieces, pack, packed_pieces, pieces_of, split_pieces, unpack
from statek.records import JobRecord
from statek.rendering import render_value

__all__ = [
    "StoredValue",
    "SubTaskHandler",
    "SubTaskState",
    "TaskError",
    "find_handler",
    "handler_tag",
    "keep_jobs",
    "notify",
]

MAX_RESULT_BYTES = 1 << 20
"""Encoded result of one sub-task; what is larger belongs into durable objects."""

MAX_SAID_BYTES = 480 << 10
"""What one muted job may say, as it is stored (a character outside ASCII takes 6 bytes): a future's value takes it."""

MAX_ID_CHARS = 200

MAX_SHOWN_CHARS = 20_000
"""Longest text of a result that a notification shows; the result itself is kept whole."""

MAX_ERROR_CHARS = 4_000

_LIMITS = GraphLimits(max_bytes=MAX_RESULT_BYTES, max_nodes=1 << 20, max_text_bytes=MAX_RESULT_BYTES)


_sources: list[weakref.ref[JobSource]] = []


def keep_jobs(source: JobSource) -> None:
    """Say who shows the jobs of this process's store; the newest that is still there is asked."""
    _sources[:] = [known for known in _sources if known() is not None]
    _sources.append(weakref.ref(source))


class SubTaskState(enum.StrEnum):
    """How far a sub-task is."""

    WAITING = "waiting"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"


class TaskError(RuntimeError):
    """The result of a sub-task was asked for, and it failed.

    Attributes:
        err_message: why it failed.
    """

    def __init__(self, err_message: str) -> None:
        super().__init__(err_message)
        self.err_message = err_message


@memo(id="statek.StoredValue")
class StoredValue:
    """A value as a durable object: plain data in graph form, durable objects in it by reference.

    dbzero's own containers keep neither the order of dicts nor every type.
    """

    def __init__(self, data: bytes, references: Iterable[Any]) -> None:
        self.data: Any = packed_pieces(split_pieces(data))
        self.references: Any = list(references)

    @classmethod
    def of(cls, value: object, *, what: str, limit: str = "task_result_bytes") -> StoredValue:
        """Store a value.

        Raises:
            InvalidRequest: something in it has no graph form.
            LimitExceeded: it is too large.
        """
        references: list[object] = []

        def to_handle(target: object) -> Handle | None:
            kinds = (is_memo, is_durable_list, is_durable_dict, is_durable_set)
            if not any(test(target) for test in kinds):
                return None
            references.append(target)
            return Handle(len(references), "reference")

        try:
            data = encode(value, to_handle=to_handle)
        except (GraphError, RecursionError) as error:
            raise InvalidRequest(f"{what} cannot be kept: {error}") from None
        if len(data) > MAX_RESULT_BYTES:
            raise LimitExceeded(limit, MAX_RESULT_BYTES, len(data), "give a durable object instead")
        return cls(data, references)

    def load(self) -> Any:
        """The value; durable objects in it are the objects themselves."""
        return decode(
            join_pieces(pieces_of(self.data)), from_handle=lambda handle: self.references[handle.id - 1], limits=_LIMITS
        )


@memo(id="statek.SubTaskHandler")
class SubTaskHandler:
    """Work that was given to another job.

    STATEK-ACL:
        +id
        +state
        +is_completed
        +result
        +error

    Args:
        record: the job that does the work.
        id_: its name for the parent; the job's own id by default.
        silent: the parent is not told of the end: it waits for a future that says so (``statek.task.delegate_task``).
        collects: what the job says to its user is kept here instead of being sent, and is its result.

    Raises:
        InvalidRequest: the id is no usable text.
    """

    _said: Any = None
    _said_bytes = 0

    def __init__(
        self, record: JobRecord, id_: str | None = None, *, silent: bool = False, collects: bool = False
    ) -> None:
        self.id = check_task_id(id_) if id_ is not None else f"j{record.number}"
        self._record = record
        self._silent = silent
        self._ending = ""
        self._error = ""
        self._result: Any = None
        self._said = [] if collects else None
        self._said_bytes = 0

    @property
    def job(self) -> Job:
        """The job that does the work: for the application and its tools, no code of a job is given it.

        Raises:
            ConfigurationError: nothing in this process shows jobs.
        """
        source = next((found for known in reversed(_sources) if (found := known()) is not None), None)
        if source is None:
            raise ConfigurationError("nothing in this process shows jobs; call statek.init first")
        return Job(f"j{self._record.number}", source)

    @property
    def state(self) -> str:
        """``waiting``, ``started``, ``completed`` or ``failed`` (a ``SubTaskState``)."""
        if self._ending:
            return self._ending
        waits = self._record.status == JobStatus.READY.value
        return (SubTaskState.WAITING if waits else SubTaskState.STARTED).value

    @property
    def is_completed(self) -> bool:
        """Whether it has ended, well or not."""
        return bool(self._ending)

    @property
    def result(self) -> Any:
        """What it gave; None while it has not ended, and where it failed."""
        return None if self._result is None else self._result.load()

    @property
    def error(self) -> str | None:
        """Why it failed; None where it did not."""
        return unpack(self._error) if self._error else None

    def __str__(self) -> str:
        """The result as text.

        Raises:
            TaskError: it failed.
            RuntimeError: it has not ended.
        """
        if self._ending == SubTaskState.FAILED.value:
            raise TaskError(self.error or "")
        if not self._ending:
            raise RuntimeError(f"sub-task id={self.id} is {self.state}; it has no result yet")
        result = self.result
        return "" if result is None else render_value(result)

    @property
    def said(self) -> str:
        """What the job has said, message by message in lines; empty for nothing."""
        return "\n".join(str(unpack(text)) for text in self._said or ())

    def keep_message(self, body: str) -> None:
        """Keep something that the job says; nobody is there for what it says after its end.

        Raises:
            LimitExceeded: it has said too much.
        """
        if self._said is None or self._ending:
            return
        text = pack(body)
        used = self._said_bytes + len(text)
        if used > MAX_SAID_BYTES:
            raise LimitExceeded("said_bytes", MAX_SAID_BYTES, used, "say less, or give a durable object as the result")
        self._said.append(text)
        self._said_bytes = used

    def references(self) -> list[Any]:
        """The durable objects in its result."""
        return [] if self._result is None else list(self._result.references)

    def get_log_message(self) -> str:
        """What its parent is told of its end.

        Raises:
            RuntimeError: it has not ended.
        """
        if not self._ending:
            raise RuntimeError(f"sub-task id={self.id} is {self.state}")
        if self._ending == SubTaskState.FAILED.value:
            return f"[Error] sub-task id={self.id} failed with {self.error}"
        return f"[Notification] sub-task id={self.id} completed successfully."

    def rename(self, id_: str) -> None:
        """Give it the id by which its parent knows it."""
        parent = self._record.parent
        if parent is not None:
            durable.untag(self, handler_tag(parent, self.id))
        self.id = check_task_id(id_)
        if parent is not None:
            durable.tag(self, handler_tag(parent, self.id))

    def complete(self, result: Any = None, error: str | None = None) -> None:
        """End the sub-task and tell the parent, in the atomic block that is open.

        Args:
            result: what it gives: plain data, durable objects, or both.
            error: why it failed; excludes a result.

        Raises:
            RuntimeError: it has ended before.
            ValueError: result and error are given.
            InvalidRequest: the result has no form that can be kept.
            LimitExceeded: the result is too large.
        """
        if self._ending:
            raise RuntimeError(f"sub-task id={self.id} is {self._ending} already")
        if error is not None and result is not None:
            raise ValueError("give result or error, not both")
        if error is not None:
            self._error = pack(str(error)[:MAX_ERROR_CHARS])
            self._ending = SubTaskState.FAILED.value
        else:
            self._result = None if result is None else StoredValue.of(result, what=f"the result of sub-task {self.id}")
            self._ending = SubTaskState.COMPLETED.value
        self._tell_parent()

    def _tell_parent(self) -> None:
        parent = self._record.parent
        if parent is not None and not self._silent:
            _tell(parent, self)


def notify(job: JobRecord, handler: SubTaskHandler) -> Pushed:
    """Tell a job of the end of a sub-task that another job, or nobody, gave out (in the atomic block that is open).

    Raises:
        RuntimeError: it has not ended.
    """
    told = _tell(job, handler)
    durable.tag(handler, handler_tag(job, handler.id))
    return told


def _tell(job: JobRecord, handler: SubTaskHandler) -> Pushed:
    """Put the end of a sub-task into a job's inbox."""
    text, lookup, shown = handler.get_log_message(), "", ""
    if handler.state == SubTaskState.COMPLETED.value:
        lookup = f"print(find_sub_task_handler(id={handler.id!r}))"
        shown = str(handler)
        if len(shown) > MAX_SHOWN_CHARS:
            shown = f"{shown[:MAX_SHOWN_CHARS]}... ({len(shown)} characters)"
    job.newest_handler = handler
    now = time.time_ns() // 1000
    return push(job, InboxEntry(NOTIFICATION, text, now, lookup=lookup, result=shown, task=handler.id), now)


def check_task_id(text: object) -> str:
    """A name for a sub-task, checked.

    Raises:
        InvalidRequest: it is no printable text of a usable length.
    """
    if not isinstance(text, str) or not 0 < len(text) <= MAX_ID_CHARS or not text.isprintable():
        raise InvalidRequest(f"a sub-task id is a printable text of 1 to {MAX_ID_CHARS} characters, not {text!r:.80}")
    return text


def handler_tag(parent: JobRecord, id_: str) -> str:
    """Tag by which a parent finds a handler; the id may be any text, a tag may not."""
    return f"statek-task-{parent.number}-{hashlib.sha256(id_.encode()).hexdigest()[:32]}"


def find_handler(parent: JobRecord, id_: str | None) -> SubTaskHandler | None:
    """The newest handler of a parent with that id, or without one that which it was told of last.

    Raises:
        RuntimeError: it has none of that id.
    """
    if id_ is None:
        newest: SubTaskHandler | None = parent.newest_handler
        return newest
    found = list(durable.find(SubTaskHandler, handler_tag(parent, check_task_id(id_))))
    if not found:
        raise RuntimeError(f"this job has no sub-task with id={id_}")
    return max(found, key=lambda handler: int(handler._record.number))  # noqa: SLF001 -- of this module
