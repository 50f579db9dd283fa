"""The redo log: a record counts whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.store.redo import Record, RedoLog, encode_record, read_records
from statek.exceptions import StoreDamaged

FIRST = Record(1, 8192, ((0, b"a" * 40), (4096, b"b" * 17)))
SECOND = Record(2, 8192, ((100, b"second"),))


def test_a_record_torn_at_any_byte_ends_the_log(tmp_path: Path) -> None:
    whole, torn = encode_record(FIRST), encode_record(SECOND)
    path = tmp_path / "log"
    for length in range(len(torn)):
        path.write_bytes(whole + torn[:length])
        assert list(read_records(path)) == [FIRST]
    path.write_bytes(whole + torn)
    assert list(read_records(path)) == [FIRST, SECOND]


def test_a_record_changed_at_any_byte_ends_the_log(tmp_path: Path) -> None:
    whole, second = encode_record(FIRST), encode_record(SECOND)
    path = tmp_path / "log"
    for at in range(len(second)):
        changed = bytearray(second)
        changed[at] ^= 0x41
        path.write_bytes(whole + changed)
        assert list(read_records(path)) == [FIRST]


def test_both_files_are_read_in_order_of_writing(tmp_path: Path) -> None:
    log = RedoLog(tmp_path, "p")
    log.open()
    log.append(encode_record(FIRST))
    log.switch()
    log.append(encode_record(SECOND))
    log.close()
    assert list(RedoLog(tmp_path, "p").recorded()) == [FIRST, SECOND]


def test_a_hole_between_the_files_is_damage(tmp_path: Path) -> None:
    log = RedoLog(tmp_path, "p")
    log.paths[0].write_bytes(encode_record(FIRST))
    log.paths[1].write_bytes(encode_record(Record(3, 1, ())))
    with pytest.raises(StoreDamaged, match="goes from record 1 to 3"):
        list(log.recorded())
