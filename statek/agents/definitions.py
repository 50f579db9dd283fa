"""Applies prompt and warmup files to agents: what products change without touching code.

Jobs that were made before keep the definition they were made with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from statek.agents.agent import Agent, SupervisedAgent, known_agents
from statek.documents import load_documents
from statek.examples import load_examples
from statek.exceptions import ConfigurationError, InvalidRequest
from statek.prompt_config import PromptDef, load_prompt_files
from statek.settings import StatekSettings
from statek.text_files import read_text_file

__all__ = ["read_library", "update_prompt_config", "update_warmup_defs"]


def update_prompt_config(definitions: Mapping[str, PromptDef], agents: Iterable[Agent] | None = None) -> list[str]:
    """Give agents the prompt, metadata and description of the definition for their role.

    Args:
        definitions: by role, as ``load_prompt_files`` gives them.
        agents: the agents; None for every agent of this process.

    Returns:
        The roles of which something changed.
    """
    chosen = known_agents() if agents is None else list(agents)
    return [
        agent.role for agent in chosen if agent.role in definitions and agent.apply_prompt_def(definitions[agent.role])
    ]


def update_warmup_defs(path: Path | str, agents: Iterable[Agent] | None = None) -> list[str]:
    """Give agents the warmup of the file ``<role>.py`` in a folder; other files and plain agents are left alone.

    Args:
        path: the folder.
        agents: the agents; None for every agent of this process.

    Returns:
        The roles whose warmup changed.

    Raises:
        ConfigurationError: there is no such folder, or a file is broken; names it.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ConfigurationError(f"warmup_defs_dir {folder} is no directory")
    changed: list[str] = []
    for agent in known_agents() if agents is None else list(agents):
        file = folder / f"{agent.role}.py"
        if not isinstance(agent, SupervisedAgent) or file.parent != folder or not file.is_file():
            continue
        try:
            if agent.update_warmup_def(read_text_file(file, "warmup file")):
                changed.append(agent.role)
        except InvalidRequest as error:
            raise ConfigurationError(f"warmup file {file}: {error}") from error
    return changed


def read_library(settings: StatekSettings, agents: Iterable[Agent]) -> None:
    """Read prompts, warmups, examples and documents of the settings' folders before a job asks.

    There a broken file is still the operator's to mend.

    Raises:
        ConfigurationError: a file is broken; names it.
    """
    agents = list(agents)
    if settings.prompt_files_dir is not None:
        update_prompt_config(load_prompt_files(settings.prompt_files_dir), agents)
    if settings.warmup_defs_dir is not None:
        update_warmup_defs(settings.warmup_defs_dir, agents)
    if settings.documents_dir is not None:
        load_documents(settings.documents_dir)
    if settings.examples_dir is not None:
        for agent in agents:
            load_examples(settings.examples_dir, agent.role)
