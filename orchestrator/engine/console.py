"""The console of one run of one step, on the host: bounded again, and shown live as provisional.

The executor bounds its output already; a hostile one does not, so the host counts as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from orchestrator.sandboxes.step import OutputItem, OutputKind

__all__ = ["MAX_ELEMENTS", "Console"]


MAX_ELEMENTS = 16_384
"""More than an honest executor sends; empty elements cost no bytes, but each has a place in the record."""


class Console:
    """Collects ``(kind, text)`` elements up to a size; what comes later is counted, not kept.

    The step's own code and each of its actions have elements of their own; the bounds are those of all together.
    """

    def __init__(self, max_bytes: int, *, listener: Callable[[str, str], None] | None = None) -> None:
        """Args are the bound in bytes of UTF-8 and who sees elements as they come (provisional)."""
        self._left = max_bytes
        self._dropped = 0
        self._listener = listener
        self._slots: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
        self._count = 0

    def add(self, item: OutputItem) -> None:
        """Take one element from the sandbox."""
        self._keep(item.kind.name.lower(), item.text, item.action)

    def progress(self, text: str) -> None:
        """Take a progress line of a tool (any thread)."""
        self._keep("progress", text)

    def note(self, text: str, action: int = 0) -> None:
        """Add a remark of the service, to the code or to its n-th action; never dropped."""
        self._slots[action].append((OutputKind.NOTE.name.lower(), text))

    def error(self, text: str) -> None:
        """Add the error that ended the step; never dropped."""
        self._slots[0].append((OutputKind.ERROR.name.lower(), text))

    def _keep(self, kind: str, text: str, action: int = 0) -> None:
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > self._left or self._count >= MAX_ELEMENTS:
            self._dropped += size or 1  # an empty line is its line end
            return
        self._left -= size
        self._count += 1
        self._slots[action].append((kind, text))
        if self._listener is not None:
            self._listener(kind, text)

    def elements(self) -> list[tuple[str, str]]:
        """Everything kept of the step's own code, with one closing note when something of the step was not."""
        if not self._dropped:
            return list(self._slots[0])
        return [*self._slots[0], ("note", f"[{self._dropped} more bytes of output were not kept]")]

    def tool_log(self, actions: int) -> list[list[tuple[str, str]]]:
        """Everything kept of each action, in order."""
        return [list(self._slots[number]) for number in range(1, actions + 1)]

    @property
    def failed_action(self) -> bool:
        """Whether an action ended with an error."""
        kind = OutputKind.ERROR.name.lower()
        return any(number and any(k == kind for k, _ in elements) for number, elements in self._slots.items())
