"""Definitions of jobs that were imported while no agent of their role was known.

An archive is hostile input, and must not choose where a service sends its requests: such a definition names no model.
Whenever its job, or a fork of it, goes on or is looked at, what reaches out comes from the agent of its role as it is
then; without one the job waits, as every job without its agent does.
"""

from __future__ import annotations

from dataclasses import replace

from statek.agents.agent import Agent
from statek.job_definition import JobDefinition

__all__ = ["UNCHOSEN_MODEL", "completed_definition"]

UNCHOSEN_MODEL = "imported/without-agent"
"""In the place of a model; no request is ever made with it."""


def completed_definition(definition: JobDefinition, agent: Agent) -> JobDefinition:
    """The definition with the agent's own metadata, provider configuration and post-processors if it has none.

    Raises:
        InvalidRequest: the agent itself is incomplete.
    """
    if definition.metadata["MODEL"] != UNCHOSEN_MODEL:
        return definition
    own = agent.create_job_def()
    return replace(
        definition,
        metadata=own.metadata,
        provider_config=own.provider_config,
        post_processing=own.post_processing,
    )
