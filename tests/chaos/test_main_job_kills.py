"""SIGKILL of the orchestrator at random moments of the main job. STATEK_TEST_KILLS and STATEK_TEST_SEED choose."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.chaos.main_job import Campaign, docker_program, fast_program, real_program
from tests.chaos.processes import run

KILLS = os.environ.get("STATEK_TEST_KILLS", "")
SEED = int(os.environ.get("STATEK_TEST_SEED") or random.SystemRandom().randrange(1 << 32))


@pytest.mark.timeout(600)
def test_a_few_kills_of_the_main_job() -> None:
    print("seed", SEED)
    campaign = Campaign(fast_program(), SEED)
    campaign.run(int(KILLS or 12))
    assert campaign.kills == int(KILLS or 12)


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_few_kills_of_the_main_job_in_containers(docker_engine: str) -> None:
    print("seed", SEED)
    campaign = Campaign(docker_program(docker_engine), SEED)
    campaign.run(4)
    assert (campaign.kills, campaign.expected["tier"]) == (4, "container")


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_a_hundred_kills_of_the_main_job() -> None:
    print("seed", SEED)
    campaign = Campaign(fast_program(), SEED)
    campaign.run(max(int(KILLS or 0), 100))
    assert campaign.kills == max(int(KILLS or 0), 100)


@pytest.mark.chaos
@pytest.mark.timeout(1200)
def test_kills_of_the_example_itself() -> None:
    print("seed", SEED)
    campaign = Campaign(real_program(), SEED, most_kills_of_one_job=1)
    campaign.run(10)
    assert (campaign.kills, campaign.quarantined) == (10, 0)
    assert campaign.phases["job under way"] >= 3  # spread by progress: not only its start-up is killed


@pytest.mark.timeout(180)
def test_the_example_killed_after_its_job_was_done_shows_it_and_does_no_second_one(tmp_path: Path) -> None:
    program = real_program("bubblewrap")
    data_dir = tmp_path / "d"
    first = run(program.command(data_dir), tmp_path, **program.environment)
    assert first.code == 0, first.stderr
    (data_dir / "shown.txt").unlink()  # as after a kill between the durable end and the print
    again = run(program.command(data_dir), tmp_path, **program.environment)
    last = "job j1 DONE tier=namespace steps=10"
    assert [ended.stdout.splitlines()[-1] for ended in (first, again)] == [last, last]
    assert len((data_dir / "outbox.jsonl").read_text().splitlines()) == 1
    assert (data_dir / "shown.txt").read_text() == "j1\n"
