"""Jobs that wait: for approvals and callbacks, held and put down, through crashes, once and for all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator.app import open_inspection
from orchestrator.engine.job_driver import JobDriver
from orchestrator.engine.service import Service
from statek import FutureResult, resolve_future, suspend_for, tool
from statek.exceptions import FutureSettled, NotFound
from statek.executors.views import FutureView
from statek.future import FutureState, Settlement
from statek.settings import StatekSettings

from .conftest import Open, code, console, crash, steps

pytestmark = pytest.mark.timeout(60)

SHORT_HOLD = {"idle_hold_seconds": 0.05}


class Office:
    """Tools that ask people, and what they asked."""

    def __init__(self, **options: Any) -> None:
        self.asked: list[str] = []
        self.ids: list[str] = []
        self.effects: list[Any] = []

        @tool(**options)
        def ask(question: str, **kwargs: object) -> FutureResult:
            """Ask a person."""
            self.asked.append(question)
            future = suspend_for(f"answer to {question}", details={"question": question})
            self.ids.append(future.id)
            return future

        @tool
        def effect(value: Any, **kwargs: object) -> None:
            """Do something outside."""
            self.effects.append(value)

        self.tools = [ask, effect]


def resolved(value: Any) -> Settlement:
    return Settlement(FutureState.RESOLVED, value)


async def open_futures(service: Service, count: int = 1) -> list[FutureView]:
    """The open futures, once there are so many."""
    while len(found := await service.futures()) < count:
        await asyncio.sleep(0.01)
    return found


async def suspended(service: Service, id_: str) -> None:
    """Return when the job is suspended and nothing of it runs."""
    summary = await service.wait(id_)
    assert summary.status == "SUSPENDED"


@pytest.mark.parametrize("effect", ["external", "none", "store"])
@pytest.mark.parametrize("hold", [30, 0.05])
async def test_code_goes_on_where_it_waited(open_with: Open, effect: str, hold: float) -> None:
    office = Office(effect=effect)
    source = (
        "answer = ask('q')\neffect(1)\nprint('before')\nprint(answer, len(answer))\neffect(2)\nexit(answer.upper())"
    )
    async with open_with([code(source)], tools=office.tools, idle_hold_seconds=hold) as service:
        id_ = await service.submit("helper")
        [future] = await open_futures(service)
        if hold < 1:
            await suspended(service, id_)
            assert service._pool.statistics().claimed == 0
        await service.settle_future(future.id, resolved("yes"))
        summary = await service.wait(id_)
        step = steps(await service.job(id_))[0]
    assert (summary.status, summary.exit_status, summary.reason) == ("DONE", "YES", "")
    assert console(step) == ["None", "before", "yes 3", "None"]
    assert (office.asked, office.effects) == (["q"], [1, 2])
    assert (future.what, future.state, future.job) == ("answer to q", "pending", id_)


@pytest.mark.parametrize("hold", [30, 0.05])
async def test_loops_functions_and_nested_calls_wait_without_repeating_anything(open_with: Open, hold: float) -> None:
    office = Office()
    source = """
def both(n):
    effect(n)
    return ask(f'a{n}') + ask(f'b{n}')

found = [both(n) for n in range(2)]
print(len(ask('last')))
exit(found)
"""
    async with open_with([code(source)], tools=office.tools, idle_hold_seconds=hold) as service:
        id_ = await service.submit("helper")
        summary = (await service.job(id_)).summary
        while summary.status != "DONE":
            for future in await service.futures():
                await service.settle_future(future.id, resolved(future.what[-2:]))
            summary = (await service.job(id_)).summary
        step = steps(await service.job(id_))[0]
    assert (summary.exit_status, console(step)) == ('["a0b0","a1b1"]', ["2"])
    assert office.asked == ["a0", "b0", "a1", "b1", "last"]
    assert office.effects == [0, 1]


async def test_futures_live_in_variables_containers_and_closures_across_steps(open_with: Open) -> None:
    office = Office()
    replies = [
        code("f = ask('q')\nbox = {'f': [f]}\nshow = lambda: f"),
        code("print(type(box).__name__)"),
        code("print(show() + '!', box['f'][0], f)"),
        code("exit([f, box, show()])"),
    ]
    async with open_with(replies, tools=office.tools, **SHORT_HOLD) as service:
        id_ = await service.submit("helper")
        await suspended(service, id_)
        shown = await service.job(id_)
        [variable] = [one for one in await service.variables(id_) if one.name == "f"]
        await service.settle_future(office.ids[0], resolved("yes"))
        summary = await service.wait(id_)
        [after] = [one for one in await service.variables(id_) if one.name == "f"]
        ran = steps(await service.job(id_))
    assert (summary.exit_status, office.asked) == ('["yes",{"f":["yes"]},"yes"]', ["q"])
    assert [console(step) for step in ran] == [[], ["dict"], ["yes! yes yes"], []]
    assert (variable.preview, after.value) == ("<pending: answer to q>", "yes")
    assert shown.awaited is not None
    assert (shown.awaited.futures, shown.awaited.what) == (tuple(office.ids), ("answer to q",))
    assert (shown.summary.reason, shown.awaited.statement) == ("waits for answer to q", 0)


async def test_get_any_takes_the_first_and_get_all_every_one_plain_values_too(open_with: Open) -> None:
    office = Office()
    source = (
        "a, b = ask('a'), ask('b')\nprint(get_any(a, b))\nprint(get_all(a, 7, b))\n"
        "print(get_any(a, 'x'), get_any('x', a))\nexit(1)"
    )
    async with open_with([code(source)], tools=office.tools, **SHORT_HOLD) as service:
        id_ = await service.submit("helper")
        await suspended(service, id_)
        await service.settle_future(office.ids[1], resolved("B"))
        await suspended(service, id_)
        await service.settle_future(office.ids[0], resolved("A"))
        await service.wait(id_)
        step = steps(await service.job(id_))[0]
    assert console(step) == ["B", '("A",7,"B")', "A x"]
    assert office.asked == ["a", "b"]


async def test_arguments_are_waited_for_unless_the_tool_takes_futures(open_with: Open) -> None:
    office, taken = Office(), []

    @tool
    def use(text: str, parts: list, **kwargs: object) -> str:
        """Use values."""
        return text + "".join(parts)

    @tool(effect="none")
    def look(future: FutureResult, **kwargs: object) -> str:
        """Look at a future."""
        taken.append(future)
        return future.state.value

    source = "a, b = ask('a'), ask('b')\nprint(look(a))\nprint(use(a, [b]))\nprint(look(a))\nexit(1)"
    async with open_with([code(source)], tools=[*office.tools, use, look], **SHORT_HOLD) as service:
        id_ = await service.submit("helper")
        await suspended(service, id_)
        for future_id, value in zip(office.ids, "AB", strict=True):
            await service.settle_future(future_id, resolved(value))
        await service.wait(id_)
        step = steps(await service.job(id_))[0]
    assert console(step) == ["pending", "AB", "resolved"]
    assert [isinstance(future, FutureResult) for future in taken] == [True, True]


@pytest.mark.parametrize(
    ("settlement", "error"),
    [
        (Settlement(FutureState.FAILED, message="the form is lost"), "FutureFailed: the form is lost"),
        (Settlement(FutureState.CANCELLED, message="not needed"), "FutureCancelled: not needed"),
    ],
)
async def test_future_without_a_value_is_an_error_where_it_is_used(
    open_with: Open, settlement: Settlement, error: str
) -> None:
    office = Office()
    source = "f = ask('q')\ntry:\n    print(f)\nexcept Exception as e:\n    print(f'{type(e).__name__}: {e}')"
    replies = [code(source), code("f + 'x'"), code("exit(1)")]
    async with open_with(replies, tools=office.tools) as service:
        id_ = await service.submit("helper")
        [future] = await open_futures(service)
        await service.settle_future(future.id, settlement)
        await service.wait(id_)
        ran = steps(await service.job(id_))
    assert [console(step)[0] for step in ran[:2]] == [error, error]


@pytest.mark.parametrize("hold", [30, 0.02])
async def test_expired_future_is_a_timeout_error_where_it_is_used(open_with: Open, hold: float) -> None:
    @tool
    def ask(**kwargs: object) -> FutureResult:
        """Ask a person."""
        return suspend_for("an answer", timeout=0.3)

    source = "try:\n    ask() + 1\nexcept TimeoutError as e:\n    exit(str(e))"
    async with open_with([code(source)], tools=[ask], idle_hold_seconds=hold) as service:
        id_ = await service.submit("helper")
        summary = await service.wait(id_)
        while summary.status != "DONE":
            summary = await service.wait(id_)
    assert summary.exit_status == "an answer: no answer within 0.3 seconds"


async def test_first_answer_counts_and_unknown_ids_are_refused(open_with: Open) -> None:
    office = Office()
    async with open_with([code("exit(ask('q') + 1)")], tools=office.tools, **SHORT_HOLD) as service:
        id_ = await service.submit("helper")
        await suspended(service, id_)
        tried = await asyncio.gather(
            *(service.settle_future(office.ids[0], resolved(n)) for n in range(5)), return_exceptions=True
        )
        with pytest.raises(NotFound, match="there is no future 'f-nothing'"):
            await service.settle_future("f-nothing", resolved(1))
        summary = await service.wait(id_)
        shown = await service.future(office.ids[0])
    assert [type(one) for one in tried] == [FutureView, *[FutureSettled] * 4]
    assert (summary.exit_status, shown.state, shown.result) == ("1", "resolved", "0")


async def test_cancelled_job_waits_no_more_and_its_futures_are_called_off(open_with: Open) -> None:
    office = Office()
    async with open_with([code("print(ask('q'))")], tools=office.tools, **SHORT_HOLD) as service:
        id_ = await service.submit("helper")
        await suspended(service, id_)
        summary = await service.cancel(id_, "enough")
        shown = await service.future(office.ids[0])
        with pytest.raises(FutureSettled):
            await service.settle_future(office.ids[0], resolved(1))
    assert (summary.status, summary.failure, shown.state) == (
        "DONE",
        {"kind": "cancelled", "message": "enough"},
        "cancelled",
    )


async def test_warmup_waits_and_goes_on_as_warmup(open_with: Open) -> None:
    office = Office()
    async with open_with(
        [code("exit(answer)")], tools=office.tools, warmup="answer = ask('q')\nprint(answer)", **SHORT_HOLD
    ) as service:
        id_ = await service.submit("helper")
        await suspended(service, id_)
        await service.settle_future(office.ids[0], resolved("yes"))
        summary = await service.wait(id_)
        warmup = steps(await service.job(id_))[0]
    assert (summary.status, summary.exit_status, console(warmup)) == ("DONE", "yes", ["yes"])


# -------------------------------------------------------------------------------------------- crashes


@pytest.mark.parametrize("hold", [30, 0.05])
async def test_crashes_while_waiting_are_no_crashes_of_the_step(open_with: Open, hold: float) -> None:
    office = Office()
    options: dict[str, Any] = {"tools": office.tools, "idle_hold_seconds": hold}
    replies = [code("print('before')\nf = ask('q')\nexit(f + '!')")]
    async with open_with(replies, **options) as service:
        id_ = await service.submit("helper")
        while not (await service.job(id_)).awaited:
            await asyncio.sleep(0.01)
        await crash(service)
    for _ in range(3):
        async with open_with([], **options) as service:
            while not (await service.job(id_)).awaited or service._pool.statistics().claimed != int(hold == 30):
                await asyncio.sleep(0.01)
            await crash(service)
    async with open_with([], **options) as service:
        await service.settle_future(office.ids[0], resolved("yes"))
        summary = await service.wait(id_)
    assert (summary.status, summary.exit_status, summary.failure, office.asked) == ("DONE", "yes!", None, ["q"])


async def test_future_resolved_while_no_service_runs_wakes_its_job_at_the_next_start(
    open_with: Open, tmp_path: Any
) -> None:
    office = Office()
    async with open_with([code("exit(ask('q'))")], tools=office.tools, **SHORT_HOLD) as service:
        id_ = await service.submit("helper")
        await suspended(service, id_)
    settings = StatekSettings.load({"data_dir": tmp_path / "data"}, environ={})
    async with open_inspection(settings) as inspection:
        view = await inspection.settle_future(office.ids[0], resolved("yes"))
        status = (await inspection.job(id_)).summary.status
    async with open_with([], tools=office.tools) as service:
        summary = await service.wait(id_)
    assert (view.state, status, summary.status, summary.exit_status) == ("resolved", "STARTED", "DONE", "yes")


@pytest.mark.parametrize("point", ["_suspend", "_begin"])
async def test_answer_that_comes_between_two_writes_is_not_lost(
    open_with: Open, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resolved after the step was put down and before the job is suspended, and before the re-run begins."""
    office, reached, go = Office(), asyncio.Event(), asyncio.Event()
    name = "_suspend" if point == "_suspend" else "_run_again"
    original = getattr(JobDriver, name)

    async def later(self: JobDriver, *args: Any) -> Any:
        reached.set()
        await go.wait()
        return await original(self, *args)

    monkeypatch.setattr(JobDriver, name, later)
    async with open_with([code("exit(ask('q'))")], tools=office.tools, **SHORT_HOLD) as service:
        id_ = await service.submit("helper")
        if point == "_begin":
            await suspended(service, id_)
            await service.settle_future(office.ids[0], resolved("yes"))
        await reached.wait()
        if point == "_suspend":
            await service.settle_future(office.ids[0], resolved("yes"))
        await crash(service)
    monkeypatch.undo()
    async with open_with([], tools=office.tools) as service:
        summary = await service.wait(id_)
    assert (summary.status, summary.exit_status, office.asked) == ("DONE", "yes", ["q"])


async def test_idempotent_call_that_a_crash_interrupted_makes_the_same_future_again(open_with: Open) -> None:
    ids: list[str] = []
    entered, hang = asyncio.Event(), True

    @tool(idempotent=True)
    async def ask(**kwargs: object) -> FutureResult:
        """Ask a person."""
        future = suspend_for("an answer")
        ids.append(future.id)
        entered.set()
        if hang:
            await asyncio.Event().wait()
        return future

    async with open_with([code("exit(ask())")], tools=[ask]) as service:
        id_ = await service.submit("helper")
        await entered.wait()
        assert await service.futures() == []
        await crash(service)
    hang = False
    async with open_with([], tools=[ask]) as service:
        await open_futures(service)
        await service.settle_future(ids[0], resolved("yes"))
        summary = await service.wait(id_)
    assert (summary.exit_status, len(ids), len(set(ids))) == ("yes", 2, 1)


async def test_tool_that_fails_leaves_no_future(open_with: Open) -> None:
    @tool
    def ask(**kwargs: object) -> FutureResult:
        """Ask a person."""
        _ = suspend_for("an answer").id
        raise ValueError("no letterbox")

    async with open_with([code("ask()"), code("exit(1)")], tools=[ask]) as service:
        summary = await service.wait(await service.submit("helper"))
        assert await service.futures() == []
    assert summary.exit_status == "1"


async def test_tool_ends_a_future_from_another_job(open_with: Open) -> None:
    office = Office()

    @tool(effect="store")
    def approve(future_id: str, **kwargs: object) -> None:
        """Approve."""
        resolve_future(future_id, "approved")

    source = "if id:\n    approve(id)\n    exit(2)\nexit(ask('q'))"
    async with open_with([code(source)], tools=[*office.tools, approve], **SHORT_HOLD) as service:
        first = await service.submit("helper", shared_vars={"id": ""})
        await suspended(service, first)
        second = await service.submit("helper", shared_vars={"id": office.ids[0]})
        await service.wait(second)
        summary = await service.wait(first)
    assert summary.exit_status == "approved"


async def test_hostile_numbers_of_futures_are_refused(open_with: Open) -> None:
    office = Office()
    source = """
if not attack:
    ask('q') + 'x'
from sandbox_runner.wire.values import FutureRef
import sandbox_runner.executor.futures as f
for ref in (FutureRef(1), FutureRef(999)):
    try:
        print(f._table.from_ref(ref) + 'x')
    except Exception as e:
        print(type(e).__name__, e)
exit(1)
"""
    async with open_with([code(source)], tools=office.tools, **SHORT_HOLD) as service:
        first = await service.submit("helper", shared_vars={"attack": False})
        await suspended(service, first)
        second = await service.submit("helper", shared_vars={"attack": True})
        await service.wait(second)
        step = steps(await service.job(second))[0]
    assert console(step) == [
        "AccessDenied future 1 is not one of this job",
        "AccessDenied future 999 is not one of this job",
    ]


async def test_waiting_jobs_hold_nothing_and_write_nothing(open_with: Open) -> None:
    office, count = Office(effect="none"), 40
    replies = [code("exit(ask('q'))")] * count
    async with open_with(replies, tools=office.tools, idle_hold_seconds=0.01, max_runners=4) as service:
        ids = [await service.submit("helper") for _ in range(count)]
        for id_ in ids:
            await suspended(service, id_)
        before = service._store.guard_statistics()
        await asyncio.sleep(0.5)
        assert service._store.guard_statistics() == before
        assert service._pool.statistics().claimed == 0
        assert service._drivers == {}
        for future_id in office.ids:
            await service.settle_future(future_id, resolved("yes"))
        ends = [(await service.wait(id_)).exit_status for id_ in ids]
    assert ends == ["yes"] * count
