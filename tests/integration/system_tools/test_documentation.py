"""``docstr`` and ``brief`` in a job: what they print of handles, tools and the job's own code."""

from __future__ import annotations

from typing import Any

import pytest

from statek import tool
from statek.agents.agent import SupervisedAgent

from .conftest import Open, code, printed, steps
from .model import Meeting, Room

pytestmark = pytest.mark.timeout(60)

FULL_MEETING = '''class Meeting:
    """A meeting.

    Tags:
        planning

    Attributes:
        title: what it is about
    """

    def move(day: str, hour: int = 9) -> str:
        """Move it."""'''

FULL_MOVE = '''def move(day: str, hour: int = 9) -> str:
    """Move it.

    Args:
        day: the new day
        hour: the new hour

    Returns:
        str: what was done
    """'''


@tool(effect="none")
def find_room(day: str, floor: int = 1, **kwargs: Any) -> str:
    """Find a free room.

    Args:
        day: when
        floor: where

    Returns:
        str: its name
    """
    return f"{day} {floor}"


@tool(hidden=True, effect="none")
def secret_tool(**kwargs: Any) -> None:
    """Nobody reads this."""


BRIEF_TOOL = "find_room(day, floor=1)\n    Find a free room.\n    Returns: its name"

OWN_CODE = '''
class Plan:
    """A plan of mine.

    Attributes:
        steps: what is to be done
    """

    def run(self, fast=True):
        """Run it."""

def double(n: int, by: float = 2.0) -> float:
    """Multiply.

    Args:
        n: what
    """
    return n * by
plan = Plan()
number = 5
'''


class Chief(SupervisedAgent):
    """An agent that one scoped rule names."""

    def init_context(self) -> dict[str, Any]:
        return {"Room": Room, "find_room_of_context": lambda: None}


CASES = {
    "docstr(meeting)": FULL_MEETING,
    "docstr(type(meeting))": FULL_MEETING,
    "docstr('meeting')": FULL_MEETING,
    "brief(meeting)": "Meeting\n    A meeting.",
    "docstr(meeting, 'move')": FULL_MOVE,
    "docstr(meeting.move)": FULL_MOVE,
    "docstr(meeting, ' move ')": FULL_MOVE,
    "brief(meeting, method_name='move')": "move(day, hour=9)\n    Move it.\n    Returns: what was done",
    "brief(meeting, '')": "Meeting\n    A meeting.",
    "docstr(meeting, 'cancel')": "Error: Meeting has no method 'cancel'",
    "docstr(meeting, 'salary')": "Error: Meeting has no method 'salary'",
    "brief(find_room)": BRIEF_TOOL,
    "brief('find_room')": BRIEF_TOOL,
    "brief(find_room, 'x')": "Error: find_room is not a class",
    "docstr('nothing')": "NameError: name 'nothing' is not defined",
    "docstr('secret_tool')": "NameError: name 'secret_tool' is not defined",
    "brief('__builtins__')": "NameError: name '__builtins__' is not defined",
    "docstr(room)": "class Room:\n    def book(day: str) -> bool: ...",
    "brief(double)": "double(n, by=2.0)\n    Multiply.",
    "docstr('double')": (
        'def double(n: int, by: float = 2.0) -> float:\n    """Multiply.\n\n    Args:\n        n: what\n    """'
    ),
    "brief(plan)": "Plan\n    A plan of mine.",
    "docstr(Plan)": (
        'class Plan:\n    """A plan of mine.\n\n    Attributes:\n        steps: what is to be done\n    """\n\n'
        '    def run(fast=True):\n        """Run it."""'
    ),
    "brief(plan, 'run')": "run(fast=True)\n    Run it.",
    "brief(number)": "int\n    " + int.__doc__.split("\n\n", maxsplit=1)[0].replace("\n", " "),
}


async def test_every_kind_of_subject_is_documented_and_filtered(open_with: Open) -> None:
    asked = "\n".join(f"print('>>')\nx = {call}" for call in CASES)
    replies = [code(OWN_CODE), code(asked), code("exit(1)")]
    async with open_with(replies, _tools=[find_room, secret_tool]) as service:
        store = service._store
        meeting = await store.commit(lambda: Meeting("Planning"))
        room = await store.commit(lambda: Room("A1"))
        await service.wait(await service.submit("helper", shared_vars={"meeting": meeting, "room": room}))
        text = printed(steps(await service.job("j1"))[1])
    assert dict(zip(CASES, (part.strip("\n") for part in text.split(">>")[1:]), strict=True)) == CASES


async def test_scoped_rules_and_context_follow_the_agent(open_with: Open) -> None:
    replies = [code("docstr(meeting, 'cancel')\nbrief('Room')\ndocstr('find_room_of_context')"), code("exit(1)")]
    async with open_with(replies, agent=Chief) as service:
        meeting = await service._store.commit(lambda: Meeting("Planning"))
        await service.wait(await service.submit("helper", shared_vars={"meeting": meeting}))
        text = printed(steps(await service.job("j1"))[0])
    assert text.split("\n") == [
        "def cancel() -> None:",
        '    """Cancel it."""',
        "None",
        "Room",
        "None",
        "def <lambda>(): ...",
        "None",
    ]


async def test_shown_lines_stand_where_the_call_stands_and_a_rerun_shows_them_again(open_with: Open) -> None:
    lost: list[Any] = []

    @tool(effect="store")
    def say(text: str, **kwargs: Any) -> str:
        """Say it."""
        kwargs_free_context().show(f"said {text}")
        return text.upper()

    @tool(effect="none")
    async def lose_runner(**kwargs: Any) -> None:
        """End the runner of this very step, once."""
        if not lost:
            lost.append(1)
            for driver in service._drivers.values():
                await driver._sandbox._driver.kill(driver._sandbox.runner)  # type: ignore[union-attr]

    from statek import current_tool_context as kwargs_free_context

    @tool(effect="external", idempotent=True)
    def fail(**kwargs: Any) -> None:
        """Fail after a line."""
        kwargs_free_context().show("about to fail")
        raise ValueError("failed")

    source = (
        "print('before')\nprint(say('a'))\ntry:\n    fail()\nexcept ValueError as e:\n    print(e)\nx = lose_runner()"
    )
    async with open_with([code(source), code("exit(1)")], _tools=[say, fail, lose_runner]) as service:
        await service.wait(await service.submit("helper"))
        [first, _] = steps(await service.job("j1"))
    assert (lost, first.attempts, printed(first).split("\n")) == (
        [1],
        2,
        ["before", "said a", "A", "about to fail", "failed"],
    )


async def test_what_is_shown_is_bounded(open_with: Open) -> None:
    @tool(effect="none")
    def flood(ctx: Any = None, **kwargs: Any) -> None:
        """Show far too much."""
        for _ in range(40):
            ctx.show("x" * 10_000)

    replies = [code("flood()"), code("exit(1)")]
    async with open_with(replies, _tools=[flood], output_head_bytes=1 << 20) as service:
        await service.wait(await service.submit("helper"))
        text = printed(steps(await service.job("j1"))[0])
    assert (len(text.split("\n")), text.split("\n")[-2]) == (16, "(268941 more characters are not shown)")
