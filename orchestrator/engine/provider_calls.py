"""Formal tool calls of a reply: what is kept of them, and what the sandbox is told to do.

What a model sends is text that nobody checked. It is bounded when the reply becomes durable, and read
each time the step is run: what cannot be carried out becomes an action that only shows its error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from orchestrator.sandboxes.step import Action, ActionKind
from sandbox_runner.wire import values
from statek.model import ProviderToolCall
from statek.styles import unfenced
from statek.system_tools.python_cli import PYTHON_CLI
from statek.warmup import WarmupCall

__all__ = [
    "MAX_CALLS",
    "accept_calls",
    "call_action",
    "calls_from_data",
    "calls_to_data",
    "framework_calls",
    "legal_arguments",
    "legal_name",
    "refused_action",
    "warmup_action",
]

MAX_CALLS = 32
"""Formal calls of one reply that are made; further ones are left out, and the model is told."""

MAX_ARGUMENT_CHARS = 200_000
"""Longest arguments of one call, and of all calls of a reply together twice that; a step's code has the same bound."""

_ID = re.compile(r"[!-~]{1,4096}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_ERROR_CHARS = 2000


def accept_calls(
    calls: Sequence[ProviderToolCall], taken: AbstractSet[str], turn: int
) -> tuple[tuple[ProviderToolCall, ...], int]:
    """The calls of a reply as they are kept, and how many were left out.

    Ids are made unique: some providers count from 0 in every reply, and a history with an id twice is refused.

    Args:
        calls: from the provider.
        taken: ids that the job's history has already.
        turn: number of the turn, for ids that must be made.
    """
    used: set[str] = set()
    kept: list[ProviderToolCall] = []
    for number, call in enumerate(calls[:MAX_CALLS], start=1):
        id_ = call.id
        if _ID.fullmatch(id_) is None or id_ in used or id_ in taken:
            id_ = f"call-{turn}-{number}"
            while id_ in used or id_ in taken:
                id_ += "x"
        used.add(id_)
        kept.append(ProviderToolCall(id_, call.name[:200], call.arguments))
    return tuple(kept), max(0, len(calls) - MAX_CALLS)


def calls_to_data(calls: Iterable[ProviderToolCall]) -> list[list[str]]:
    """JSON-able form for the chat log."""
    return [[call.id, call.name, call.arguments] for call in calls]


def calls_from_data(data: Iterable[Sequence[str]] | None) -> tuple[ProviderToolCall, ...]:
    """Undo ``calls_to_data``; None is no call."""
    return tuple(ProviderToolCall(*row) for row in data or ())


def framework_calls(
    calls: Iterable[WarmupCall], parameters_of: Callable[[str], Sequence[str]]
) -> tuple[ProviderToolCall, ...]:
    """The calls of a warmup block in the form in which the history shows them, positional arguments by name.

    Args:
        calls: of the block.
        parameters_of: names of a tool's positional parameters.
    """
    shown = []
    for call in calls:
        names = [*parameters_of(call.name), *(f"argument_{n}" for n in range(1, len(call.args) + 1))]
        arguments = {**dict(zip(names, call.args, strict=False)), **call.kwargs}
        shown.append(ProviderToolCall(call.id, call.name, json.dumps(arguments, default=repr)))
    return tuple(shown)


def warmup_action(call: WarmupCall) -> Action:
    """A framework tool call of a warmup block."""
    return Action(ActionKind.TOOL, tool=call.name, args=values.encode([list(call.args), dict(call.kwargs)]))


def call_action(call: ProviderToolCall, offered: AbstractSet[str], known: AbstractSet[str]) -> Action:
    """What the sandbox does for one call.

    Args:
        call: as kept.
        offered: names of the tools that the provider was told of.
        known: names of the job's other tools, hidden ones included.
    """
    if call.name not in offered:
        if call.name in known:
            return refused_action("NameError", f"tool {call.name!r} is not exposed to this job")
        return refused_action("NameError", f"tool {call.name!r} not found")
    try:
        arguments = _arguments(call)
    except ValueError as error:
        return refused_action("ValueError", f"{call.name}: {error}")
    if call.name == PYTHON_CLI:
        return _code_action(arguments)
    try:
        return Action(ActionKind.TOOL, tool=call.name, args=values.encode([[], arguments]))
    except (values.GraphError, RecursionError, UnicodeError) as error:
        return refused_action("ValueError", f"{call.name}: the arguments cannot be passed on: {error}")


def refused_action(error_type: str, message: str) -> Action:
    """An action that only shows why it is none."""
    text = message if len(message) <= _MAX_ERROR_CHARS else f"{message[:_MAX_ERROR_CHARS]}..."
    return Action(ActionKind.REFUSED, error_type=error_type, error_message=_utf8(text))


def legal_arguments(text: str) -> str:
    """The arguments of a call as every provider takes them back: a JSON object, empty where they were none."""
    try:
        found = json.loads(text) if len(text) <= MAX_ARGUMENT_CHARS else None
    except (ValueError, RecursionError):
        found = None
    return _utf8(text) if isinstance(found, dict) else "{}"


def legal_name(text: str) -> str:
    """The name of a call as every provider takes it back."""
    return text if _NAME.fullmatch(text) else re.sub(r"[^A-Za-z0-9_-]", "_", text)[:64] or "unnamed"


def _arguments(call: ProviderToolCall) -> dict[str, Any]:
    """The arguments as Python values.

    Raises:
        ValueError: too long, no JSON, or no object; says which.
    """
    text = call.arguments
    if len(text) > MAX_ARGUMENT_CHARS:
        raise ValueError(f"limit call_arguments is {MAX_ARGUMENT_CHARS} characters, these are {len(text)}")
    if not text.strip():
        return {}
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("the arguments are nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"the arguments are no JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"the arguments must be a JSON object with one entry per parameter, not {_json_name(found)}")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def _json_name(value: object) -> str:
    names: Mapping[type, str] = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _code_action(arguments: Mapping[str, Any]) -> Action:
    code = arguments.get("code")
    if set(arguments) != {"code"} or not isinstance(code, str):
        return refused_action("TypeError", "python_cli() takes one argument: code, a string")
    return Action(ActionKind.CODE, code=_utf8(unfenced(code)))


def _utf8(text: str) -> str:
    """Lone surrogates escaped: the wire has none."""
    return text.encode("utf-8", "backslashreplace").decode()
