"""Stores of earlier versions made into stores of this one: a backup first, then a chain of numbered upgrades."""

from __future__ import annotations

from orchestrator.engine.upgrading.store_upgrade import Upgraded, upgrade_store

__all__ = ["Upgraded", "upgrade_store"]
