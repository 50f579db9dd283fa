from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest

from statek import tool
from statek.exceptions import InvalidRequest
from tests.integration.api.conftest import Serve, code

REPLIES = [code("try:\n    print(pay(5))\nexcept Exception as error:\n    print(error)"), code("exit()")]


class Payment:
    """A tool with an outside effect whose first call never comes back."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.calls = 0

        @tool
        async def pay(amount: int, **kwargs: object) -> str:
            """Pay."""
            self.calls += 1
            if self.calls == 1:
                self.entered.set()
                await asyncio.Event().wait()
            return f"paid {amount}"

        self.tool = pay


@pytest.mark.parametrize(
    ("verdict", "given", "shown", "made"),
    [
        ("happened", {"value": {"receipt": 2**70}}, '{"receipt":1180591620717411303424}', 1),
        ("failed", {"message": "the bank says no"}, "the bank says no", 1),
        ("retry", {}, "paid 5", 2),
    ],
)
async def test_an_operator_decides_about_a_call_in_doubt(
    serve: Serve, verdict: Literal["happened", "failed", "retry"], given: dict[str, Any], shown: str, made: int
) -> None:
    payment = Payment()
    async with serve(REPLIES, tools=[payment.tool]) as served:
        id_ = await served.ask(served.client.submit, "helper")
        await payment.entered.wait()
        # As a crash would leave it: nothing is put down, nothing more is written.
        await served.service._scheduler.stop()
        served.service._drivers.clear()
    async with serve(REPLIES, tools=[payment.tool]) as served:
        client = served.client
        waiting = await served.ask(client.wait, id_)
        assert waiting.status == "SUSPENDED"
        [call] = await served.ask(client.calls)
        assert (call.job, call.name, call.effect, call.state) == (id_, "pay", "external", "in doubt")
        with pytest.raises(InvalidRequest) as raised:
            await served.ask(client.resolve, id_, call.number + 1, verdict, **given)
        assert str(raised.value) == "call 2 of job j1 is not in doubt; in doubt: 1"
        await served.ask(client.resolve, id_, call.number, verdict, **given)
        assert (await served.ask(client.wait, id_)).status == "DONE"
        assert await served.ask(client.calls) == []
        view = await served.ask(client.job, id_)
    assert view.items[0].console[0] == ("print", shown)
    assert payment.calls == made
