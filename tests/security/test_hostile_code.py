"""Hostile code through the front door: it ends in a console message and a job that goes on."""

from __future__ import annotations

import pytest

from orchestrator.sandboxes.driver import Driver
from tests.security.conftest import Attack, Ended
from tests.support.steps import bounded_by_rlimit

pytestmark = pytest.mark.timeout(90)

DIES = {
    "endless loop": ("while True: pass", "deadline"),
    "endless loop that swallows everything": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "deadline",
    ),
    "memory bomb": ("data = []\nwhile True: data.append(bytearray(1 << 20))", "memory"),
    "memory bomb in small pieces": ("data = []\nwhile True: data.append([None] * 8)", "memory|deadline"),
    "power of a big int": ("10 ** 10 ** 9", "deadline|memory"),
    "regex that backtracks": ("import re\nre.match('(a+)+$', 'a' * 40 + 'b')", "deadline"),
    "leaves at once": ("import os\nos._exit(0)", "crashed"),
    "null pointer": ("import ctypes\nctypes.string_at(0)", "crashed"),
    "recursion without its limit": (
        (
            "import sys\nsys.setrecursionlimit(10 ** 9)\nf = lambda x: f(x) + 1\na = []\n"
            "for _ in range(10 ** 6): a = [a]\nimport pickle\npickle._dumps(a)"
        ),
        "crashed|memory|deadline",
    ),
    "prints for ever": ("while True: print('x' * 1000)", "deadline"),
    "prints nothing for ever": ("while True: print()", "deadline"),
    "writes for ever": ("import sys\nwhile True: sys.stdout.write('y')", "deadline"),
    "kills itself": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "crashed|memory"),
    "sleeps": ("import time\nwhile True: time.sleep(100)", "deadline"),
    "reduce without end": (
        "class Bomb:\n    def __reduce__(self):\n        while True: pass\nbomb = Bomb()",
        "deadline",
    ),
    "empties the executor's modules": (
        (
            "import sys\nfor name in list(sys.modules):\n"
            "    if name.startswith('sandbox_runner'): sys.modules[name].__dict__.clear()"
        ),
        "crashed|violation|deadline",
    ),
}

LINK = (
    "import gc, socket, struct, threading\n"
    "links = [one for one in gc.get_objects() if isinstance(one, socket.socket)]\n"
    "import os\n"
    "fds = range(3, 64)\n"
    "def send(data):\n"
    "    for fd in fds:\n"
    "        if fd > 2:\n"
    "            try: os.write(fd, data)\n"
    "            except OSError: pass\n"
    "    for link in links:\n"
    "        try: link.sendall(data)\n"
    "        except OSError: pass\n"
)
FORGERY = {
    "garbage on every descriptor": LINK + "send(b'\\xff' * 4096)\nwhile True: pass",
    "the length of a huge frame": LINK + "send(b'\\xff\\xff\\xff\\x7f' + b'x' * (1 << 20))\nwhile True: pass",
    "forged end of the step": (
        LINK + "from sandbox_runner.wire.frames import StepFinished, Usage, frame_of\n"
        "forged = frame_of(StepFinished(99, 1, '', '', b'', [], [], [], [], 0, 0, Usage(0.0, 0.0, 0, 0.0)))\n"
        "send(forged * 3)\nwhile True: pass"
    ),
    "forged calls": (
        LINK + "from sandbox_runner.wire.frames import HostCall, frame_of\n"
        "send(b''.join(frame_of(HostCall(2, n, 1, 0, 'double', b'', b'')) for n in range(5, 5000)))\nwhile True: pass"
    ),
    "empty frames without end": LINK + "while True: send(bytes(8192))",
    "closed descriptors": "import os\nos.closerange(0, 256)\nwhile True: pass",
}

REFUSED = {
    "fork": ("import os\nos.fork()", "PermissionError|BlockingIOError"),
    "fork bomb": ("import os\nwhile True: os.fork()", "PermissionError|BlockingIOError"),
    "a program": (
        "import subprocess\nsubprocess.run(['/usr/bin/python3', '-c', ''])",
        "PermissionError|OSError|BlockingIOError",
    ),
    "thread bomb": (
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
        "RuntimeError",
    ),
    "network": ("import socket\nsocket.create_connection(('127.0.0.1', 22), 1)", "PermissionError|OSError"),
    "host socket": (
        "import socket\nsocket.socket(socket.AF_UNIX).connect('/run/host.sock')",
        "PermissionError|OSError|FileNotFoundError",
    ),
    "environment of PID 1": ("open('/proc/1/environ').read()", "PermissionError|FileNotFoundError"),
    "memory of PID 1": ("open('/proc/1/mem', 'rb').read(1)", "PermissionError|FileNotFoundError"),
    "root of PID 1": ("import os\nprint(os.listdir('/proc/1/root'))", "PermissionError|FileNotFoundError"),
    "password file": ("open('/etc/shadow').read()", "PermissionError|FileNotFoundError"),
    "root's home": ("import os\nprint(os.listdir('/root'))", "PermissionError|FileNotFoundError"),
    "writing to the system": ("open('/usr/evil', 'w')", "PermissionError|OSError"),
    "becoming root": ("import os\nos.setuid(0)", "PermissionError"),
    "mounting": (
        (
            "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
            "assert libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == -1\nraise OSError(ctypes.get_errno())"
        ),
        "OSError",
    ),
    "recursion": ("def f(): return f()\nf()", "RecursionError"),
    "filling /tmp": ("open('/tmp/big', 'wb').write(bytes(64 << 20))", "OSError"),
    "filling /work": ("open('big', 'wb').write(bytes(64 << 20))", "OSError"),
    "print of a gigantic text": ("print('x' * (16 << 20))\nraise ValueError('printed')", "ValueError"),
}

HARMLESS = {
    "stopping everybody": (
        (
            "import os, signal\nrefused = 0\n"
            "for pid in [1, *range(2, 40), -1]:\n"
            "    for number in (signal.SIGSTOP, signal.SIGKILL, signal.SIGTERM):\n"
            "        if pid != os.getpid():\n"
            "            try: os.kill(pid, number)\n"
            "            except OSError: refused += 1\n"
            "print('refused', refused > 0)"
        ),
        "refused True",
    ),
    "reading the environment": ("import os\nprint('SECRET' in str(os.environ))", "False"),
    "print and exit replaced": ("print('on')\nprint = None\nexit = 5", "on"),
    "builtins of the workspace emptied": ("print('on')\n__builtins__.clear()", "on"),
    "builtins deleted": (
        (
            "print('on')\nimport builtins\nfor n in dir(builtins):\n"
            "    if n[0] != '_' and n != 'delattr': delattr(builtins, n)"
        ),
        "on",
    ),
    "hooks": (
        (
            "import sys, atexit\nsys.excepthook = sys.displayhook = None\n"
            "_ = atexit.register(lambda: 1 / 0)\nprint('on')\n"
            "sys.settrace(lambda *a: 1 / 0)\nsys.setprofile(lambda *a: 1 / 0)"
        ),
        "on",
    ),
    "stdout replaced": ("import sys\nprint('on')\nsys.stdout = sys.stderr = sys.__stdout__ = None", "on"),
    "link out of /work": (
        (
            "import os\nprint('on')\n"
            "for n, target in enumerate(('/etc/passwd', '/', '..', '/proc/1/root')): os.symlink(target, f'link{n}')"
        ),
        "on",
    ),
    "threads that stay and call tools": (
        (
            "import threading, time\n"
            "def call():\n"
            "    while True:\n"
            "        try: double(1)\n"
            "        except BaseException: time.sleep(0.001)\n"
            "print('on')\nfor _ in range(8): threading.Thread(target=call, daemon=True).start()"
        ),
        "on",
    ),
    "a depth of 100,000": ("deep = []\nfor _ in range(100_000): deep = [deep]\nprint('on')", "on"),
    "many files": ("print('on')\nfor n in range(10_000): open(f'f{n}', 'w').close()", "on"),
}


def cause_of_death(ended: Ended) -> str:
    """The cause that the console's last error names; advice about the code may stand before it."""
    last = next(text for kind, text in reversed(ended.attack.console) if kind == "error")
    return last.removeprefix("StepDied: ").partition(":")[0]


@pytest.mark.parametrize("name", sorted(DIES))
async def test_it_dies_and_the_job_goes_on(attack: Attack, name: str, driver: Driver) -> None:
    source, causes = DIES[name]
    # On a busy machine memory takes longer to fill than the deadline of the others is.
    ended = await attack(source, **({"step_deadline_seconds": 20} if causes == "memory" else {}))
    if name == "memory bomb" and bounded_by_rlimit(driver):
        assert (ended.attack.state, ended.attack.outcome["type"]) == ("committed", "MemoryError"), ended.console
        return
    assert ended.attack.state == "died"
    assert cause_of_death(ended) in causes.split("|"), ended.console


@pytest.mark.parametrize("name", sorted(FORGERY))
async def test_forged_frames_end_the_runner_only(attack: Attack, name: str) -> None:
    ended = await attack(FORGERY[name])
    assert ended.attack.state == "died"
    assert cause_of_death(ended) == ("crashed" if name == "closed descriptors" else "violation"), ended.console


@pytest.mark.parametrize("name", sorted(REFUSED))
async def test_it_is_an_ordinary_error_in_the_code(attack: Attack, name: str) -> None:
    source, errors = REFUSED[name]
    ended = await attack(source)
    assert (ended.attack.state, ended.attack.outcome["outcome"]) == ("committed", "error"), ended.console
    assert ended.attack.outcome["type"] in errors.split("|"), ended.attack.outcome


@pytest.mark.parametrize("name", sorted(HARMLESS))
async def test_it_harms_itself_at_most(attack: Attack, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    source, shown = HARMLESS[name]
    ended = await attack(source)
    assert ended.console.splitlines()[0] == shown


async def test_ten_thousand_calls_are_stopped_by_their_limit(attack: Attack) -> None:
    ended = await attack("for n in range(10_000): double(n)", step_deadline_seconds=20)
    assert "max_calls" in ended.console
    assert len(ended.attack.calls) <= 1000


async def test_output_of_a_flood_is_bounded(attack: Attack) -> None:
    ended = await attack("print('first')\nwhile True: print('x' * 5000)")
    assert ended.console.startswith("first")
    assert len(ended.console) < 200_000
