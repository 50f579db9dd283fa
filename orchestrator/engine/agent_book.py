"""The agents of a running service, by role."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from orchestrator.engine.jobs import JobRepository
from statek.agents.agent import Agent
from statek.agents.registry import describe_agent
from statek.exceptions import NotFound
from statek.executors.views import AgentView

__all__ = ["AgentBook"]


class AgentBook(Mapping[str, Agent]):
    """A mapping from role to agent that also keeps the store's knowledge of agents.

    Args:
        agents: the agents of the service.
        jobs: the records.
    """

    def __init__(self, agents: Iterable[Agent], jobs: JobRepository) -> None:
        self._live = {agent.role: agent for agent in agents}
        self._jobs = jobs

    def __getitem__(self, role: str) -> Agent:
        """The agent that new jobs of a role get."""
        return self._live[role]

    def __iter__(self) -> Iterator[str]:
        """The roles."""
        return iter(self._live)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._live)

    def require(self, role: str) -> Agent:
        """The agent that new jobs of a role get.

        Raises:
            NotFound: none is registered; names those that are.
        """
        try:
            return self._live[role]
        except (KeyError, TypeError):
            known = ", ".join(sorted(self._live)) or "none"
            raise NotFound(f"agent {role!r} is not registered with this service; registered: {known}") from None

    def register(self, agents: Iterable[Agent], now_us: int) -> None:
        """Keep what a later process needs to find agents again (store thread, inside an atomic block)."""
        known = self._jobs.agents()
        for agent in agents:
            known[agent.role] = describe_agent(agent, known.get(agent.role), now_us)
        self._jobs.keep_agents(known)

    def views(self) -> list[AgentView]:
        """Every agent that the store knows, by role (store thread)."""
        return [replace(view, running=role in self._live) for role, view in sorted(self._jobs.agents().items())]
