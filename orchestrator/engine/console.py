"""The console of one run of one step, on the host: bounded again, and shown live as provisional.

The executor bounds its output already; a hostile one does not, so the host counts as well.
"""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.sandboxes.step import OutputItem, OutputKind

__all__ = ["MAX_ELEMENTS", "Console"]


MAX_ELEMENTS = 16_384
"""More than an honest executor sends; empty elements cost no bytes, but each has a place in the record."""


class Console:
    """Collects ``(kind, text)`` elements up to a size; what comes later is counted, not kept."""

    def __init__(self, max_bytes: int, *, listener: Callable[[str, str], None] | None = None) -> None:
        """Args are the bound in bytes of UTF-8 and who sees elements as they come (provisional)."""
        self._left = max_bytes
        self._dropped = 0
        self._listener = listener
        self._elements: list[tuple[str, str]] = []

    def add(self, item: OutputItem) -> None:
        """Take one element from the sandbox."""
        self._keep(item.kind.name.lower(), item.text)

    def progress(self, text: str) -> None:
        """Take a progress line of a tool (any thread)."""
        self._keep("progress", text)

    def note(self, text: str) -> None:
        """Add a remark of the service; never dropped."""
        self._elements.append((OutputKind.NOTE.name.lower(), text))

    def error(self, text: str) -> None:
        """Add the error that ended the step; never dropped."""
        self._elements.append((OutputKind.ERROR.name.lower(), text))

    def _keep(self, kind: str, text: str) -> None:
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > self._left or len(self._elements) >= MAX_ELEMENTS:
            self._dropped += size or 1  # an empty line is its line end
            return
        self._left -= size
        self._elements.append((kind, text))
        if self._listener is not None:
            self._listener(kind, text)

    def elements(self) -> list[tuple[str, str]]:
        """Everything kept, with one closing note when something was not."""
        if not self._dropped:
            return list(self._elements)
        return [*self._elements, ("note", f"[{self._dropped} more bytes of output were not kept]")]
