"""Values that break a naive store: they come back equal, or are refused in clear words; nothing else is harmed."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from orchestrator.engine.service import Service
from statek import durable, tool
from tests.integration.limits.box_model import Box
from tests.integration.limits.conftest import Open, code, consoles

pytestmark = pytest.mark.timeout(120)

DEPTH = 100_000


def cycle() -> list[Any]:
    made: list[Any] = [1]
    made.append(made)
    return made


def deep() -> list[Any]:
    made: list[Any] = []
    for _ in range(DEPTH):
        made = [made]
    return made


def depth_of(value: Any) -> int:
    count = 0
    while value:
        [value] = value
        count += 1
    return count


MAKE: dict[str, Callable[[], Any]] = {
    "big int": lambda: 2**70,
    "decimal": lambda: Decimal("1E+50"),
    "NUL": lambda: "a\0b",
    "lone surrogate": lambda: "\ud800x",
    "list in itself": cycle,
    "deep list": deep,
    "NaN key": lambda: {float("nan"): 1, "k": 2},
    "50 MB": lambda: bytes(range(256)) * (50 << 12),
}
SAME: dict[str, Callable[[Any], bool]] = {
    "big int": lambda v: type(v) is int and v == 2**70,
    "decimal": lambda v: type(v) is Decimal and str(v) == "1E+50",
    "NUL": lambda v: type(v) is str and v == "a\0b",
    "lone surrogate": lambda v: type(v) is str and v == "\ud800x",
    "list in itself": lambda v: v[0] == 1 and len(v) == 2 and v[1] is v,
    "deep list": lambda v: depth_of(v) == DEPTH,
    "NaN key": lambda v: sorted(map(repr, v.items())) == ["('k', 2)", "(nan, 1)"],
    "50 MB": lambda v: len(v) == 50 << 20 and v == bytes(range(256)) * (50 << 12),
}
INSIDE = """
from decimal import Decimal
DEPTH = 100_000
def cycle():
    made = [1]
    made.append(made)
    return made
def deep():
    made = []
    for _ in range(DEPTH): made = [made]
    return made
def depth_of(value):
    count = 0
    while value:
        [value] = value
        count += 1
    return count
make = {
    "big int": lambda: 2**70, "decimal": lambda: Decimal("1E+50"), "NUL": lambda: "a\\0b",
    "lone surrogate": lambda: "\\ud800x", "list in itself": cycle, "deep list": deep,
    "NaN key": lambda: {float("nan"): 1, "k": 2}, "50 MB": lambda: bytes(range(256)) * (50 << 12),
}
same = {
    "big int": lambda v: type(v) is int and v == 2**70,
    "decimal": lambda v: type(v) is Decimal and str(v) == "1E+50",
    "NUL": lambda v: v == "a\\0b",
    "lone surrogate": lambda v: v == "\\ud800x",
    "list in itself": lambda v: v[0] == 1 and len(v) == 2 and v[1] is v,
    "deep list": lambda v: depth_of(v) == DEPTH,
    "NaN key": lambda v: sorted(map(repr, v.items())) == ["('k', 2)", "(nan, 1)"],
    "50 MB": lambda v: len(v) == 50 << 20 and v == bytes(range(256)) * (50 << 12),
}
def attempt(f):
    try:
        return f"gave {f()}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
"""
LIMITED = frozenset({"deep list", "50 MB"})
"""Values that may not cross in a call, and what their refusal must name."""


@pytest.mark.parametrize("name", sorted(MAKE))
async def test_in_a_variable_it_survives_runner_and_service(open_with: Open, name: str) -> None:
    replies = [
        code(f"{INSIDE}\nkept, safe = make[{name!r}](), [1, 2]\nimport os\npid = os.getpid()"),
        code(f"print(same[{name!r}](kept), safe, pid != os.getpid())\nagain = kept"),
        code(f"print(same[{name!r}](kept), again is kept, safe)\nexit('done')"),
    ]
    async with open_with(replies, delay_seconds=0.05, idle_hold_seconds=0, step_deadline_seconds=20) as service:
        id_ = await service.submit("helper")
        summary = await service.wait(id_)
        shown = consoles(await service.job(id_))
    assert (summary.status, summary.exit_status, summary.failure) == ("DONE", "done", None)
    expected = (
        "True" if name in {"list in itself", "deep list", "NaN key"} else None
    )  # mutable ones keep their identity
    assert shown[0] == []
    assert shown[1] == ["True [1,2] True"]
    assert shown[2] in ([[f"True {expected} [1,2]"]] if expected else [["True True [1,2]"], ["True False [1,2]"]])
    async with open_with([]) as service:
        named = {one.name for one in await service.variables(id_)}
    assert {"kept", "again", "safe"} <= named


async def run_calls(open_with: Open, name: str, source: str, tools: list[Any], box: bool = False) -> tuple[str, Any]:
    """Run one step; its only line, and the box afterwards as (value, other, puts) on the host."""
    replies = [code(INSIDE), code(source), code("exit('done')")]
    async with open_with(replies, tools=tools, step_deadline_seconds=20) as service:
        variables = {"box": await service._store.write(Box)} if box else {}
        id_ = await service.submit("helper", shared_vars=variables)
        summary = await service.wait(id_)
        shown = consoles(await service.job(id_))
        after = await contents(service, variables["box"], name) if box else None
    assert (summary.status, summary.exit_status, summary.failure) == ("DONE", "done", None), shown
    assert len(shown[1]) == 1, shown[1]
    return shown[1][0], after


async def contents(service: Service, box: Any, name: str) -> tuple[str, str, int]:
    """What is in the box: ``none``, ``same`` or what else."""

    def look() -> tuple[str, str, int]:
        value = durable.to_plain(box.value) if box.value is not None else None
        kind = "none" if value is None else "same" if SAME[name](value) else repr(value)[:100]
        return kind, str(box.other), int(box.puts)

    return await service._store.read(look)


CLEAR = (
    "UnstorableValue: {path} cannot be stored: ",
    "LimitExceeded: .*limit [a-z_]+(:| is [0-9]+)",
    "(InvalidRequest|ValueError): .* more than [0-9]+ (containers )?deep",
)


def is_clear(refusal: str) -> bool:
    """Whether a refusal names what cannot be and which limit or rule says so."""
    return any(re.match(pattern.format(path=".+"), refusal) for pattern in CLEAR)


@pytest.mark.parametrize("name", sorted(MAKE))
async def test_passed_to_a_tool_it_arrives_equal_or_is_refused(open_with: Open, name: str) -> None:
    arrived: list[bool] = []

    @tool(effect="none")
    def take(value: Any, **kwargs: object) -> str:
        """Take a value."""
        arrived.append(SAME[name](value))
        return "taken"

    line, _ = await run_calls(open_with, name, f"print(attempt(lambda: take(make[{name!r}]())))", [take])
    if line == "gave taken":
        assert arrived == [True]
    else:
        print(line)
        assert arrived == []
        assert name in LIMITED
        assert is_clear(line), line


@pytest.mark.parametrize("name", sorted(MAKE))
async def test_returned_from_a_tool_it_arrives_equal_or_is_refused(open_with: Open, name: str) -> None:
    @tool(effect="none")
    def give(**kwargs: object) -> Any:
        """Give a value."""
        return MAKE[name]()

    line, _ = await run_calls(open_with, name, f"print(attempt(lambda: same[{name!r}](give())))", [give])
    if line != "gave True":
        print(line)
        assert name in LIMITED
        assert is_clear(line), line


@tool(effect="store")
def store_own(box: Box, name: str, **kwargs: object) -> None:
    """Write a value from the tool's own code, in the store's thread."""
    box.puts += 1
    box.value = MAKE[name]()


@tool(effect="external", idempotent=True)
def through_proxy(box: Box, name: str, **kwargs: object) -> None:
    """Write a value from outside the store's thread."""
    box.value = MAKE[name]()


ROUTES = {
    "attribute of a handle": "setattr(box, 'value', make[{0!r}]())",
    "method of a handle": "box.put(make[{0!r}]())",
    "a store tool's own code": "store_own(box, {0!r})",
    "an external tool's proxy": "through_proxy(box, {0!r})",
}


@pytest.mark.parametrize("route", sorted(ROUTES))
@pytest.mark.parametrize("name", sorted(MAKE))
async def test_in_a_durable_object_it_is_stored_exactly_or_refused(
    open_with: Open, name: str, route: str, data_dir: Any
) -> None:
    source = f"print(attempt(lambda: {ROUTES[route].format(name)}))"
    line, (kind, other, puts) = await run_calls(open_with, name, source, [store_own, through_proxy], box=True)
    assert other == "safe"
    if line == "gave None":
        assert kind == "same"
    else:
        print(line)
        assert (kind, puts) == ("none", 0)  # a refused write leaves nothing, what the method did before included
        assert is_clear(line), line
    async with open_with([]) as service:

        def reopened() -> tuple[str, str]:
            [box] = durable.find(Box)
            value = durable.to_plain(box.value) if box.value is not None else None
            return ("none" if value is None else "same" if SAME[name](value) else repr(value)[:100]), box.other

        assert await service._store.read(reopened) == (kind, "safe")
