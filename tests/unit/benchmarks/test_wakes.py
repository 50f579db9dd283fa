"""How fair an order is."""

from __future__ import annotations

import pytest

from benchmarks.wakes import SuspendedJob, most_between, most_displaced

pytestmark = pytest.mark.timeout(30)

WOKEN = [SuspendedJob(number, "many" if number < 6 else "few", f"f-{number}") for number in range(9)]


@pytest.mark.parametrize(
    ("order", "displaced", "between"),
    [
        ([0, 1, 6, 2, 7, 3, 8, 4, 5], 0, 1),  # tenants in turns, oldest first
        ([0, 1, 2, 3, 4, 5, 6, 7, 8], 0, 0),  # nobody's turn came late once it had begun
        ([6, 0, 1, 2, 7, 3, 4, 8, 5], 0, 3),
        ([5, 0, 6, 1, 7, 2, 8, 3, 4], 5, 1),
        ([0, 8, 1, 7, 2, 6, 3, 4, 5], 2, 1),
    ],
)
def test_places_are_compared_within_a_tenant_and_turns_between_tenants(
    order: list[int], displaced: int, between: int
) -> None:
    assert (most_displaced(WOKEN, order), most_between(WOKEN, order)) == (displaced, between)
