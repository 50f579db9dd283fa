from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from orchestrator.sandboxes import bubblewrap
from orchestrator.sandboxes.cgroups import (
    ResourceGroup,
    bounds,
    folders_of,
    group_root,
    processes_of,
    read_usage,
    remove_empty,
)
from orchestrator.sandboxes.driver import RunnerLimits, RunnerStats

LIMITS = RunnerLimits(memory_bytes=4096, cpus=1.5, pids=7)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    for controller in ("memory", "pids", "cpu"):
        (tmp_path / controller).mkdir()
    return tmp_path


def test_old_hierarchy_has_one_folder_for_each_controller(old: Path) -> None:
    assert group_root(old) == {name: old / name for name in ("memory", "pids", "cpu")}


def test_group_in_the_old_hierarchy_gets_its_limits(old: Path) -> None:
    group = ResourceGroup.create("statek-x", LIMITS, root=old)
    assert group is not None
    written = {str(path.relative_to(old)): path.read_text() for path in sorted(old.rglob("*")) if path.is_file()}
    assert written == {
        "memory/statek-x/memory.limit_in_bytes": "4096",
        "pids/statek-x/pids.max": "7",
        "cpu/statek-x/cpu.cfs_period_us": "10000",
        "cpu/statek-x/cpu.cfs_quota_us": "15000",
    }
    group.add(42)
    assert [(old / name / "statek-x" / "cgroup.procs").read_text() for name in ("memory", "pids", "cpu")] == ["42"] * 3
    assert group.memory_mount() == (str(old / "memory" / "statek-x"), "/sys/fs/cgroup/memory")


def test_group_in_the_unified_hierarchy_gets_its_limits(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu io memory pids")
    (tmp_path / "cgroup.subtree_control").write_text("")
    group = ResourceGroup.create("statek-x", LIMITS, root=tmp_path)
    assert group is not None
    folder = tmp_path / "statek-x"
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "memory.max": "4096",
        "pids.max": "7",
        "cpu.max": "15000 10000",
    }
    assert group.memory_mount() == (str(folder), "/sys/fs/cgroup")


@pytest.mark.parametrize(
    ("delegated", "said", "lacking"),
    [
        ("cpu io memory pids", "memory, processes and CPU bounded by cgroup", ()),
        (
            "memory pids",
            "memory and processes bounded by cgroup, CPU NOT: this user has no cgroup controller cpu",
            ("cpu",),
        ),
        (
            "memory",
            "memory bounded by cgroup, processes and CPU NOT: this user has no cgroup controller pids or cpu",
            ("pids", "cpu"),
        ),
        ("cpu pids", "memory bounded per process by rlimit only, CPU not at all", ("memory", "pids", "cpu")),
    ],
)
def test_what_bounds_a_runner_is_said_controller_by_controller(
    tmp_path: Path, delegated: str, said: str, lacking: tuple[str, ...]
) -> None:
    (tmp_path / "cgroup.controllers").write_text(delegated)
    (tmp_path / "cgroup.subtree_control").write_text("")
    assert bounds(tmp_path) == (said, lacking)


def test_the_service_warns_once_of_what_nothing_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def nothing(*arguments: object, **keywords: object) -> Path:
        return tmp_path

    monkeypatch.setattr(bubblewrap, "prepare_site", nothing)
    monkeypatch.setattr(bubblewrap, "prepare_code", nothing)
    monkeypatch.setattr(bubblewrap, "_find_facts", lambda *arguments: object())
    monkeypatch.setattr(bubblewrap.cgroups, "bounds", lambda: ("memory bounded by cgroup, CPU NOT", ("cpu",)))
    driver = bubblewrap.BubblewrapDriver(cache=tmp_path, program="bwrap")

    async def prepare_two() -> None:
        for flavour in ("base", "data"):
            await driver.prepare(flavour)

    asyncio.run(prepare_two())
    assert driver.grouped
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "runners are not bounded by every cgroup controller: memory bounded by cgroup, CPU NOT"
    ]


def test_no_group_where_nothing_is_mounted(tmp_path: Path) -> None:
    assert ResourceGroup.create("statek-x", LIMITS, root=tmp_path) is None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"memory.usage_in_bytes": "123\n", "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"},
            RunnerStats(memory_bytes=123, pids=5, oom_kills=2),
        ),
        (
            {"memory.current": "9\n", "memory.events": "low 0\nhigh 0\nmax 4\noom 1\noom_kill 1\noom_group_kill 0\n"},
            RunnerStats(memory_bytes=9, pids=5, oom_kills=1),
        ),
        ({}, RunnerStats(memory_bytes=0, pids=5, oom_kills=0)),
    ],
)
def test_usage_is_read_from_either_generation(tmp_path: Path, files: dict[str, str], expected: RunnerStats) -> None:
    for name, text in {**files, "pids.current": "5\n"}.items():
        (tmp_path / name).write_text(text)
    assert read_usage(tmp_path, tmp_path) == expected


def test_own_groups_are_found_by_pid() -> None:
    found = folders_of(os.getpid())
    assert {name for name in found if not found[name].is_dir()} == set()


def test_group_with_content_stays_and_empty_one_goes(tmp_path: Path) -> None:
    full, empty = tmp_path / "full", tmp_path / "empty"
    (full / "child").mkdir(parents=True)
    empty.mkdir()
    assert [remove_empty(full), remove_empty(empty), remove_empty(tmp_path / "never")] == [False, True, True]
    assert [full.exists(), empty.exists()] == [True, False]


@pytest.mark.parametrize(
    "folder", ["pids/docker/abc", "memory/docker/abc", "docker/abc", "system.slice/docker-abc.scope"]
)
def test_processes_of_a_group_are_found_in_every_hierarchy(tmp_path: Path, folder: str) -> None:
    group = tmp_path / folder
    group.mkdir(parents=True)
    names = ("docker/abc", "system.slice/docker-abc.scope")
    assert processes_of(*names, root=tmp_path) == []
    (group / "cgroup.procs").write_text("41\n7\n")
    assert processes_of(*names, root=tmp_path) == [7, 41]
