"""What code in an executor may not do, tried from the code itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.sandboxes.step import StepResult
from tests.integration.runner.conftest import Running

pytestmark = [
    pytest.mark.parametrize(
        "runner",
        [pytest.param([], id="one-uid"), pytest.param(["uids"], id="uids", marks=pytest.mark.root)],
        indirect=True,
    )
]

REFUSED = """
import ctypes, os, resource, signal, socket
libc = ctypes.CDLL(None, use_errno=True)
def raw(name, *args):
    if getattr(libc, name)(*args) < 0:
        raise OSError(ctypes.get_errno(), name)
tries = {
    "socket": lambda: socket.socket(socket.AF_INET),
    "unix socket": lambda: socket.socket(socket.AF_UNIX),
    "vsock": lambda: socket.socket(40),
    "datagram pair": lambda: socket.socketpair(type=socket.SOCK_DGRAM),
    "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "kill": lambda: os.kill(os.getppid(), signal.SIGKILL),
    "ptrace": lambda: raw("ptrace", 16, os.getppid(), 0, 0),
    "unshare": lambda: raw("unshare", 0x10000000),
    "io_uring": lambda: raw("syscall", 425, 8, 0),
    "bpf": lambda: raw("syscall", 321, 0, 0, 0),
    "prlimit": lambda: resource.prlimit(0, resource.RLIMIT_NOFILE, (1, 1)),
    "shadow": lambda: open("/etc/shadow"),
    "root": lambda: os.listdir("/"),
    "zygote": lambda: open(f"/proc/{os.getppid()}/environ"),
    "own environ": lambda: open("/proc/self/environ"),
    "mounts": lambda: open("/proc/self/mountinfo"),
    "write": lambda: open(os.__file__, "a"),
}
for name, attempt in tries.items():
    try:
        attempt()
    except PermissionError:
        pass
    else:
        print(name)
"""

ALLOWED = """
import asyncio, os, signal, socket, sqlite3, tempfile, threading
done = []
worker = threading.Thread(target=lambda: done.append("thread"))
worker.start(); worker.join()
done.append(asyncio.run(asyncio.sleep(0, "asyncio")))
a, b = socket.socketpair(); a.send(b"pair"); done.append(b.recv(9).decode())
with tempfile.NamedTemporaryFile() as file:
    file.write(b"x"); file.flush()
    done.append(str(os.path.getsize(file.name)))
done.append(sqlite3.connect("f.db").execute("select 'sqlite'").fetchone()[0])
os.kill(os.getpid(), 0)
print(" ".join(done))
"""

STATUS = """
import os
with open("/proc/self/status") as file:
    status = dict(line.strip().partition(":\\t")[::2] for line in file)
with open("/proc/self/stat") as file:
    stat = file.read().split()
print(status["CapEff"], status["CapPrm"], status["CapBnd"], status["NoNewPrivs"], status["Seccomp"])
print(os.getsid(0) == os.getpid(), sorted(os.environ.get("SECRET", "none")))
open_files = []
for number in range(64):
    try:
        os.fstat(number)
    except OSError:
        continue
    open_files.append(number)
print(len(open_files) <= 5, [os.path.samestat(os.fstat(n), os.stat("/dev/null")) for n in range(3)])
"""


async def test_refused(runner: Running) -> None:
    end = await runner.run(REFUSED)

    assert isinstance(end, StepResult)
    assert (end.error_message, runner.printed()) == ("", [])


async def test_allowed(runner: Running) -> None:
    end = await runner.run(ALLOWED)

    assert isinstance(end, StepResult)
    assert (end.error_message, runner.printed()) == ("", ["thread asyncio pair 1 sqlite"])


def _status(name: str) -> str:
    """A line of what the kernel says of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:"))


async def test_identity(runner: Running) -> None:
    end = await runner.run(STATUS)

    none = "0000000000000000"
    # Only root may give up what it could never get back: with no_new_privs the set is without effect for others.
    bounding = none if os.geteuid() == 0 else _status("CapBnd")
    assert isinstance(end, StepResult)
    assert (end.error_message, runner.printed()) == (
        "",
        [f"{none} {none} {bounding} 1 2", 'True ["e","n","n","o"]', "True [True,True,True]"],
    )


async def test_uids(runner: Running) -> None:
    await runner.run("import os\nprint(os.getuid(), os.getgid(), os.getgroups())")
    zygote, supervisor = runner.processes[0].uids().real, runner.supervisor.uids().real

    separate = zygote != supervisor
    assert (zygote, supervisor, runner.printed()) == (
        (0, 65533, ["65534 65534 []"]) if separate else (zygote, zygote, [f"{zygote} {zygote} []"])
    )
