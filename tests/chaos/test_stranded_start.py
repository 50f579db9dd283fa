"""A bubblewrap that is killed in the moment of its start: what it leaves behind is ended by the next scan."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from orchestrator.sandboxes.bubblewrap import BubblewrapDriver
from orchestrator.sandboxes.stranded import find_stranded, is_stranded


@pytest.mark.timeout(60)
@pytest.mark.root
def test_a_start_that_was_cut_off_is_ended_by_the_scan(tmp_path: Path) -> None:
    program = shutil.which("bwrap")
    assert program is not None
    (tmp_path / "s.sock").touch()
    read, write = os.pipe()
    os.set_blocking(write, False)
    with suppress(BlockingIOError):
        while True:
            os.write(write, b"x" * 4096)  # a full pipe: the outer process stops before it lets the inner one go on
    os.set_blocking(write, True)
    options = ["--unshare-pid", "--unshare-uts", "--hostname", "runner", "--ro-bind", "/", "/", "--tmpfs", "/run"]
    options += ["--ro-bind", str(tmp_path / "s.sock"), "/run/host.sock"]
    outer = subprocess.Popen([program, "--info-fd", str(write), *options, "true"], pass_fds=(write,))
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    while not (inner := [int(word) for word in children.read_text().split()]):
        time.sleep(0.01)
    assert find_stranded() == []
    outer.kill()
    outer.wait()
    os.close(read)
    os.close(write)
    assert find_stranded() == inner
    assert asyncio.run(BubblewrapDriver().list_runners("none")) == []
    assert not is_stranded(inner[0])
    assert find_stranded() == []
