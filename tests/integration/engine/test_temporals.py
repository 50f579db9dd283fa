"""Temporals in jobs: ready when the durable objects that they depend on say so, and not asked before."""

from __future__ import annotations

from typing import Any

import pytest

from statek import FutureResult, durable, temporal, tool
from statek.exceptions import FutureError
from statek.future import CombinedFutureResult

from .conftest import Open, code, console, steps

pytestmark = pytest.mark.timeout(60)

SHORT_HOLD = {"idle_hold_seconds": 0.05}
asked: list[str] = []


@durable.memo(id="test_temporals.Order")
class Order:
    """Something that arrives in parts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parts: Any = []
        self.done = False


def _is_done(order: Order) -> bool:
    asked.append(order.name)
    return order.done


def _result(order: Order) -> tuple[str, int]:
    if not order.done:
        raise FutureError(order)
    return order.name, len(order.parts)


def _tools() -> tuple[list[Any], dict[str, Order]]:
    orders: dict[str, Order] = {}

    @temporal(complement=_result, condition=_is_done)
    @tool(effect="store")
    def place(name: str, **kwargs: object) -> Any:
        """Place an order."""
        orders[name] = Order(name)
        return orders[name]

    @temporal(extends=place)
    @tool(effect="store")
    def place_again(name: str, **kwargs: object) -> Any:
        """Place an order again."""
        return place(name)

    @tool(effect="store")
    def both(**kwargs: object) -> FutureResult:
        """Place two orders."""
        return CombinedFutureResult([place("x"), place("y")])

    return [place, place_again, both], orders


@pytest.mark.parametrize("call", ["place", "place_again"])
async def test_temporal_is_asked_when_what_it_depends_on_was_written(open_with: Open, call: str) -> None:
    asked.clear()
    tools, orders = _tools()
    source = f"name, count = {call}('tea')\nprint('placed')\nprint(name, count)\nexit(count)"
    async with open_with([code(source)], tools=tools, **SHORT_HOLD) as service:
        id_ = await service.submit("helper")
        assert (await service.wait(id_)).status == "SUSPENDED"
        once = len(asked)
        await service._store.commit(lambda: Order("unrelated"))
        assert len(asked) == once
        await service._store.commit(lambda: orders["tea"].parts.append("leaf"))
        assert (await service.wait(id_)).status == "SUSPENDED"

        def finish() -> None:
            orders["tea"].done = True

        await service._store.commit(finish)
        while (summary := await service.wait(id_)).status != "DONE":
            pass
        step = steps(await service.job(id_))[0]
    assert (summary.exit_status, console(step)) == ("1", ["placed", "tea 1"])


async def test_temporals_are_watched_again_after_a_restart_and_combine(open_with: Open) -> None:
    tools, orders = _tools()
    async with open_with([code("exit(both())")], tools=tools, **SHORT_HOLD) as service:
        id_ = await service.submit("helper")
        assert (await service.wait(id_)).status == "SUSPENDED"
        numbers = [record.name for record in orders.values()]
        orders.clear()
    found: dict[str, Order] = {}
    async with open_with([], tools=tools, **SHORT_HOLD) as service:
        while len(service._board.watch) < 2:
            await service._store.flush()

        def finish() -> None:
            found.update({order.name: order for order in _orders(service)})
            for order in found.values():
                order.done = True

        await service._store.commit(finish)
        while (summary := await service.wait(id_)).status != "DONE":
            pass
    assert (numbers, summary.exit_status) == (["x", "y"], '(("x",0),("y",0))')


def _orders(service: Any) -> list[Order]:
    records = service._future_records
    return [records.deps(records.get(number)) for number in (1, 2, 3) if records.get(number).kind == "temporal"]
