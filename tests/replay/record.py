"""``python -m tests.replay.record NAME`` adds a recording of this version: ``recorded/NAME.tar.xz`` and ``NAME.json``.

The archive is the folder as a killed process left it; the file beside it holds what was true after this very version
had driven the jobs to their end, and which version that was. Made for each change of the record format or of the
journal; an older recording is never made anew: that it still gives the same is the point.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from statek.records import RECORD_FORMAT
from tests.replay.runs import make_and_die, resume

ROOT = Path(__file__).resolve().parents[2]
RECORDED = Path(__file__).parent / "recorded"


def record(name: str) -> None:
    """Make one recording.

    Raises:
        FileExistsError: there is one of that name.
    """
    archive = RECORDED / f"{name}.tar.xz"
    if archive.exists():
        raise FileExistsError(f"{archive} exists; a recording is never made anew")
    RECORDED.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rec") as work:
        folder = Path(work) / "f"
        folder.mkdir()
        made = subprocess.run([sys.executable, "-m", "tests.replay.record", "--into", str(folder)], check=False)
        if made.returncode != -signal.SIGKILL:
            raise RuntimeError(f"the process to be killed ended with {made.returncode}")
        shutil.rmtree(folder / "d" / "run", ignore_errors=True)  # sockets
        with tarfile.open(archive, "w:xz", preset=9) as tar:
            tar.add(folder, ".")
        found = asyncio.run(resume(folder))
    version = {"commit": _commit(), "python": platform.python_version(), "record_format": RECORD_FORMAT}
    text = json.dumps({**version, "facts": found}, indent=1, sort_keys=True)
    archive.with_suffix("").with_suffix(".json").write_text(text + "\n")
    print(f"{archive}: {archive.stat().st_size} bytes")


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=Path.cwd(), check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Add a recording of this version.")
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--into", type=Path, help="internal: make the jobs in this folder and be killed")
    options = parser.parse_args()
    if options.into:
        asyncio.run(make_and_die(options.into))
    record(options.name)
