"""A program that is moved to fresh executors between its steps leaves what it leaves when nobody moves it."""

from __future__ import annotations

import difflib
import os
import random

import numpy as np  # noqa: F401 -- a fork has it then, and need not import it
import pytest

from tests.unit.executor.random_programs import LOOK, SETUP, random_step

PROGRAMS = int(os.environ.get("STATEK_TEST_PROGRAMS") or 40)
SEED = int(os.environ.get("STATEK_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
STEPS = 8
OUTPUT = {"output_head_bytes": 4 << 20, "output_tail_bytes": 16 << 10, "frame_bytes": 8 << 20}


@pytest.mark.timeout(60 + PROGRAMS)
def test_a_restore_is_not_noticed(start, record_property):
    record_property("programs", PROGRAMS)
    record_property("seed", SEED)
    print(f"{PROGRAMS} programs, seed {SEED}")
    for number in range(PROGRAMS):
        compare(start, random.Random(f"{SEED}/{number}"), f"program {number} of seed {SEED}")


def compare(start, rng, name):
    code = [SETUP, *(random_step(rng) for _ in range(STEPS))]
    moves = {at for at in range(1, STEPS + 1) if rng.random() < 0.4} | {STEPS}
    still, moving = start(**OUTPUT), start(**OUTPUT)
    for at, step in enumerate(code):
        expected, actual = still.run(step, echo=False), moving.run(step, echo=False)
        assert actual.output == expected.output, f"{name}, output of step {at}:\n{step}"
        assert (expected.lost, actual.lost) == ({}, {}), f"{name}, step {at}:\n{step}"
        if at in moves:
            commit, steps = moving.commit(actual), moving.step
            moving.close()
            moving = start(**OUTPUT)
            assert moving.restore(commit) == {}, f"{name}, restore after step {at}"
            moving.step = steps
            expected, actual = still.run(LOOK, echo=False), moving.run(LOOK, echo=False)
            different = difflib.unified_diff(lines(expected), lines(actual), "not moved", "moved", n=0, lineterm="")
            report = "\n".join([*different, *code[1 : at + 1]])
            assert not report.startswith("---"), f"{name}, after step {at}:\n{report}"
    still.close()
    moving.close()


def lines(step):
    """What LOOK printed."""
    assert {kind for kind, _ in step.output} == {"PRINT"}, step.output
    return "".join(text for _, text in step.output).splitlines()
