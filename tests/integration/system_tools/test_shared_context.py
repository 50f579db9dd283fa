"""The shared context in jobs: who reads and writes what, and what a re-run sees."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine.service import Service
from statek import tool
from statek.durable import memo
from statek.shared_context import SharedContext

from .conftest import Open, code, printed, steps
from .model import Meeting, Room

pytestmark = pytest.mark.timeout(60)

WARMUP = "#STATEK: hidden = True\ninit_shared_context(user, 'team')"
READ_ONLY = "#STATEK: hidden = True\ninit_shared_context(user, 'team', read_only=True)"


async def console(service: Service, **variables: Any) -> list[str]:
    """What the replies of one job print, without the lines of expressions that give None."""
    id_ = await service.submit("helper", shared_vars=variables)
    await service.wait(id_)
    job = await service.job(id_)
    assert job.summary.failure is None
    return [
        "\n".join(line for line in printed(item).split("\n") if line != "None")
        for item in steps(job)
        if item.kind == "reply"
    ]


def remember(key: str, value: str, category: str = "PREFERENCE") -> str:
    return f"shared_context_set_var({category!r}, {key!r}, {value}, 'what {key} is')"


async def test_a_fact_is_there_for_later_jobs_of_the_same_binding(open_with: Open) -> None:
    replies = [
        code(remember("tone", "['short', 'kind']") + "\nprint(tone)"),
        code("def show():\n    return tone[0]\nprint(show(), [x for x in tone])"),
        code("print(show())\nprint(type(tone).__name__)"),
        code("print('tone' in globals(), 'nothing' in globals())\nprint(nothing)"),
        code("exit(1)"),
    ]
    async with open_with(replies, warmup_def=WARMUP) as service:
        assert await console(service, user="alice") == [
            '["short","kind"]',
            'short ["short","kind"]',
            "short\nlist",
            "False False\nNameError: name 'nothing' is not defined\n(line 2: print(nothing))",
            "",
        ]
    async with open_with([code("print(tone)"), code("exit(1)")], warmup_def=WARMUP) as service:
        assert (await console(service, user="alice"))[0] == '["short","kind"]'
        [found] = await service._store.read(SharedContext("team", "alice").variables)
        assert (found.key, found.value, found.description, found.category.name, found.use_count) == (
            "tone",
            ["short", "kind"],
            "what tone is",
            "PREFERENCE",
            4,
        )


async def test_other_bindings_see_nothing_of_it_and_subsets_are_read(open_with: Open) -> None:
    def facts() -> None:
        SharedContext("team").set("VOCABULARY", "asap", "today", "team")
        SharedContext("team", "alice").set("VOCABULARY", "asap", "now", "newer")
        SharedContext("team").set("ENTITY", "office", {"city": "Oslo"})
        SharedContext("bob", "team").set("ENTITY", "secret", 1)
        SharedContext("alice", "other").set("ENTITY", "secret", 2)
        SharedContext("team", "alice", tenant="stranger").set("ENTITY", "secret", 3)

    replies = [code("print(asap, office['city'])\nsecret"), code("exit(1)")]
    async with open_with(replies, warmup_def=WARMUP) as service:
        await service._store.commit(facts)
        assert await console(service, user="alice") == [
            "now Oslo\nNameError: name 'secret' is not defined\n(line 2: secret)",
            "",
        ]


async def test_assigning_is_refused_without_breaking_other_code(open_with: Open) -> None:
    replies = [
        code("city = 1\nprint('not reached')"),
        code("def f():\n    city = 2\n    return city\nprint(f(), [city for city in (3,)], (lambda city: city)(4))"),
        code("if True:\n    for city in (1,):\n        pass"),
        code("import os as city"),
        code("mine = 7\nprint(mine)"),
        code("exit(city)"),
    ]
    text = (
        "PermissionError: Shared context variable is read-only: city. Use shared_context_set_var(...) to change it, "
        "or another name for a variable of your own."
    )
    async with open_with(replies, warmup_def=WARMUP) as service:
        await service._store.commit(lambda: SharedContext("team").set("ENTITY", "city", "Oslo"))
        found = await console(service, user="alice")
        summary = (await service.job("j1")).summary
    assert [line.partition("\n")[0] for line in found[:5]] == [text, "2 [3] 4", text, text, "7"]
    assert summary.status == "DONE"


async def test_a_name_that_the_job_has_already_stays_its_own(open_with: Open) -> None:
    replies = [
        code("city = 'mine'"),
        code(remember("city", "'theirs'")),
        code("city += '!'\nprint(city)"),
        code("exit(1)"),
    ]
    async with open_with(replies, warmup_def=WARMUP) as service:
        assert (await console(service, user="alice"))[2] == "mine!"


async def test_writing_is_narrow(open_with: Open) -> None:
    calls = [
        remember("x", "1", "FACT"),
        remember("print", "1"),
        remember("brief", "1"),
        remember("_x", "1"),
        remember("x", "object()"),
        remember("x", "'y' * 20_000"),
        "init_shared_context('everybody')",
        "print_locals('FACT')",
    ]
    source = "\n".join(f"try:\n    {call}\nexcept Exception as e:\n    print(type(e).__name__, e)" for call in calls)
    async with open_with([code(source), code("exit(1)")], warmup_def=WARMUP) as service:
        assert (await console(service, user="alice"))[0].split("\n") == [
            "ValueError 'FACT' is no category; there are PREFERENCE, ENTITY, VOCABULARY",
            "ValueError 'print' is the name of a function already; choose another name",
            "ValueError 'brief' is the name of a function already; choose another name",
            "InvalidRequest '_x' is no name for a shared variable",
            "TypeError shared_context_set_var(): argument 3 is of type object, which cannot leave the sandbox",
            "LimitExceeded limit shared_context_value_bytes is 16384, this needs 20005; keep small facts here only",
            "NameError name 'init_shared_context' is not defined",
            "ValueError 'FACT' is no category; there are PREFERENCE, ENTITY, VOCABULARY",
        ]
    read_only = [code(remember("x", "1")), code("exit(1)")]
    async with open_with(read_only, warmup_def=READ_ONLY) as service:
        assert (await console(service, user="alice"))[0].split("\n")[0] == (
            "PermissionError: The shared context is read-only for this job: x was not written."
        )
    async with open_with([code(remember("x", "1")), code("exit(1)")]) as service:
        assert await console(service) == ["No shared context: nothing was remembered", ""]


@memo(id="tests.system_tools.Booking")
class Booking:
    """A booking.

    STATEK-ACL:
        +room
        +meeting
    """

    def __init__(self, room: Room, meeting: Meeting) -> None:
        self.room = room
        self.meeting = meeting


async def test_sharing_opens_no_object_that_the_job_may_not_look_into(open_with: Open) -> None:
    replies = [
        code("inner = booking.room\nprint(inner.name)"),
        code(remember("room", "inner", "ENTITY")),
        code(remember("standup", "booking.meeting", "ENTITY") + "\nprint(standup.title)\nprint(standup.salary)"),
        code("print(room.name)"),
        code("exit(1)"),
    ]
    async with open_with(replies, warmup_def=WARMUP) as service:
        booking = await service._store.commit(lambda: Booking(Room("A1"), Meeting("Standup")))
        shown = await console(service, user="alice", booking=booking)
    assert [text.split("\n")[0].split(":")[0] for text in shown] == [
        "AccessDenied",
        "PermissionError",
        "Standup",
        "NameError",
        "",
    ]
    assert "no attribute 'salary'" in shown[2]
    assert shown[1].startswith("PermissionError: room was not written: Room has no STATEK-ACL")


async def test_objects_are_specifiers_and_values_and_are_listed_by_category_and_type(open_with: Open) -> None:
    replies = [
        code(remember("room", "user", "ENTITY") + "\n" + remember("city", "'Oslo'", "ENTITY")),
        code(
            "print(room.name, room == user)\nprint_locals('entity')\nprint_locals('ENTITY', 'str')\n"
            "print_locals('ENTITY', type(user))\nprint_locals('PREFERENCE')"
        ),
        code("exit(1)"),
    ]
    async with open_with(replies, warmup_def=WARMUP) as service:
        room = await service._store.commit(lambda: Room("A1"))
        assert (await console(service, user=room))[1].split("\n") == [
            "A1 True",
            "Locals from the category: ENTITY",
            "city  # ENTITY: what city is",
            "room  # ENTITY: what room is",
            "Locals from the category: ENTITY, type: str",
            "city  # ENTITY: what city is",
            "Locals from the category: ENTITY, type: Room",
            "room  # ENTITY: what room is",
            "Locals from the category: PREFERENCE",
        ]


async def test_a_rerun_sees_what_the_first_run_saw(open_with: Open) -> None:
    lost: list[int] = []

    @tool(effect="none")
    async def change_and_lose(**kwargs: Any) -> None:
        """Change what is shared and end the runner of this very step, once."""
        if not lost:
            lost.append(1)

            def change() -> None:
                SharedContext("team").set("ENTITY", "city", "Bergen")
                SharedContext("team").set("ENTITY", "mine", "theirs")

            await service._store.write(change)
            for driver in service._drivers.values():
                await driver._sandbox._driver.kill(driver._sandbox.runner)  # type: ignore[union-attr]

    source = "first = city\nx = change_and_lose()\nmine = 1\nprint(first, city)"
    async with open_with(
        [code(source), code("print(city)"), code("exit(1)")], warmup_def=WARMUP, _tools=[change_and_lose]
    ) as service:
        await service._store.commit(lambda: SharedContext("team").set("ENTITY", "city", "Oslo"))
        found = await console(service, user="alice")
        job = await service.job("j1")
    assert ([item.attempts for item in steps(job)][1], found) == (2, ["Oslo Oslo", "Bergen", ""])


async def test_functions_of_earlier_steps_see_it_in_a_fresh_sandbox(open_with: Open) -> None:
    @tool(effect="none")
    async def lose(**kwargs: Any) -> None:
        """End the runner of this step, once."""
        if not lost:
            lost.append(1)
            for driver in service._drivers.values():
                await driver._sandbox._driver.kill(driver._sandbox.runner)  # type: ignore[union-attr]

    lost: list[int] = []
    replies = [
        code("class Reader:\n    def read(self):\n        return city\nreaders = [Reader(), lambda: city]"),
        code("x = lose()\nprint(readers[0].read(), readers[1]())"),
        code("exit(1)"),
    ]
    async with open_with(replies, warmup_def=WARMUP, _tools=[lose]) as service:
        await service._store.commit(lambda: SharedContext("team").set("ENTITY", "city", "Oslo"))
        assert (await console(service, user="alice"))[1] == "Oslo Oslo"


async def test_a_fork_keeps_the_binding_of_its_job(open_with: Open) -> None:
    replies = [code("print(city)"), code("print(city)\nexit(city)")]
    async with open_with(replies, warmup_def=WARMUP) as service:
        await service._store.commit(lambda: SharedContext("team").set("ENTITY", "city", "Oslo"))
        assert (await console(service, user="alice"))[0] == "Oslo"
        fork = await service.past.fork("j1", 2)
        records = await service._store.read(lambda: [service._jobs.get(number) for number in (1, 2)])
        bindings = await service._store.read(lambda: [record.shared_binding for record in records])
    assert (fork, bindings[0], bindings[1]) == ("j2", '["s:alice","s:team"]', '["s:alice","s:team"]')
