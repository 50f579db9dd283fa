"""``PyEnv``: the Python workspace of a job, as the host can see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NoReturn

from statek.executors.chat_log_item import printed
from statek.executors.views import ItemView, JobView, VariableView
from statek.future import FutureResult
from statek.job_mode import JobMode, require_durable_variables

__all__ = ["PyEnv", "UnreadableValue"]


@dataclass(frozen=True, slots=True)
class UnreadableValue:
    """A variable whose value the host does not give.

    It lives in the sandbox in a form that the host never opens (a pickle), was too much to be read together with the
    others (``Job.view`` reads each by itself), or is lost.

    Attributes:
        preview: what the sandbox says it is; data of a hostile side.
        form: ``opaque``, ``unread`` or ``lost``.
    """

    preview: str
    form: str


class _LiveVariables(Mapping[str, Any]):
    """Variables that the host does not have: neither an empty mapping nor what the job once began with."""

    def __init__(self, id_: str) -> None:
        self._id = id_

    def _refuse(self) -> NoReturn:
        require_durable_variables(self._id, JobMode.LIVE)
        raise AssertionError("unreachable")

    def __getitem__(self, name: str) -> Any:
        self._refuse()

    def __iter__(self) -> Iterator[str]:
        self._refuse()

    def __len__(self) -> int:
        self._refuse()

    def __repr__(self) -> str:
        return f"<variables of job {self._id}: {JobMode.LIVE.remark}>"


class PyEnv:
    """Variables, console and exit status of a job at one moment.

    Attributes:
        local_state: the variables by name; what the host cannot read is an ``UnreadableValue``. Those of a live job
            are in its runner only: any look at them raises ``InvalidRequest``.
        global_state: empty: globals and locals of a job's code are one namespace, which ``local_state`` shows.
        console: captured output, one element per print, echo or error.
        exceptions: errors by index of the chat-log entry whose code raised them.
        push_log: messages that were pushed into the job and told to it, by the number of elements that its console
            had by then; a list where there were several.
        exit_status: what was passed to exit(...); None while it was not called. What is too long for the host to read
            is an ``UnreadableValue``.
        perm_ctx: what the job's tools remember (``statek.perm_ctx_set``), read-only.
        next_instr_id: index of the top-level statement that waits; None while none does (``Job.next_instr_num``).
        warmup_block_num: index of the warmup block that runs, waits or comes next; None once the warmup is over.
        future_result: what that statement waits for, several futures as one; None while it waits for none.
    """

    def __init__(
        self,
        job: JobView,
        variables: Iterable[VariableView],
        exit_status: Any = None,
        *,
        memory: Mapping[str, Any],
        add_locals: Callable[..., None],
        future_result: FutureResult | None = None,
    ) -> None:
        self.local_state: Mapping[str, Any] = {
            view.name: view.value if view.form == "graph" else UnreadableValue(view.preview, view.form)
            for view in variables
        }
        if job.summary.mode == JobMode.LIVE.value:
            self.local_state = _LiveVariables(job.summary.id)
        self.global_state: dict[str, Any] = {}
        self.console: list[str] = [text for item in job.items for text in printed(item)]
        self.push_log: dict[int, str | list[str]] = _push_log(job)
        self.exceptions: dict[int, str] = {
            index: error for index, item in enumerate(job.items) if (error := _error_of(item))
        }
        self.exit_status = exit_status
        self.perm_ctx: Mapping[str, Any] = MappingProxyType(dict(memory))
        self.next_instr_id: int | None = None if job.awaited is None else job.awaited.statement
        self.warmup_block_num: int | None = job.warmup_block
        self.future_result = future_result
        self._add_locals = add_locals

    def update_locals(self, **variables: Any) -> None:
        """Give the job further variables before it begins; see ``Job.add_locals``. This ``PyEnv`` stays as it is."""
        self._add_locals(**variables)


def _error_of(item: ItemView) -> str:
    """The error that an entry's code ended with, else the first one of its formal calls; empty for none."""
    if item.outcome.get("outcome") in {"error", "died"}:
        return f"{item.outcome['type']}: {item.outcome['message']}"
    return next((text for call in item.tool_log for kind, text in call.console if kind == "error"), "")


def _push_log(job: JobView) -> dict[int, str | list[str]]:
    found: dict[int, list[str]] = {}
    length = 0
    for item in job.items:
        if item.kind == "user" and item.usage.get("pushed"):
            found.setdefault(length, []).append(item.text)
        length += len(printed(item))
    return {position: texts[0] if len(texts) == 1 else texts for position, texts in found.items()}
