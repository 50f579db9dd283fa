"""Converters of setting values: each takes text or the real type and gives a checked value."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from statek.exceptions import InvalidRequest

__all__ = [
    "SettingError",
    "block_location",
    "boolean",
    "choice",
    "integer",
    "optional",
    "parsed",
    "path",
    "seconds",
    "size",
    "tag_name",
    "text",
]

T = TypeVar("T")

_SIZE = re.compile(r"(\d+)\s*(?:([KMG])(?:i?B)?|B)?", re.IGNORECASE)
_SUFFIXES = {"": 0, "K": 10, "M": 20, "G": 30}
_MAX_INTEGER = (1 << 63) - 1


class SettingError(ValueError):
    """A value that a setting cannot take."""


def optional(convert: Callable[[Any], T]) -> Callable[[Any], T | None]:
    """Also takes None; as text it is empty or ``none``."""

    def convert_optional(value: Any) -> T | None:
        if value is None or (isinstance(value, str) and value.strip().lower() in {"", "none"}):
            return None
        return convert(value)

    return convert_optional


def block_location(value: Any) -> str:
    """Where blocks are kept; a scheme without its place is completed (``memory`` is ``memory:``)."""
    location = text(value).strip()
    if location in {"", "memory"}:
        return {"": "disk", "memory": "memory:"}[location]
    if location != "disk" and ":" not in location:
        raise SettingError(f"{location!r} is no place for blocks; use disk, memory:, sqlite:PATH or a URL")
    return location


def parsed(parse: Callable[[Any], T]) -> Callable[[Any], T]:
    """A value with a parser of its own."""

    def convert(value: Any) -> T:
        try:
            return parse(value)
        except (InvalidRequest, AttributeError) as error:
            raise SettingError(str(error)) from error

    return convert


def choice(*allowed: str) -> Callable[[Any], str]:
    """One of some words, in any letter case."""

    def convert(value: Any) -> str:
        for word in allowed:
            if isinstance(value, str) and value.strip().lower() == word.lower():
                return word
        raise SettingError(f"{value!r} is not one of {', '.join(allowed)}")

    return convert


def integer(least: int) -> Callable[[Any], int]:
    """A whole number of at least ``least``."""

    def convert(value: Any) -> int:
        number: int | None = None
        if isinstance(value, int) and not isinstance(value, bool):
            number = value
        elif isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,18}\s*", value, re.ASCII):
            number = int(value)
        if number is None or not least <= number <= _MAX_INTEGER:
            raise SettingError(f"{value!r} is no whole number of at least {least}")
        return number

    return convert


def size(least: int) -> Callable[[Any], int]:
    """A number of bytes; text may end in K, M or G (powers of 1024)."""

    def convert(value: Any) -> int:
        number: int | None = None
        if isinstance(value, int) and not isinstance(value, bool):
            number = value
        elif isinstance(value, str):
            match = _SIZE.fullmatch(value.strip()[:32])
            if match is not None:
                number = int(match[1]) << _SUFFIXES[(match[2] or "").upper()]
        if number is None or not least <= number <= _MAX_INTEGER:
            raise SettingError(f"{value!r} is no number of bytes of at least {least} (400M and the like are taken)")
        return number

    return convert


def seconds(least: float) -> Callable[[Any], float]:
    """A number of at least ``least``."""

    def convert(value: Any) -> float:
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not (math.isfinite(number) and number >= least):
            raise SettingError(f"{value!r} is no number of at least {least:g}")
        return number

    return convert


def boolean(value: Any) -> bool:
    """True or false; as text also yes and no, on and off, 1 and 0."""
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in {"true", "yes", "on", "1"}:
        return True
    if word in {"false", "no", "off", "0"}:
        return False
    raise SettingError(f"{value!r} is neither true nor false")


def text(value: Any) -> str:
    """Text that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise SettingError(f"{value!r} is no text")
    return value.strip()


def tag_name(value: Any) -> str:
    """The name of an XML-style tag."""
    if not isinstance(value, str) or re.fullmatch(r"[A-Za-z_][\w.-]*", value, re.ASCII) is None:
        raise SettingError(f"{value!r} is no tag name")
    return value


def path(value: Any) -> Path:
    """A path; ``~`` stands for the home directory."""
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise SettingError(f"{value!r} is no path")
    try:
        return Path(value).expanduser()
    except RuntimeError:  # ~name of nobody here
        raise SettingError(f"{value!r} is no path: that home directory is not known") from None
