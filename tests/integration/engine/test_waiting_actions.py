"""Futures in formal calls: what came before is kept, nothing is done twice, the answer is where the call stands."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from statek.testing import scripted_call, scripted_reply
from tests.integration.engine.conftest import Open, crash, steps
from tests.integration.engine.test_futures import Office, open_futures, resolved, suspended

pytestmark = pytest.mark.timeout(60)

DIRECT = {"CHAT_STYLE": "DIRECT", "LLM_TOOLS_SCOPE": "ALL"}
IN_CODE = "print('before')\neffect(2)\nanswer = ask('q')\nprint(answer)\neffect(3)\nprint('after')"
EARLIER, LATER = scripted_call("effect", "c1", value=1), scripted_call("effect", "c3", value=4)


async def run(open_with: Open, office: Office, call: Any, *, hold: float, lose: bool) -> list[str]:
    """What each call of a step shows, one of which waits for an answer; ``lose`` crashes the service meanwhile."""
    replies = [scripted_reply("On it.", EARLIER, call, LATER), "Done."]
    options: dict[str, Any] = {"tools": office.tools, "metadata": DIRECT, "idle_hold_seconds": hold}
    async with open_with(replies, **options) as service:
        id_: str = await service.submit("helper")
        [future] = await open_futures(service)
        if hold < 1:
            await suspended(service, id_)
        while not (await service.job(id_)).awaited:
            await asyncio.sleep(0.01)
        if lose:
            await crash(service)
        else:
            await service.settle_future(future.id, resolved("yes"))
            summary = await service.wait(id_)
            job = await service.job(id_)
    if lose:
        async with open_with(replies, **options) as service:
            await service.settle_future(future.id, resolved("yes"))
            summary = await service.wait(id_)
            job = await service.job(id_)
    assert (summary.status, summary.failure) == ("DONE", None)
    return [call.output for call in steps(job)[0].tool_log]


@pytest.mark.parametrize(("hold", "lose"), [(30, False), (0.05, False), (30, True), (0.05, True)])
async def test_code_of_a_formal_call_goes_on_where_it_waited(open_with: Open, hold: float, lose: bool) -> None:
    office = Office()
    call = scripted_call("python_cli", "c2", code=IN_CODE)
    shown = await run(open_with, office, call, hold=hold, lose=lose)
    assert shown == ["", "before\nNone\nyes\nNone\nafter", ""]
    assert (office.asked, office.effects) == (["q"], [1, 2, 3, 4])


@pytest.mark.parametrize(("hold", "lose"), [(30, False), (0.05, False), (30, True), (0.05, True)])
async def test_formal_call_of_a_tool_that_answers_later_shows_the_answer(
    open_with: Open, hold: float, lose: bool
) -> None:
    office = Office()
    shown = await run(open_with, office, scripted_call("ask", "c2", question="q"), hold=hold, lose=lose)
    assert shown == ["", "yes", ""]
    assert (office.asked, office.effects) == (["q"], [1, 4])
