"""What the kernel says of a runner's processes, read from the host: the flags are not only asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.sandboxes import cgroups
from orchestrator.sandboxes.children import tree_of
from orchestrator.sandboxes.driver import Driver
from orchestrator.sandboxes.pool import Pool
from tests.docker.conftest import LIMITS
from tests.support.steps import run

SETUID_SETGID_KILL = f"{(1 << 5) | (1 << 6) | (1 << 7):016x}"
NONE = f"{0:016x}"


async def pid_1_of(driver: Driver, runner_id: str, pool: Pool) -> int:
    """The host's pid of the runner's PID 1."""
    known = pool._known[runner_id].ref
    assert known is not None
    return int(known.id) if driver.name == "bubblewrap" else driver._pids[known.id]  # type: ignore[attr-defined]


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def mounts(pid: int) -> dict[str, set[str]]:
    """Options of every mount, those of the mount and those of its file system."""
    found = {}
    for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        found[fields[4]] = {*fields[5].split(","), *after.split()[2].split(",")}
    return found


@pytest.mark.root
async def test_every_process_is_confined(pool: Pool, driver: Driver) -> None:
    sandbox = await pool.claim(timeout=30)
    await run(sandbox, "x = 1")
    pid = await pid_1_of(driver, sandbox.runner.runner_id, pool)
    tree = [status(member) for member in sorted(tree_of(pid))]
    facts = [
        (entry["NSpid"].split()[-1], entry["Uid"].split()[0], entry["CapEff"], entry["NoNewPrivs"]) for entry in tree
    ]
    assert facts[0] == ("1", "0", SETUID_SETGID_KILL, "1")
    assert [fact[1:] for fact in facts[1:]] == [("65533", NONE, "1"), ("65534", NONE, "1")]
    assert [entry["CapPrm"] for entry in tree[1:]] == [NONE, NONE]
    assert [entry["Seccomp"] for entry in tree] == ["2", "2", "2"]
    # Of PID 1, of the supervisor and of the executor, beside the engine's own for all three.
    engine = 1 if driver.name == "docker" else 0
    assert [int(entry["Seccomp_filters"]) - engine for entry in tree] == [1, 2, 2]


@pytest.mark.root
async def test_runner_has_no_network_and_namespaces_of_its_own(pool: Pool, driver: Driver) -> None:
    sandbox = await pool.claim(timeout=30)
    pid = await pid_1_of(driver, sandbox.runner.runner_id, pool)
    devices = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
    assert [line.split(":")[0].strip() for line in devices] == ["lo"]
    assert len(Path(f"/proc/{pid}/net/route").read_text().splitlines()) == 1
    for kind in ("net", "pid", "ipc", "mnt", "uts"):
        ours, theirs = (Path(f"/proc/{who}/ns/{kind}").readlink() for who in ("self", pid))
        assert ours != theirs, kind


@pytest.mark.root
async def test_nothing_is_writable_but_two_bounded_folders(pool: Pool, driver: Driver) -> None:
    sandbox = await pool.claim(timeout=30)
    found = mounts(await pid_1_of(driver, sandbox.runner.runner_id, pool))
    assert "ro" in found["/"]
    for folder, size in (("/tmp", LIMITS.tmp_bytes), ("/work", LIMITS.work_bytes)):
        assert {"rw", "nosuid", "nodev", f"size={size >> 10}k"} <= found[folder]
        if driver.name == "docker":
            assert {"noexec", f"nr_inodes={LIMITS.tmp_inodes}"} <= found[folder]
    assert "ro" in found["/run/host.sock"]


@pytest.mark.root
async def test_limits_of_the_whole_runner_are_set(pool: Pool, driver: Driver) -> None:
    sandbox = await pool.claim(timeout=30)
    pid = await pid_1_of(driver, sandbox.runner.runner_id, pool)
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    values = {line[:26].strip(): line[26:].split()[:2] for line in limits[1:]}
    assert values["Max open files"] == [str(LIMITS.open_files)] * 2
    assert values["Max core file size"] == ["0", "0"]
    folders = cgroups.folders_of(pid)
    names = ("memory.limit_in_bytes", "memory.max")
    assert [int((folders["memory"] / n).read_text()) for n in names if (folders["memory"] / n).exists()] == [
        LIMITS.memory_bytes
    ]
    assert int((folders["pids"] / "pids.max").read_text()) == LIMITS.pids
    usage = await driver.stats(sandbox.runner)
    assert (usage.pids >= 3, 1 << 20 < usage.memory_bytes < LIMITS.memory_bytes, usage.oom_kills) == (True, True, 0)


@pytest.mark.root
async def test_environment_holds_nothing_of_the_host(pool: Pool, driver: Driver) -> None:
    sandbox = await pool.claim(timeout=30)
    pid = await pid_1_of(driver, sandbox.runner.runner_id, pool)
    given = Path(f"/proc/{pid}/environ").read_text().rstrip("\0").split("\0")
    environment = dict(item.split("=", 1) for item in given)
    allowed = {
        *(
            "GRPC_ENABLE_FORK_SUPPORT",
            "GRPC_VERBOSITY",
            "HOME",
            "LANG",
            "MKL_NUM_THREADS",
            "MPLBACKEND",
            "MPLCONFIGDIR",
            "OMP_NUM_THREADS",
        ),
        *("OPENBLAS_NUM_THREADS", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONNOUSERSITE"),
        *("PYTHONPATH", "TMPDIR", "TZ", "HOSTNAME", "PWD"),
    }
    assert environment.keys() - allowed == set()
    assert environment.get("PWD", "/") == "/"  # what bubblewrap adds is a folder of the sandbox
