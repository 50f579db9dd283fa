"""The enums of an agent's context, as the code of its jobs has them: by the names of their members."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import EnumMeta
from typing import TYPE_CHECKING, Any

from sandbox_runner.wire.values import EnumValue, GraphError, UnsupportedValue, encode
from statek.exceptions import InvalidRequest

if TYPE_CHECKING:
    from statek.agents.agent import Agent

__all__ = ["MAX_ENUM_BYTES", "encoded_enums"]

_log = logging.getLogger("statek.agents")

MAX_ENUM_BYTES = 256 << 10
"""Encoded names of all enums of one agent; they go with every step."""


def encoded_enums(agent: Agent) -> bytes:
    """Every enum in the agent's context whose name has no leading underscore; no bytes for none.

    An enum whose members could not cross (of a function, or of the program itself) is left out, as its members are. So
    are all where the context cannot be made: a line of the log says why, and what needs the context fails when it does.

    Raises:
        InvalidRequest: they have more members than a step is told of.
    """
    found: dict[str, dict[str, EnumValue]] = {}
    try:
        context = dict(agent.context)
    except Exception as error:  # noqa: BLE001 -- code of the application
        _log.warning("the context of agent %s cannot be made: %s: %s", agent.role, type(error).__name__, error)
        return b""
    for name, kind in context.items():
        if not isinstance(kind, EnumMeta) or name.startswith("_") or not name.isidentifier() or not len(kind):
            continue
        try:
            encode(next(iter(kind.__members__.values())))
        except UnsupportedValue:
            continue
        place = (kind.__module__, kind.__qualname__)
        members: Mapping[str, Any] = kind.__members__
        found[name] = {one: EnumValue(*place, member.name) for one, member in members.items()}
    try:
        return encode(found, max_bytes=MAX_ENUM_BYTES) if found else b""
    except GraphError:
        raise InvalidRequest(
            f"the enums in the context of agent {agent.role!r} need more than {MAX_ENUM_BYTES} bytes"
        ) from None
