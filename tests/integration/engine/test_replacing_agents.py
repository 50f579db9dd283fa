"""Agents, prompts and tools that are replaced while jobs are suspended, in a step, over, or left by another process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator.engine.service import Service
from statek import FutureResult, suspend_for, tool
from statek.agents.agent import SupervisedAgent
from statek.future import FutureState, Settlement

from .conftest import Open, RoleModel, code, console, crash, steps

pytestmark = pytest.mark.timeout(60)

CHANGED = "has changed since this job was made: it was (amount: int) -> str, it is (amount: int, currency: str) -> str"
PROMPT = "I am clerk.\n{brief_tools}"


def price_tool(text: str, doc: str = "Tell the price.") -> Any:
    """A tool ``price(amount)`` that gives a text."""

    def price(amount: int, **kwargs: object) -> str:
        return f"{text} {amount}"

    price.__doc__ = doc
    return tool(effect="none")(price)


@tool(effect="none")
def price_of_two(amount: int, currency: str, **kwargs: object) -> str:
    """Tell the price."""
    return f"{amount} {currency}"


price_of_two.__name__ = "price"


@tool
def ask(question: str, **kwargs: object) -> FutureResult:
    """Ask a person."""
    return suspend_for(question)


class Gate:
    """A tool that holds the step that calls it until the test lets it go."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.let_go = asyncio.Event()

        @tool(effect="none")
        async def hold(**kwargs: object) -> None:
            """Wait for the test."""
            self.entered.set()
            await self.let_go.wait()

        self.tool = hold


def clerk(*tools: Any, prompt: str = PROMPT, **metadata: str) -> SupervisedAgent:
    """A clerk with these tools."""
    return SupervisedAgent("clerk", prompt, list(tools), _metadata={"MODEL": "scripted/test", **metadata})


async def answer(service: Service) -> None:
    """Answer the only open question."""
    [future] = await service.futures()
    await service.settle_future(future.id, Settlement(FutureState.RESOLVED, "yes"))


async def test_a_suspended_job_keeps_what_it_was_told_of_until_it_ends(open_agents: Open) -> None:
    model = RoleModel(
        clerk=[code("said = ask('Go on?')\nprint(said)"), code("print(price(3))"), code("exit(price(4))")]
    )
    async with open_agents([clerk(ask, price_tool("old"))], model, idle_hold_seconds=0.05) as service:
        first = await service.submit("clerk")
        assert (await service.wait(first)).status == "SUSPENDED"
        await service.replace_agent(clerk(ask, price_tool("new", "Tell another price."), prompt=f"{PROMPT}\nNew."))
        await answer(service)
        assert (await service.wait(first)).exit_status == "old 4"
        second = await service.submit("clerk")
        assert (await service.wait(second)).status == "SUSPENDED"
        await answer(service)
        assert (await service.wait(second)).exit_status == "new 4"
        told = [{str(request.messages[0]["content"]) for request in model.asked(id_)} for id_ in (first, second)]
        await service.wait_idle()
        assert (service._agents._kept, service._agents._retired) == ({}, [])
    assert [len(texts) for texts in told] == [1, 1]
    assert ["Tell another price." in text and "New." in text for [text] in told] == [False, True]


async def test_a_job_in_a_step_goes_on_with_its_functions(open_agents: Open) -> None:
    gate = Gate()
    script = [code("hold()\nprint(price(1))"), code("exit(price(2))")]
    async with open_agents([clerk(gate.tool, price_tool("old"))], RoleModel(clerk=script)) as service:
        first = await service.submit("clerk")
        await gate.entered.wait()
        await service.replace_agent(clerk(gate.tool, price_of_two))
        gate.let_go.set()
        assert (await service.wait(first)).exit_status == "old 2"
        second = await service.submit("clerk")
        await service.wait(second)
        [refused, *_] = steps(await service.job(second))
    assert console(refused)[1] == "TypeError: price() missing 1 required positional argument: 'currency'"


async def test_after_a_restart_a_call_of_a_changed_tool_fails_by_name_and_the_job_goes_on(open_agents: Open) -> None:
    script = [
        code("said = ask('Go on?')\nprint(said)"),
        code("price(3)"),
        code("old_price(3)"),
        code("try:\n    price(1)\nexcept StatekError as error:\n    exit(type(error).__name__)"),
    ]
    old_price = price_tool("older")
    old_price.__name__ = "old_price"
    old = clerk(ask, price_tool("old"), old_price)
    async with open_agents([old], RoleModel(clerk=script), idle_hold_seconds=0.05) as service:
        id_ = await service.submit("clerk")
        await service.wait(id_)
        # A replacement of this process is forgotten with it.
        await service.replace_agent(clerk(ask, price_of_two, old_price))
    async with open_agents([clerk(ask, price_of_two)], RoleModel(clerk=script)) as service:
        await answer(service)
        summary = await service.wait(id_)
        shown = [console(step) for step in steps(await service.job(id_))]
    assert summary.exit_status == "ToolChanged"
    assert shown[1][0] == f"ToolChanged: tool price {CHANGED}"
    assert shown[2][0] == "ToolChanged: tool old_price has changed since this job was made: it is not there any more"


async def test_a_rerun_is_answered_from_its_journal_whatever_became_of_the_tool(open_agents: Open) -> None:
    gate = Gate()
    made: list[int] = []

    @tool
    def pay(amount: int, **kwargs: object) -> str:
        """Pay."""
        made.append(amount)
        return f"paid {amount}"

    @tool
    def pay_in(amount: int, currency: str, **kwargs: object) -> str:
        """Pay."""
        made.append(amount)
        return f"paid {amount} {currency}"

    pay_in.__name__ = "pay"
    script = [code("paid = pay(5)\nhold()\nprint(paid)\npay(6)"), code("exit(paid)")]
    async with open_agents([clerk(gate.tool, pay)], RoleModel(clerk=script)) as service:
        id_ = await service.submit("clerk")
        await gate.entered.wait()
        await crash(service)
    gate.let_go.set()
    async with open_agents([clerk(gate.tool, pay_in)], RoleModel(clerk=script)) as service:
        summary = await service.wait(id_)
        [first, _] = steps(await service.job(id_))
    assert (summary.exit_status, made) == ("paid 5", [5])
    assert console(first)[1:3] == ["paid 5", f"ToolChanged: tool pay {CHANGED}"]


async def test_an_unfinished_call_of_a_changed_tool_is_in_doubt(open_agents: Open) -> None:
    entered = asyncio.Event()

    @tool(idempotent=True)
    async def pay(amount: int, **kwargs: object) -> str:
        """Pay."""
        entered.set()
        await asyncio.Event().wait()
        return ""

    @tool(idempotent=True)
    def pay_in(amount: int, currency: str, **kwargs: object) -> str:
        """Pay."""
        raise AssertionError("nobody may call it")

    pay_in.__name__ = "pay"
    script = [code("pay(5)"), code("exit(1)")]
    async with open_agents([clerk(pay)], RoleModel(clerk=script)) as service:
        id_ = await service.submit("clerk")
        await entered.wait()
        await crash(service)
    async with open_agents([clerk(pay_in)], RoleModel(clerk=script)) as service:
        summary = await service.wait(id_)
    assert (summary.status, summary.reason[:20]) == ("SUSPENDED", "in doubt: pay, call ")


async def test_a_job_that_ended_goes_on_with_the_agent_of_the_day(open_agents: Open) -> None:
    script = [code("exit(price(1))"), code("exit(price(2))")]
    async with open_agents([clerk(price_tool("old"))], RoleModel(clerk=script)) as service:
        id_ = await service.submit("clerk")
        assert (await service.wait(id_)).exit_status == "old 1"
        await service.replace_agent(clerk(price_tool("new")))
        await service.push(id_, "Again.")
        summary = await service.wait(id_)
    assert summary.exit_status == "new 2"


async def test_a_job_made_for_an_agent_that_is_replaced_meanwhile_keeps_it(open_agents: Open) -> None:
    old, new = clerk(price_tool("old")), clerk(price_tool("new"))
    async with open_agents([old], RoleModel(clerk=[code("exit(price(1))")])) as service:
        book = service._agents
        book.note_made(new, 7)
        assert (book.of_job("clerk", 7), book.of_job("clerk", 8)) == (new, old)
        book.note_ended(7)
        assert book.of_job("clerk", 7) is old


async def test_several_replacements_each_keep_their_jobs(open_agents: Open) -> None:
    model = RoleModel(clerk=[code("said = ask('Go on?')\nprint(said)"), code("exit(price(1))")])
    async with open_agents([clerk(ask, price_tool("0"))], model, idle_hold_seconds=0.05) as service:
        ids = []
        for turn in (1, 2, 3):
            ids.append(await service.submit("clerk"))
            assert (await service.wait(ids[-1])).status == "SUSPENDED"
            await service.replace_agent(clerk(ask, price_tool(str(turn))))
        for future in await service.futures():
            await service.settle_future(future.id, Settlement(FutureState.RESOLVED, "yes"))
        found = [(await service.wait(id_)).exit_status for id_ in ids]
        await service.wait_idle()
        assert service._agents._kept == {}
    assert found == ["0 1", "1 1", "2 1"]


async def test_a_role_is_added_and_listed(open_agents: Open) -> None:
    model = RoleModel(clerk=[code("exit(1)")], helper=[code("exit(2)")])
    async with open_agents([clerk()], model) as service:
        before = {view.role: view for view in await service.agents()}
        await service.replace_agent(SupervisedAgent("helper", "I am helper.", _metadata={"MODEL": "scripted/test"}))
        await service.replace_agent(clerk(price_tool("new")))
        assert (await service.wait(await service.submit("helper"))).exit_status == "2"
        after = {view.role: view for view in await service.agents()}
        await crash(service)
    assert (list(before), list(after)) == (["clerk"], ["clerk", "helper"])
    assert after["clerk"].digest != before["clerk"].digest
    async with open_agents([clerk()], model) as service:
        again = {view.role: (view.running, view.digest) for view in await service.agents()}
    assert again == {"clerk": (True, before["clerk"].digest), "helper": (False, after["helper"].digest)}


async def test_formal_tools_are_told_of_as_they_were(open_agents: Open) -> None:
    script = [code("said = ask('Go on?')\nprint(said)"), code("exit(1)")]
    model = RoleModel(clerk=script)
    scope = {"LLM_TOOLS_SCOPE": "+price"}
    async with open_agents([clerk(ask, price_tool("old"), **scope)], model, idle_hold_seconds=0.05) as service:
        id_ = await service.submit("clerk")
        await service.wait(id_)
    other_price = price_tool("new", "Tell it otherwise.")
    async with open_agents([clerk(ask, other_price, **scope)], model, idle_hold_seconds=0.05) as service:
        await answer(service)
        assert (await service.wait(id_)).exit_status == "1"
        other = await service.submit("clerk")
        await service.wait(other)
        asked = await asyncio.to_thread(service.access.job(1).get_next_request)
    described = [[spec["function"]["description"] for spec in request.tools] for request in model.requests]
    assert described == [["Tell the price."], ["Tell the price."], ["Tell it otherwise."]]
    assert [spec["function"]["description"] for spec in asked["available_tools"]] == described[0]
