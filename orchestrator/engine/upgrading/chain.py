"""The upgrades of the records, in order. Each takes a store from the form before it to its own."""

from __future__ import annotations

from orchestrator.engine.upgrading.packed_records import PACKED_RECORDS
from orchestrator.engine.upgrading.record_upgrade import RecordUpgrade

__all__ = ["UPGRADES", "due"]

UPGRADES: tuple[RecordUpgrade, ...] = (PACKED_RECORDS,)
"""The last one leads to ``statek.records.RECORD_FORMAT``; none is ever taken away or changed."""


def due(form: int) -> tuple[RecordUpgrade, ...]:
    """The upgrades that a store of that form needs."""
    return tuple(upgrade for upgrade in UPGRADES if upgrade.form > form)
