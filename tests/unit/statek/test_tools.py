from __future__ import annotations

import asyncio
import datetime as dt
import enum
import functools
import inspect
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_runner.wire.values import EnumValue, Handle
from statek import system
from statek.chat_style import ChatStyle
from statek.durable import memo
from statek.exceptions import InvalidRequest, LimitExceeded
from statek.system import find_system_tools, tool
from statek.tools import BoundArguments, ToolContext, ToolDef, bind_arguments, current_tool_context, tool_context


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


@tool(effect="store")
def reserve_room(meeting, room: str, floor: int | None = None, _audit=True, **kwargs):
    """Reserve a room.

    Args:
        meeting (Meeting): which one
        room: its name

    Returns:
        Meeting: the meeting

    STATEK-ACL:
        -*
    """
    return meeting, room, floor, _audit, kwargs


def call(function: Any, *args: object, **kwargs: object) -> Any:
    declared = ToolDef.of(function)
    bound = bind_arguments(declared, args, kwargs)
    return declared.function(*bound.args, **bound.kwargs)


def test_a_decorated_function_stays_what_it_was_and_carries_its_marks() -> None:
    assert reserve_room.__name__ == "reserve_room"
    assert str(inspect.signature(reserve_room)) == str(inspect.signature(reserve_room.__wrapped__))
    assert reserve_room(1, "A12") == (1, "A12", None, True, {})
    assert (False, frozenset(), False) == (reserve_room.tool_system, reserve_room.tool_target, reserve_room.tool_hidden)


def test_the_declaration_of_a_tool() -> None:
    declared = ToolDef.of(reserve_room)
    assert declared.name == "reserve_room"
    assert declared.signature_text == "(meeting, room: str, floor: int | None = None)"
    assert declared.brief == "Reserve a room."
    assert declared.doc == (
        "Reserve a room.\n\nArgs:\n    meeting (Meeting): which one\n    room: its name\n\n"
        "Returns:\n    Meeting: the meeting"
    )
    assert (
        declared.effect,
        declared.idempotent,
        declared.reconcile,
        declared.timeout_seconds,
        declared.retries,
    ) == ("store", False, None, None, 0)
    assert (declared.wants_context, declared.hidden, declared.internal, declared.system) == (False, False, False, False)


def test_a_tool_must_accept_keywords() -> None:
    def x(a, b=1):
        return a

    with pytest.raises(TypeError) as caught:
        tool(x)
    assert str(caught.value) == "Function 'x' must accept **kwargs to be used as a tool. Current signature: (a, b=1)"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"effect": "some"}, ValueError, "tool f: effect 'some' is unknown; use external, none or store"),
        ({"timeout": 0}, ValueError, "tool f: timeout is 0, must be more than 0 seconds"),
        ({"timeout": float("nan")}, ValueError, "tool f: timeout is nan, must be more than 0 seconds"),
        ({"retries": -1}, ValueError, "tool f: retries is -1, must not be negative"),
        ({"retries": 1}, ValueError, "tool f: retries need effect='none' or idempotent=True"),
        ({"idempotent": True, "reconcile": print}, ValueError, "tool f: give idempotent or reconcile, not both"),
        ({"reconcile": 1}, TypeError, "tool f: reconcile must be callable, not int"),
        ({"error_handler": 1}, TypeError, "tool f: error_handler must be marked with @error_handler, 1 is not"),
        ({"target": ["DIRECT"]}, TypeError, "target must be a ChatStyle or a collection of them, not ['DIRECT']"),
    ],
)
def test_contradicting_options_are_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    def f(**kwargs):
        return None

    with pytest.raises(error) as caught:
        tool(**options)(f)
    assert str(caught.value) == message


def test_a_store_tool_cannot_be_async() -> None:
    async def f(**kwargs):
        return None

    with pytest.raises(TypeError) as caught:
        tool(effect="store")(f)
    assert str(caught.value) == "tool f: a tool with effect 'store' runs inside an atomic block and cannot be async"


def test_options_reach_the_declaration() -> None:
    @tool(target=ChatStyle.DIRECT, hidden=True, effect="none", timeout=2.5, retries=3)
    async def look(**kwargs):
        return 7

    declared = ToolDef.of(look)
    assert (frozenset({ChatStyle.DIRECT}), True, "none", 2.5, 3) == (
        declared.targets,
        declared.hidden,
        declared.effect,
        declared.timeout_seconds,
        declared.retries,
    )
    assert inspect.iscoroutinefunction(declared.function)
    assert asyncio.run(declared.function()) == 7


def test_system_tools_are_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_system_tools", {})

    @tool(system=True)
    def panic(**kwargs):
        """Give up."""

    assert [(found.name, found.system) for found in find_system_tools()] == [("panic", True)]


def test_undecorated_callables_are_tools_too() -> None:
    class Calendar:
        def find(self, day: str) -> str:
            """Find it."""
            return day

    declared = ToolDef.of(Calendar().find)
    assert (
        declared.name,
        declared.signature_text,
        declared.brief,
        declared.effect,
    ) == ("find", "(day: str) -> str", "Find it.", "external")
    partial = ToolDef.of(functools.partial(reserve_room, 1), name="reserve")
    assert (partial.name, partial.brief, partial.doc) == ("reserve", "", "")
    with pytest.raises(InvalidRequest, match=r"cannot be a tool: '<lambda>' is no name that code can call$"):
        ToolDef.of(lambda a: a)
    with pytest.raises(InvalidRequest, match=r"^a tool must be callable, not int$"):
        ToolDef.of(3)


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "reserve_room() missing 2 required positional arguments: 'meeting' and 'room'"),
        ((1, "a", 2, 3), {}, "reserve_room() takes from 2 to 3 positional arguments but 4 were given"),
        ((1, "a"), {"room": "b"}, "reserve_room() got multiple values for argument 'room'"),
        ((1, "a"), {"_audit": False}, "reserve_room() got an unexpected keyword argument '_audit'"),
        ((1, "a"), {"ctx": 1}, "reserve_room() got an unexpected keyword argument 'ctx'"),
        ((1, 2), {}, "reserve_room() argument 'room' must be str, not int"),
        ((1, "a"), {"floor": "1"}, "reserve_room() argument 'floor' must be int | None, not str"),
        ((1, "a"), {"floor": True}, "reserve_room() argument 'floor' must be int | None, not bool"),
    ],
)
def test_calls_that_do_not_fit(args: tuple[object, ...], kwargs: dict[str, object], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        bind_arguments(ToolDef.of(reserve_room), args, kwargs)
    assert str(caught.value) == message


def test_what_fits_is_bound_with_the_defaults_of_hidden_parameters() -> None:
    bound = bind_arguments(ToolDef.of(reserve_room), [1, "a"], {"note": "x"})
    named = {"meeting": 1, "room": "a", "kwargs": {"note": "x"}}
    assert BoundArguments((1, "a", None, True), {"note": "x"}, named) == bound
    assert call(reserve_room, 1, room="a", note="x") == (1, "a", None, True, {"note": "x"})


def test_a_call_has_a_bounded_number_of_arguments() -> None:
    with pytest.raises(LimitExceeded) as caught:
        bind_arguments(ToolDef.of(reserve_room), [1] * 1001, {})
    assert (caught.value.value, caught.value.usage) == (1000, 1001)


shapes = st.sampled_from(
    [
        lambda a, b=1, **k: (a, b, k),
        lambda a, /, b, *, c, d=4, **k: (a, b, c, d, k),
        lambda *a, c=3, **k: (a, c, k),
        lambda a, _s=9, b=2, *r, **k: (a, _s, b, r, k),
        lambda: (),
    ]
)


@given(
    shapes, st.lists(st.integers(), max_size=5), st.dictionaries(st.sampled_from("abcdz"), st.integers(), max_size=3)
)
def test_binding_agrees_with_python(shape: Any, args: list[int], kwargs: dict[str, int]) -> None:
    """Whatever binds gives what a call of the same function without its hidden parameter gives."""
    declared = ToolDef.of(shape, name="shape")
    if "_s" in declared.signature.parameters:

        def expected_call(*args: int, **kwargs: int) -> Any:
            def visible(a, b=2, *r, **k):
                return a, 9, b, r, k

            return visible(*args, **kwargs)
    else:
        expected_call = shape
    try:
        expected = expected_call(*args, **kwargs)
    except TypeError as refused:
        expected = str(refused).split("()", 1)[1]
        with pytest.raises(TypeError) as caught:
            bind_arguments(declared, args, kwargs)
        got: Any = str(caught.value).split("()", 1)[1]
    else:
        bound = bind_arguments(declared, args, kwargs)
        got = declared.function(*bound.args, **bound.kwargs)
    assert expected == got


def take(**hints: Any) -> Any:
    """A function with one parameter ``value`` of a type."""

    def take(value, **kwargs):
        return value

    take.__annotations__ = hints
    return take


class Meeting:
    """Not durable, so it is an unknown annotation."""


@memo(id="tests.unit.statek.Calendar")
class Calendar:
    def __init__(self) -> None:
        self.events: list[str] = []


class SharedCalendar(Calendar):
    pass


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int, 2**70, 2**70),
        (float, 1, 1),
        (str | None, None, None),
        (str | dt.date, "2026-01-02", "2026-01-02"),
        (dt.date, "2026-01-02", dt.date(2026, 1, 2)),
        (dt.datetime, "2026-01-02T03:04+00:00", dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)),
        (dt.time | None, "03:04", dt.time(3, 4)),
        (dt.date | dt.datetime, "2026-01-02", dt.date(2026, 1, 2)),
        (Colour, "RED", Colour.RED),
        (Colour, Colour.GREEN, Colour.GREEN),
        (Colour, EnumValue(__name__, "Colour", "GREEN"), Colour.GREEN),
        (Literal["a", 1], 1, 1),
        (list[int], [1, 2], [1, 2]),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (tuple[int, ...], (1, 2), (1, 2)),
        (Meeting, 7, 7),
        (Meeting, Handle(3, "Meeting"), Handle(3, "Meeting")),
        (Calendar, Handle(3, "Calendar"), Handle(3, "Calendar")),
        (Calendar | None, None, None),
        ("NoSuchName", 7, 7),
        (Any, 7, 7),
    ],
)
def test_arguments_that_pass_or_are_converted(annotation: Any, value: object, expected: object) -> None:
    got = call(take(value=annotation), value)
    assert (type(expected), expected) == (type(got), got)


@pytest.mark.parametrize(
    ("annotation", "value", "error"),
    [
        (int, "1", "TypeError: take() argument 'value' must be int, not str"),
        (int, True, "TypeError: take() argument 'value' must be int, not bool"),
        (str, b"x", "TypeError: take() argument 'value' must be str, not bytes"),
        (list, (1,), "TypeError: take() argument 'value' must be list, not tuple"),
        (list[int], ["1"], "TypeError: take() argument 'value' must be list[int], not list"),
        (dict[str, int], {1: 1}, "TypeError: take() argument 'value' must be dict[str, int], not dict"),
        (Literal[1], True, "TypeError: take() argument 'value' must be Literal[1], not bool"),
        (dt.date, "tomorrow", "ValueError: take() argument 'value': 'tomorrow' is no ISO date"),
        (Calendar, "calendar", "TypeError: take() argument 'value' must be Calendar, not str"),
        (SharedCalendar, [1], "TypeError: take() argument 'value' must be SharedCalendar, not list"),
        (Calendar | None, 3, "TypeError: take() argument 'value' must be Calendar | None, not int"),
        (dt.date, 5, "TypeError: take() argument 'value' must be date, not int"),
        (Colour, "BLUE", "ValueError: take() argument 'value': 'BLUE' is no Colour; known: RED, GREEN"),
        (Colour, EnumValue("m", "Other", "RED"), "TypeError: take() argument 'value' must be Colour, not EnumValue"),
        (int | dt.date, "soon", "ValueError: take() argument 'value': 'soon' is no ISO date"),
    ],
)
def test_arguments_that_are_refused(annotation: Any, value: object, error: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        call(take(value=annotation), value)
    assert error == f"{type(caught.value).__name__}: {caught.value}"


def test_a_none_default_takes_none_whatever_the_annotation_says() -> None:
    def late(day: int = None, **kwargs):  # type: ignore[assignment] # noqa: RUF013
        return day

    assert call(late, None) is None


def test_the_context_is_injected_and_not_part_of_what_the_model_sees() -> None:
    @tool
    def send(text: str, ctx: ToolContext, **kwargs):
        return text, ctx.idempotency_key, current_tool_context() is ctx

    @tool
    async def send_async(text: str, *, ctx, **kwargs):
        return text, ctx.job_id

    assert (ToolDef.of(send).signature_text, ToolDef.of(send).wants_context) == ("(text: str)", True)
    context = ToolContext(job_id="j1", idempotency_key="k")
    with tool_context(context) as current:
        assert current is context
        assert call(send, "hi") == ("hi", "k", True)
        assert asyncio.run(call(send_async, text="hi")) == ("hi", "j1")
    with pytest.raises(
        InvalidRequest, match=r"^there is no tool context: this code was not called as a tool of a job$"
    ):
        call(send, "hi")


def test_parameters_that_cannot_be_hidden_are_refused() -> None:
    def needs(a, _b, **kwargs):
        return a

    def positional(ctx, /, a, **kwargs):
        return a

    with pytest.raises(InvalidRequest, match=r"^tool needs: parameter _b is hidden from the model; give it a default$"):
        ToolDef.of(needs)
    with pytest.raises(
        InvalidRequest, match=r"^tool positional: ctx must be a keyword parameter; write it after the others$"
    ):
        ToolDef.of(positional)


def test_a_context_in_front_of_other_parameters() -> None:
    def first(ctx, a, b=2, **kwargs):
        return ctx.job_id, a, b

    with tool_context(ToolContext(job_id="j1")):
        assert call(first, 5) == ("j1", 5, 2)
