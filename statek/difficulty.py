"""Task difficulty, and which model a MODEL setting names for it."""

from __future__ import annotations

import enum
import re

from statek.exceptions import InvalidRequest

__all__ = ["TaskDifficulty", "parse_difficulties", "parse_model"]

_LABELLED = re.compile(r"\s*([LMH]+):(.+)")


class TaskDifficulty(enum.Enum):
    """How hard a task is; chooses the model and the sections of the system prompt."""

    LOW = "L"
    MEDIUM = "M"
    HIGH = "H"

    @property
    def level(self) -> int:
        """0, 1 or 2: higher is harder."""
        return list(TaskDifficulty).index(self)

    def next_level(self) -> TaskDifficulty | None:
        """The next harder one; None for the hardest."""
        levels = list(TaskDifficulty)
        return levels[self.level + 1] if self.level + 1 < len(levels) else None

    @classmethod
    def parse(cls, text: str | TaskDifficulty) -> TaskDifficulty:
        """The difficulty of that letter or name, in any letter case.

        Raises:
            InvalidRequest: there is none.
        """
        if isinstance(text, TaskDifficulty):
            return text
        if not isinstance(text, str):
            raise InvalidRequest(f"a difficulty is given by its name, not as {type(text).__name__}")
        wanted = text.strip().upper()
        for difficulty in cls:
            if wanted in {difficulty.value, difficulty.name}:
                return difficulty
        raise InvalidRequest(f"difficulty {text!r} is unknown; use L, M, H or low, medium, high")


def parse_difficulties(text: str) -> frozenset[TaskDifficulty] | None:
    """The difficulties of a label such as ``MH`` or ``L,H``; None when the text is no such label."""
    letters = list(text.replace(",", "").replace(" ", ""))
    known = {difficulty.value: difficulty for difficulty in TaskDifficulty}
    if not letters or any(letter not in known for letter in letters) or len(set(letters)) != len(letters):
        return None
    return frozenset(known[letter] for letter in letters)


def parse_model(text: str) -> dict[TaskDifficulty, str]:
    """The model per difficulty of a MODEL value: ``m`` for all, or ``L:m1,MH:m2``.

    Only ``[LMH]+:`` is a label, so model names may hold colons (``x/y/m:free``).

    Raises:
        InvalidRequest: blank, or labels that do not name each of L, M and H exactly once.
    """
    if not text.strip():
        raise InvalidRequest("MODEL is empty")
    if _LABELLED.fullmatch(text) is None:
        return dict.fromkeys(TaskDifficulty, text.strip())
    models: dict[TaskDifficulty, str] = {}
    for part in text.split(","):
        match = _LABELLED.fullmatch(part)
        labels = parse_difficulties(match[1]) if match is not None else None
        if match is None or labels is None or labels & models.keys() or not match[2].strip():
            raise InvalidRequest(f"MODEL {text!r}: {part.strip()!r} is no label:model, or names a difficulty twice")
        models.update(dict.fromkeys(labels, match[2].strip()))
    if len(models) != len(TaskDifficulty):
        missing = ", ".join(d.value for d in TaskDifficulty if d not in models)
        raise InvalidRequest(f"MODEL {text!r} names no model for difficulty {missing}")
    return models
