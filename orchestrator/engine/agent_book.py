"""The agents of a running service, by role, and what becomes of jobs when one is replaced.

A job that has not ended when its agent is replaced keeps the agent that it has, with its functions, until it ends: what
its prompt says of tools is what they do. New jobs get the new agent, and so does everything after a restart, because
functions are of the process only (``statek.frozen_tools`` says what a job notices of that).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from orchestrator.engine.jobs import JobRepository
from orchestrator.store.store import Store
from statek.agents.agent import Agent
from statek.agents.registry import describe_agent
from statek.exceptions import NotFound
from statek.executors.views import AgentView

__all__ = ["AgentBook", "require_agent"]


def require_agent(agents: Mapping[str, Agent], role: str) -> Agent:
    """The agent of a role.

    Raises:
        NotFound: none is registered; names those that are.
    """
    try:
        return agents[role]
    except (KeyError, TypeError):
        known = ", ".join(sorted(agents)) or "none"
        raise NotFound(f"agent {role!r} is not registered here; registered: {known}") from None


@dataclass(slots=True, eq=False)
class _Retired:
    """An agent that was replaced, until it is known who still has it.

    Attributes:
        agent: it.
        below: jobs with smaller numbers had it.
        ended: those of them that have ended since.
    """

    agent: Agent
    below: int
    ended: set[int] = field(default_factory=set)


class AgentBook(Mapping[str, Agent]):
    """A mapping from role to agent that also keeps the store's knowledge of agents.

    Args:
        agents: the agents of the service.
        jobs: the records.
    """

    def __init__(self, agents: Iterable[Agent], jobs: JobRepository) -> None:
        self._live = {agent.role: agent for agent in agents}
        self._jobs = jobs
        self._retired: list[_Retired] = []
        self._kept: dict[int, Agent] = {}

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
        return require_agent(self._live, role)

    def of_job(self, role: str, number: int) -> Agent:
        """The agent that a job has.

        Raises:
            NotFound: none is registered for its role; names those that are.
        """
        kept = self._kept.get(number)
        if kept is not None:
            return kept
        for old in self._retired:
            if old.agent.role == role and number < old.below and number not in old.ended:
                return old.agent
        return self.require(role)

    # ------------------------------------------------------------------------------------ replacing

    def replace(self, agent: Agent) -> None:
        """Give the new jobs of a role another agent (store thread); ``settle`` is to be awaited then."""
        old = self._live.get(agent.role)
        self._live[agent.role] = agent
        if old is not None and old is not agent:
            self._retired.append(_Retired(old, self._jobs.next_number()))

    def note_made(self, agent: Agent, number: int) -> None:
        """A job was made for an agent, which may have been replaced in between (store thread)."""
        if self._live.get(agent.role) is not agent:
            self._kept[number] = agent

    def is_kept_for(self, number: int) -> bool:
        """Whether a replaced agent is kept for a job, as far as is known."""
        return number in self._kept or any(number < old.below for old in self._retired)

    def note_ended(self, number: int) -> None:
        """A job has ended: should it go on one day, then with the agent of that day."""
        self._kept.pop(number, None)
        for old in self._retired:
            old.ended.add(number)

    async def settle(self, store: Store) -> None:
        """Find the jobs that still have an agent that was replaced; it is let go with the last of them."""
        settled = list(self._retired)
        found: list[tuple[int, str]] = []
        visit = self._jobs.visit_active(lambda record: found.append((record.number, record.role)))
        while await store.read(visit):
            pass
        for old in settled:
            for number, role in found:
                if role == old.agent.role and number < old.below and number not in old.ended:
                    self._kept.setdefault(number, old.agent)
        self._retired = [old for old in self._retired if old not in settled]

    # -------------------------------------------------------------------------------- what is durable

    def register(self, agents: Iterable[Agent], now_us: int) -> None:
        """Keep what a later process needs to find agents again (store thread, inside an atomic block)."""
        known = self._jobs.agents()
        for agent in agents:
            known[agent.role] = describe_agent(agent, known.get(agent.role), now_us)
        self._jobs.keep_agents(known)

    def views(self) -> list[AgentView]:
        """Every agent that the store knows, by role (store thread)."""
        return [replace(view, running=role in self._live) for role, view in sorted(self._jobs.agents().items())]
