"""Queues: events become jobs and messages reach jobs, each exactly once, and what cannot be delivered is kept."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from orchestrator.engine.access import JobAccess
from orchestrator.engine.job_tasks import JobTasks
from orchestrator.engine.queue_pump import QueuePump
from orchestrator.engine.service import Service
from statek import durable, queue_records, tool
from statek.exceptions import InvalidRequest, LimitExceeded
from statek.queue_records import lanes
from statek.statek_push_queue import StatekPushQueue
from tests.integration.embedded.model import Pad

from .conftest import Open, RoleModel, agent, code, crash

pytestmark = pytest.mark.timeout(60)

CLERK = agent("clerk", warmup="subject = event['subject']")


def clerk_model() -> RoleModel:
    return RoleModel(clerk=[code("exit(subject)")], other=[code("exit(1)")])


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The queue as the application uses it, over the service of the test."""

    def of(service: Service) -> StatekPushQueue:
        monkeypatch.setattr("statek.statek_push_queue.task_door", lambda: JobTasks(service.access))
        return StatekPushQueue()

    return of


async def ends(service: Service) -> list[str]:
    await service.wait_idle()
    return [summary.exit_status for summary in await service.jobs(newest=10_000)]


async def test_events_become_jobs_in_order(open_agents: Open, queue: Any) -> None:
    async with open_agents([CLERK], clerk_model()) as service:
        push = queue(service)
        for subject in ("a", "b", "c"):
            await asyncio.to_thread(push.push_to_agent_queue, CLERK, {"subject": subject})
        found = await ends(service)
        waits = await asyncio.to_thread(push.has_agent_events, "clerk")
    assert (found, waits) == (["a", "b", "c"], False)


async def test_events_wait_for_their_agent_and_for_the_service(open_agents: Open, queue: Any) -> None:
    async with open_agents([agent("other")], clerk_model()) as service:
        await asyncio.to_thread(queue(service).push_to_agent_queue, "clerk", {"subject": "later"})
        none = await ends(service)
    async with open_agents([CLERK], clerk_model()) as service:
        some = await ends(service)
    assert (none, some) == ([], ["later"])


async def test_durable_event_arrives_as_a_handle(open_agents: Open, queue: Any) -> None:
    model = RoleModel(clerk=[code("exit(pad.add('x').text)")])

    def make() -> Pad:
        pad = Pad()
        durable.tag(pad, "keep")
        return pad

    async with open_agents([agent("clerk", warmup="print(len(pad.notes))")], model) as service:
        pad = await service._store.commit(make)
        await asyncio.to_thread(queue(service).push_to_agent_queue, "clerk", pad)
        found = await ends(service)
    assert found == ["x"]


async def test_event_that_no_job_can_be_made_of_is_kept_with_its_reason_and_tried_again(
    open_agents: Open, queue: Any
) -> None:
    def kept() -> list[tuple[str, str]]:
        return [(lane.title(), lane.held[n].why()) for lane in lanes() for n in sorted(lane.held)]

    async with open_agents([agent("clerk", warmup="a, b = first, second")], clerk_model()) as service:
        await asyncio.to_thread(queue(service).push_to_agent_queue, "clerk", {"subject": "x"})
        none = await ends(service)
        held = await service._store.read(kept)
    async with open_agents([CLERK], clerk_model()) as service:
        some = await ends(service)
        after = await service._store.read(kept)
    must = "the warmup of agent 'clerk' must read exactly one name that it does not set, the event"
    assert (none, held) == ([], [("clerk", f"{must}; it reads: first, second")])
    assert (some, after) == (["x"], [])


async def test_one_bad_event_fails_its_own_job_only(open_agents: Open, queue: Any) -> None:
    async with open_agents([CLERK], clerk_model()) as service:
        push = queue(service)
        for event in ({"subject": "a"}, 5, {"subject": "c"}):
            await asyncio.to_thread(push.push_to_agent_queue, CLERK, event)
        found = await ends(service)
        failures = [(summary.failure or {}).get("kind") for summary in await service.jobs()]
    assert (found, failures) == (["a", "", "c"], [None, "warmup", None])


async def test_messages_reach_their_jobs_and_others_are_kept(open_agents: Open, queue: Any) -> None:
    model = RoleModel(other=[code("exit(1)"), code("exit(2)")])
    async with open_agents([agent("other")], model) as service:
        id_ = await service.submit("other")
        await service.wait(id_)
        push = queue(service)
        await asyncio.to_thread(push.push_to_job_console, id_, "again")
        await asyncio.to_thread(push.push_to_job_console, "j77", "anybody?")
        found = await ends(service)
        held = await service._store.read(lambda: [lane.held[n].why() for lane in lanes() for n in sorted(lane.held)])
        empty = await asyncio.to_thread(push.is_empty)
    assert (found, empty) == (["2"], True)
    assert held == ["job j77 does not exist; this store has 1 job(s)"]


async def test_push_in_a_tool_is_part_of_its_call(open_agents: Open) -> None:
    @tool(effect="store")
    def hand_over(subject: str, fail: bool = False, **kwargs: Any) -> None:
        """Give somebody something to do."""
        StatekPushQueue().push_to_agent_queue("clerk", {"subject": subject})
        if fail:
            raise ValueError("changed my mind")

    model = RoleModel(
        boss=[code("hand_over('no', fail=True)"), code("hand_over('yes')\nexit('given')")],
        clerk=[code("exit(subject)")],
    )
    async with open_agents([agent("boss", tools=[hand_over]), CLERK], model) as service:
        await service.submit("boss")
        found = await ends(service)
    assert found == ["given", "yes"]


@pytest.mark.parametrize("effect", ["store", "external"])
async def test_a_tool_pushes_what_the_agents_adapter_makes_a_text(open_agents: Open, effect: Any) -> None:
    @tool(effect=effect)
    def tell(job: str, what: dict[str, str], **kwargs: Any) -> None:
        """Tell a job something."""
        StatekPushQueue().push_to_job_console(job, what)

    def shown(message: dict[str, str]) -> str:
        return f"{message['from']}: {message['body']}"

    other = agent("other")
    other.context["message_adapter"] = shown
    said = "tell('j1', {'from': 'Ann', 'body': 'go on'})"
    failed = "try:\n    tell('j1', {'from': 'Bob'})\nexcept Exception as error:\n    exit(str(error))"
    model = RoleModel(other=[code("exit(1)"), code("exit(2)")], boss=[code(said), code(failed)])
    async with open_agents([other, agent("boss", tools=[tell])], model) as service:
        await service.wait(await service.submit("other"))
        await service.submit("boss")
        found = await ends(service)
        log = (await service.job("j1")).items
    assert found == ["2", "'body'"]
    assert [item.text for item in log if item.usage.get("pushed")] == ["Ann: go on"]


@pytest.mark.parametrize("after", ["before the move", "after the move"])
async def test_crash_around_the_move_loses_and_repeats_nothing(open_agents: Open, queue: Any, after: str) -> None:
    reached, deliver = asyncio.Event(), QueuePump._deliver_next
    count = 0

    async def stop(self: QueuePump, name: str) -> bool:
        nonlocal count
        count += 1
        moved = await deliver(self, name) if after == "after the move" or count < 3 else False
        if count == 3:
            reached.set()
            await asyncio.Event().wait()
        return moved

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(QueuePump, "_deliver_next", stop)
        async with open_agents([CLERK], clerk_model()) as service:
            push = queue(service)
            await service._queues.stop()
            for number in range(5):
                await asyncio.to_thread(push.push_to_agent_queue, CLERK, {"subject": str(number)})
            service._queues.start()
            await reached.wait()
            await crash(service)
    async with open_agents([CLERK], clerk_model()) as service:
        found = await ends(service)
    assert found == ["0", "1", "2", "3", "4"]


async def test_no_more_jobs_are_made_than_can_be_driven(open_agents: Open, queue: Any) -> None:
    seen = 0
    create = JobAccess.create

    def count(self: JobAccess, *args: Any, **kwargs: Any) -> Any:
        nonlocal seen
        open_jobs = sum(1 for record in self._jobs.active())
        seen = max(seen, open_jobs)
        return create(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(JobAccess, "create", count)
        async with open_agents([CLERK], clerk_model(), max_concurrency=2) as service:
            push = queue(service)
            for number in range(12):
                await asyncio.to_thread(push.push_to_agent_queue, CLERK, {"subject": str(number)})
            found = await ends(service)
    assert found == [str(number) for number in range(12)]
    assert seen <= 3


async def test_what_waits_can_be_taken_out(open_agents: Open, queue: Any) -> None:
    async with open_agents([agent("other")], clerk_model()) as service:
        push = queue(service)
        await service._queues.stop()

        def use() -> list[Any]:
            for number in range(3):
                push.push_to_agent_queue("clerk", {"subject": number, "order": ["kept", 1]})
                push.push_to_job_console(f"j{number + 1}", f"m{number}")
            looked = [push.has_agent_events("clerk"), push.has_job("j2"), push.has_job("j9"), push.has_job("j3", 1)]
            taken = [push.pop_from_agent_queue("clerk", 2), push.pop_from_job_console(9)]
            return [*looked, *taken, push.is_empty(), push.pop_from_agent_queue("nobody", 1)]

        found = await asyncio.to_thread(use)
    events = [{"subject": number, "order": ["kept", 1]} for number in range(2)]
    assert found == [True, True, False, None, events, [("j1", "m0"), ("j2", "m1"), ("j3", "m2")], True, []]


async def test_misuse_is_refused_by_name(open_agents: Open, queue: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_records, "MAX_LANE_ENTRIES", 1)
    async with open_agents([agent("other")], clerk_model()) as service:
        push = queue(service)
        await service._queues.stop()
        with pytest.raises(InvalidRequest, match="what is pushed into a queue cannot be kept"):
            await asyncio.to_thread(push.push_to_agent_queue, "clerk", object())
        with pytest.raises(LimitExceeded, match="queue_entry_bytes"):
            await asyncio.to_thread(push.push_to_agent_queue, "clerk", "x" * (2 << 20))
        await asyncio.to_thread(push.push_to_agent_queue, "clerk", 1)
        with pytest.raises(LimitExceeded, match="queue_entries is 1"):
            await asyncio.to_thread(push.push_to_agent_queue, "clerk", 2)
        with pytest.raises(InvalidRequest, match="the store's prefix is 'default', not 'mine'"):
            await asyncio.to_thread(StatekPushQueue, "mine")
        with pytest.raises(InvalidRequest, match="an event needs an agent or its role"):
            await asyncio.to_thread(push.push_to_agent_queue, None, 1)
        with pytest.raises(InvalidRequest, match="count is 0"):
            await asyncio.to_thread(push.pop_from_agent_queue, "clerk", 0)


@pytest.mark.parametrize(
    ("sender", "target", "rule"),
    [
        ({"principal": "ann"}, {"principal": "ann"}, ""),
        ({"principal": "ann"}, {"principal": "bob"}, "same principal or of its family"),
        ({"tenant": "a"}, {"tenant": "b"}, "of its own tenant"),
    ],
)
async def test_a_tool_tells_jobs_of_its_own_tenant_and_principal(
    open_agents: Open, sender: dict[str, str], target: dict[str, str], rule: str
) -> None:
    @tool(effect="store")
    def tell(**kwargs: Any) -> None:
        """Tell the first job something, and let the clerk work."""
        StatekPushQueue().push_to_job_console("j1", "hello")
        StatekPushQueue().push_to_agent_queue("clerk", {"subject": "mine"})

    model = RoleModel(teller=[code("tell()\nexit()")], hearer=[code("exit()")] * 2, clerk=[code("exit(subject)")])
    async with open_agents([agent("teller", tools=[tell]), agent("hearer"), CLERK], model) as service:
        await service.wait(await service.submit("hearer", **target))
        await service.wait(await service.submit("teller", **sender))
        await service.wait_idle()
        heard = [item.text for item in (await service.job("j1")).items if item.kind == "user"]
        made = (await service.job("j3")).summary
        [messages] = [queue for queue in await service.queues() if not queue.role]
    reasons = [entry.reason for entry in messages.entries]
    assert heard == ([] if rule else ["hello"])
    assert [rule in reason for reason in reasons] == ([True] if rule else [])
    assert (made.tenant, made.principal) == (sender.get("tenant", "default"), sender.get("principal", ""))


@pytest.mark.parametrize("how", ["thread", "pool"])
async def test_a_thread_of_a_tool_tells_no_more_than_the_tool_may(open_agents: Open, queue: Any, how: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()  # its worker is the application's

        def push() -> None:
            StatekPushQueue().push_to_job_console("j1", "hello")
            StatekPushQueue().push_to_agent_queue("clerk", {"subject": "mine"})

        @tool
        def tell(**kwargs: Any) -> None:
            """Tell the first job something, and let the clerk work, in another thread."""
            if how == "pool":
                pool.submit(push).result()
                return
            thread = threading.Thread(target=push)
            thread.start()
            thread.join()

        model = RoleModel(teller=[code("tell()\nexit()")], hearer=[code("exit()")] * 2, clerk=[code("exit(subject)")])
        async with open_agents([agent("teller", tools=[tell]), agent("hearer"), CLERK], model) as service:
            queue(service)
            await service.wait(await service.submit("hearer", tenant="b"))
            await service.wait(await service.submit("teller", tenant="a", principal="ann"))
            await service.wait_idle()
            heard = [item.text for item in (await service.job("j1")).items if item.kind == "user"]
            made = (await service.job("j3")).summary
            [messages] = [lane for lane in await service.queues() if not lane.role]
    assert (heard, ["of its own tenant" in entry.reason for entry in messages.entries]) == ([], [True])
    assert (made.tenant, made.principal) == ("a", "ann")
