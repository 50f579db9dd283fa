"""What everybody does: the same values made, the same little changed at each turn.

Standard library only: rivals read this in environments of their own. A workload is there twice, as source for those
who run code and as plain edits for those who are given changes; a test compares the two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["WORKLOADS", "Edits", "Workload", "apply_edits", "digest_of"]

Edits = dict[str, Any]
"""By variable: a dict of index to new element for a list, otherwise the new value."""

_LIST_ROWS = 1 << 16
_CHANGED_FROM, _CHANGED_TO = 30_000, 30_064
_NOTES = 500
_VARIABLES = 200
_ELEMENTS = 330


@dataclass(frozen=True, slots=True)
class Workload:
    """Values of about 1 MB and a small change of them.

    Attributes:
        name: ``list`` or ``many``.
        names: the variables, ``turn`` among them.
    """

    name: str
    names: tuple[str, ...]

    def initial(self) -> dict[str, Any]:
        """The values of turn 0."""
        if self.name == "list":
            rows = [f"{i:014d}" for i in range(_LIST_ROWS)]
            return {"rows": rows, "notes": [f"note {i}" for i in range(_NOTES)], "turn": 0}
        return {name: [f"{i:014d}" for i in range(_ELEMENTS)] for name in self.names if name != "turn"} | {"turn": 0}

    def edits(self, turn: int) -> Edits:
        """What a turn changes."""
        if self.name == "list":
            # A text of its own in each place, as the code makes them.
            rows = {i: f"{turn:014d}" for i in range(_CHANGED_FROM, _CHANGED_TO)}  # noqa: C420
            return {"turn": turn, "rows": rows, "notes": {turn % _NOTES: f"turn {turn}"}}
        return {"turn": turn, self._changed(turn): {turn % _ELEMENTS: f"turn {turn:09d}"}}

    def make_source(self) -> str:
        """Code that makes the values of turn 0."""
        if self.name == "list":
            rows = f"rows = [f'{{i:014d}}' for i in range({_LIST_ROWS})]"
            return f"{rows}\nnotes = [f'note {{i}}' for i in range({_NOTES})]\nturn = 0"
        made = [f"{name} = [f'{{i:014d}}' for i in range({_ELEMENTS})]" for name in self.names if name != "turn"]
        return "\n".join([*made, "turn = 0"])

    def change_source(self, turn: int) -> str:
        """Code that makes the values of a turn from those of the turn before."""
        if self.name == "list":
            rows = f"for i in range({_CHANGED_FROM}, {_CHANGED_TO}): rows[i] = f'{{turn:014d}}'"
            # The variable of the loop is no part of the state: the others have none.
            return f"turn = {turn}\n{rows}\ndel i\nnotes[turn % {_NOTES}] = f'turn {{turn}}'"
        return f"turn = {turn}\n{self._changed(turn)}[turn % {_ELEMENTS}] = f'turn {{turn:09d}}'"

    def probe(self, turn: int) -> tuple[str, int, str]:
        """A variable that a turn changed, where, and to what: what a look at that turn has to show."""
        if self.name == "list":
            return "notes", turn % _NOTES, f"turn {turn}"
        return self._changed(turn), turn % _ELEMENTS, f"turn {turn:09d}"

    def digest_source(self) -> str:
        """Code that prints the digest of all values (``digest_of``)."""
        return f"import hashlib\nprint(hashlib.sha256(repr([{', '.join(self.names)}]).encode()).hexdigest())"

    def _changed(self, turn: int) -> str:
        return self.names[turn % _VARIABLES]


WORKLOADS = {
    each.name: each
    for each in (
        Workload("list", ("rows", "notes", "turn")),
        Workload("many", (*(f"v{number:03d}" for number in range(_VARIABLES)), "turn")),
    )
}
"""By name: one list of 65,536 texts, of which 64 change; 200 lists of 330 texts, one of which changes in one place."""


def apply_edits(values: dict[str, Any], edits: Edits) -> None:
    """Change values in place."""
    for name, edit in edits.items():
        if isinstance(edit, dict):
            target = values[name]
            for index, element in edit.items():
                target[index] = element
        else:
            values[name] = edit


def digest_of(workload: Workload, values: Mapping[str, Any]) -> str:
    """A digest of all values of a workload: two that agree hold the same."""
    return hashlib.sha256(repr([values[name] for name in workload.names]).encode()).hexdigest()
