"""Rivals in their processes and environments: the same values after a resumption, and clear ends."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.rivals.comparison import expected_digest
from benchmarks.rivals.environment import ENVIRONMENTS, Environment, RivalMissing
from benchmarks.rivals.process import RivalFailed, running_rival
from benchmarks.rivals.workloads import WORKLOADS

pytestmark = pytest.mark.timeout(120)

TURNS = 6

PYTHONS = {"pickle": Path(sys.executable)} | {
    rival: ENVIRONMENTS[name].python
    for rival, name in (("kishu", "kishu"), ("langgraph", "langgraph"), ("langgraph_delta", "langgraph"))
    if ENVIRONMENTS[name].is_ready()
}
"""Those that are installed (`python -m benchmarks rivals` does that); pickling everything needs nothing."""


@pytest.mark.parametrize("workload", sorted(WORKLOADS))
@pytest.mark.parametrize("rival", sorted(PYTHONS))
async def test_a_rival_holds_the_same_values_as_everybody_after_a_resumption(
    rival: str, workload: str, tmp_path: Path
) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    async with running_rival(rival, workload, PYTHONS[rival], folder) as process:
        facts = (await process.ask("begin"))["facts"]
        assert {"version", "sync"} <= set(facts)
        assert all(" " not in str(each) for each in facts.values())
        first = await process.ask("steps", first=1, count=2)
        rest = await process.ask("steps", first=3, count=TURNS - 2)
        assert [len(first["ms"]), len(rest["ms"])] == [2, TURNS - 2]
        await process.ask("prepare")
        for turn in (1, TURNS, 3):
            assert (await process.ask("view", turn=turn))["ms"] > 0
        await process.ask("fork", turn=2)
        for _ in range(2):
            assert (await process.ask("resume"))["digest"] == expected_digest(WORKLOADS[workload], TURNS)
        assert (await process.ask("view", turn=2))["ms"] > 0


async def test_pickling_everything_syncs_a_file_and_its_folder_at_each_step(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    async with running_rival("pickle", "many", Path(sys.executable), folder) as process:
        counts = [(await process.ask("begin"))["fsyncs"]]
        counts.append((await process.ask("steps", first=1, count=3))["fsyncs"])
        counts.append((await process.ask("fork", turn=2))["fsyncs"])
    assert counts == [2, 8, 10]
    assert sorted(path.name for path in folder.iterdir()) == [*(f"{turn:06d}.pickle" for turn in range(4)), "fork-1"]


async def test_what_a_rival_cannot_do_is_said_with_its_last_words(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    async with running_rival("pickle", "many", Path(sys.executable), folder) as process:
        await process.ask("begin")
        with pytest.raises(RivalFailed, match=r"(?s)^pickle, view: FileNotFoundError: .*000007.*Traceback"):
            await process.ask("view", turn=7)
        with pytest.raises(RivalFailed, match=r"(?s)^pickle, dance: RuntimeError: no such command: dance\n"):
            await process.ask("dance")
        await process.ask("steps", first=1, count=1)


async def test_a_rival_that_ends_is_one_clear_error(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    async with running_rival("nobody", "many", Path(sys.executable), folder) as process:
        with pytest.raises(RivalFailed, match=r"(?s)^nobody, begin: .*KeyError: 'nobody'"):
            await process.ask("begin")


def test_what_cannot_be_installed_is_missing_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    lock = tmp_path / "lock.txt"
    lock.write_text(f"nothing==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    environment = Environment("nothing", lock, tmp_path / "nothing")
    with pytest.raises(RivalMissing, match=r"^nothing cannot be installed: .*nothing==1\.0"):
        environment.install()
    said = f"benchmarks: installing nothing==1.0 and what it needs, 1 packages of lock.txt, into {tmp_path}/nothing"
    assert capsys.readouterr().err == f"{said} (a minute)\n"
    assert not environment.is_ready()


def test_a_ready_environment_is_left_alone_until_its_lock_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("")
    environment = Environment("empty", lock, tmp_path / "empty")
    environment.install()
    assert subprocess.run([environment.python, "-c", ""], check=False).returncode == 0
    capsys.readouterr()
    environment.install()
    assert (environment.is_ready(), capsys.readouterr().err) == (True, "")
    lock.write_text("# another\n")
    assert not replace(environment).is_ready()
    assert sys.executable != str(environment.python)
