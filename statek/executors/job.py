"""``Job``: what an application inspects when it wants to know what happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statek.artifacts import JobFiles
from statek.definition_errors import JobDefError
from statek.dialog import ASSISTANT, DialogItem, dialog_items
from statek.difficulty import TaskDifficulty
from statek.error_handlers import ErrorHandler
from statek.exceptions import InvalidRequest
from statek.executors.chat_log_item import ChatLogItem, LLM_LogItem, chat_log_items
from statek.executors.job_past import JobPast
from statek.executors.job_requests import JobRequests
from statek.executors.job_source import JobSource
from statek.executors.metrics import JobMetrics
from statek.executors.views import JobSummary, JobView
from statek.future import CombinedFutureResult, FutureResult
from statek.job_definition import JobDefinition
from statek.job_mode import JobMode
from statek.job_status import JobStatus
from statek.message_text import message_text
from statek.post_processors import LLM_StepData
from statek.pyenv import PyEnv
from statek.styles import style_for

if TYPE_CHECKING:
    from statek.agents.agent import Agent
    from statek.sub_task_handler import SubTaskHandler

__all__ = [
    "DialogItem",
    "ErrorHandler",
    "Job",
    "JobDef",
    "JobDefError",
    "JobSource",
    "JobStatus",
    "JobUsage",
]

JobDef = JobDefinition
"""The documents' name of the frozen setup of one task."""


@dataclass(frozen=True, slots=True)
class JobUsage:
    """What a job has used.

    Attributes:
        total_input_tokens: prompt tokens, cached ones included.
        total_output_tokens: completion tokens.
        total_cost: US dollars, as far as prices are known (``statek.pricing``, else litellm's).
        total_cached_tokens: prompt tokens that providers served from their caches.
    """

    total_input_tokens: int
    total_output_tokens: int
    total_cost: float
    total_cached_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """What the harness counts."""
        return self.total_input_tokens + self.total_output_tokens


class Job(JobPast, JobMetrics, JobRequests):
    """A durable job, read afresh at every access; blocking reads of about a millisecond.

    Two jobs never share variables: each ``py_env.local_state`` is its own.
    """

    def __init__(self, id_: str, source: JobSource) -> None:
        """Args are the job's id and where to read it."""
        self.id = id_
        self._source = source

    def __repr__(self) -> str:
        return f"Job({self.id!r})"

    @property
    def status(self) -> JobStatus:
        """The persisted status."""
        return JobStatus[self._summary.status]

    @property
    def job_status(self) -> JobStatus:
        """``status`` by its other documented name."""
        return self.status

    @property
    def _summary(self) -> JobSummary:
        return self._source.look_sync(self.id).summary

    def set_status(self, status: JobStatus | str) -> None:
        """Bring the job to a status, as far as that is for the application to decide: ``DONE`` is ``cancel()``.

        Raises:
            InvalidRequest: any other status than the one it has; the message says what brings a job there.
        """
        wanted = status if isinstance(status, JobStatus) else JobStatus.__members__.get(str(status))
        if wanted is None:
            raise InvalidRequest(f"{status!r} is no status; there are {', '.join(JobStatus.__members__)}")
        now = self.status
        if wanted is JobStatus.DONE and now is not wanted:
            self.cancel("the application set its status to DONE")
        elif wanted is not now:
            raise InvalidRequest(
                f"job {self.id} is {now.value} and cannot be set to {wanted.value}, a status follows from events: "
                "push_user_message lets a job that is done go on, and resolving its future one that is suspended"
            )

    def cancel(self, reason: str = "") -> None:
        """Ask for the end of the job: durable on return, carried out by the service that drives it.

        What it did stays done; its children end too, except detached ones.

        Args:
            reason: shown with the job.

        Raises:
            InvalidRequest: it is done already.
        """
        self._source.cancel_sync(self.id, reason)

    @property
    def reason(self) -> str:
        """Why it waits or how it ended; empty while all is well."""
        return self._summary.reason

    @property
    def awaited_result(self) -> FutureResult | None:
        """The future that its code waits for, several as one; None while it waits for none."""
        return self._future_of(self._source.look_sync(self.id))

    def _future_of(self, view: JobView) -> FutureResult | None:
        awaited = view.awaited
        if awaited is None:
            return None
        parts = [self._source.future(id_, what) for id_, what in zip(awaited.futures, awaited.what, strict=True)]
        return parts[0] if len(parts) == 1 else CombinedFutureResult(parts, "any" if awaited.mode == "any" else "all")

    @property
    def next_instr_num(self) -> int | None:
        """Index of the top-level statement that waits; None while none does. Informational."""
        awaited = self._source.look_sync(self.id).awaited
        return None if awaited is None else awaited.statement

    @property
    def warmup_block_num(self) -> int | None:
        """Index of the warmup block that runs, waits or comes next; None once the warmup is over, or without one."""
        return self._source.look_sync(self.id).warmup_block

    @property
    def py_env(self) -> PyEnv:
        """The Python workspace."""
        source = self._source
        view = source.job_sync(self.id)
        variables = () if view.summary.mode == JobMode.LIVE.value else source.variables_sync(self.id)
        exit_status, memory = source.exit_status_sync(self.id), source.memory_sync(self.id)
        awaited = self._future_of(view)
        return PyEnv(view, variables, exit_status, memory=memory, add_locals=self.add_locals, future_result=awaited)

    @property
    def mode(self) -> JobMode:
        """What becomes of its variables and files between steps."""
        return JobMode(self._summary.mode)

    @property
    def files(self) -> JobFiles:
        """What it keeps in ``/work``: a mapping from path to ``FileView``, with ``read_bytes`` and ``copy_to``."""
        return JobFiles(self.id, self._source)

    def fork(self, at: int | str | None = None, *, message: str = "") -> Job:
        """A new job that goes on from a commit; this one is not touched. Durable on return.

        Args:
            at: the commit; None for the newest.
            message: what the user says to the new job first.

        Raises:
            NotFound: there is no such commit.
            InvalidRequest: ``at`` names no commit.
        """
        return Job(self._source.past.fork_sync(self.id, at, message=message), self._source)

    def export(self, path: str | Path) -> int:
        """Write the job with its whole past to a new file, for another store; gives the file's size in bytes.

        A job at work is written as of its newest commit. ``StatekClientAPI.import_job`` reads the file.

        Args:
            path: the file; it has its name only when it is whole.

        Raises:
            InvalidRequest: something of that name is there.
            NotFound: its folder does not exist.
            LimitExceeded: the job is larger than an archive may be.
        """
        return self._source.porter.export_to_sync(self.id, Path(path))

    @property
    def chat_log(self) -> tuple[ChatLogItem, ...]:
        """User messages, replies and warmup blocks with their code, console and calls."""
        return chat_log_items(self._source.job_sync(self.id).items)

    @property
    def last_response(self) -> str | None:
        """Text of the model's newest reply; None before the first."""
        return next((item.text for item in reversed(self.chat_log) if isinstance(item, LLM_LogItem)), None)

    def get_next_code_block(self) -> str | None:
        """Code that is to be run, or is running: of the newest reply, or a warmup block; None while there is none."""
        view = self._source.job_sync(self.id)
        if view.summary.status == JobStatus.DONE.value:
            return None
        last = view.items[-1] if view.items else None
        if last is not None and last.step and last.state in {"waiting", "begun"}:
            return last.code
        return None if view.warmup_block is None else self.job_def.warmup[view.warmup_block].code

    def push_user_message(self, message: object, *, request_id: str = "") -> bool:
        """Tell the job something on behalf of its user; it hears it before its next model request.

        A job that is done goes on; one that waits hears it when it goes on by itself.

        Args:
            message: what the user says: a text, or what ``statek.message_text`` makes one of.
            request_id: the same for a repeated push, so that it is not told twice; empty for none.

        Returns:
            Whether the job will hear it. False: it ended by a failure that no message mends, and keeps the message.

        Raises:
            InvalidRequest: an empty message, or an adapter that gives no text.
            LimitExceeded: it is too long, or too much waits for the job already.
        """
        return self._source.push_sync(self.id, message_text(message, lambda: self.agent), request_id).delivered

    def push_notification(self, handler: SubTaskHandler) -> bool:
        """Tell the job of the end of a sub-task that it did not give out itself; its own are told without this.

        Args:
            handler: of the sub-task; ``find_sub_task_handler`` finds it in the job from now on.

        Returns:
            Whether the job will hear it, as for ``push_user_message``.

        Raises:
            InvalidRequest: it is no handler.
            RuntimeError: the sub-task has not ended.
        """
        return self._source.push_notification_sync(self.id, handler).delivered

    def find_sub_task_handler(self, id: str | None = None) -> SubTaskHandler | None:  # noqa: A002 -- the documented name
        """The handler of one of its sub-tasks.

        Args:
            id: its name; None for the one that the job was told of last, and None where it was told of none.

        Raises:
            RuntimeError: the job has no sub-task of that name.
        """
        return self._source.find_handler_sync(self.id, id)

    def get_dialog(self) -> list[DialogItem]:
        """Who said what: messages of the user, prose of the model's replies, and what ``answer(...)`` sent."""
        return dialog_items(self.chat_log)

    def get_chat_responses(self) -> list[str]:
        """What the user was told, in order."""
        return [item.message for item in self.get_dialog() if item.role == ASSISTANT]

    @property
    def agent_role(self) -> str:
        """The role that it runs as."""
        return self._summary.role

    @property
    def agent(self) -> Agent:
        """The agent of its role, as this process knows it now.

        Raises:
            NotFound: none of that role is known here.
        """
        return self._source.agent(self.agent_role)

    @property
    def parent_job(self) -> Job | None:
        """The job that gave it its work; None where nobody did."""
        parent = self._summary.parent
        return Job(parent, self._source) if parent else None

    @property
    def created_at(self) -> datetime:
        """When it was made, UTC."""
        return datetime.fromtimestamp(self._summary.created_us / 1e6, UTC)

    def find_locals(self, var_type: type | None = None, var_name: str | None = None) -> dict[str, Any]:
        """Its variables of a type, of a name, or of both; everything without either.

        Args:
            var_type: a class; durable objects count as instances of theirs.
            var_name: the name.
        """
        found = self.py_env.local_state
        return {
            name: value
            for name, value in found.items()
            if (var_name is None or name == var_name) and (var_type is None or isinstance(value, var_type))
        }

    def add_locals(self, **variables: Any) -> None:
        """Give it further variables before it begins; durable on return, or part of the tool call that does it.

        Raises:
            InvalidRequest: it has begun, an illegal name, or a value that cannot cross.
            LimitExceeded: they are too large.
        """
        self._source.add_locals_sync(self.id, variables)

    @property
    def inbox(self) -> tuple[str, ...]:
        """What waits to be told to the job."""
        return tuple(entry.text for entry in self._source.look_sync(self.id).inbox)

    @property
    def num_completions(self) -> int:
        """How often a user's message made it go on after it was done."""
        return self._summary.num_completions

    @property
    def error(self) -> JobDefError | None:
        """Why it ended by failure; None otherwise."""
        failure = self._summary.failure
        if not failure:
            return None
        # The last entry of a job whose warmup failed is the block that did.
        items = self._source.job_sync(self.id).items if failure["kind"] == "warmup" else ()
        trace = items[-1].traceback if items else None
        return JobDefError(failure["kind"], failure["message"], trace, self.id)

    @property
    def usage(self) -> JobUsage:
        """Tokens and cost so far."""
        summary = self._summary
        return JobUsage(summary.input_tokens, summary.output_tokens, summary.cost_microusd / 1e6, summary.cached_tokens)

    # ------------------------------------------------------------------------------ model and metrics

    @property
    def error_handlers(self) -> list[ErrorHandler]:
        """What is, or was, called because it failed (``statek.error_handlers``)."""
        return self._source.error_handlers_sync(self.id)

    def add_error_handler(self, handler: ErrorHandler) -> None:
        """Let a handler that another job keeps be called if this one fails; durable on return.

        Args:
            handler: of ``error_handlers`` of the job whose tool call it is for.

        Raises:
            InvalidRequest: no job keeps it, it was called already, or this job is done.
            LimitExceeded: the job keeps too many.
        """
        self._source.add_error_handlers_sync(self.id, [handler])

    def add_error_handlers_from(self, parent: Job) -> None:
        """Let every handler that another job keeps and has not called be called if this one fails too.

        A child has those of its parent already. Raises as ``add_error_handler``.
        """
        kept = [handler for handler in parent.error_handlers if handler.state == "kept"]
        self._source.add_error_handlers_sync(self.id, kept)

    def get_current_difficulty(self) -> TaskDifficulty:
        """The difficulty of its next request."""
        definition, raised = self._source.definition_sync(self.id)
        return TaskDifficulty(raised) if raised else definition.difficulty

    def panic(self) -> TaskDifficulty:
        """Raise the difficulty by one level, for its next request; gives the one in force from now on.

        Raises:
            RuntimeError: it is the highest already.
        """
        return self._source.raise_difficulty_sync(self.id)

    @property
    def model(self) -> str:
        """The model of its definition; several as ``L:a,M:b,H:c``."""
        return self.job_def.model

    @property
    def model_family(self) -> str | None:
        """The family of the model that it started with, where the model names one."""
        return self.job_def.model_family

    def system_prompt(self, difficulty: TaskDifficulty | str | None = None) -> str:
        """The system prompt as the model gets it.

        Args:
            difficulty: chooses the sections; None for the one in force.

        Raises:
            NotFound: its agent, whose tools the prompt shows, is not known in this process.
        """
        chosen = self.get_current_difficulty() if difficulty is None else TaskDifficulty.parse(difficulty)
        return self.job_def.system_prompt(self.agent, chosen)

    def get_current_model(self) -> str:
        """The model of its next request, as litellm names it."""
        return self._source.definition_sync(self.id)[0].model_for(self.get_current_difficulty())

    @property
    def job_def(self) -> JobDefinition:
        """The frozen setup that it was made with."""
        return self._source.definition_sync(self.id)[0]

    @property
    def num_turns(self) -> int:
        """Replies of the model."""
        return self._summary.turns

    @property
    def approx_token_usage(self) -> int:
        """Tokens as the harness counts them."""
        return self.usage.total_tokens

    def is_step_final(self, step: LLM_StepData) -> bool:
        """Whether a reply would end the job: in a dialog style, without calls and without code."""
        style = style_for(self.job_def.chat_style)
        return style.finishes_on_text and not step.call_requests and style.parse_reply(step.text).is_empty

    def was_post_processed_by(self, name: str) -> bool:
        """Whether a post-processor of that class has told the model something."""
        return any(item.usage.get("post_processor") == name for item in self.chat_log if item.kind == "post_processed")
