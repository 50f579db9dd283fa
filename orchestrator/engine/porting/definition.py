"""What of a job's definition goes into an archive, and what an import makes of it.

A definition decides what runs with which powers: hidden warmup blocks may call hidden tools, post-processors run on the
host, metadata says where model requests go and holds keys. So an archive carries what the job *was told* (prompt,
parameters, style, language, names of tools), and everything that acts on the host or reaches out comes from the agent
of that role in the importing service. Where there is none, it names no model, and goes on with what the agent says
once there is one (``orchestrator.engine.imported_definitions``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.engine.imported_definitions import UNCHOSEN_MODEL, completed_definition
from statek.agents.agent import Agent
from statek.chat_style import ChatStyle
from statek.difficulty import TaskDifficulty
from statek.exceptions import InvalidArchive, InvalidRequest
from statek.job_definition import JobDefinition
from statek.job_mode import JobMode

__all__ = ["imported_definition", "portable"]

_PORTABLE_KEYS = frozenset(
    {"AUTO_LANG_HINT", "AUTO_LANG_RULE", "CHAT_STYLE", "DESCRIPTION", "MODEL", "PROVIDER", "TEMPERATURE"}
)
"""Metadata that neither holds a secret nor reaches further than to say which model was asked."""

_CHOOSING_KEYS = frozenset({"MODEL", "PROVIDER", "TEMPERATURE"})
"""Those among them that say which model is asked, and how: never taken over."""

_MODEL = re.compile(r"[A-Za-z0-9._:@ ,-]+(?:/[A-Za-z0-9._:@ ,-]+)*")
"""Model strings without parameters: those could name another endpoint."""

_MAX_NAMES = 10_000


def portable(definition: JobDefinition) -> dict[str, Any]:
    """The part of a definition that an archive carries."""
    metadata = {key: value for key, value in definition.metadata.items() if key in _PORTABLE_KEYS}
    if not _MODEL.fullmatch(metadata["MODEL"]):
        metadata["MODEL"] = definition.model
    return {
        "agent_class": definition.agent_class,
        "metadata": metadata,
        "prompt": definition.prompt,
        "tool_names": list(definition.tool_names),
        "chat_style": definition.chat_style.name,
        "locale": definition.locale,
        "job_params": dict(definition.job_params),
        "shared_var_names": list(definition.shared_var_names),
        "difficulty": definition.difficulty.value,
        "mode": definition.mode.value,
    }


def imported_definition(role: str, data: Mapping[str, Any], agent: Agent | None) -> JobDefinition:
    """The definition of an imported job.

    Args:
        role: of its agent.
        data: what the archive says.
        agent: the agent of that role, None where none is known: such a job can be looked at.

    Raises:
        InvalidArchive: it says what no definition says.
        InvalidRequest: the agent itself is incomplete.
    """
    metadata: Mapping[str, str] = _texts_by_name(data, "metadata")
    refused = sorted(metadata.keys() - _PORTABLE_KEYS)
    if refused:
        raise InvalidArchive(f"the archive's definition has metadata {refused[0][:80]!r}, which no archive carries")
    if not _MODEL.fullmatch(metadata.get("MODEL", "")):
        raise InvalidArchive(f"the archive names no plain model: {metadata.get('MODEL', '')[:80]!r}")
    kept = {key: value for key, value in metadata.items() if key not in _CHOOSING_KEYS}
    parameters, locale = data.get("job_params"), data.get("locale")
    if not isinstance(parameters, dict) or not (locale is None or isinstance(locale, str)):
        raise InvalidArchive("the archive's definition has parameters or a locale of a wrong type")
    try:
        definition = JobDefinition(
            role=role,
            agent_class=_text(data, "agent_class"),
            metadata={**kept, "MODEL": UNCHOSEN_MODEL},
            prompt=_text(data, "prompt"),
            tool_names=_names(data, "tool_names"),
            chat_style=ChatStyle[_text(data, "chat_style")],
            locale=locale,
            job_params=parameters,
            shared_var_names=_names(data, "shared_var_names"),
            difficulty=TaskDifficulty(_text(data, "difficulty")),
            mode=_mode(data),
        )
    except InvalidArchive:
        raise
    except (InvalidRequest, KeyError, ValueError, TypeError, RecursionError) as error:
        raise InvalidArchive(f"the archive's definition cannot be used: {error}") from None
    return definition if agent is None else completed_definition(definition, agent)


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise InvalidArchive(f"the archive's definition has no text {name}")
    return value


def _mode(data: Mapping[str, Any]) -> JobMode:
    """What becomes of its variables; archives of earlier versions are of durable jobs, and none is of a live one."""
    mode = JobMode.parse(data.get("mode", JobMode.DURABLE))
    if mode is JobMode.LIVE:
        raise InvalidArchive("the archive's definition is that of a live job, which no archive can carry")
    return mode


def _names(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = data.get(name)
    if not isinstance(value, list) or len(value) > _MAX_NAMES or not all(isinstance(item, str) for item in value):
        raise InvalidArchive(f"the archive's definition has no list of texts {name}")
    return tuple(value)


def _texts_by_name(data: Mapping[str, Any], name: str) -> dict[str, str]:
    value = data.get(name)
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise InvalidArchive(f"the archive's definition has no texts by name in {name}")
    return value
