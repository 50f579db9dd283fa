"""Which block ids a runner may name, and the data of those that no commit holds yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.sandboxes.inbound_messages import BlockList, BlockMessage, InboundLimits, violation

__all__ = ["BlockLedger"]


@dataclass(slots=True)
class BlockLedger:
    """The blocks that a runner may name, and the data of those that are new.

    Ids of the host are even, of the runner odd and rising. A block of the runner that the StepFinished
    of its step does not name is forgotten: the host would not hold its data.

    Attributes:
        limits: for the number of new blocks and their bytes.
    """

    limits: InboundLimits
    _known: dict[int, tuple[str, int]] = field(default_factory=dict)
    _new: dict[int, bytes] = field(default_factory=dict)
    _new_bytes: int = 0
    _highest: int = 0

    def know(self, block_id: int, digest: str, size: int) -> None:
        """Enter a block that the host sent (even id)."""
        self._known[block_id] = (digest, size)

    def admit(self, block: BlockMessage) -> None:
        """Check a new block of the runner before its digest is computed.

        Raises:
            RunnerViolation: an even, repeated or falling id, no data, or over the budget.
        """
        if block.id % 2 == 0:
            raise violation("block", f"id {block.id} is even, those are the host's")
        if block.id <= self._highest:
            raise violation("block", f"id {block.id} came after {self._highest}")
        if not block.data:
            raise violation("block", f"id {block.id} has no data")
        if len(self._new) >= self.limits.blocks:
            raise violation("count", f"more than {self.limits.blocks} blocks in a step")
        if self._new_bytes + len(block.data) > self.limits.checkpoint_bytes:
            raise violation("size", f"more than checkpoint_bytes = {self.limits.checkpoint_bytes} in blocks of a step")
        self._highest = block.id
        self._new_bytes += len(block.data)

    def enter(self, block: BlockMessage, digest: str) -> None:
        """Enter an admitted block under the digest that the host computed."""
        self._new[block.id] = block.data
        self._known[block.id] = (digest, len(block.data))

    def resolve(self, item: BlockList) -> tuple[str, ...]:
        """Give the digests of a component's or file's blocks.

        Raises:
            RunnerViolation: an unknown id, or sizes that do not add up.
        """
        digests, total = [], 0
        for block_id in item.ids:
            known = self._known.get(block_id)
            if known is None:
                raise violation("block", f"id {block_id} is unknown")
            digests.append(known[0])
            total += known[1]
        if total != item.value.size_bytes:
            raise violation("size", f"blocks of {total} bytes for a size of {item.value.size_bytes}")
        return tuple(digests)

    def finish(self, items: Iterable[BlockList]) -> dict[str, bytes]:
        """End a step: forget what was not named, and give the new data by digest."""
        named = {block_id for item in items for block_id in item.ids}
        taken: dict[str, bytes] = {}
        for block_id, data in self._new.items():
            if block_id in named:
                taken[self._known[block_id][0]] = data
        # What the newest commit does not name may be collected by the store at any time.
        self._known = {block_id: known for block_id, known in self._known.items() if block_id in named}
        self._new = {}
        self._new_bytes = 0
        return taken
