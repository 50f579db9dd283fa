"""An effect that nobody deduplicates happens once, whatever is killed when; what cannot be known is asked."""

from __future__ import annotations

import os
import random

import pytest

from tests.chaos.effects import EffectCampaign

KILLS = os.environ.get("STATEK_TEST_KILLS", "")
SEED = int(os.environ.get("STATEK_TEST_SEED") or random.SystemRandom().randrange(1 << 32))


@pytest.mark.timeout(300)
def test_no_effect_is_repeated_when_orchestrators_are_killed() -> None:
    print("seed", SEED)
    campaign = EffectCampaign(SEED)
    campaign.kill_orchestrators(int(KILLS or 6))
    assert campaign.kills >= int(KILLS or 6)


@pytest.mark.timeout(300)
def test_no_effect_is_repeated_when_runners_are_killed() -> None:
    print("seed", SEED)
    campaign = EffectCampaign(SEED)
    campaign.kill_runners(int(KILLS or 6))
    assert campaign.runner_kills >= int(KILLS or 6)
