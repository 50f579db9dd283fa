"""What a runner keeps of the environment it was started with, and when it starts a second time to get rid of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.sandboxes.confinement import ENVIRONMENT

pytestmark = pytest.mark.timeout(60)

ROOT = Path(__file__).resolve().parents[3]
EXACT = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}
PROGRAM = """
import json, os, sys
import sandbox_runner.__main__ as program
import sandbox_runner.zygote

def again(path, arguments, environment):
    print(json.dumps(["again", arguments[1:5], environment]))
    raise SystemExit(0)

def run(options):
    print(json.dumps(["once", [], dict(os.environ)]))
    return 0

os.execve, sandbox_runner.zygote.run_zygote = again, run
sys.argv = ["sandbox_runner"]
sys.exit(program.main())
"""


def start(environment: dict[str, str], *flags: str) -> tuple[str, list[str], dict[str, str]]:
    """Start the program as a driver does, with what would start it again and what would run it replaced."""
    argv = [sys.executable, *flags, "-c", PROGRAM]
    done = subprocess.run(argv, env=environment, check=True, capture_output=True, text=True, cwd="/")
    how, arguments, found = json.loads(done.stdout)
    return how, arguments, found


def test_the_environment_of_the_drivers_is_kept_without_a_second_start() -> None:
    assert start(EXACT, "-s", "-P") == ("once", [], EXACT)


def test_what_engines_add_is_taken_out_without_a_second_start() -> None:
    added = {**EXACT, "HOSTNAME": "0123456789ab", "PWD": "/"}
    assert start(added, "-s", "-P") == ("once", [], EXACT)


@pytest.mark.parametrize(
    ("environment", "flags"),
    [
        pytest.param({**EXACT, "SECRET": "s3cret"}, ["-s", "-P"], id="more"),
        pytest.param({**EXACT, "PYTHONHASHSEED": "1"}, ["-s", "-P"], id="another-hash-seed"),
        pytest.param({k: v for k, v in EXACT.items() if k != "PYTHONHASHSEED"}, ["-s", "-P"], id="no-hash-seed"),
        pytest.param({**EXACT, "HOSTNAME": "h", "LD_LIBRARY_PATH": "/nowhere"}, ["-s", "-P"], id="both"),
        pytest.param(EXACT, ["-s"], id="working-directory-importable"),
    ],
)
def test_anything_else_takes_a_second_start(environment: dict[str, str], flags: list[str]) -> None:
    assert start(environment, *flags) == ("again", ["-s", "-P", "-m", "sandbox_runner"], EXACT)
