"""The one error tree.

Named by whose fault it is::

    StatekError
    ├── ConfigurationError      the operator: a setting, a prompt file, a missing engine
    │   └── ImageMismatch       ... a job was saved on another image than the service runs
    ├── InvalidRequest          the caller: unknown agent, bad argument, illegal name
    │   ├── FutureSettled       ... resolves a future that has come to an end
    │   ├── NotFound            ... names something that does not exist
    │   │   └── CommitDropped   ... a commit that a compaction has dropped
    │   ├── ToolChanged         ... calls a tool that is another than the job was told of
    │   ├── InvalidFormat       ... a text (example, document, docstring) that breaks its format
    │   ├── InvalidArchive      ... an archive of a job that is damaged or says what cannot be
    │   └── UnstorableValue     ... a value that the durable store cannot hold unchanged
    ├── FutureError             a future has no value (yet)
    │   ├── FutureCancelled     ... what was waited for was called off
    │   └── FutureFailed        ... what was waited for ended without a value
    ├── AccessDenied            the caller lacks a grant; names the rule that decided
    ├── LimitExceeded           a limit spoke; carries its name, value and usage
    │   └── HistoryFull         ... what a job or a store may keep: the commit is refused, all history stays
    ├── JobFailed               a job ended by failure; given to error handlers
    │   └── LLM_HarnessError    ... because a limit of the harness spoke
    ├── StaleObjectError        a durable object changed since the code read it
    ├── ModelError              the model provider
    ├── ToolError               a tool raised; carries type name and message as data
    ├── DivergenceError         a re-run asked for something else than the recorded step did
    ├── RunnerError             the runner's side of the boundary
    │   ├── RunnerViolation     ... broke the protocol: it is destroyed, an audit event is written
    │   ├── RunnerLost          ... went away without a verdict
    │   └── RestoreFailed       ... dies of restoring this job's variables
    ├── StoreError              the durable store
    │   ├── StoreLocked         ... another orchestrator owns it
    │   ├── StoreDamaged        ... could not be rebuilt
    │   ├── StoreFull           ... the disk refused the write; nothing acknowledged is lost
    │   └── StoreVersionError   ... is one of another version of the service
    └── InternalError           our bug: please report

Each class has a stable ``code`` that the API, the CLI and the logs use.

``JobExit`` stands outside: it is not an error but how a tool ends the job that called it.
"""

from __future__ import annotations

__all__ = [
    "AccessDenied",
    "CommitDropped",
    "ConfigurationError",
    "DivergenceError",
    "FutureCancelled",
    "FutureError",
    "FutureFailed",
    "FutureSettled",
    "HistoryFull",
    "ImageMismatch",
    "InternalError",
    "InvalidArchive",
    "InvalidFormat",
    "InvalidRequest",
    "JobExit",
    "JobFailed",
    "LLM_HarnessError",
    "LimitExceeded",
    "ModelError",
    "NotFound",
    "RestoreFailed",
    "RunnerError",
    "RunnerLost",
    "RunnerViolation",
    "StaleObjectError",
    "StatekError",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "StoreVersionError",
    "ToolChanged",
    "ToolError",
    "UnstorableValue",
]


class StatekError(Exception):
    """Base of every error that this project raises on purpose."""

    code = "statek"


class ConfigurationError(StatekError):
    """A setting, a file that the operator wrote, or a missing part of the machine."""

    code = "configuration"


class ImageMismatch(ConfigurationError):
    """A job was saved on another image than this service runs; it stays as it is, the message names both."""

    code = "image_mismatch"


class InvalidRequest(StatekError, ValueError):
    """The caller asked for something that makes no sense; the message names what and why."""

    code = "invalid_request"


class InvalidFormat(InvalidRequest):
    """A text of the application breaks the format of what it is to be; the message names the line where it can."""

    code = "invalid_format"


class InvalidArchive(InvalidRequest):
    """An archive of a job is damaged, or says what cannot be; nothing of it was taken over."""

    code = "invalid_archive"


class NotFound(InvalidRequest):
    """The caller named an agent, job, commit or call that does not exist."""

    code = "not_found"


class CommitDropped(NotFound):
    """The caller named a commit that a compaction has dropped; the message says when."""

    code = "commit_dropped"


class FutureSettled(InvalidRequest):
    """The caller wants to end a future that has come to an end; the first one won."""

    code = "future_settled"


class UnstorableValue(InvalidRequest):
    """A value that the durable store cannot hold unchanged.

    Attributes:
        path: where in the value, for example ``value['a'][3]``.
        reason: what is wrong with it.
    """

    code = "unstorable_value"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} cannot be stored: {reason}")
        self.path = path
        self.reason = reason


class FutureError(StatekError):
    """A future has no value yet; a complement raises it while it is not ready.

    Attributes:
        future_result: the future that is waited for, or None; in the process that raised it only.
        instr_num: index of the statement that needs it, or None; informational.
    """

    code = "future"
    future_result: object = None
    instr_num: int | None = None

    def __init__(self, future_result: object = None, instr_num: int | None = None, *, message: str = "") -> None:
        super().__init__(message or f"{future_result or 'the value'} is not ready")
        self.future_result = future_result
        self.instr_num = instr_num


class FutureCancelled(FutureError):
    """What was waited for was called off."""

    code = "future_cancelled"


class FutureFailed(FutureError):
    """What was waited for ended without a value."""

    code = "future_failed"


class AccessDenied(StatekError, PermissionError):
    """The access decision was no.

    Attributes:
        rule: the rule that decided.
    """

    code = "access_denied"

    def __init__(self, message: str, *, rule: str) -> None:
        super().__init__(message)
        self.rule = rule


class LimitExceeded(StatekError):
    """A limit spoke.

    Attributes:
        limit: the limit's name as in docs/limits.md.
        value: the limit in force.
        usage: what was asked for or used.
    """

    code = "limit_exceeded"

    def __init__(self, limit: str, value: float, usage: float, advice: str = "") -> None:
        text = f"limit {limit} is {_number(value)}, this needs {_number(usage)}"
        super().__init__(f"{text}; {advice}" if advice else text)
        self.limit = limit
        self.value = value
        self.usage = usage


def _number(value: float) -> str:
    """A count whole, anything else short."""
    return str(value) if isinstance(value, int) else f"{value:g}"


class HistoryFull(LimitExceeded):
    """A job, or the whole store, keeps as much as it may: the commit was refused, everything kept stays readable."""

    code = "history_full"


class ToolChanged(InvalidRequest):
    """A tool has another signature than when its job was made, or is gone; the call did nothing.

    Attributes:
        tool: its name.
    """

    code = "tool_changed"

    def __init__(self, message: str, *, tool: str) -> None:
        super().__init__(message)
        self.tool = tool


class JobFailed(StatekError):
    """A job ended by failure; what its error handlers get.

    Attributes:
        kind: as in ``job.error.kind``.
    """

    code = "job_failed"

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class LLM_HarnessError(JobFailed):  # noqa: N801 -- the documented name
    """A limit of the harness ended the job."""

    code = "harness"

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="limit")


class JobExit(Exception):
    """Raised by a tool: the call succeeded and the job ends with this status, as by ``exit(status)``.

    Attributes:
        status: what becomes the job's exit status; a value that can cross into the sandbox.
    """

    def __init__(self, status: object = None) -> None:
        super().__init__(status)
        self.status = status


class StaleObjectError(StatekError):
    """A durable object changed between the read and the write of it."""

    code = "stale_object"


class ModelError(StatekError):
    """The model provider failed or refused.

    Attributes:
        retryable: whether the same request may succeed later.
    """

    code = "model"

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class ToolError(StatekError):
    """A tool raised; the original is data, never an object from the other side.

    Attributes:
        type_name: name of the exception type that the tool raised.
        message: its text.
    """

    code = "tool"

    def __init__(self, type_name: str, message: str) -> None:
        super().__init__(f"{type_name}: {message}")
        self.type_name = type_name
        self.message = message


class DivergenceError(StatekError):
    """A re-run of a step asked for another effect than the one that was recorded."""

    code = "divergence"


class RunnerError(StatekError):
    """The other side of the trust boundary."""

    code = "runner"


class RunnerViolation(RunnerError):
    """The runner broke a rule of the protocol; it is destroyed at once."""

    code = "runner_violation"


class RunnerLost(RunnerError):
    """The runner went away without a verdict, or never came up."""

    code = "runner_lost"


class RestoreFailed(RunnerError):
    """Every runner dies of restoring a job's variables; the job cannot go on."""

    code = "restore_failed"


class StoreError(StatekError):
    """The durable store."""

    code = "store"


class StoreLocked(StoreError):
    """Another process owns the store."""

    code = "store_locked"


class StoreDamaged(StoreError):
    """A prefix does not open and could not be rebuilt from its mirror and redo log."""

    code = "store_damaged"


class StoreFull(StoreError):
    """The disk refused a write; the operation is not acknowledged, earlier ones stand."""

    code = "store_full"


class StoreVersionError(StoreError):
    """A store of another version: an earlier one that ``statek upgrade`` takes over, or a later one."""

    code = "store_version"


class InternalError(StatekError):
    """Our bug. Please report it with the message."""

    code = "internal"
