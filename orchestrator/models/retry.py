"""When a failed model request is made again, and after how long: decisions without I/O."""

from __future__ import annotations

import email.utils
import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime

from orchestrator.models.settings import GatewaySettings

__all__ = ["is_retryable_status", "retry_after_seconds", "wait_before_attempt"]


def is_retryable_status(status: int | None) -> bool:
    """Whether the same request may succeed later: no status (no connection), 408, 429 and 5xx."""
    return status is None or status in (408, 429) or 500 <= status <= 599


def retry_after_seconds(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that a reply's Retry-After asks for (RFC 9110 section 10.2.3), or None.

    Args:
        headers: of the reply, names in lower case.
        now: the current time, aware; None for the clock's.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = email.utils.parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - (now or datetime.now(UTC))).total_seconds()
    return None if math.isnan(seconds) else max(seconds, 0.0)


def wait_before_attempt(
    settings: GatewaySettings, attempt: int, asked_seconds: float | None, jitter: float | None = None
) -> float | None:
    """Seconds to wait before a further attempt, or None to give up.

    Args:
        settings: the limits.
        attempt: the number of the coming attempt, from 2.
        asked_seconds: what the provider's Retry-After asked for.
        jitter: 0..1; None draws one, so that many jobs refused at once do not come back at once.
    """
    if attempt > settings.attempts:
        return None
    if asked_seconds is not None and asked_seconds > settings.retry_after_cap_seconds:
        return None
    jitter = random.random() if jitter is None else jitter  # noqa: S311 - no secret depends on it
    base = min(settings.backoff_seconds * 2.0 ** min(attempt - 2, 60), settings.backoff_cap_seconds)
    return max(base * (0.5 + jitter / 2), asked_seconds or 0.0)
