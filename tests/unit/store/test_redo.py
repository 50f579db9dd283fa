"""The redo log: a record counts whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.store.redo import Record, RedoLog, encode_record, read_records
from statek.exceptions import StoreDamaged

FIRST = Record(1, 8192, ((0, b"a" * 40), (4096, b"b" * 17)))
SECOND = Record(2, 8192, ((100, b"second"),))


def test_a_record_torn_at_any_byte_ends_the_log(tmp_path: Path) -> None:
    whole, torn = encode_record(FIRST, 7), encode_record(SECOND, 7)
    path = tmp_path / "log"
    for length in range(len(torn)):
        path.write_bytes(whole + torn[:length])
        assert list(read_records(path)) == [FIRST]
    path.write_bytes(whole + torn)
    assert list(read_records(path)) == [FIRST, SECOND]


def test_a_record_changed_at_any_byte_ends_the_log(tmp_path: Path) -> None:
    whole, second = encode_record(FIRST, 7), encode_record(SECOND, 7)
    path = tmp_path / "log"
    for at in range(len(second)):
        changed = bytearray(second)
        changed[at] ^= 0x41
        path.write_bytes(whole + changed)
        assert list(read_records(path)) == [FIRST]


def test_both_files_are_read_in_order_of_writing(tmp_path: Path) -> None:
    log = RedoLog(tmp_path, "p")
    log.open()
    log.append(FIRST)
    log.switch()
    log.append(SECOND)
    log.close()
    assert list(RedoLog(tmp_path, "p").recorded()) == [FIRST, SECOND]


def test_a_hole_between_the_files_is_damage(tmp_path: Path) -> None:
    log = RedoLog(tmp_path, "p")
    log.paths[0].write_bytes(encode_record(FIRST, 7))
    log.paths[1].write_bytes(encode_record(Record(3, 1, ()), 7))
    with pytest.raises(StoreDamaged, match="goes from record 1 to 3"):
        list(log.recorded())


def _log(folder: Path) -> RedoLog:
    log = RedoLog(folder, "p", kept_bytes=1 << 16)
    log.open()
    return log


def _numbered(sequence: int) -> Record:
    return Record(sequence, 4096, ((0, b"same length"),))


@pytest.mark.timeout(30)
def test_what_an_earlier_use_left_behind_ends_the_records(tmp_path: Path) -> None:
    log = _log(tmp_path)
    for sequence in range(1, 6):
        log.append(_numbered(sequence))
    log.switch()
    log.append(_numbered(6))
    log.clear(0)
    assert list(RedoLog(tmp_path, "p").recorded()) == [_numbered(6)]
    log.switch()
    # Every record is as long as the one that it overwrites, so old whole records follow the new one.
    log.append(_numbered(7))
    assert list(RedoLog(tmp_path, "p").recorded()) == [_numbered(6), _numbered(7)]
    log.close()


def test_an_emptied_file_keeps_its_length_and_gives_back_what_is_over_it(tmp_path: Path) -> None:
    log = _log(tmp_path)
    log.append(Record(1, 4096, ((0, bytes(100_000)),)))
    log.switch()
    log.clear(0)
    assert ([path.stat().st_size for path in log.paths], list(log.recorded())) == ([1 << 16, 0], [])
    log.switch()
    log.fill()
    log.append(_numbered(2))
    assert [path.stat().st_size for path in log.paths] == [1 << 16, 1 << 16]
    assert list(log.recorded()) == [_numbered(2)]
    log.close()


def test_records_of_another_process_do_not_follow(tmp_path: Path) -> None:
    old = _log(tmp_path)
    for sequence in range(1, 4):
        old.append(_numbered(sequence))
    old.close()
    # As after a crash that left no record to tell the last number: numbers begin again.
    new = _log(tmp_path)
    assert list(new.recorded()) == []
    new.append(_numbered(1))
    assert list(new.recorded()) == [_numbered(1)]
    new.close()


@pytest.mark.timeout(60)
def test_a_log_cut_at_any_step_of_its_life_reads_whole(tmp_path: Path) -> None:
    """Killed between any two writes: what is read is every record of the file that was not emptied."""
    log = _log(tmp_path)
    acknowledged = 0

    def read() -> list[int]:
        return [record.sequence for record in RedoLog(tmp_path, "p").recorded()]

    for first in range(1, 40, 4):
        for sequence in range(first, first + 4):
            log.append(_numbered(sequence))
            acknowledged = sequence
            assert read()[-1] == acknowledged
        closed = log.switch()
        assert read()[-1] == acknowledged
        log.clear(closed)
        assert read() == []
    log.close()
