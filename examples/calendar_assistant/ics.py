"""Reads iCalendar files (RFC 5545) into entries for ``Calendar.add_all``.

Recurrences are expanded within a year around today. A file that cannot be read as a whole is one error that names the
file and the reason; a single event that makes no sense is left out and said so in the notes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from examples.calendar_assistant.model import LONGEST
from examples.calendar_assistant.text import clean
from examples.calendar_assistant.times import day_start, from_microseconds, to_microseconds, zone_of
from statek.exceptions import ConfigurationError

__all__ = ["IcsError", "IcsImport", "read_ics"]

_MAX_FILE_BYTES = 32 << 20
_MAX_EVENTS = 20_000
_WINDOW = timedelta(days=31)
_MAX_NOTES = 20
_MAX_OCCURRENCES_PER_DAY = 96
_MAX_ATTENDEES = 200
_HALF_YEAR = timedelta(days=183)


class IcsError(ConfigurationError):
    """A calendar file that cannot be imported; the message names the file and the reason."""


@dataclass(frozen=True, slots=True)
class IcsImport:
    """What a file gave.

    Attributes:
        entries: arguments for ``Calendar.add_all``, by time.
        notes: one line for each event that was left out, at most 20 and a line with the number of the others.
    """

    entries: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]


def read_ics(path: Path, zone: str, today: date, *, max_events: int = _MAX_EVENTS) -> IcsImport:
    """Read a file.

    Args:
        path: the .ics file, UTF-8.
        zone: IANA zone of the user: for floating times and days.
        today: middle of the year that recurrences are expanded in.
        max_events: most occurrences in that year.

    Raises:
        IcsError: it cannot be read, is no iCalendar file, or has more than ``max_events`` occurrences.
    """
    import icalendar

    calendars = _parse(path, icalendar)
    entries: list[dict[str, Any]] = []
    notes: list[str] = []
    for calendar in calendars:
        _keep_expandable(calendar, notes)
        try:
            for event in _occurrences(calendar, zone, today):
                if len(entries) + len(notes) >= max_events:
                    raise IcsError(f"{path}: more than {max_events} events within a year around {today}")
                _take(event, zone, entries, notes)
        except IcsError:
            raise
        except Exception as error:  # the libraries raise many kinds, for example for a rule that makes no sense
            raise IcsError(f"{path}: cannot be expanded: {_reason(error)}") from error
    entries.sort(key=lambda entry: to_microseconds(entry["starts_at"], zone))
    if len(notes) > _MAX_NOTES:
        notes = [*notes[:_MAX_NOTES], f"{len(notes) - _MAX_NOTES} more events left out"]
    return IcsImport(tuple(entries), tuple(notes))


def _reason(error: BaseException) -> str:
    return clean(f"{type(error).__name__}: {error}", 300)


def _occurrences(calendar: Any, zone: str, today: date) -> Iterator[Any]:
    """What takes place within the year, a month at a time so that the caller can stop a flood early."""
    import recurring_ical_events

    query = recurring_ical_events.of(calendar, components=["VEVENT"], skip_bad_series=False)
    first, last = today - _HALF_YEAR, today + _HALF_YEAR
    opens = first
    while opens <= last:
        closes = min(opens + _WINDOW, last + timedelta(days=1))
        edges = [datetime.combine(day, datetime.min.time(), zone_of(zone)) for day in (opens, closes)]
        for event in query.between(*edges):
            start = event.start
            begins = day_start(start, zone) if not isinstance(start, datetime) else to_microseconds(start, zone)
            # What began in an earlier month was given with that month.
            if opens == first or begins >= day_start(opens, zone):
                yield event
        opens = closes


def _parse(path: Path, icalendar: Any) -> list[Any]:
    try:
        size = path.stat().st_size
        if size > _MAX_FILE_BYTES:
            raise IcsError(f"{path}: has {size} bytes, the limit is {_MAX_FILE_BYTES}")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise IcsError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise IcsError(f"{path}: is not UTF-8 text, byte {error.start}") from error
    if "BEGIN:VCALENDAR" not in text[:4096].upper():
        raise IcsError(f"{path}: is not an iCalendar file: no BEGIN:VCALENDAR at its start")
    if not text.rstrip().upper().endswith("END:VCALENDAR"):
        raise IcsError(f"{path}: is not a complete iCalendar file: no END:VCALENDAR at its end")
    try:
        return list(icalendar.Calendar.from_ical(text.replace("\x00", " "), multiple=True))
    except Exception as error:  # the parser raises ValueError, KeyError, IndexError and others
        raise IcsError(f"{path}: is not a valid iCalendar file: {_reason(error)}") from error


def _keep_expandable(calendar: Any, notes: list[str]) -> None:
    """Take out events that cannot be expanded, or only into a flood that no calendar of a person has."""
    kept = []
    for component in calendar.subcomponents:
        if component.name == "VEVENT":
            reason = _defect(component)
            if reason:
                notes.append(_note(component, reason))
                continue
        kept.append(component)
    calendar.subcomponents[:] = kept


def _defect(event: Any) -> str:
    """Why an event cannot be expanded, or an empty text."""
    if event.get("DTSTART") is None:
        return "it has no start"
    try:
        start, end = event.start, event.end
    except Exception as error:  # noqa: BLE001 - whatever the library says of impossible starts and durations
        return _reason(error)
    if isinstance(start, datetime) != isinstance(end, datetime):
        return "one of start and end is a day, the other a time"
    try:
        if end < start:
            return "it ends before it starts"
        if end - start > LONGEST:
            return f"it lasts longer than {LONGEST.days} days"
    except TypeError:
        return "one of start and end has a time zone, the other has none"
    for rule in _list(event.get("RRULE")):
        parts = {str(key).upper(): value for key, value in rule.items()}
        frequency = str(_list(parts.get("FREQ", ["?"]))[0]).upper()
        per_day = 1
        for name in ("BYHOUR", "BYMINUTE", "BYSECOND"):
            per_day *= len(_list(parts.get(name))) or 1
        if frequency in ("SECONDLY", "MINUTELY") or per_day > _MAX_OCCURRENCES_PER_DAY:
            return f"it repeats more than {_MAX_OCCURRENCES_PER_DAY} times a day"
    return ""


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _note(event: Any, reason: str) -> str:
    return f"left out {clean(str(event.get('SUMMARY') or event.get('UID') or 'an event'), 100)!r}: {reason}"


def _take(event: Any, zone: str, entries: list[dict[str, Any]], notes: list[str]) -> None:
    """One occurrence as an entry, or a note why not."""
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        return
    try:
        start, end = event.start, event.end
        all_day = not isinstance(start, datetime)
        if all_day:
            # The end is exclusive; some programs write the same day for a whole day.
            end = max(end, start + timedelta(days=1))
            starts_us, ends_us = day_start(start, zone), day_start(end, zone)
        else:
            starts_us, ends_us = to_microseconds(start, zone), to_microseconds(end, zone)
        own_zone = zone if all_day else _zone_name(start, zone)
        entry = {
            "title": clean(str(event.get("SUMMARY") or ""), 300) or "(no title)",
            "starts_at": from_microseconds(starts_us, own_zone),
            "ends_at": from_microseconds(ends_us, own_zone),
            "zone": own_zone,
            "location": clean(str(event.get("LOCATION") or "")),
            "attendees": list(_attendees(event)),
            "all_day": all_day,
            "busy": _busy(event, all_day),
        }
    except (ValueError, OverflowError, TypeError) as error:
        notes.append(_note(event, str(error)))
        return
    entries.append(entry)


def _zone_name(start: datetime, zone: str) -> str:
    """IANA name of the event's zone; the user's for UTC, floating times and zones that only the file knows."""
    name = getattr(start.tzinfo, "key", None)
    if not isinstance(name, str) or name == "UTC":
        return zone
    try:
        zone_of(name)
    except ValueError:
        return zone
    return name


def _busy(event: Any, all_day: bool) -> bool:
    """Whether it blocks its time: what TRANSP says, else times do and days (birthdays, holidays) do not."""
    transparency = str(event.get("TRANSP", "")).upper()
    if transparency in ("OPAQUE", "TRANSPARENT"):
        return transparency == "OPAQUE"
    return not all_day


def _attendees(event: Any) -> Iterator[str]:
    for attendee in _list(event.get("ATTENDEE"))[:_MAX_ATTENDEES]:
        name = str(getattr(attendee, "params", {}).get("CN") or "")
        address = str(attendee)
        if address.lower().startswith("mailto:"):
            address = address[len("mailto:") :]
        text = clean(name or address, 200)
        if text:
            yield text
