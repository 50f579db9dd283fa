"""Keeps the reminders of dialog agents in the store, by role."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from orchestrator.engine.jobs import JobRepository
from orchestrator.store.store import Store
from statek.agents.agent import Agent
from statek.agents.dialog_agent import DialogAgent
from statek.exceptions import InvalidRequest
from statek.reminders import Reminder

__all__ = ["attach_reminders"]

_log = logging.getLogger("statek.service")


def attach_reminders(store: Store, jobs: JobRepository, agents: Iterable[Agent]) -> None:
    """Give each dialog agent the reminder that an earlier process kept, and keep what it sets from now on.

    Preconditions:
        on the store thread, inside an atomic block.
    """
    for agent in agents:
        if isinstance(agent, DialogAgent):
            _attach(store, jobs, agent)


def _attach(store: Store, jobs: JobRepository, agent: DialogAgent) -> None:
    def keep(reminder: Reminder | None) -> None:
        def change() -> None:
            jobs.keep_reminder(agent.role, reminder)

        # A tool that runs on the store thread is inside a block, which is flushed with its step.
        if store.on_store_thread():
            store.write_sync(change)
        else:
            store.commit_sync(change)

    try:
        stored = jobs.reminder(agent.role)
    except InvalidRequest as error:
        _log.warning("the reminder of agent %s is not used: %s", agent.role, error)
        stored = None
    in_force = agent.attach_reminders(stored, keep)
    if in_force != stored:
        jobs.keep_reminder(agent.role, in_force)
