"""Code that speaks to the kernel itself: its own machine code, descriptors sent to the supervisor, other processes.

Each attempt runs inside a real runner and prints what it should not have got.
"""

from __future__ import annotations

import pytest

from orchestrator.sandboxes.pool import Pool
from orchestrator.sandboxes.step import Death, DeathCause, StepResult
from tests.support.steps import Console, run

MACHINE_CODE = """
import ctypes, mmap
def machine(code):
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    start = ctypes.addressof(ctypes.c_char.from_buffer(page))
    machine.kept = page
    return ctypes.CFUNCTYPE(ctypes.c_long)(start)
"""

# mov eax, <number>; then the kernel's door; ret
X32_GETPID = MACHINE_CODE + r"""machine(b"\xb8\x27\x00\x00\x40\x0f\x05\xc3")()"""
I386_GETPID = MACHINE_CODE + r"""machine(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")()"""
X86_64_GETPID = (
    MACHINE_CODE
    + r"""
import os
print(machine(b"\xb8\x27\x00\x00\x00\x0f\x05\xc3")() == os.getpid())
"""
)


def printed(console: Console) -> str:
    """What the code printed, without the note on variables that cannot be kept."""
    return console.text.partition("Not kept after this step")[0]


@pytest.mark.parametrize("code", [X32_GETPID, I386_GETPID], ids=["x32", "i386"])
async def test_the_other_doors_of_the_kernel_are_shut(pool: Pool, code: str) -> None:
    end = await run(await pool.claim(timeout=60), code)

    assert isinstance(end, Death)
    assert (end.cause, end.detail) == (DeathCause.CRASHED, "ended by signal 31 (SIGSYS)")


async def test_its_own_machine_code_is_not_refused(pool: Pool) -> None:
    console = Console()
    await run(await pool.claim(timeout=60), X86_64_GETPID, console=console)

    assert printed(console) == "True"


ATTEMPTS = r"""
import array, ctypes, errno, fcntl, os, signal, socket, stat, struct
libc = ctypes.CDLL(None, use_errno=True)
def raw(number, *arguments):
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = libc.syscall(ctypes.c_long(number), *converted)
    if result < 0:
        raise OSError(ctypes.get_errno(), str(number))
    return result
buffer = ctypes.create_string_buffer(4096)
others = [pid for pid in range(1, 40) if pid != os.getpid()]
link = next(n for n in range(3, 64) if _is_socket(n))
own = socket.socket(fileno=os.dup(link))
tries = {}
for pid in others:
    for name in ("mem", "fd", "environ", "root", "cwd", "maps", "exe", "ns/user"):
        tries[f"open {pid} {name}"] = lambda path=f"/proc/{pid}/{name}": os.open(path, os.O_RDONLY)
    tries[f"kill {pid}"] = lambda pid=pid: os.kill(pid, 0)
    tries[f"owner {pid}"] = lambda pid=pid: fcntl.fcntl(link, fcntl.F_SETOWN, pid)
    tries[f"pidfd {pid}"] = lambda pid=pid: raw(434, pid, 0)
    tries[f"limits {pid}"] = lambda pid=pid: raw(302, pid, 7, 0, ctypes.addressof(buffer))
    tries[f"vm {pid}"] = lambda pid=pid: raw(310, pid, buffer, 1, buffer, 1, 0)
    tries[f"ptrace {pid}"] = lambda pid=pid: raw(101, 16, pid, 0, 0)
tries |= {
    "signal number": lambda: fcntl.fcntl(link, fcntl.F_SETSIG, signal.SIGKILL),
    "lease": lambda: fcntl.fcntl(link, fcntl.F_SETLEASE, 0),
    "socket filter": lambda: own.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HL", 1, ctypes.addressof(buffer))),
    "user namespace": lambda: raw(272, 0x10000000),
    "clone": lambda: raw(56, 0x10000000 | 17, 0, 0, 0, 0),
    "vfork": lambda: raw(58),
    "keys": lambda: raw(250, 0, -3, 0),
    "vsock": lambda: raw(41, 40, 1, 0),
    "ring": lambda: raw(425, 8, buffer),
    "memory as a program": lambda: raw(322, os.memfd_create("x"), b"", 0, 0, 0x1000),
    "filter": lambda: raw(317, 1, 8, buffer),
    "rules": lambda: raw(444, 0, 0, 1),
    "session": lambda: raw(112),
    "parent's death": lambda: libc.prctl(1, 0) and _fail(),
    "dumpable": lambda: libc.prctl(4, 1) and _fail(),
    "personality": lambda: raw(135, 0x0040000),
    "handle": lambda: raw(303, -100, b"/", buffer, buffer, 0),
    "fifo elsewhere": lambda: os.mkfifo("/run/x"),
    "device": lambda: os.mknod("/tmp/n", stat.S_IFBLK, os.makedev(8, 0)),
    "socket file": lambda: os.mknod("/tmp/s", stat.S_IFSOCK),
    "setuid bit on a library": lambda: os.chmod(os.__file__, 0o4755),
}
for name, attempt in tries.items():
    try:
        attempt()
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOSYS, errno.ENOENT, errno.ESRCH):
            print(name, error)
    else:
        print(name)
# Descriptors given to the supervisor: it never takes them.
for _ in range(50):
    own.sendmsg([b""], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [link]))])
print("end")
"""
HELPERS = """
import os, stat
def _is_socket(number):
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False
def _fail():
    raise PermissionError(1, "prctl")
"""


async def test_every_attempt_is_refused_and_the_runner_lives(pool: Pool) -> None:
    console = Console()
    sandbox = await pool.claim(timeout=60)
    end = await run(sandbox, HELPERS + ATTEMPTS, console=console)

    assert isinstance(end, StepResult), end
    assert (end.error_message, printed(console)) == ("", "end")


SEEN = """
import os
found = []
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) != "/proc"]
    for name in files:
        path = os.path.join(folder, name)
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        except OSError:
            continue
        found.append(path)
for start in ("/root", "/home", "/etc", "/var", "/run", "/srv", "/opt", "/usr",
              "/lib", "/lib64", "/dev", "/sys", "/tmp", "/work"):
    for folder, folders, files in os.walk(start):
        for name in files:
            path = os.path.join(folder, name)
            try:
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            except OSError:
                continue
            found.append(path)
roots = ("/usr/lib", "/lib", "/lib64", "/opt/", "/usr/local/lib", "/usr/share/zoneinfo", "/dev/", "/etc/ld.so.cache",
         "/etc/localtime", "/usr/share/mime", "/usr/share/locale", "/sys/devices/system/cpu", "/etc/timezone",
         "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/os-release", "/etc/mime.types")
for path in sorted(set(found)):
    if not path.startswith(roots) or "host.sock" in path:
        print(path)
print("end")
"""


async def test_nothing_is_readable_but_the_interpreter_and_its_libraries(pool: Pool) -> None:
    console = Console()
    end = await run(await pool.claim(timeout=60), SEEN, console=console, deadline=60)

    assert isinstance(end, StepResult), end
    assert (end.error_message, printed(console)) == ("", "end")
