"""``StatekClientAPI``: submit jobs to the service of this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from statek import runtime
from statek.agents.agent import Agent
from statek.chat_style import ChatStyle
from statek.events import Event
from statek.executors.job import Job
from statek.future import FutureState, Settlement
from statek.job_definition import JobDefinition
from statek.job_mode import JobMode
from statek.task_door import NewJob

__all__ = ["StatekClientAPI"]


class StatekClientAPI:
    """Submits jobs and ends futures; works before ``start_statek`` (they wait) and while it runs.

    Without state of its own: every instance stands for the same service.
    """

    def submit_new_job(
        self,
        agent: Agent | JobDefinition | str,
        shared_vars: Mapping[str, Any] | None = None,
        locale: str | None = None,
        *,
        message: str = "",
        chat_style: ChatStyle | str | None = None,
        mode: JobMode | str | None = None,
        **job_params: Any,
    ) -> Job:
        """Submit one job.

        Args:
            agent: who is to do the work, or the role of one that is known in this process; or a ``JobDef`` that was
                made with ``create_job_def``, which fixes everything but the variables and the message.
            shared_vars: startup variables by name; durable objects appear as handles in the workspace.
            locale: ``LANG-COUNTRY``.
            message: what the user says first.
            chat_style: of the conversation; None takes CHAT_STYLE of the agent's metadata, else the setting.
            mode: ``stateless``, ``live`` or ``durable``; None for the agent's default.
            job_params: values for the prompt's placeholders.

        Returns:
            The job. It is durable: it survives SIGKILL of this process from here on.

        Raises:
            InvalidRequest: an illegal variable name, a value that cannot cross, an agent without MODEL.
            LimitExceeded: the variables are too large.
        """
        batch = [shared_vars or {}]
        return self.submit_new_jobs_batch(
            agent, batch, locale, message=message, chat_style=chat_style, mode=mode, **job_params
        )[0]

    def submit_new_jobs_batch(
        self,
        agent: Agent | JobDefinition | str,
        shared_vars_batch: Sequence[Mapping[str, Any]],
        locale: str | None = None,
        *,
        message: str = "",
        chat_style: ChatStyle | str | None = None,
        mode: JobMode | str | None = None,
        **job_params: Any,
    ) -> list[Job]:
        """Submit several jobs of one agent, one for each mapping of variables; durable on return, with one flush.

        A crash before that may leave some of them.
        """
        definition = agent if isinstance(agent, JobDefinition) else None
        given = [
            NewJob(
                shared_vars=variables,
                message=message,
                locale=locale,
                chat_style=chat_style,
                mode=mode,
                definition=definition,
                params=job_params,
            )
            for variables in shared_vars_batch
        ]
        return runtime.embedded().submit_batch(agent.role if isinstance(agent, JobDefinition) else agent, given)

    def replace_agent(self, agent: Agent) -> None:
        """Let new jobs of a role have another agent, prompt and tools, also while ``start_statek`` runs.

        A job that has not ended keeps the agent and the functions that it has until it ends, or until this process
        does: after a restart a call of a tool that has another signature than the job was told of fails with
        ``ToolChanged``.

        Args:
            agent: in the place of the one of its role; a role that there was not is added.

        Raises:
            InvalidRequest: called on the event loop of the service.
            ConfigurationError: its prompt or warmup file is broken; nothing was replaced.
        """
        runtime.embedded().replace_agent(agent)

    def push_user_message(self, job: Job | str, message: object, *, request_id: str = "") -> bool:
        """Tell a job something on behalf of its user; see ``Job.push_user_message``."""
        return self.job(job).push_user_message(message, request_id=request_id)

    def job(self, job: Job | str) -> Job:
        """The job of that id."""
        return job if isinstance(job, Job) else Job(job, runtime.embedded().access)

    def events(self, *, after: int = 0, match: str = "", tenant: str = "", follow: bool = False) -> Iterator[Event]:
        """What happened to the jobs of a tenant, in order; read page by page while it is asked for (docs/events.md).

        On any thread but the event loop's of the service, where ``Service.events`` is for that.

        Args:
            after: number of the last event that is known; 0 for the first one that is kept.
            match: which events are wanted: ``"commit.* name=total"`` (``statek.events.EventPattern``).
            tenant: whose; empty for the default one.
            follow: go on with what is still to come, until ``statek.close()``; blocks while it waits.

        Raises:
            NotFound: what comes behind ``after`` is not kept any more.
            InvalidRequest: the pattern makes no sense, or the feed has not come to that number.
            LimitExceeded: the pattern is too long.
        """
        return runtime.embedded().events(after=after, match=match, tenant=tenant, follow=follow)

    def import_job(self, path: str | Path, *, principal: str = "", request_id: str = "") -> Job:
        """Make a job of a file that ``Job.export`` wrote; durable on return. Blocks for as long as it takes.

        It rests: its past can be looked at, a message or a fork lets it go on.

        Args:
            path: the file.
            principal: on whose behalf the job acts here.
            request_id: the same for a repeated import, which then gives the job that is there.

        Raises:
            InvalidArchive: the file is damaged, or says what cannot be; nothing was taken over.
            LimitExceeded: it is larger than is taken.
        """
        access = runtime.embedded().access
        found = access.porter.import_from_sync(Path(path), principal=principal, request_id=request_id)
        return Job(found.id, access)

    def resolve(self, future_id: str, value: Any = None) -> None:
        """Give a future its value, once; the job that waits for it goes on.

        Durable when it returns. Safe on any thread, and before ``start_statek``.

        Args:
            future_id: the id that the tool's ``FutureResult`` had.
            value: what the code gets.

        Raises:
            NotFound: there is no such future.
            FutureSettled: it has come to an end before.
            InvalidRequest: the value cannot be kept.
            LimitExceeded: it is too large.
        """
        runtime.embedded().settle_future(future_id, Settlement(FutureState.RESOLVED, value))

    def fail(self, future_id: str, message: str) -> None:
        """Let a future end without a value: the code gets a FutureFailed with the message. Raises as ``resolve``."""
        runtime.embedded().settle_future(future_id, Settlement(FutureState.FAILED, message=message))

    def cancel_future(self, future_id: str, reason: str = "") -> None:
        """Call a future off: the code gets a FutureCancelled. Raises as ``resolve``."""
        runtime.embedded().settle_future(future_id, Settlement(FutureState.CANCELLED, message=reason))
