from __future__ import annotations

import logging
from typing import Any

import pytest

from statek import error_handler, is_valid_error_handler, tool
from statek.error_handlers import ErrorHandler, handlers_from_text, handlers_text, inherited, with_state


@error_handler
def _undo(context: Any, error: BaseException | None = None) -> str:
    return f"{context} {error}"


@error_handler
async def _undo_later(context: Any, error: BaseException | None = None) -> None:
    raise LookupError("gone")


def test_marked_functions_are_valid() -> None:
    assert is_valid_error_handler(_undo)
    assert is_valid_error_handler(_undo_later)
    assert not is_valid_error_handler(print)
    assert _undo("room", KeyError("x")) == "room 'x'"


async def test_what_a_handler_raises_is_logged_and_goes_no_further(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "statek.tools"):
        assert await _undo_later("room") is None
    assert caplog.messages == ["error handler _undo_later failed"]


def named(context: Any, error: Any = None) -> None:
    """No underscore."""


def _one(context: Any) -> None:
    """Too few."""


def _required(context: Any, error: Any) -> None:
    """Not optional."""


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (named, "the name of error handler named must begin with an underscore"),
        (_one, "error handler _one must take (context, error=None), not (context: 'Any') -> 'None'"),
        (
            _required,
            "error handler _required must take (context, error=None), not (context: 'Any', error: 'Any') -> 'None'",
        ),
        ("text", "only a function can be an error handler, not str"),
    ],
)
def test_other_forms_are_refused(function: Any, message: str) -> None:
    with pytest.raises(TypeError) as error:
        error_handler(function)
    assert str(error.value) == message


def test_tool_takes_only_a_marked_handler() -> None:
    with pytest.raises(TypeError, match="tool book: error_handler must be marked with @error_handler, "):

        @tool(error_handler=named)
        def book(**kwargs: Any) -> None:
            """Book."""


def test_handlers_survive_as_text_and_children_take_over_those_not_called() -> None:
    handlers = [ErrorHandler(1, "a", 2, 3, "book"), ErrorHandler(1, "a", 2, 4, "book", "done")]
    assert handlers_from_text(handlers_text(handlers)) == handlers
    assert (handlers_text([]), handlers_from_text("")) == ("", [])
    assert handlers_from_text(inherited(handlers_text(handlers))) == handlers[:1]
    assert [handler.state for handler in handlers_from_text(with_state(handlers, 0, "called"))] == ["called", "done"]
