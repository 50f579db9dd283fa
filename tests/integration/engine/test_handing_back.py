"""An object that a job may not look into stays closed, whoever hands it back or on."""

from __future__ import annotations

from typing import Any

import pytest

import statek
from orchestrator.engine.service import Service
from statek import durable, task, tool
from statek.durable import memo
from statek.tools import current_tool_context

from .conftest import Open, RoleModel, agent, code, console, crash, steps

pytestmark = pytest.mark.timeout(60)


@memo(id="tests.HandedSafe")
class Safe:
    """Has no STATEK-ACL."""

    def __init__(self) -> None:
        self.content = "gold"


@memo(id="tests.HandedDesk")
class Desk:
    """Leads to a safe.

    STATEK-ACL:
        +safe
        +drawer
        +same
    """

    def __init__(self, safe: Safe) -> None:
        self.safe = safe
        self.drawer = [safe]

    def same(self, thing: Any) -> Any:
        """Give back what it is given."""
        return thing


@tool(effect="store")
def echo(thing: Any, **kwargs: Any) -> Any:
    """Give back what it is given."""
    return thing


@tool(effect="external")
def echo_in_list(things: list, **kwargs: Any) -> Any:  # type: ignore[type-arg]
    """Give back what it is given, in another list."""
    return {"found": [*things]}


@tool(effect="store")
def fetch_safe(**kwargs: Any) -> Any:
    """Give the safe, as the application wants it."""
    return next(iter(durable.find(Safe, "tests-handed")))


@tool(effect="external")
def lend_safe(number: int, **kwargs: Any) -> Any:
    """Give the safe to whoever names a number."""
    return current_tool_context().store(lambda: next(iter(durable.find(Safe, "tests-handed"))))


@tool(effect="store")
def report(result: Any, **kwargs: Any) -> None:
    """Hand in the result."""
    statek.complete_sub_task(result)


def make_desk() -> Desk:
    safe = Safe()
    desk = Desk(safe)
    durable.tag(safe, "tests-handed")
    durable.tag(desk, "tests-handed")
    return desk


async def desk_of(service: Service) -> Desk:
    made: Desk = await service._store.commit(make_desk)
    return made


HAND_BACK = ["echo(desk.safe)", "echo_in_list([desk.safe])['found'][0]", "desk.same(desk.safe)", "desk.safe"]


@pytest.mark.parametrize("how", HAND_BACK)
async def test_what_comes_back_is_no_more_than_it_was(open_with: Open, how: str) -> None:
    replies = [code(f"thing = {how}\nprint(thing.content)"), code("print(fetch_safe().content)"), code("exit()")]
    async with open_with(replies, tools=[echo, echo_in_list, fetch_safe]) as service:
        id_ = await service.submit("helper", shared_vars={"desk": await desk_of(service)})
        await service.wait(id_)
        job = await service.job(id_)
    assert console(steps(job)[0])[0].startswith("AccessDenied: ")
    assert "Safe has no STATEK-ACL and was reached through an attribute" in console(steps(job)[0])[0]
    # What a tool gives of its own accord is given explicitly, as ever.
    assert console(steps(job)[1]) == ["gold"]


async def test_what_a_call_without_objects_gives_was_not_handed_in_by_the_call_before(open_with: Open) -> None:
    lent = "echo_in_list([desk.safe])\nthing = lend_safe(7)\nprint(thing.content)"
    async with open_with([code(lent), code("exit()")], tools=[echo_in_list, lend_safe]) as service:
        id_ = await service.submit("helper", shared_vars={"desk": await desk_of(service)})
        await service.wait(id_)
        job = await service.job(id_)
    assert console(steps(job)[0])[-1] == "gold"


async def test_what_came_back_before_a_crash_is_no_more_after_it(open_with: Open) -> None:
    replies = [code("thing = echo(desk.safe)"), code("print(thing.content)"), code("exit()")]
    async with open_with(replies, tools=[echo]) as service:
        id_ = await service.submit("helper", shared_vars={"desk": await desk_of(service)})
        while not [item for item in (await service.job(id_)).items if item.state == "committed"]:
            pass
        await crash(service)
    async with open_with(replies, tools=[echo]) as service:
        await service.wait(id_)
        job = await service.job(id_)
    assert console(steps(job)[1])[0].startswith("AccessDenied: ")


PUT_IN = ["box.append(desk.safe)", "box.insert(0, [desk.safe])", "box.extend(desk.drawer)", "box.append(desk.drawer)"]


@pytest.mark.parametrize("how", PUT_IN)
async def test_what_the_code_puts_into_a_list_is_no_more_than_it_was(open_with: Open, how: str) -> None:
    replies = [code(how), code("box.append(other)\ndesk.drawer.remove(desk.safe)"), code("exit(len(box))")]
    async with open_with(replies) as service:
        desk, other = await desk_of(service), await desk_of(service)
        box = await service._store.commit(lambda: Desk(Safe()).drawer)
        id_ = await service.submit("helper", shared_vars={"desk": desk, "other": other, "box": box})
        await service.wait(id_)
        job = await service.job(id_)
    assert console(steps(job)[0])[0].startswith("AccessDenied: hand on Safe denied by Safe has no STATEK-ACL")
    assert job.summary.exit_status == "2"


@tool(effect="store")
def give(desk: Any, **kwargs: Any) -> Any:
    """Let the worker look at a desk."""
    return task.delegate_task("worker", {"desk": desk}, id="t1")


@pytest.mark.parametrize(
    ("ends", "opens"),
    [
        ("exit(desk.safe)", False),
        ("exit([{'x': desk.safe}])", False),
        ("exit(desk.drawer[0])", False),
        ("exit(desk)", True),
        ("exit(fetch_safe())", True),
    ],
)
async def test_a_child_hands_on_what_it_was_given(open_agents: Open, ends: str, opens: bool) -> None:
    model = RoleModel(
        boss=[code("words, task = give(desk)\nexit([task.state, str(words).replace('\\n', ' ')])")],
        worker=[code(ends)],
    )
    agents = [agent("boss", tools=[give]), agent("worker", tools=[report, fetch_safe])]
    async with open_agents(agents, model) as service:
        id_ = await service.submit("boss", shared_vars={"desk": await desk_of(service)})
        await service.wait_idle()
        summary = (await service.job(id_)).summary
    refused = (
        '["failed","Error: its exit status cannot be handed on: hand on Safe denied by Safe has no STATEK-ACL and was '
        "reached through an attribute; the application opens it by the STATEK-ACL section of Safe's docstring\"]"
    )
    if opens:
        assert summary.exit_status.startswith('["completed"')
    else:
        assert summary.exit_status == refused


@tool(effect="store")
def give_out(**kwargs: Any) -> Any:
    """Let the worker look at the desk."""
    return task.delegate_task("worker", {"desk": next(iter(durable.find(Desk, "tests-handed")))}, id="t1")


@pytest.mark.parametrize("ends", ["exit(desk.drawer)", "report([desk.drawer][0])\nexit()"])
async def test_a_list_that_a_child_hands_on_opens_nothing(open_agents: Open, ends: str) -> None:
    model = RoleModel(
        boss=[code("words, task = give_out()\nprint(words)\nprint(words[0].content)\nexit(1)"), code("exit()")],
        worker=[code(ends), code("exit()")],
    )
    async with open_agents([agent("boss", tools=[give_out]), agent("worker", tools=[report])], model) as service:
        await desk_of(service)
        id_ = await service.submit("boss")
        await service.wait_idle()
        job = await service.job(id_)
    assert "gold" not in str([console(step) for step in steps(job)])


async def test_a_child_s_tool_hands_on_what_the_child_was_given(open_agents: Open) -> None:
    model = RoleModel(
        boss=[code("words, task = give(desk)\nexit(task.state)")],
        worker=[code("report([desk.safe])"), code("report(desk)\nexit()")],
    )
    agents = [agent("boss", tools=[give]), agent("worker", tools=[report])]
    async with open_agents(agents, model) as service:
        id_ = await service.submit("boss", shared_vars={"desk": await desk_of(service)})
        await service.wait_idle()
        summary, child = (await service.job(id_)).summary, await service.job("j2")
    assert console(steps(child)[0])[0].startswith("AccessDenied: hand on Safe denied by Safe has no STATEK-ACL")
    assert summary.exit_status == "completed"


@pytest.mark.parametrize("default_acl", ["DENY", "GRANT"])
async def test_the_default_acl_opens_it_everywhere(open_agents: Open, default_acl: str) -> None:
    model = RoleModel(
        boss=[code("words, task = give(desk)\nexit(words.content if task.state == 'completed' else task.state)")],
        worker=[code("exit(desk.safe)")],
    )
    agents = [agent("boss", tools=[give]), agent("worker")]
    async with open_agents(agents, model, default_acl=default_acl) as service:
        id_ = await service.submit("boss", shared_vars={"desk": await desk_of(service)})
        await service.wait_idle()
        summary = (await service.job(id_)).summary
    assert summary.exit_status == ("gold" if default_acl == "GRANT" else "failed")
