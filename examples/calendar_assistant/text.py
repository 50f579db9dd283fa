"""Texts from outside, made fit for the durable store."""

from __future__ import annotations

import re

__all__ = ["clean"]

_UNSTORABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]+")


def clean(text: str, limit: int = 1000) -> str:
    """The text without NUL, other control characters and lone surrogates, bounded in length.

    NUL would cut a stored string off and a lone surrogate cannot be stored at all.

    Args:
        text: any text.
        limit: characters kept; a longer text ends in an ellipsis.
    """
    cleaned = _UNSTORABLE.sub(" ", text).strip()
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"
