"""SIGKILL of the orchestrator at random moments of the main job. STATEK_TEST_KILLS and STATEK_TEST_SEED choose."""

from __future__ import annotations

import os
import random

import pytest

from tests.chaos.main_job import Campaign, fast_program, real_program

KILLS = os.environ.get("STATEK_TEST_KILLS", "")
SEED = int(os.environ.get("STATEK_TEST_SEED") or random.SystemRandom().randrange(1 << 32))


@pytest.mark.timeout(600)
def test_a_few_kills_of_the_main_job() -> None:
    print("seed", SEED)
    campaign = Campaign(fast_program(), SEED)
    campaign.run(int(KILLS or 12))
    assert campaign.kills == int(KILLS or 12)


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
