from __future__ import annotations

import pytest

from orchestrator.digests import content_digest
from orchestrator.sandboxes.block_ledger import BlockLedger
from orchestrator.sandboxes.inbound_messages import BlockList, BlockMessage, InboundLimits
from orchestrator.sandboxes.step import WorkFile
from statek.exceptions import RunnerViolation


def listed(size: int, *ids: int) -> BlockList:
    return BlockList(WorkFile("f", 0o644, size, ()), ids)


def add(ledger: BlockLedger, block_id: int, data: bytes) -> None:
    block = BlockMessage(block_id, data)
    ledger.admit(block)
    ledger.enter(block, content_digest(data))


def refusal(ledger: BlockLedger, block_id: int, data: bytes) -> str:
    with pytest.raises(RunnerViolation) as caught:
        ledger.admit(BlockMessage(block_id, data))
    return str(caught.value)


def test_new_and_known_blocks_resolve_to_digests() -> None:
    ledger = BlockLedger(InboundLimits())
    ledger.know(2, content_digest(b"host"), 4)
    add(ledger, 1, b"abc")

    assert ledger.resolve(listed(7, 2, 1)) == (content_digest(b"host"), content_digest(b"abc"))
    assert ledger.finish() == {content_digest(b"abc"): b"abc"}


def test_a_block_that_a_result_does_not_name_can_be_named_later() -> None:
    ledger = BlockLedger(InboundLimits())
    add(ledger, 1, b"a")

    assert ledger.finish() == {content_digest(b"a"): b"a"}
    assert ledger.finish() == {}
    assert ledger.resolve(listed(1, 1)) == (content_digest(b"a"),)


def test_an_unknown_block_is_refused() -> None:
    with pytest.raises(RunnerViolation, match=r"^block: id 3 is unknown$"):
        BlockLedger(InboundLimits()).resolve(listed(1, 3))


@pytest.mark.parametrize(
    ("block_id", "data", "expected"),
    [
        (2, b"x", "block: id 2 is even, those are the host's"),
        (3, b"x", "block: id 3 came after 3"),
        (1, b"x", "block: id 1 came after 3"),
        (5, b"", "block: id 5 has no data"),
        (5, b"1" * 1025, "size: more than checkpoint_bytes = 2048 in blocks of a step"),
    ],
)
def test_blocks_out_of_rule(block_id: int, data: bytes, expected: str) -> None:
    ledger = BlockLedger(InboundLimits(checkpoint_bytes=2048))
    add(ledger, 3, b"123")

    assert refusal(ledger, block_id, data) == expected


def test_number_of_blocks_is_bounded_and_the_budget_is_renewed() -> None:
    ledger = BlockLedger(InboundLimits(blocks=1, checkpoint_bytes=1024))
    add(ledger, 1, b"abc")
    assert refusal(ledger, 3, b"d") == "count: more than 1 blocks in a step"

    ledger.finish()
    add(ledger, 3, b"def")

    assert ledger.resolve(listed(6, 1, 3)) == (content_digest(b"abc"), content_digest(b"def"))


def test_sizes_must_add_up() -> None:
    ledger = BlockLedger(InboundLimits())
    add(ledger, 1, b"abc")

    with pytest.raises(RunnerViolation, match=r"^size: blocks of 3 bytes for a size of 4$"):
        ledger.resolve(listed(4, 1))


def test_blocks_of_one_runner_are_bounded() -> None:
    ledger = BlockLedger(InboundLimits(known_blocks=1))
    add(ledger, 1, b"a")
    ledger.finish()

    assert refusal(ledger, 3, b"b") == "count: more than 1 blocks of one runner"
