"""What a rival has to be able to do; standard library only, read in the rivals' own environments."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Rival"]


class Rival(Protocol):
    """One way of keeping the variables of a job, over a folder; every call returns when its effect is durable."""

    def facts(self) -> dict[str, str]:
        """Words for the notes of its lines, such as its version and how it syncs."""
        ...

    def fsyncs(self) -> int | None:
        """How often it has synced so far; None where that is not to be seen."""
        ...

    def begin(self) -> None:
        """Make the values of turn 0 and keep them."""
        ...

    def steps(self, first: int, count: int) -> list[float]:
        """Do turns one after the other, each with its change; milliseconds of each."""
        ...

    def prepare(self) -> None:
        """Look up what names the past; not timed."""
        ...

    def view(self, turn: int, name: str, index: int) -> str:
        """An element of a variable as it was after a turn."""
        ...

    def fork(self, turn: int) -> None:
        """Another line of work that begins with the values after a turn."""
        ...

    def resume(self) -> dict[str, Any]:
        """Forget all, open what is kept anew, and have the newest values."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...
