"""``start_statek(until_idle=True)`` that is told to stop before it is idle."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import environment

PROGRAM = """
import asyncio, signal, sys
import statek
from statek.model import ModelReply

class Waits:
    async def complete(self, request):
        if request.turn == 0:
            return ModelReply(text="```python\\nkept = 41\\n```")
        if "go on" in sys.argv:
            return ModelReply(text="```python\\nexit(kept + 1)\\n```")
        print("asked", flush=True)
        await asyncio.Event().wait()

def own(number, frame):
    print("own handler", flush=True)
    raise SystemExit(7)

if "own" in sys.argv:
    signal.signal(signal.SIGTERM, own)
agent = statek.SupervisedAgent("worker", "Work.", _metadata={"MODEL": "scripted/demo"})
client = statek.StatekClientAPI()
job = client.job("j1") if "go on" in sys.argv else client.submit_new_job(agent)
statek.start_statek(agent, model=Waits(), until_idle=True)
print(job.py_env.exit_status)
statek.close()
"""


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    program = folder / "program.py"
    program.write_text(PROGRAM)
    return subprocess.Popen(
        [sys.executable, str(program), *arguments],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("arguments", "number", "status", "said"),
    [
        ((), signal.SIGTERM, 143, ""),
        ((), signal.SIGINT, -signal.SIGINT, ""),
        (("own",), signal.SIGTERM, 7, "own handler\n"),
    ],
)
def test_it_stops_the_service_closes_the_store_and_goes_on_later(
    tmp_path: Path, arguments: tuple[str, ...], number: signal.Signals, status: int, said: str
) -> None:
    with start(tmp_path, *arguments) as stopped:
        assert stopped.stdout is not None
        try:
            assert stopped.stdout.readline() == "asked\n"
            stopped.send_signal(number)
            out, err = stopped.communicate(timeout=60)
        finally:
            stopped.kill()
    assert (stopped.returncode, out) == (status, said)
    if number is signal.SIGTERM and not arguments:
        assert "terminated; everything is on the disk" in err
        assert "Traceback" not in err
        assert (tmp_path / "d" / "store" / "statek" / "default.clean").is_file()
    with start(tmp_path, "go on") as again:
        out, err = again.communicate(timeout=60)
    assert (again.returncode, out) == (0, "42\n"), err
