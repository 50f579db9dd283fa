"""Arguments with more paths than time, through every road that a call can take."""

from __future__ import annotations

from typing import Any

import pytest

from statek import tool
from tests.integration.engine.conftest import Open, code, console, steps

FOLDED = "t = (1,)\nfor _ in range(50):\n    t = (t, t)\n"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("effect", ["none", "external", "store"])
@pytest.mark.parametrize("annotation", [object, tuple, list[tuple[int, ...]], dict[str, Any]])
async def test_shared_tuples_are_answered_and_others_go_on(open_with: Open, effect: Any, annotation: Any) -> None:
    def take(a, **kwargs):  # type: ignore[no-untyped-def]
        return "taken"

    take.__annotations__ = {"a": annotation, "return": str}
    call = FOLDED + "try:\n    print(take(t))\nexcept TypeError as error:\n    print('refused')"
    async with open_with([code(call), code("exit('on')")], tools=[tool(effect=effect)(take)]) as service:
        id_ = await service.submit("helper")
        summary = await service.wait(id_)
        first = steps(await service.job(id_))[0]
    assert summary.exit_status == "on"
    assert console(first) == ["taken" if annotation in {object, tuple} else "refused"]
