"""Makes the lock files anew, with hashes: ``make locks``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Lock the development set first, then each image flavour within its versions, then the benchmarks' rivals."""
    common = ["--generate-hashes", "--universal", "-p", "3.11", "--quiet", "--custom-compile-command", "make locks"]
    uv = [str(Path(sys.executable).parent / "uv"), "pip", "compile", *common]
    jobs = [[*uv, "pyproject.toml", "--all-extras", "--group", "dev", "-o", "locks/dev.txt"]]
    for source in sorted((ROOT / "images").glob("*/requirements.in")):
        target = source.with_suffix(".txt").relative_to(ROOT)
        jobs.append([*uv, str(source.relative_to(ROOT)), "-c", "locks/dev.txt", "--no-annotate", "-o", str(target)])
    for source in sorted((ROOT / "benchmarks" / "rivals" / "requirements").glob("*.in")):
        overrides = source.with_suffix(".overrides")
        words = ["--override", str(overrides.relative_to(ROOT))] if overrides.exists() else []
        lock = f"locks/rivals-{source.stem}.txt"
        jobs.append([*uv, str(source.relative_to(ROOT)), *words, "--no-annotate", "-o", lock])
    for job in jobs:
        print(f"locking {job[-1]}", file=sys.stderr, flush=True)
        subprocess.run(job, check=True, cwd=ROOT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
