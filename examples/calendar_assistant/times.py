"""Points in time as the durable store keeps them: whole microseconds UTC, and the name of an IANA zone."""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

__all__ = ["clock", "day_start", "from_microseconds", "to_microseconds", "zone_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@functools.lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """The IANA zone of this name.

    Raises:
        ValueError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"no time zone named {name!r}; expected an IANA name such as 'Europe/Warsaw'") from error


def to_microseconds(moment: datetime, zone: str = "UTC") -> int:
    """Microseconds since 1970 UTC; a naive ``moment`` is a wall clock reading in ``zone``.

    Raises:
        OverflowError: beyond the years 1 to 9999 in UTC.
    """
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone_of(zone))
    return (aware.astimezone(UTC) - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int, zone: str) -> datetime:
    """The aware datetime in ``zone``."""
    return (_EPOCH + timedelta(microseconds=microseconds)).astimezone(zone_of(zone))


def day_start(day: date, zone: str) -> int:
    """Microseconds of the first moment of ``day`` in ``zone``."""
    return to_microseconds(datetime.combine(day, time()), zone)


def clock(moment: datetime) -> str:
    """Weekday, date and time for people, for example ``Mon 2026-03-02 10:00``."""
    return f"{moment:%a %Y-%m-%d %H:%M}"
