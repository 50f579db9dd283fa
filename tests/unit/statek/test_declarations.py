"""How a callable is shown to a model: in a prompt, and to its provider."""

from __future__ import annotations

import pytest

from statek.exceptions import InvalidRequest
from statek.utils import format_callable_decl, format_tool_spec


def book(room: str, hours: int = 1, **kwargs: object) -> str:
    """Book a room.

    Args:
        room: its name.
        hours: how long.

    Returns:
        A receipt.
    """
    return f"{room} {hours}"


def test_a_callable_is_shown_as_prompts_show_it() -> None:
    assert format_callable_decl(book) == "book(room, hours=1)\n    Book a room.\n    Returns: A receipt."
    assert format_callable_decl(book, detailed=True).startswith("def book(room: str, hours: int = 1) -> str:")


def test_a_callable_is_shown_as_providers_are_told_of_it() -> None:
    assert format_tool_spec(book) == {
        "type": "function",
        "function": {
            "name": "book",
            "description": "Book a room.",
            "parameters": {
                "type": "object",
                "properties": {
                    "room": {"type": "string", "description": "its name."},
                    "hours": {"type": "integer", "description": "how long."},
                },
                "required": ["room"],
            },
        },
    }


def test_what_can_be_no_tool_is_named() -> None:
    with pytest.raises(InvalidRequest, match="int"):
        format_callable_decl(3)  # type: ignore[arg-type]
