"""A file that the disk has damaged: what the others tell is put right, the rest is refused by name."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.store import Store
from orchestrator.store.integrity import PAGE, Witness, WitnessState, pages_of
from statek.exceptions import StoreDamaged

from .worker import root_of

pytestmark = pytest.mark.timeout(60)

WORKER = Path(__file__).with_name("worker.py")
PROJECT = Path(__file__).resolve().parents[3]
COMMITS = 40


@pytest.fixture(scope="module")
def killed_store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A store whose process was killed, and the last number that was acknowledged."""
    root = tmp_path_factory.mktemp("killed")
    process = subprocess.Popen(
        [sys.executable, str(WORKER), str(root), "1"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    assert process.stdout is not None
    for _ in range(COMMITS):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split(b"\n")
    process.wait()
    process.stdout.close()
    return root, int(rest[-2]) if len(rest) > 1 else COMMITS - 1


@pytest.fixture
def killed(killed_store: tuple[Path, int], tmp_path: Path) -> tuple[Path, int]:
    """A copy of it."""
    shutil.copytree(killed_store[0], tmp_path / "s")
    return tmp_path / "s", killed_store[1]


@pytest.fixture
def closed(killed: tuple[Path, int]) -> tuple[Path, int]:
    """A store that was closed, with the number in it."""
    return killed[0], number_in(killed[0])


def number_in(root: Path) -> int:
    """Open a store, read its number, close it."""
    store = Store.open(root)
    try:
        return _checked_number(store)
    finally:
        store.close()


def _checked_number(store: Store) -> int:
    top = root_of(store)
    number, length = store.read_sync(lambda: (top.number, len(top.items)))
    assert number == length
    return int(number)


def flip(path: Path, at: int) -> None:
    """Change one bit and no time of a file."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def log_in_use(root: Path) -> Path:
    """The log file with records."""
    [found] = [path for path in (root / "statek").glob("default.redo.*") if path.read_bytes()[:8] == b"stkredo2"]
    return found


def test_nothing_is_lost_without_damage(killed: tuple[Path, int]) -> None:
    root, acknowledged = killed
    assert number_in(root) >= acknowledged


@pytest.mark.parametrize("at", [100, 30_000, None])
def test_a_log_that_lost_acknowledged_records_is_refused(killed: tuple[Path, int], at: int | None) -> None:
    root, _ = killed
    log = log_in_use(root)
    if at is None:
        log.write_bytes(b"")
    else:
        flip(log, at)
    witness = Witness.read(root / "statek" / "default.witness")
    assert witness is not None
    with pytest.raises(StoreDamaged) as caught:
        Store.open(root)
    words = str(caught.value)
    assert words.startswith("the redo log of prefix default ends with record ")
    assert words.endswith(
        f", record {witness.recorded} was acknowledged; default.redo.0 or default.redo.1 is damaged; "
        "restore the folder from a backup"
    )


def test_without_a_witness_the_log_is_taken_as_it_is(killed: tuple[Path, int]) -> None:
    root, acknowledged = killed
    (root / "statek" / "default.witness").write_bytes(b"damaged")
    assert number_in(root) >= acknowledged


def pages_by_primary(root: Path) -> dict[bool, list[int]]:
    """Pages of the mirror by whether the primary has the same ones."""
    mirror, primary = (root / "statek" / "default.mirror").read_bytes(), (root / "default.db0").read_bytes()
    found: dict[bool, list[int]] = {True: [], False: []}
    for at in range(0, len(mirror), PAGE):
        found[mirror[at : at + PAGE] == primary[at : at + PAGE]].append(at // PAGE)
    return found


def test_a_damaged_page_of_the_mirror_comes_from_the_primary(killed: tuple[Path, int]) -> None:
    root, acknowledged = killed
    flip(root / "statek" / "default.mirror", pages_by_primary(root)[True][1] * PAGE + 5)
    assert number_in(root) >= acknowledged


def test_a_damaged_page_of_the_mirror_that_the_primary_does_not_have_is_refused(killed: tuple[Path, int]) -> None:
    root, _ = killed
    at = pages_by_primary(root)[False][0] * PAGE
    flip(root / "statek" / "default.mirror", at + 5)
    with pytest.raises(StoreDamaged) as caught:
        Store.open(root)
    assert str(caught.value) == (
        f"default.mirror is damaged at byte {at} and its content is nowhere else; restore the folder from a backup"
    )


def test_a_damaged_sum_of_a_killed_store_costs_nothing(killed: tuple[Path, int]) -> None:
    root, acknowledged = killed
    (root / "statek" / "default.sums").write_bytes(b"")
    assert number_in(root) >= acknowledged


@pytest.mark.parametrize(
    "name", ["default.db0", "statek/default.mirror", "statek/default.sums", "statek/default.witness"]
)
def test_any_file_of_a_closed_store_may_be_damaged(closed: tuple[Path, int], name: str) -> None:
    root, number = closed
    size = (root / name).stat().st_size
    for at in (0, size // 3, size - 1):
        flip(root / name, at)
        assert number_in(root) == number


def test_mirror_and_primary_damaged_alike_elsewhere_is_refused(closed: tuple[Path, int]) -> None:
    root, _ = closed
    flip(root / "default.db0", 10)
    flip(root / "statek" / "default.mirror", 2 * PAGE)
    with pytest.raises(StoreDamaged) as caught:
        Store.open(root)
    assert str(caught.value) == "default.db0 and default.mirror are damaged; restore the folder from a backup"


def test_a_store_of_a_version_without_sums_and_witness_gets_them(killed: tuple[Path, int]) -> None:
    root, acknowledged = killed
    for name in ("default.sums", "default.witness"):
        (root / "statek" / name).unlink()
    number = number_in(root)
    assert number >= acknowledged
    flip(root / "default.db0", 4 * PAGE)
    assert number_in(root) == number


def test_pages_of_a_range() -> None:
    assert [list(pages_of(*span)) for span in ((0, 1), (PAGE - 1, 2), (PAGE, PAGE), (5, 0))] == [[0], [0, 1], [1], []]


def test_a_witness_remembers_over_processes_and_goes_by_its_sum(tmp_path: Path) -> None:
    path = tmp_path / "w"
    witness = Witness(path, WitnessState(3, 2))
    witness.acknowledge(7)
    witness.begin_applying()
    witness.close()
    assert Witness.read(path) == WitnessState(7, 2, applying=True)
    again = Witness(path, WitnessState(0, 0))
    again.end_applying(7)
    again.close()
    assert Witness.read(path) == WitnessState(7, 7)
    flip(path, 9)
    assert Witness.read(path) is None
    assert Witness.read(tmp_path / "none") is None
