"""Steps that bring the service down are met with quarantine; the jobs beside them go on."""

from __future__ import annotations

import os
import random

import pytest

from tests.chaos.quarantine import QuarantineCampaign

SEED = int(os.environ.get("STATEK_TEST_SEED") or random.SystemRandom().randrange(1 << 32))


@pytest.mark.timeout(180)
def test_a_step_that_kills_the_orchestrator_is_quarantined_and_others_go_on() -> None:
    print("seed", SEED)
    campaign = QuarantineCampaign(SEED)
    campaign.run(4)
    assert (campaign.rounds, campaign.kills) == (2, 4)
