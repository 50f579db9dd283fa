"""Makes a job: its record, its grants and the start commit with its startup variables."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.digests import content_digest
from orchestrator.engine.clock import now_us
from orchestrator.engine.jobs import JobRepository, NewCommit
from orchestrator.engine.manifest import BlockPlace
from orchestrator.engine.objects import GrantTable, ObjectGateway
from orchestrator.engine.subtasks import adopt
from orchestrator.sandboxes.step import Component, Form, Workspace
from orchestrator.store.store import Store
from statek import durable
from statek.access import Policy
from statek.agents.agent import Agent
from statek.exceptions import InvalidRequest, LimitExceeded
from statek.job_definition import JobDefinition
from statek.packing import MAX_PIECE_BYTES
from statek.records import JobRecord
from statek.rendering import render_value
from statek.settings import StatekSettings
from statek.task_door import NewJob

__all__ = ["DEFAULT_TENANT", "JobFactory", "add_start_commit", "check_variable_names", "job_policy"]

DEFAULT_TENANT = "default"

MAX_STARTUP_BYTES = 1 << 20
"""Sum of the encoded startup variables; data beyond it belongs into durable objects or files."""

_MAX_PREVIEW_CHARS = 200


class JobFactory:
    """Makes jobs; what ``prepare`` gives is run on the store thread and made durable by the caller."""

    def __init__(self, store: Store, settings: StatekSettings, jobs: JobRepository | None = None) -> None:
        self._store = store
        self._settings = settings
        self._jobs = jobs or JobRepository()

    def prepare(
        self,
        agent: Agent,
        *,
        shared_vars: Mapping[str, Any] | None = None,
        message: str = "",
        tenant: str = DEFAULT_TENANT,
        principal: str = "",
        params: Mapping[str, Any] | None = None,
    ) -> Callable[[], int]:
        """Check a submission and give the change that makes the job; the change gives its number.

        Args:
            agent: the agent that is to do the work.
            shared_vars: startup variables by name; durable objects become handles.
            message: what the user says first; empty for nothing.
            tenant: who owns it.
            principal: on whose behalf it acts.
            params: values for the prompt's placeholders.

        Raises:
            InvalidRequest: an illegal variable name, or an incomplete agent. The change itself raises
                LimitExceeded and UnsupportedValue for the values.
        """
        given = NewJob(
            shared_vars=shared_vars or {}, message=message, tenant=tenant, principal=principal, params=params or {}
        )
        return self.prepare_new(agent, given)

    def prepare_new(self, agent: Agent, given: NewJob, *, parent: JobRecord | None = None) -> Callable[[], int]:
        """``prepare`` with everything that a job may be given; with a parent on the store thread only.

        Raises:
            LimitExceeded: the change itself: too many jobs are above or beside it.
        """
        _check_types(given)
        variables = dict(given.shared_vars)
        check_variable_names(variables)
        locale = given.locale
        if locale is None and parent is not None:
            locale = JobDefinition.from_json(parent.definition).locale
        own = {"shared_vars": variables, "warmup_code": given.warmup_code, "locale": locale, **_post_processing(given)}
        setup = agent.create_job_def(**{**own, **given.params})
        tenant, principal = given.tenant, given.principal
        if parent is not None:
            tenant = parent.tenant if tenant is None else tenant
            principal = parent.principal if principal is None else principal
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
            if parent is not None:
                adopt(record, parent, self._settings, detached=given.detached)
            objects = ObjectGateway(grants, policy=job_policy(agent, self._settings))
            add_start_commit(self._jobs, record, objects, variables, durable.state_number())
            if given.message:
                self._jobs.add_message(record, "user", given.message, now_us())
            return int(record.number)

        return create


def job_policy(agent: Agent, settings: StatekSettings) -> Policy:
    """For whom access is decided, under the settings in force."""
    return Policy(type(agent).__name__, agent.role, settings.default_acl, settings.strict_acl)


def _post_processing(given: NewJob) -> dict[str, Any]:
    """What goes on to the definition only where it was given."""
    return {} if given.post_processing is None else {"post_processing": given.post_processing}


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
    commit = NewCommit(Workspace(tuple(components)), places, blocks, True, sorted(variables), held)
    jobs.add_commit(record, "start", 0, commit, now_us(), state_num)
