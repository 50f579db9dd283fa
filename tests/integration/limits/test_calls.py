"""More calls than a step may make."""

from __future__ import annotations

import pytest

from tests.integration.limits.box_model import Box
from tests.integration.limits.conftest import Open, code, consoles


@pytest.mark.timeout(120)
async def test_ten_thousand_calls_of_a_handle_are_stopped_by_their_limit(open_with: Open) -> None:
    replies = [
        code("kept = 41"),
        code("for n in range(10_000): box.put(n)"),
        code("print(box.puts, box.value)\nexit(kept + 1)"),
    ]
    async with open_with(replies, max_calls_per_step=300, step_deadline_seconds=30) as service:
        box = await service._store.write(Box)
        id_ = await service.submit("helper", shared_vars={"box": box})
        summary = await service.wait(id_)
        shown = consoles(await service.job(id_))
        assert await service._store.read(lambda: (box.puts, box.value, box.other)) == (300, 299, "safe")
    assert (summary.status, summary.exit_status, summary.failure) == ("DONE", "42", None)
    assert "max_calls" in shown[1][0]
    assert shown[2] == ["300 299"]
