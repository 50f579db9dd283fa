from __future__ import annotations

import pytest

from orchestrator.sandboxes.block_ledger import BlockLedger
from orchestrator.sandboxes.inbound_messages import BlockList, BlockMessage, InboundLimits
from orchestrator.sandboxes.step import WorkFile
from statek.exceptions import RunnerViolation


def listed(size: int, *ids: int) -> BlockList:
    return BlockList(WorkFile("f", 0o644, size, ()), ids)


def add(ledger: BlockLedger, block_id: int, data: bytes) -> None:
    block = BlockMessage(block_id, data)
    ledger.admit(block)
    ledger.enter(block, f"digest-of-{data.decode()}")


def refusal(ledger: BlockLedger, block_id: int, data: bytes) -> str:
    with pytest.raises(RunnerViolation) as caught:
        ledger.admit(BlockMessage(block_id, data))
    return str(caught.value)


def test_new_and_known_blocks_resolve_to_digests() -> None:
    ledger = BlockLedger(InboundLimits())
    ledger.know(2, "host", 4)
    add(ledger, 1, b"abc")

    assert ledger.resolve(listed(7, 2, 1)) == ("host", "digest-of-abc")
    assert ledger.finish([listed(7, 2, 1)]) == {"digest-of-abc": b"abc"}


def test_a_block_that_the_result_does_not_name_is_forgotten() -> None:
    ledger = BlockLedger(InboundLimits())
    add(ledger, 1, b"a")
    add(ledger, 3, b"b")

    assert ledger.finish([listed(1, 1)]) == {"digest-of-a": b"a"}
    with pytest.raises(RunnerViolation, match=r"^block: id 3 is unknown$"):
        ledger.resolve(listed(1, 3))


@pytest.mark.parametrize(
    ("block_id", "data", "expected"),
    [
        (2, b"x", "block: id 2 is even, those are the host's"),
        (3, b"x", "block: id 3 came after 3"),
        (1, b"x", "block: id 1 came after 3"),
        (5, b"", "block: id 5 has no data"),
        (5, b"123456", "size: more than checkpoint_bytes = 8 in blocks of a step"),
    ],
)
def test_blocks_out_of_rule(block_id: int, data: bytes, expected: str) -> None:
    ledger = BlockLedger(InboundLimits(checkpoint_bytes=8))
    add(ledger, 3, b"123")

    assert refusal(ledger, block_id, data) == expected


def test_number_of_blocks_is_bounded_and_the_budget_is_renewed() -> None:
    ledger = BlockLedger(InboundLimits(blocks=1, checkpoint_bytes=3))
    add(ledger, 1, b"abc")
    assert refusal(ledger, 3, b"d") == "count: more than 1 blocks in a step"

    ledger.finish([listed(3, 1)])
    add(ledger, 3, b"def")

    assert ledger.resolve(listed(6, 1, 3)) == ("digest-of-abc", "digest-of-def")


def test_sizes_must_add_up() -> None:
    ledger = BlockLedger(InboundLimits())
    add(ledger, 1, b"abc")

    with pytest.raises(RunnerViolation, match=r"^size: blocks of 3 bytes for a size of 4$"):
        ledger.resolve(listed(4, 1))
