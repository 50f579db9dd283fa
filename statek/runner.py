"""``start_statek`` and ``start_statek_async``: drive the jobs of this process's store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from statek import runtime
from statek.agents.agent import Agent
from statek.exceptions import InvalidRequest
from statek.model import Model
from statek.settings import StatekSettings, get_statek_settings

if TYPE_CHECKING:
    from statek.statek_push_queue import StatekPushQueue

__all__ = ["start_statek", "start_statek_async"]


def start_statek(
    agents: Sequence[Agent] | Agent | None = None,
    push_queues: Sequence[StatekPushQueue] | None = None,
    settings: StatekSettings | None = None,
    max_concurrency: int | None = None,
    provider: str | None = None,
    *,
    model: Model | None = None,
    until_idle: bool = False,
    task_queue_size_funcs: Mapping[Agent | str, Callable[[], int]] | None = None,
) -> None:
    """Drive jobs until SIGTERM or SIGINT; blocking.

    With ``until_idle`` SIGTERM stops the service, closes the store and ends the process with 143, unless the
    application has a handler of its own. What that raises is raised here when the service has stopped.

    Args:
        agents: agents whose jobs may be driven; jobs of other roles wait. None takes every agent that this process has
            made, and those that services of this store have run before, from the modules that hold them.
        push_queues: accepted because the documents give them; the queues of the store are always served.
        settings: settings in force, where ``statek.init`` was not called; None loads them.
        max_concurrency: jobs driven at once; None takes the setting.
        provider: of agents whose metadata name none: the setting ``default_llm_api_provider``, given here.
        model: answers model requests; None takes litellm with the agents' MODEL metadata.
        until_idle: return as soon as every job is done, suspended or cannot go on, and no queue holds work for one.
        task_queue_size_funcs: by agent or role, what tells how much an application's own queue holds for it; asked
            every ``pull_interval_seconds`` on another thread. As many jobs are made as wait and can be driven; their
            warmup picks from the queue.

    Raises:
        RuntimeError: called inside a running event loop; await ``start_statek_async`` there.
        InvalidRequest: two agents have the same role.
        ConfigurationError: no sandbox works here, other settings are in force, or the agent of a job cannot be found.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError("an event loop is running: await start_statek_async(...) instead of start_statek(...)")
    asyncio.run(
        start_statek_async(
            agents,
            push_queues,
            settings,
            max_concurrency,
            provider,
            model=model,
            until_idle=until_idle,
            task_queue_size_funcs=task_queue_size_funcs,
        )
    )


async def start_statek_async(
    agents: Sequence[Agent] | Agent | None = None,
    push_queues: Sequence[StatekPushQueue] | None = None,
    settings: StatekSettings | None = None,
    max_concurrency: int | None = None,
    provider: str | None = None,
    *,
    model: Model | None = None,
    until_idle: bool = False,
    task_queue_size_funcs: Mapping[Agent | str, Callable[[], int]] | None = None,
) -> None:
    """``start_statek`` inside a running event loop; the same arguments.

    Raises:
        InvalidRequest: two agents have the same role.
        ConfigurationError: no sandbox works here, other settings are in force, or the agent of a job cannot be found.
    """
    if provider is not None:
        settings = replace(settings or get_statek_settings(), default_llm_api_provider=provider)
    service = runtime.embedded(settings)
    if agents is None:
        chosen = service.find_agents()
    else:
        chosen = [agents] if isinstance(agents, Agent) else list(dict.fromkeys(agents))
    roles = [agent.role for agent in chosen]
    repeated = sorted({role for role in roles if roles.count(role) > 1})
    if repeated:
        raise InvalidRequest(f"two agents have the role {', '.join(repeated)}; a role names one agent")
    del push_queues
    by_role = {agent.role: agent for agent in chosen}
    lengths: dict[Agent, Callable[[], int]] = {}
    for agent, length in (task_queue_size_funcs or {}).items():
        role = agent if isinstance(agent, str) else agent.role
        if role not in by_role:
            raise InvalidRequest(f"task_queue_size_funcs names agent {role!r}, which is not among those started")
        lengths[by_role[role]] = length
    await service.run(
        chosen,
        model=model,
        max_concurrency=max_concurrency,
        until_idle=until_idle,
        task_queue_size_funcs=lengths,
    )
