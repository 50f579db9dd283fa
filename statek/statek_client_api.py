"""``StatekClientAPI``: submit jobs to the service of this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statek import runtime
from statek.agents.agent import Agent
from statek.executors.job import Job

__all__ = ["StatekClientAPI"]


class StatekClientAPI:
    """Submits jobs; works before ``start_statek`` (they wait) and while it runs.

    Without state of its own: every instance stands for the same service.
    """

    def submit_new_job(
        self, agent: Agent, shared_vars: Mapping[str, Any] | None = None, *, message: str = "", **job_params: Any
    ) -> Job:
        """Submit one job.

        Args:
            agent: who is to do the work.
            shared_vars: startup variables by name; durable objects appear as handles in the workspace.
            message: what the user says first.
            job_params: values for the prompt's placeholders.

        Returns:
            The job. It is durable: it survives SIGKILL of this process from here on.

        Raises:
            InvalidRequest: an illegal variable name, a value that cannot cross, an agent without MODEL.
            LimitExceeded: the variables are too large.
        """
        service = runtime.embedded()
        id_ = service.submit(agent, shared_vars=shared_vars, message=message, params=job_params)
        return Job(id_, service.access)
