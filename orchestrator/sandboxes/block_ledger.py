"""Which block ids a runner may name, and the data of those that no commit holds yet."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.sandboxes.inbound_messages import BlockList, BlockMessage, InboundLimits, violation

__all__ = ["BlockLedger"]

_LEAST_COST_BYTES = 1 << 10


@dataclass(slots=True)
class BlockLedger:
    """The blocks that a runner may name, and the data of those that are new.

    Ids of the host are even, of the runner odd and rising. An id stays known as long as the runner lives: an
    executor sends a block once and names it again whenever a value comes back to it, even after steps that
    did not name it. Therefore every block is given out with the step that brought it, named or not.

    Attributes:
        limits: for the number of blocks and their bytes.
    """

    limits: InboundLimits
    # Digest (32 bytes) and size: half a million of these stay below 100 MB.
    _known: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    _new: dict[str, bytes] = field(default_factory=dict)
    _new_count: int = 0
    _budget_used: int = 0
    _highest: int = 0

    def know(self, block_id: int, digest: str, size: int) -> None:
        """Enter a block that the host sent (even id)."""
        self._known[block_id] = (bytes.fromhex(digest), size)

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
        if self._new_count >= self.limits.blocks:
            raise violation("count", f"more than {self.limits.blocks} blocks in a step")
        if len(self._known) >= self.limits.known_blocks:
            raise violation("count", f"more than {self.limits.known_blocks} blocks of one runner")
        cost = max(len(block.data), _LEAST_COST_BYTES)
        if self._budget_used + cost > self.limits.checkpoint_bytes:
            raise violation("size", f"more than checkpoint_bytes = {self.limits.checkpoint_bytes} in blocks of a step")
        self._highest = block.id
        self._new_count += 1
        self._budget_used += cost

    def enter(self, block: BlockMessage, digest: str) -> None:
        """Enter an admitted block under the digest that the host computed."""
        self._new[digest] = block.data
        self._known[block.id] = (bytes.fromhex(digest), len(block.data))

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
            digests.append(known[0].hex())
            total += known[1]
        if total != item.value.size_bytes:
            raise violation("size", f"blocks of {total} bytes for a size of {item.value.size_bytes}")
        return tuple(digests)

    def finish(self) -> dict[str, bytes]:
        """End a step: give the data that it brought, by digest, and renew the budget."""
        taken, self._new = self._new, {}
        self._new_count = self._budget_used = 0
        return taken
