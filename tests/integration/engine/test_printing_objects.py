"""What printing a durable object shows, however the code came to it."""

from __future__ import annotations

import dbzero as db0
import pytest

from orchestrator.engine.service import Service
from statek import durable

from .conftest import Open, code, console, steps

pytestmark = pytest.mark.timeout(60)


@db0.memo(id="tests.printing.Calendar")
class Calendar:
    """Open to everybody.

    STATEK-ACL:
        +*
    """

    def __init__(self, name: str) -> None:
        self.name = name


@db0.memo(id="tests.printing.Spoken")
class Spoken:
    """Says itself how it is shown.

    STATEK-ACL:
        +owner
    """

    def __init__(self, owner: str) -> None:
        self.owner = owner

    def __llm_repr__(self) -> str:
        return f"what {self.owner} says"


@db0.memo(id="tests.printing.Silent")
class Silent:
    """Nothing of it may be read.

    STATEK-ACL:
        -*
    """

    def __init__(self) -> None:
        self.secret = "hush"


@db0.memo(id="tests.printing.Empty")
class Empty:
    """Has nothing.

    STATEK-ACL:
        +*
    """

    def __init__(self) -> None:
        pass


@db0.memo(id="tests.printing.User")
class User:
    """Who asks."""

    def __init__(self) -> None:
        self.calendar = Calendar("work")
        self.spoken = Spoken("Ari")
        self.silent = Silent()
        self.empty = Empty()


async def submitted(service: Service) -> str:
    def made() -> User:
        user = User()
        durable.tag(user, "root")
        return user

    return await service.submit("helper", shared_vars={"user": await service._store.commit(made)})


async def test_warmup_prints_an_object_that_it_reached_by_an_attribute(open_with: Open) -> None:
    warmup = "calendar = user.calendar\nprint(calendar)"
    async with open_with([code("exit()")], warmup=warmup) as service:
        id_ = await submitted(service)
        await service.wait(id_)
        job = await service.job(id_)
    assert [console(item) for item in steps(job)] == [['Calendar(name="work")'], []]
    assert [(call.name, call.kind, call.target) for item in steps(job) for call in item.calls] == [
        ("", "get_attribute", "Calendar")
    ]


async def test_every_way_of_showing_asks_for_what_is_not_known(open_with: Open) -> None:
    replies = [
        code("print([user.calendar, user.spoken])"),
        code("user.spoken"),
        code("print(f'{user.spoken} {user.spoken!r}', str(user.calendar)[:20])"),
        code("print(user.silent, user.empty, user.empty)"),
        code("exit()"),
    ]
    async with open_with(replies, idle_hold_seconds=0) as service:
        id_ = await submitted(service)
        await service.wait(id_)
        job = await service.job(id_)
    opened = "the application opens it by a line +secret in the STATEK-ACL section of Silent's docstring"
    refused = f"rule -* in the STATEK-ACL of Silent; {opened}"
    shown = [console(item) for item in steps(job)]
    assert shown == [
        ['[Calendar(name="work"),what Ari says]'],
        ["what Ari says"],
        ['what Ari says what Ari says Calendar(name="work"'],
        [f"<Silent: {refused}> Empty() Empty()"],
        [],
    ]
