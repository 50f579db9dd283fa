"""Open a prefix in a throw-away process first: a damaged file can crash or hang whoever opens it.

Run as ``python -m orchestrator.store.probe ROOT PREFIX``; it prints ``ok`` when the prefix opens for reading.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from statek.exceptions import StoreDamaged

__all__ = ["probe_prefix"]

PROBE_SECONDS = 30.0  #: a prefix that takes longer to open than this counts as hanging


def probe_prefix(root: Path, prefix: str, *, timeout: float = PROBE_SECONDS) -> None:
    """Prove that a prefix opens.

    Args:
        root: the folder of the prefix file.
        prefix: its name.
        timeout: seconds.

    Raises:
        StoreDamaged: it does not open, crashes or hangs.
    """
    package_root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-I", "-c", _BOOT, package_root, str(root), prefix]
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise StoreDamaged(f"prefix {prefix} hangs when it is opened ({timeout:g} s)") from None
    if done.returncode != 0 or done.stdout.strip() != b"ok":
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        detail = lines[-1] if lines else f"the process ended with {done.returncode}"
        raise StoreDamaged(f"prefix {prefix} does not open: {detail}")


# Isolated mode ignores PYTHONPATH and the working folder, so the child imports exactly our package.
_BOOT = "import sys; sys.path.append(sys.argv[1]); from orchestrator.store.probe import main; main(*sys.argv[2:])"


def main(root: str, prefix: str) -> None:
    """The child: open, count, say ok, and end without giving dbzero a chance to write."""
    import os

    import dbzero

    dbzero.init(root, autocommit=False)
    dbzero.open(prefix, "r")
    dbzero.get_state_num(prefix)
    os.write(1, b"ok\n")
    os._exit(0)
