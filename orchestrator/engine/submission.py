"""Makes a job: its record, its grants and the start commit with its startup variables."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.digests import content_digest
from orchestrator.engine.clock import now_us
from orchestrator.engine.events_changes import state_changes
from orchestrator.engine.jobs import JobRepository, NewCommit
from orchestrator.engine.manifest import BlockPlace
from orchestrator.engine.objects import GrantTable, ObjectGateway
from orchestrator.engine.subtasks import adopt
from orchestrator.sandboxes.step import Component, Form, Workspace
from orchestrator.store.store import Store
from statek import durable
from statek.access import Policy
from statek.agents.agent import Agent
from statek.event_feed import emit
from statek.exceptions import InvalidRequest, LimitExceeded
from statek.job_definition import JobDefinition
from statek.job_mode import JobMode
from statek.packing import MAX_PIECE_BYTES
from statek.records import JobRecord
from statek.rendering import render_value
from statek.settings import StatekSettings
from statek.task_door import NewJob

__all__ = [
    "DEFAULT_TENANT",
    "MAX_IDENTITY_CHARS",
    "JobFactory",
    "add_start_commit",
    "check_identity",
    "check_variable_names",
    "job_policy",
]

DEFAULT_TENANT = "default"

MAX_STARTUP_BYTES = 1 << 20
"""Sum of the encoded startup variables; data beyond it belongs into durable objects or files."""

MAX_IDENTITY_CHARS = 200
"""Length of the name of a tenant or a principal: each job keeps them, and each line about it shows them."""

_MAX_PREVIEW_CHARS = 200

_DEFINITION_ARGUMENTS = frozenset(inspect.signature(Agent.create_job_def).parameters) - {"job_params"}


class JobFactory:
    """Makes jobs; what ``prepare`` gives is run on the store thread and made durable by the caller."""

    def __init__(self, store: Store, settings: StatekSettings, jobs: JobRepository | None = None) -> None:
        self._store = store
        self._settings = settings
        self._jobs = jobs or JobRepository()

    def prepare(self, agent: Agent, given: NewJob, *, parent: JobRecord | None = None) -> Callable[[], int]:
        """Check a submission and give the change that makes the job; the change gives its number.

        Args:
            agent: the agent that is to do the work.
            given: what the job is given.
            parent: the job that gives it its work (store thread only); None for none.

        Raises:
            InvalidRequest: an illegal variable name, an incomplete agent, or a definition that does not fit. The change
                itself raises LimitExceeded and UnsupportedValue for the values, and LimitExceeded where too many jobs
                are above or beside it.
        """
        _check_types(given)
        variables = dict(given.shared_vars)
        check_variable_names(variables)
        if given.definition is None:
            setup = self._new_definition(agent, given, variables, parent)
        else:
            setup = _adapted(given.definition, agent, given, variables)
        tenant, principal = given.tenant, given.principal
        if parent is not None:
            tenant = parent.tenant if tenant is None else tenant
            principal = parent.principal if principal is None else principal
        check_identity("tenant", tenant or "")
        check_identity("principal", principal or "")
        # What would only fail when the job is driven is found here, where the caller hears of it.
        setup.system_prompt(agent)
        setup.provider_tools(agent)
        definition = setup.to_json()

        def create() -> int:
            grants = GrantTable()
            record = self._jobs.create(
                tenant=tenant or DEFAULT_TENANT,
                role=agent.role,
                principal=principal or "",
                definition=definition,
                grants=grants,
                now_us=now_us(),
            )
            if setup.mode is not JobMode.DURABLE:
                record.mode = setup.mode.value
            if parent is not None:
                adopt(record, parent, self._settings, detached=given.detached)
            above: dict[str, Any] = {} if parent is None else {"parent": f"j{parent.number}"}
            emit(record, "job.submitted", agent.role, principal=principal or "", **above)
            objects = ObjectGateway(grants, policy=job_policy(agent, self._settings))
            add_start_commit(self._jobs, record, objects, variables, durable.state_number())
            if given.message:
                self._jobs.add_message(record, "user", given.message, now_us())
            return int(record.number)

        return create

    def _new_definition(
        self, agent: Agent, given: NewJob, variables: Mapping[str, Any], parent: JobRecord | None
    ) -> JobDefinition:
        """The definition of a job that is made for it."""
        taken = sorted(given.params.keys() & _DEFINITION_ARGUMENTS)
        if taken:
            raise InvalidRequest(
                f"a job parameter cannot be called {taken[0]!r}, which is an argument of create_job_def; "
                f"make a job definition with it and submit that"
            )
        locale = given.locale
        if locale is None and parent is not None:
            locale = JobDefinition.from_json(parent.definition).locale
        return agent.create_job_def(
            warmup_code=given.warmup_code,
            shared_vars=variables,
            locale=locale,
            chat_style=given.chat_style,
            post_processing=given.post_processing,
            mode=given.mode,
            **given.params,
        )


def job_policy(agent: Agent, settings: StatekSettings) -> Policy:
    """For whom access is decided, under the settings in force."""
    return Policy(type(agent).__name__, agent.role, settings.default_acl, settings.strict_acl)


def _adapted(definition: JobDefinition, agent: Agent, given: NewJob, variables: Mapping[str, Any]) -> JobDefinition:
    """A definition that was made before, with the names of the variables that this job is given.

    Raises:
        InvalidRequest: it is for another agent, something is given that it fixes, or a variable that it names is not
            given.
    """
    if not isinstance(definition, JobDefinition):
        raise InvalidRequest(f"job_def must be a JobDef, not {type(definition).__name__}")
    if definition.role != agent.role:
        raise InvalidRequest(f"the job definition is for agent {definition.role!r}, not for {agent.role!r}")
    fixed = {
        "warmup_code": given.warmup_code,
        "locale": given.locale,
        "chat_style": given.chat_style,
        "post_processing": given.post_processing,
        "mode": given.mode,
        **given.params,
    }
    for name, value in fixed.items():
        if value is not None:
            raise InvalidRequest(f"{name} is fixed by the job definition; give it to create_job_def")
    for name in definition.shared_var_names:
        if name not in variables:
            raise InvalidRequest(f"the job definition names the variable {name!r}; give it in shared_vars")
    names = dict.fromkeys([*definition.shared_var_names, *variables])
    return replace(definition, shared_var_names=tuple(names))


def check_identity(name: str, text: str) -> None:
    """Refuse a name of a tenant or a principal that is no short printable text; empty is none.

    Raises:
        InvalidRequest: it has characters that cannot be printed.
        LimitExceeded: it is too long.
    """
    if len(text) > MAX_IDENTITY_CHARS:
        raise LimitExceeded(f"{name}_chars", MAX_IDENTITY_CHARS, len(text), "give an id, and keep the rest with it")
    if not text.isprintable():
        raise InvalidRequest(f"{name} must be a printable text, not {text!r:.80}")


def check_variable_names(names: Mapping[str, object]) -> None:
    """Refuse names that Python code could not use or that belong to the workspace itself.

    Raises:
        InvalidRequest: naming the variable.
    """
    for name in names:
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
            raise InvalidRequest(f"startup variable {name!r} must be a Python name without a leading underscore")


def _check_types(given: NewJob) -> None:
    """Refuse what has not even the right type.

    Raises:
        InvalidRequest: naming it.
    """
    if not isinstance(given.shared_vars, Mapping):
        raise InvalidRequest(f"shared_vars must map names to values, not be of type {type(given.shared_vars).__name__}")
    for name in ("message", "tenant", "principal"):
        value = getattr(given, name)
        if value is not None and not isinstance(value, str):
            raise InvalidRequest(f"{name} must be text, not {type(value).__name__}")


def _preview(value: object) -> str:
    """A bounded line about a value; an application's own text method may raise anything."""
    try:
        return render_value(value)[:_MAX_PREVIEW_CHARS]
    except Exception:  # noqa: BLE001 -- see above
        return f"<{type(value).__name__}>"


def add_start_commit(
    jobs: JobRepository, record: JobRecord, objects: ObjectGateway, variables: Mapping[str, Any], state_num: int
) -> None:
    """Write a start commit: startup variables, durable objects among them as handles (store thread).

    A second one keeps the variables of the first.

    Raises:
        LimitExceeded: they are too large.
        UnsupportedValue: one cannot cross into a sandbox.
    """
    components: list[Component] = []
    blocks: dict[str, bytes] = {}
    total = 0
    for name, value in variables.items():
        data = objects.encode({name: value})
        total += len(data)
        if len(data) > MAX_PIECE_BYTES or total > MAX_STARTUP_BYTES:
            raise LimitExceeded(
                "startup_variable_bytes",
                MAX_PIECE_BYTES,
                len(data),
                f"variable {name!r} is too large to start with; give a durable object or a tool that reads it",
            )
        digest = content_digest(data)
        blocks[digest] = data
        components.append(Component((name,), Form.GRAPH, (digest,), len(data), (_preview(value),)))
    places: dict[str, BlockPlace] = {}
    if len(record.commits):
        before = jobs.workspace(record, len(record.commits) - 1)
        components = [*before.workspace.components, *components]
        places = {digest: place for digest, place in before.places.items() if digest not in blocks}
    held = tuple(range(1, len(record.grants.objects) + 1))
    names, workspace = sorted(variables), Workspace(tuple(components))
    changes = state_changes(Workspace(), workspace, names)
    commit = NewCommit(workspace, places, blocks, True, names, held, changes=changes)
    jobs.add_commit(record, "start", 0, commit, now_us(), state_num)
