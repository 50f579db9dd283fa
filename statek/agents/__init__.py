"""Agents."""

from __future__ import annotations

from statek.agents.agent import Agent, SupervisedAgent

__all__ = ["Agent", "SupervisedAgent"]
