"""Agents."""

from __future__ import annotations

from statek.agents.agent import Agent, SupervisedAgent
from statek.agents.dialog_agent import DialogAgent

__all__ = ["Agent", "DialogAgent", "SupervisedAgent"]
