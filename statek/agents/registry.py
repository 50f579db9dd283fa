"""What is durable of an agent, and how a later process finds it again.

An agent is code and stays code: the store keeps its role, the name of its class, where the application holds it
(``module:attribute``) and a digest of what it says. Nothing of it is pickled. A later process takes the agents that its
own modules have made, and imports the module of one that is missing.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from statek.agents.agent import Agent, SupervisedAgent, known_agents
from statek.exceptions import ConfigurationError, InvalidRequest, StatekError
from statek.executors.views import AgentView

if TYPE_CHECKING:
    from types import ModuleType

__all__ = [
    "agent_digest",
    "agent_source",
    "declared_agents",
    "describe_agent",
    "import_agent",
    "made_agent",
    "missing_agents",
]

MAX_DESCRIPTION_CHARS = 500
"""How much of a description the store keeps."""


def agent_digest(agent: Agent) -> str:
    """A digest of what an agent says of itself and of its tools' declarations; equal ones are set up alike."""
    tools = [
        [tool.name, tool.signature_text, tool.effect, tool.hidden, tool.internal, tool.doc]
        for tool in agent.tool_defs()
        if not tool.system
    ]
    warmup = agent.warmup_def if isinstance(agent, SupervisedAgent) else ()
    told = {
        "class": _class_name(agent),
        "prompt": agent.prompt_source,
        "metadata": agent.metadata,
        "description": agent.description,
        "tools": sorted(tools),
        "warmup": [[block.code, [repr(call) for call in block.calls], dict(block.metadata)] for block in warmup],
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def agent_source(agent: Agent) -> str:
    """``module:attribute`` under which the module that made an agent holds it, alone or in a list; empty for none."""
    module = sys.modules.get(agent.made_in)
    name = agent.made_in
    if name == "__main__":
        # ``python -m package.module`` can be imported again under its name, a script cannot.
        spec = getattr(module, "__spec__", None)
        name = spec.name if spec is not None else ""
    if module is None or not name:
        return ""
    for attribute, value in list(vars(module).items()):
        if value is agent or (isinstance(value, list | tuple) and any(one is agent for one in value)):
            return f"{name}:{attribute}"
    return ""


def describe_agent(agent: Agent, before: AgentView | None, now_us: int) -> AgentView:
    """What the store keeps of an agent.

    Args:
        agent: that a service runs.
        before: what the store has of its role; None for nothing.
        now_us: microseconds UTC.
    """
    digest = agent_digest(agent)
    return AgentView(
        role=agent.role,
        agent_class=_class_name(agent),
        source=agent_source(agent),
        made_in=agent.made_in,
        digest=digest,
        description=(agent.description or "")[:MAX_DESCRIPTION_CHARS],
        created_us=now_us if before is None else before.created_us,
        changed_us=now_us if before is None or before.digest != digest else before.changed_us,
        seen_us=now_us,
    )


def import_agent(stored: AgentView) -> Agent:
    """The agent of a role that an earlier process has run, from the module that holds it.

    Raises:
        ConfigurationError: it is not there any more, or was never held by a module; names the role and its class.
    """
    what = f"agent {stored.role!r} of this store, a {stored.agent_class}"
    if not stored.source:
        raise ConfigurationError(
            f"{what}, was made in {stored.made_in or 'no module'} and is held there under no name; give it to "
            f"start_statek, or keep it in a module's variable"
        )
    name, _, attribute = stored.source.partition(":")
    try:
        # The application's own module, which its earlier process has named.
        module: ModuleType = importlib.import_module(name)  # noqa: TID251
    except StatekError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"{what}, is to be found at {stored.source}, which cannot be imported: {type(error).__name__}: {error}"
        ) from error
    held = getattr(module, attribute, None)
    for found in held if isinstance(held, list | tuple) else [held]:
        if isinstance(found, Agent) and found.role == stored.role:
            return found
    raise ConfigurationError(f"{what}, is not at {stored.source} any more; give it to start_statek")


def declared_agents(given: Mapping[str, Agent]) -> dict[str, Agent]:
    """The agents of this process by role: those that jobs were submitted to, and all others that exist.

    Args:
        given: agents that go before others of their role.

    Raises:
        InvalidRequest: two agents have one role, and neither was given.
    """
    found = dict(given)
    for agent in known_agents():
        held = found.setdefault(agent.role, agent)
        if held is not agent and agent.role not in given:
            raise InvalidRequest(
                f"two agents of this process have the role {agent.role!r}; give start_statek the agents that are meant"
            )
    return found


def made_agent(role: str) -> Agent | None:
    """The agent of a role that this process has made; None for none.

    Raises:
        InvalidRequest: there are several.
    """
    found = [agent for agent in known_agents() if agent.role == role]
    if len(found) > 1:
        raise InvalidRequest(f"{len(found)} agents of this process have the role {role!r}; give the one that is meant")
    return found[0] if found else None


def missing_agents(found: Iterable[str], stored: Mapping[str, AgentView]) -> list[AgentView]:
    """What the store knows of roles that are not among those found, by role."""
    have = set(found)
    return [view for role, view in sorted(stored.items()) if role not in have]


def _class_name(agent: Agent) -> str:
    kind = type(agent)
    return f"{kind.__module__}:{kind.__qualname__}"
