"""The options that a request may carry to the provider, and their types.

Options come out of an agent's metadata, where every value is text; code may give them typed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from statek.exceptions import ModelError

__all__ = ["OPTION_NAMES", "request_options"]


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.strip().lower()]


def _json_or_text(text: str) -> Any:
    return json.loads(text) if text.lstrip().startswith(("{", "[")) else text


# Sampling and length only: nothing that names keys, files, callbacks or another destination than api_base.
_FROM_TEXT: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "api_base": (str, "an address"),
    "api_version": (str, "text"),
    "extra_body": (json.loads, "a JSON object"),
    "frequency_penalty": (_number, "a number"),
    "logit_bias": (json.loads, "a JSON object"),
    "max_completion_tokens": (int, "a whole number"),
    "max_tokens": (int, "a whole number"),
    "parallel_tool_calls": (_boolean, "true or false"),
    "presence_penalty": (_number, "a number"),
    "reasoning_effort": (str, "text"),
    "response_format": (json.loads, "a JSON object"),
    "seed": (int, "a whole number"),
    "service_tier": (str, "text"),
    "stop": (_json_or_text, "text or a JSON list"),
    "thinking": (json.loads, "a JSON object"),
    "tool_choice": (_json_or_text, "text or a JSON object"),
    "top_k": (int, "a whole number"),
    "top_p": (_number, "a number"),
    "verbosity": (str, "text"),
}

OPTION_NAMES = frozenset(_FROM_TEXT)
"""What a request may carry."""


def request_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with texts made what the provider expects; values that are no text stay as they are.

    Args:
        options: of a ``ModelRequest``.

    Raises:
        ModelError: an unknown name, or a text that is no value of its option.
    """
    unknown = sorted(set(options) - OPTION_NAMES)
    if unknown:
        known = ", ".join(sorted(OPTION_NAMES))
        raise ModelError(f"unknown model option {', '.join(unknown)[:200]}; known options: {known}")
    made: dict[str, Any] = {}
    for name, value in options.items():
        convert, kind = _FROM_TEXT[name]
        try:
            made[name] = convert(value) if isinstance(value, str) else value
        except (ValueError, KeyError, RecursionError):
            raise ModelError(f"model option {name} must be {kind}, got {value[:100]!r}") from None
    return made
