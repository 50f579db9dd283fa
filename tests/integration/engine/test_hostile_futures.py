"""Futures in hostile hands: endless timeouts, combined futures without bounds, one future named a thousand times."""

from __future__ import annotations

import pytest

from orchestrator.engine.future_store import FutureStore
from statek import FutureResult, suspend_for, tool
from statek.future import CombinedFutureResult, FutureReading, FutureState, Settlement
from statek.future_records import FutureRecord

from .conftest import Open, code, console, steps

pytestmark = pytest.mark.timeout(60)


@tool(effect="none")
def ask(timeout: float = 60.0, **kwargs: object) -> FutureResult:
    """Ask somebody."""
    return suspend_for("an answer", timeout=timeout)


@tool(effect="none")
def both(first: FutureResult, second: FutureResult, **kwargs: object) -> FutureResult:
    """Wait for two."""
    return CombinedFutureResult([first, second])


@pytest.mark.parametrize("timeout", ["1e12", "1e300", "10 ** 400", "float('inf')", "float('nan')", "-1", "0"])
async def test_a_timeout_without_a_date_is_refused(open_with: Open, timeout: str) -> None:
    source = f"try:\n    ask({timeout})\nexcept Exception as error:\n    print(type(error).__name__, str(error)[:11])"
    async with open_with([code(source), code("exit(1)")], tools=[ask]) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        [step, _] = steps(await service.job(id_))
        assert (console(step), await service.futures()) == (["InvalidRequest timeout is "], [])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("for _ in range(40):\n    f = both(f, f)", "limit combined_futures is 1000"),
        ("one = ask()\nfor _ in range(40):\n    f = both(f, one)", "limit combined_future_depth is 16"),
    ],
)
async def test_combined_futures_are_bounded_and_end_with_their_parts(
    open_with: Open, source: str, message: str
) -> None:
    tried = source.replace("\n", "\n    ")
    whole = f"f = ask()\ntry:\n    {tried}\nexcept Exception as error:\n    exit(str(error))"
    async with open_with([code(whole)], tools=[ask, both]) as service:
        id_ = await service.submit("helper")
        summary = await service.wait(id_)
        assert summary.status == "DONE"
        assert str(summary.exit_status).startswith(message)
        for future in [future for future in await service.futures() if future.kind == "event"]:
            await service.settle_future(future.id, Settlement(FutureState.RESOLVED, "x"))
        assert await service.futures() == []


HOSTILE_WAIT = """
import gc
f = ask()
answer = str(f)
found = [one for one in gc.get_objects() if type(one).__name__ == 'Futures'][0]
cell = [one for one in gc.get_objects() if type(one).__name__ == '_Cell'][0]
print(len(found._ask('all', [cell] * 1000)))
del found, cell
"""


async def test_a_future_that_a_runner_names_a_thousand_times_is_read_once(
    open_with: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    reading = FutureStore.reading

    def counted(self: FutureStore, record: FutureRecord) -> FutureReading:
        read.append(record.number)
        return reading(self, record)

    async with open_with([code(HOSTILE_WAIT), code("exit(1)")], tools=[ask]) as service:
        id_ = await service.submit("helper")
        while not (futures := await service.futures()):
            pass
        monkeypatch.setattr(FutureStore, "reading", counted)
        await service.settle_future(futures[0].id, Settlement(FutureState.RESOLVED, "y" * 1000))
        await service.wait(id_)
        [step, _] = steps(await service.job(id_))
    assert (console(step), read) == (["1000"], [1, 1])
