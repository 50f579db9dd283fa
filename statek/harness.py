"""The harness: how much of a model's turns, errors and tokens one job may use before it is ended.

A limit is checked before each further turn. ``None`` is no limit. A job that a user message reopened after it was done
may use more: with an extension of ``e``, after ``n`` such completions, turns, exceptions and tokens are limited to
``base * (1 + e * n)``. The limit of consecutive exceptions is a streak and does not grow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from statek.exceptions import InvalidRequest
from statek.settings import StatekSettings, get_statek_settings

__all__ = ["HARNESS_KEYS", "LLM_Harness", "get_llm_harness", "harness_from_metadata", "parse_harness_value"]


@dataclass(frozen=True, slots=True)
class LLM_Harness:  # noqa: N801 -- the documented name
    """The limits of one job.

    Attributes:
        max_turns: model turns.
        max_exceptions: steps that ended with an error, in all.
        max_consecutive_exceptions: such steps in a row.
        max_token_usage: input and output tokens.
        limit_extension_per_completion: share of a limit that each further user message adds.

    Raises:
        InvalidRequest: a value below its least one; names the limit.
    """

    max_turns: int | None = 100
    max_exceptions: int | None = 50
    max_consecutive_exceptions: int | None = 10
    max_token_usage: int | None = 5_000_000
    limit_extension_per_completion: float = 1.0

    def __post_init__(self) -> None:
        """Check every limit."""
        for name in ("max_turns", "max_exceptions", "max_consecutive_exceptions", "max_token_usage"):
            value = getattr(self, name)
            least = 0 if "exceptions" in name else 1
            if value is not None and (type(value) is not int or value < least):
                raise InvalidRequest(f"harness limit {name} is {value!r}, must be None or at least {least}")
        extension = self.limit_extension_per_completion
        if not (isinstance(extension, int | float) and math.isfinite(extension) and extension >= 0):
            raise InvalidRequest(f"limit_extension_per_completion is {extension!r}, must be a number from 0")

    def after(self, completions: int) -> LLM_Harness:
        """The limits in force after so many completions."""
        factor = 1 + self.limit_extension_per_completion * completions
        if factor == 1:
            return self
        return replace(
            self,
            max_turns=_times(self.max_turns, factor),
            max_exceptions=_times(self.max_exceptions, factor),
            max_token_usage=_times(self.max_token_usage, factor),
        )


HARNESS_KEYS = tuple(sorted(info.name.upper() for info in fields(LLM_Harness)))
"""Metadata keys that replace a limit of the settings for the jobs of one agent."""


def get_llm_harness(settings: StatekSettings | None = None) -> LLM_Harness:
    """The limits of the settings.

    Args:
        settings: None for those of this process.
    """
    chosen = settings or get_statek_settings()
    return LLM_Harness(
        chosen.max_turns,
        chosen.max_exceptions,
        chosen.max_consecutive_exceptions,
        chosen.max_token_usage,
        chosen.limit_extension_per_completion,
    )


def parse_harness_value(key: str, text: str) -> int | float | None:
    """A limit as metadata writes it: a number, or ``none``.

    Raises:
        InvalidRequest: it is neither, or below its least one; names the key.
    """
    value: int | float | None
    if text.strip().lower() == "none":
        value = None
    else:
        try:
            value = float(text) if key == "LIMIT_EXTENSION_PER_COMPLETION" else int(text)
        except ValueError:
            raise InvalidRequest(f"{key} {text!r} must be a number or none") from None
    try:
        LLM_Harness(**{key.lower(): value})  # type: ignore[arg-type]
    except InvalidRequest as error:
        raise InvalidRequest(f"{key} {text!r}: {error}") from error
    return value


def harness_from_metadata(base: LLM_Harness, metadata: Mapping[str, str]) -> LLM_Harness:
    """The limits with those that the metadata of an agent names in place of the base's."""
    named = {key.lower(): parse_harness_value(key, metadata[key]) for key in HARNESS_KEYS if key in metadata}
    return replace(base, **named) if named else base  # type: ignore[arg-type]


def _times(limit: int | None, factor: float) -> int | None:
    return None if limit is None else int(limit * factor)
