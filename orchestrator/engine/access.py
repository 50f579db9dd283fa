"""What application code may do with the jobs of its process, on any thread.

The service gives it to the tools that it runs; ``orchestrator.embedded`` is one for the application itself. Methods
without ``_sync`` that say so run on the store thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from orchestrator.engine.agent_book import require_agent
from orchestrator.engine.definition_errors import clear_errors, errors_of, note_error
from orchestrator.engine.future_reader import StoredFutures
from orchestrator.engine.imported_definitions import completed_definition
from orchestrator.engine.inspection import Inspection, push_change, request_cancel
from orchestrator.engine.job_control import raise_difficulty
from orchestrator.engine.jobs import JobRepository, job_id, job_number
from orchestrator.engine.objects import ObjectGateway
from orchestrator.engine.objects.grants import find_granted
from orchestrator.engine.objects.host_proxy import unwrap, wrap
from orchestrator.engine.porting import Porter
from orchestrator.engine.request_history import request_history
from orchestrator.engine.retention import Retention
from orchestrator.engine.shared_handlers import add_handlers
from orchestrator.engine.submission import JobFactory, add_start_commit, check_variable_names, job_policy
from orchestrator.engine.time_travel import TimeTravel
from orchestrator.engine.variables import read_value, read_variables_sync
from orchestrator.store.store import Store
from sandbox_runner.wire.values import Handle
from statek import durable, inbox
from statek.agents.agent import Agent
from statek.chat_history import ChatHistoryItem
from statek.definition_errors import DefinitionErrors, JobDefError
from statek.difficulty import TaskDifficulty
from statek.error_handlers import ErrorHandler
from statek.exceptions import InvalidRequest
from statek.executors.job import Job
from statek.executors.views import FileView, JobView, VariableView
from statek.future import FutureResult
from statek.inbox import Pushed
from statek.job_definition import JobDefinition
from statek.job_status import JobStatus
from statek.packing import join_pieces, pieces_of, unpack
from statek.records import JobRecord
from statek.runnable import announce
from statek.settings import StatekSettings
from statek.sub_task_handler import SubTaskHandler, find_handler, keep_jobs, notify
from statek.task_door import NewJob

__all__ = ["JobAccess"]

T = TypeVar("T")


class JobAccess:
    """The jobs of one store.

    Args:
        settings: settings in force.
        store: the open store.
        agents: the agents that are known, by role.
    """

    def __init__(self, settings: StatekSettings, store: Store, agents: Mapping[str, Agent]) -> None:
        self.settings = settings
        self.store = store
        self._agents = agents
        self._jobs = JobRepository()
        self._inspection = Inspection(store)
        keep_jobs(self)

    # ------------------------------------------------------------------------------------- making

    def agent(self, agent: Agent | str) -> Agent:
        """The agent itself, or the one of that role.

        Raises:
            NotFound: none of that role is known here.
        """
        return agent if isinstance(agent, Agent) else require_agent(self._agents, agent)

    def create(self, agent: Agent, given: NewJob, *, parent: JobRecord | None = None) -> JobRecord:
        """Make a job (store thread, inside an atomic block) and say that it can be driven."""
        factory = JobFactory(self.store, self.settings, self._jobs)
        number = factory.prepare(agent, given, parent=parent)()
        record = self._jobs.get(number)
        announce(number, record.tenant)
        return record

    def add_start_variables(self, record: JobRecord, variables: Mapping[str, Any]) -> None:
        """Give a job that has not begun further variables (store thread, inside an atomic block)."""
        policy = job_policy(self.agent(record.role), self.settings)
        add_start_commit(
            self._jobs, record, ObjectGateway(record.grants, policy=policy), variables, durable.state_number()
        )

    def record(self, id_: str) -> JobRecord:
        """The record of a job (store thread).

        Raises:
            NotFound: there is none.
        """
        return self._jobs.get(job_number(id_))

    def add_locals_sync(self, id_: str, variables: Mapping[str, Any]) -> None:
        """Give a job that has not begun further variables; see ``Job.add_locals``."""
        check_variable_names(variables)

        def add() -> None:
            record = self.record(id_)
            if record.status != JobStatus.READY.value or record.next_step > 1:
                raise InvalidRequest(f"job {id_} has begun; its variables are its own")
            self.add_start_variables(record, unwrap(dict(variables)))

        self._durably(add)

    def cancel_sync(self, id_: str, reason: str) -> None:
        """Ask for the end of a job; see ``Job.cancel``."""

        def request() -> None:
            record = self.record(id_)
            request_cancel(record, reason)
            announce(record.number, record.tenant, cancelled=True)

        self._durably(request)

    def raise_difficulty_sync(self, id_: str) -> TaskDifficulty:
        """Raise the difficulty of a job by one level; see ``Job.panic``."""
        definition = self.definition_sync(id_)[0]
        return self._durably(lambda: raise_difficulty(self.record(id_), definition))

    def _durably(self, change: Callable[[], T]) -> T:
        """Make a change: durable on return, or part of the tool call that makes it (store thread)."""
        return self.store.write_sync(change) if self.store.on_store_thread() else self.store.commit_sync(change)

    def jobs(self) -> list[Job]:
        """Every job, in the order they were made; blocks for one read."""
        numbers = self.store.read_sync(lambda: self._jobs.numbers(newest=1 << 40))
        return [self.job(number) for number in numbers]

    def visit_active(self, look: Callable[[JobRecord], object]) -> Callable[[], bool]:
        """What shows every job that is not DONE, in visits to the store thread; see ``JobReader.visit_active``."""
        return self._jobs.visit_active(look)

    # ------------------------------------------------------------------------------------ looking

    def job(self, number: int) -> Job:
        """A job to look at."""
        return Job(job_id(number), self)

    def push_sync(self, id_: str, text: str, request_id: str = "") -> Pushed:
        """Tell a job something on behalf of its user; blocks for one flush. See ``Inspection.push``."""
        change = push_change(self._jobs, id_, text, request_id)
        return self._durably(change)

    def push_notification_sync(self, id_: str, handler: SubTaskHandler) -> Pushed:
        """Tell a job of the end of a sub-task; blocks for one flush. See ``Job.push_notification``."""
        if not isinstance(handler, SubTaskHandler):
            raise InvalidRequest(f"a notification tells of a SubTaskHandler, not of a {type(handler).__name__}")

        def tell() -> Pushed:
            return notify(self.record(id_), unwrap(handler))

        return self._durably(tell)

    def find_handler_sync(self, id_: str, task: str | None) -> SubTaskHandler | None:
        """The handler of a job's sub-task; off the store thread a proxy. See ``Job.find_sub_task_handler``."""
        if self.store.on_store_thread():
            return find_handler(self.record(id_), task)
        found: SubTaskHandler | None = self.store.read_sync(
            lambda: wrap(find_handler(self.record(id_), task), self.store)
        )
        return found

    def error_handlers_sync(self, id_: str) -> list[ErrorHandler]:
        """The error handlers that a job keeps, and what became of them; blocks for one read."""
        return self._inspection.error_handlers_sync(id_)

    def add_error_handlers_sync(self, id_: str, handlers: Sequence[ErrorHandler]) -> None:
        """Let a job keep error handlers of other jobs too; see ``Job.add_error_handler``."""
        self._durably(lambda: add_handlers(self._jobs, self.record(id_), handlers))

    def definition_sync(self, id_: str) -> tuple[JobDefinition, str]:
        """A job's frozen setup, and the letter of the difficulty that it was raised to; blocks for one read."""

        def read() -> tuple[str, str]:
            record = self.record(id_)
            return record.definition, record.difficulty

        text, raised = self.store.read_sync(read)
        definition = JobDefinition.from_json(text, self)
        agent = self._agents.get(definition.role)
        return definition if agent is None else completed_definition(definition, agent), raised

    def definition_errors_sync(self, definition: str) -> DefinitionErrors:
        """What is kept of the errors of a definition; blocks for one read."""
        return self.store.read_sync(lambda: errors_of(self._jobs.root(), definition))

    def note_definition_error_sync(self, definition: str, error: JobDefError) -> None:
        """Count an error of a definition; blocks for one flush."""
        self._durably(lambda: note_error(self._jobs.made_root(), definition, error))

    def clear_definition_errors_sync(self, definition: str) -> None:
        """Forget the errors of a definition; blocks for one flush."""
        self._durably(lambda: clear_errors(self._jobs.root(), definition))

    def job_sync(self, id_: str) -> JobView:
        """A job as of now; blocks for one read."""
        return self._inspection.job_sync(id_)

    def look_sync(self, id_: str) -> JobView:
        """A job as of now without its chat log; blocks for one read."""
        return self._inspection.look_sync(id_)

    def history_sync(self, id_: str, turn: int | None = None) -> tuple[list[ChatHistoryItem], TaskDifficulty]:
        """What a job's model is, or was, asked with, and at which difficulty; blocks for the reads."""
        view = self.job_sync(id_)

        def read() -> tuple[str, str, list[inbox.InboxEntry]]:
            record = self.record(id_)
            return record.definition, record.difficulty, inbox.entries(record)

        text, raised, waiting = self.store.read_sync(read)
        definition = JobDefinition.from_json(text)
        difficulty = TaskDifficulty(raised) if raised else definition.difficulty
        found = request_history(definition, view.items, difficulty=difficulty, inbox=waiting, turn=turn)
        return list(found.items), found.difficulty

    def memory_sync(self, id_: str) -> dict[str, Any]:
        """What a job's tools remember; blocks for one read."""
        return unpack(self.store.read_sync(lambda: str(self.record(id_).memory))) or {}

    def variables_sync(self, id_: str) -> list[VariableView]:
        """A job's variables as of its newest commit; durable objects are proxies, what is not there yet is a future.

        Blocks for the reads.
        """
        number = job_number(id_)
        futures = StoredFutures(self.store)
        return read_variables_sync(
            self.store,
            self._jobs,
            number,
            from_handle=self.handle_proxy(id_),
            from_future=lambda ref: futures.of_workspace(ref, number),
        )

    def exit_status_sync(self, id_: str) -> Any:
        """What a job passed to exit(...), None while it did not; blocks for one read."""
        number = job_number(id_)

        def read() -> bytes | None:
            kept = self._jobs.get(number).exit_status
            return None if kept is None else join_pieces(pieces_of(kept))

        data = self.store.read_sync(read)
        if data is None:
            return None
        futures = StoredFutures(self.store)
        return read_value(
            data, from_handle=self.handle_proxy(id_), from_future=lambda ref: futures.of_workspace(ref, number)
        )

    def future(self, id_: str, what: str) -> FutureResult:
        """A durable future of that id; each look at its value blocks for a read."""
        return FutureResult(what=what, id_=id_, door=StoredFutures(self.store))

    @property
    def past(self) -> TimeTravel:
        """The commits of the jobs."""
        return self._inspection.past

    @property
    def porter(self) -> Porter:
        """Exports and imports the jobs."""
        return Porter(self.store, self._jobs, self._agents)

    @property
    def retention(self) -> Retention:
        """What drops commits of the jobs."""
        return self._inspection.retention

    def files_sync(self, id_: str) -> list[FileView]:
        """The files below ``/work`` of a job's newest commit; blocks for one read."""
        return self._inspection.files_sync(id_)

    def file_sync(self, id_: str, path: str) -> Iterator[bytes]:
        """The content of one of these files in pieces; blocks for the reads."""
        return self._inspection.file_sync(id_, path)

    def handle_proxy(self, id_: str) -> Callable[[Handle], object]:
        """What gives a proxy of the object behind a job's handle.

        A handle stays a handle where the job was never granted one of this id, and after the job's end where the
        application did not keep the object.
        """
        store, number = self.store, job_number(id_)

        def proxy(handle: Handle) -> object:
            def find() -> object:
                found = find_granted(self._jobs.get(number).grants, handle.id)
                # The id comes from the sandbox: what was never granted stays what it is, a number.
                return handle if found is None else wrap(found, store)

            return store.read_sync(find)

        return proxy
