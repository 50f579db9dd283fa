"""Redo logs of earlier versions: every whole record is taken over, nothing else ever is."""

from __future__ import annotations

import struct
from pathlib import Path

from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.store.redo import Record, read_records
from orchestrator.store.redo_sessionless import read_sessionless, rewrite_sessionless

FIRST = Record(7, 8192, ((0, b"a" * 40), (4096, b"b" * 17)))
SECOND = Record(8, 12288, ((8192, b"second"),))


def encoded(record: Record, magic: bytes = b"stkredo1") -> bytes:
    """A record as the earlier version wrote it."""
    length = sum(len(data) for _, data in record.ranges)
    head = struct.pack("<8sQQIQ", magic, record.sequence, record.file_size, len(record.ranges), length)
    body = head + b"".join(struct.pack("<QQ", offset, len(data)) for offset, data in record.ranges)
    body += b"".join(data for _, data in record.ranges)
    return body + blake3(body).digest()


def test_a_log_is_rewritten_as_this_version_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "p.redo.0"
    path.write_bytes(encoded(FIRST) + encoded(SECOND))
    assert (rewrite_sessionless(path), list(read_records(path))) == (True, [FIRST, SECOND])
    after = path.read_bytes()
    assert (rewrite_sessionless(path), path.read_bytes()) == (False, after)


def test_what_is_no_such_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "p.redo.0"
    assert not rewrite_sessionless(path)
    assert not path.exists()
    path.write_bytes(encoded(FIRST, b"stkredo2"))
    assert not rewrite_sessionless(path)


def test_a_record_torn_at_any_byte_ends_the_log() -> None:
    whole, torn = encoded(FIRST), encoded(SECOND)
    for length in range(len(torn)):
        assert list(read_sessionless(whole + torn[:length])) == [FIRST]
        assert list(read_sessionless(torn[:length])) == []


def test_a_record_changed_at_any_byte_ends_the_log() -> None:
    second = encoded(SECOND)
    for at in range(len(second)):
        changed = bytearray(second)
        changed[at] ^= 0x41
        assert list(read_sessionless(encoded(FIRST) + changed)) == [FIRST]


@given(st.binary(max_size=300), st.booleans())
@settings(max_examples=300)
def test_bytes_of_any_kind_are_no_records(data: bytes, begins_well: bool) -> None:
    assert list(read_sessionless((b"stkredo1" if begins_well else b"") + data)) == []
