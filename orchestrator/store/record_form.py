"""Which form the records of a prefix have, read in a throw-away process: a damaged prefix ends only that.

Run as ``python -m orchestrator.store.record_form ROOT PREFIX TAG``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from statek.exceptions import StoreDamaged

__all__ = ["read_record_form"]

_SECONDS = 600.0  # a large prefix on a slow disk


def read_record_form(root: Path, prefix: str, tag: str) -> int | None:
    """The form of the records; None of a prefix that never had a job.

    Args:
        root: folder of the prefix file.
        prefix: its name.
        tag: of the root record.

    Raises:
        StoreDamaged: it does not open, crashes or hangs.
    """
    package_root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-I", "-c", _BOOT, package_root, str(root), prefix, tag]
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise StoreDamaged(f"prefix {prefix} hangs when it is opened ({_SECONDS:g} s)") from None
    said = done.stdout.decode(errors="replace").split()
    if done.returncode or len(said) != 1 or not said[0].isdigit():
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        detail = lines[-1] if lines else f"the process ended with {done.returncode}"
        raise StoreDamaged(f"prefix {prefix} does not open: {detail}")
    return int(said[0]) or None


# Isolated mode ignores PYTHONPATH and the working folder, so the child imports exactly our package.
_BOOT = "import sys; sys.path.append(sys.argv[1]); from orchestrator.store.record_form import main; main(*sys.argv[2:])"


def main(root: str, prefix: str, tag: str) -> None:
    """The child: open, say the number of the form, or 0, and end without giving dbzero a chance to write."""
    import dbzero

    from statek import durable
    from statek.records import ServiceRecord

    dbzero.init(root, autocommit=False)
    dbzero.open(prefix, "r")
    roots = list(durable.find(ServiceRecord, tag))
    os.write(1, b"%d\n" % (roots[0].record_format if roots else 0))
    os._exit(0)
