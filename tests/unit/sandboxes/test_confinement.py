from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.sandboxes.confinement import (
    ArgumentList,
    BubblewrapFacts,
    ContainerBody,
    DockerFacts,
    ProcessFacts,
    confine,
)
from orchestrator.sandboxes.driver import RunnerLimits, RunnerSpec
from statek.exceptions import InvalidRequest

SPEC = RunnerSpec(
    runner_id="7-abc",
    socket=Path("/srv/run/7-abc.sock"),
    limits=RunnerLimits(
        memory_bytes=1000, cpus=0.5, pids=20, tmp_bytes=300, work_bytes=400, tmp_inodes=50, open_files=60
    ),
    store_id="store-1",
    incarnation=7,
)
BUBBLEWRAP = BubblewrapFacts(
    program="/usr/bin/bwrap",
    interpreter="/opt/py/bin/python3.11",
    stdlib="/opt/py/lib/python3.11",
    stdlib_inside="/usr/lib/python3.11",
    masked=("site-packages",),
    libraries=(("/lib/libc.so.6", "/lib/libc.so.6"),),
    site="/cache/site",
    code="/src/sandbox_runner",
    digest="d1",
    separate_uids=True,
    group_mount=("/sys/fs/cgroup/memory/statek-7-abc", "/sys/fs/cgroup/memory"),
)

ENVIRONMENT = [
    "GRPC_ENABLE_FORK_SUPPORT=0",
    "GRPC_VERBOSITY=NONE",
    "HOME=/work",
    "LANG=C.UTF-8",
    "MKL_NUM_THREADS=1",
    "MPLBACKEND=Agg",
    "MPLCONFIGDIR=/tmp/matplotlib",
    "OMP_NUM_THREADS=1",
    "OPENBLAS_NUM_THREADS=1",
    "PATH=/usr/local/bin:/usr/bin",
    "PYTHONDONTWRITEBYTECODE=1",
    "PYTHONHASHSEED=0",
    "PYTHONNOUSERSITE=1",
    "PYTHONPATH=/opt/runner",
    "TMPDIR=/tmp",
    "TZ=UTC",
]
FOLDERS = ["/lib", "/opt", "/opt/code", "/run", "/sys", "/sys/fs", "/sys/fs/cgroup", "/usr", "/usr/bin", "/usr/lib"]


def setenv(variables: list[str]) -> list[str]:
    return [word for item in variables for word in ("--setenv", *item.split("=", 1))]


def test_container_is_confined_by_exactly_these_flags() -> None:
    actual = confine(SPEC, DockerFacts(image="statek-runner:base-1", digest="d1", seccomp='{"p":1}'))
    assert actual == ContainerBody(
        name="statek-7-abc",
        body={
            "Image": "statek-runner:base-1",
            "Cmd": ["--socket", "/run/host.sock", "--image-digest", "d1", "--read-path", "/opt/runner"],
            "User": "0:0",
            "WorkingDir": "/",
            "Env": ENVIRONMENT,
            "Labels": {"statek.store": "store-1", "statek.incarnation": "7", "statek.runner": "7-abc"},
            "AttachStdin": False,
            "AttachStdout": False,
            "AttachStderr": False,
            "OpenStdin": False,
            "Tty": False,
            "NetworkDisabled": True,
            "HostConfig": {
                "NetworkMode": "none",
                "IpcMode": "none",
                "ReadonlyRootfs": True,
                "CapDrop": ["ALL"],
                "CapAdd": ["KILL", "SETGID", "SETUID"],
                "SecurityOpt": ["no-new-privileges:true", 'seccomp={"p":1}'],
                "Privileged": False,
                "Init": False,
                "Memory": 1000,
                "MemorySwap": 1000,
                "OomScoreAdj": 500,
                "OomKillDisable": False,
                "PidsLimit": 20,
                "CpuPeriod": 10_000,
                "CpuQuota": 5_000,
                "Ulimits": [
                    {"Name": "nofile", "Soft": 60, "Hard": 60},
                    {"Name": "core", "Soft": 0, "Hard": 0},
                ],
                "Tmpfs": {
                    "/tmp": "rw,noexec,nosuid,nodev,nr_inodes=50,mode=1777,size=300",
                    "/work": "rw,noexec,nosuid,nodev,nr_inodes=50,mode=1777,size=400",
                },
                "Mounts": [
                    {"Type": "bind", "Source": "/srv/run/7-abc.sock", "Target": "/run/host.sock", "ReadOnly": True}
                ],
                "LogConfig": {"Type": "none", "Config": {}},
                "RestartPolicy": {"Name": "no"},
                "AutoRemove": False,
            },
        },
    )


def test_container_runtime_is_named_only_where_one_is_asked_for() -> None:
    actual = confine(SPEC, DockerFacts(image="i", digest="d", seccomp="{}", runtime="runsc"))
    assert isinstance(actual, ContainerBody)
    assert actual.body["HostConfig"]["Runtime"] == "runsc"


def test_the_host_sees_more_threads_of_gvisor_than_run_inside() -> None:
    limits = []
    for runtime in ("runc", "runsc"):
        actual = confine(SPEC, DockerFacts(image="i", digest="d", seccomp="{}", runtime=runtime))
        assert isinstance(actual, ContainerBody)
        limits.append(actual.body["HostConfig"]["PidsLimit"])
    assert limits == [20, 672]


def test_bubblewrap_as_root_is_confined_by_exactly_these_arguments() -> None:
    actual = confine(SPEC, BUBBLEWRAP)
    assert isinstance(actual, ArgumentList)
    assert dict(actual.environment) == {}
    inside = [item if not item.startswith("PYTHONPATH") else "PYTHONPATH=/opt/code:/opt/runner" for item in ENVIRONMENT]
    assert list(actual.argv) == [
        "/usr/bin/bwrap",
        *("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
        *("--cap-drop", "ALL", "--cap-add", "CAP_KILL", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETUID"),
        *("--die-with-parent", "--as-pid-1", "--new-session", "--hostname", "runner", "--clearenv"),
        *setenv(inside),
        *(word for folder in FOLDERS for word in ("--perms", "0755", "--dir", folder)),
        *("--ro-bind", "/opt/py/bin/python3.11", "/usr/bin/python3"),
        *("--ro-bind", "/opt/py/lib/python3.11", "/usr/lib/python3.11"),
        *("--ro-bind", "/lib/libc.so.6", "/lib/libc.so.6"),
        *("--ro-bind", "/cache/site", "/opt/runner", "--ro-bind", "/src/sandbox_runner", "/opt/code/sandbox_runner"),
        *("--ro-bind", "/srv/run/7-abc.sock", "/run/host.sock"),
        *("--ro-bind", "/sys/fs/cgroup/memory/statek-7-abc", "/sys/fs/cgroup/memory"),
        *("--tmpfs", "/usr/lib/python3.11/site-packages", "--remount-ro", "/usr/lib/python3.11/site-packages"),
        *("--proc", "/proc", "--tmpfs", "/dev"),
        *("--dev-bind", "/dev/null", "/dev/null", "--dev-bind", "/dev/random", "/dev/random"),
        *("--dev-bind", "/dev/urandom", "/dev/urandom", "--dev-bind", "/dev/zero", "/dev/zero"),
        *("--remount-ro", "/dev"),
        *("--perms", "1777", "--size", "300", "--tmpfs", "/tmp"),
        *("--perms", "1777", "--size", "400", "--tmpfs", "/work"),
        *("--remount-ro", "/", "--chdir", "/"),
        *("--", "/usr/bin/python3", "-s", "-P", "-m", "sandbox_runner"),
        *("--socket", "/run/host.sock", "--image-digest", "d1"),
    ]


def test_bubblewrap_as_user_has_a_user_namespace_and_one_uid() -> None:
    actual = confine(SPEC, replace(BUBBLEWRAP, separate_uids=False, group_mount=None))
    assert isinstance(actual, ArgumentList)
    assert actual.argv[1:8] == ("--unshare-all", "--cap-drop", "ALL", "--uid", "65534", "--gid", "65534")
    assert "--cap-add" not in actual.argv
    assert actual.argv[-3:] == ("--no-uid-switch", "--limit-threads", "--limit-address-space")


def test_plain_process_gets_a_complete_environment_and_its_own_folders() -> None:
    facts = ProcessFacts("/py", "/cache/site", "/src", "d1", "/x/tmp", "/x/work")
    actual = confine(SPEC, facts)
    assert isinstance(actual, ArgumentList)
    expected = dict(item.split("=", 1) for item in ENVIRONMENT)
    assert dict(actual.environment) == {
        **expected,
        "HOME": "/x/work",
        "MPLCONFIGDIR": "/x/tmp/matplotlib",
        "TMPDIR": "/x/tmp",
        "PYTHONPATH": "/src:/cache/site",
    }
    assert actual.argv == (
        *("/py", "-s", "-P", "-m", "sandbox_runner", "--socket", "/srv/run/7-abc.sock", "--image-digest", "d1"),
        *("--no-uid-switch", "--limit-address-space", "--allow-missing-seccomp"),
        *("--work-dir", "/x/work", "--tmp-dir", "/x/tmp"),
    )


@pytest.mark.parametrize("runner_id", ["", "A", "a/b", "a b", "../x", "x" * 41, "a\n"])
def test_runner_id_that_is_no_name_is_refused(runner_id: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        confine(replace(SPEC, runner_id=runner_id), BUBBLEWRAP)
    assert str(caught.value) == f"runner id {runner_id!r} is not [a-z0-9-]{{1,40}}"


def test_socket_path_is_taken_up_to_the_kernels_length() -> None:
    longest = Path("/" + "s" * 106)
    assert isinstance(confine(replace(SPEC, socket=longest), BUBBLEWRAP), ArgumentList)
    with pytest.raises(InvalidRequest) as caught:
        confine(replace(SPEC, socket=Path(f"{longest}s")), BUBBLEWRAP)
    assert str(caught.value) == f"socket path {longest}s has 108 bytes, the kernel takes 107"


def test_no_variable_of_the_host_reaches_a_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    plans = [
        confine(SPEC, DockerFacts(image="i", digest="d", seccomp="{}")),
        confine(SPEC, BUBBLEWRAP),
        confine(SPEC, ProcessFacts("/py", "/s", "/c", "d", "/t", "/w")),
    ]
    assert [repr(plan) for plan in plans if "sk-secret" in repr(plan) or "OPENAI" in repr(plan)] == []


PROFILE = json.loads((Path(__file__).parents[3] / "images" / "base" / "seccomp.json").read_text())


def test_seccomp_profile_refuses_what_is_not_named() -> None:
    assert (PROFILE["defaultAction"], PROFILE["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 1)
    allowed = {name for rule in PROFILE["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}
    dangerous = {
        *("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "io_uring_setup", "io_uring_enter", "bpf"),
        *("io_uring_register", "unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "keyctl", "add_key"),
        *("request_key", "perf_event_open", "userfaultfd", "memfd_secret", "clone3", "modify_ldt", "personality"),
        *("open_by_handle_at", "name_to_handle_at", "mknod", "mknodat", "swapon", "reboot", "kexec_load", "vmsplice"),
        *("init_module", "finit_module", "delete_module", "syslog", "acct", "quotactl", "move_pages", "fsopen"),
    }
    assert allowed & dangerous == set()


def test_seccomp_profile_allows_the_unix_family_and_no_namespace_flag() -> None:
    rules = {name: rule for rule in PROFILE["syscalls"] for name in rule["names"]}
    only_unix = [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]
    assert rules["socket"]["args"] == only_unix
    assert rules["socketpair"]["args"] == only_unix
    new_cgroup, new_time_to_net = (
        0x02000000,
        0x00020000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000,
    )
    assert rules["clone"]["args"] == [
        {"index": 0, "value": new_cgroup | new_time_to_net, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    ]
    assert (rules["clone3"]["action"], rules["clone3"]["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)
