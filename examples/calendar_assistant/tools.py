"""What the agent can do beside working on its objects."""

from __future__ import annotations

import unicodedata
import zoneinfo
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

from examples.calendar_assistant.outbox import Outbox, SentMessage
from examples.calendar_assistant.times import zone_of
from statek import tool
from statek.tools import ToolContext

__all__ = ["current_time", "make_send_message", "time_zone_of"]

_MAX_MESSAGE = 10_000


@tool(effect="none")
def current_time(zone: str = "UTC", **_kwargs: Any) -> datetime:
    """Tell the current time.

    Args:
        zone (str): IANA name of the time zone, for example "Europe/Warsaw"

    Returns:
        datetime: the time in that zone

    Raises:
        ValueError: there is no such zone
    """
    return datetime.now(zone_of(zone))


@tool(effect="none")
def time_zone_of(city: str, **_kwargs: Any) -> str:
    """Find the time zone of a city.

    Args:
        city (str): name of a city that the IANA time zone database names, for example "New York"

    Returns:
        str: IANA name of the zone, for example "America/New_York"

    Raises:
        LookupError: no zone is named after this city
    """
    key = _city_key(city)
    found = _zones_by_city().get(key)
    if found is None:
        near = sorted(name for name in _zones_by_city() if key and name.startswith(key[:3]))[:5]
        advice = f"; similar: {', '.join(_zones_by_city()[name] for name in near)}" if near else ""
        raise LookupError(f"no time zone is named after {city!r}{advice}")
    return found


def make_send_message(outbox: Outbox) -> Callable[..., str]:
    """The tool that sends messages, bound to an outbox.

    It is declared idempotent because the outbox takes each idempotency key only once.
    """

    @tool(effect="external", idempotent=True, timeout=30)
    def send_message(to: str, text: str, ctx: ToolContext, **_kwargs: Any) -> str:  # noqa: D417 - agents never see ctx
        """Send a message to people.

        Args:
            to (str): names of the people, separated by commas
            text (str): what to tell them

        Returns:
            str: a receipt

        Raises:
            ValueError: there is no text, no addressee, or more than 10000 characters
        """
        to, text = to.strip(), text.strip()
        if not to or not text:
            raise ValueError("a message needs somebody to go to and a text")
        if len(to) + len(text) > _MAX_MESSAGE:
            raise ValueError(f"a message may have {_MAX_MESSAGE} characters, this one has {len(to) + len(text)}")
        outbox.append(SentMessage(ctx.idempotency_key, to, text))
        return f"sent to {to}"

    return send_message


def _city_key(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(c for c in plain.casefold() if c.isalnum())


@lru_cache(maxsize=1)
def _zones_by_city() -> dict[str, str]:
    """City to zone; of several with one name (links such as US/..., Etc/...) the first in continent/city form."""
    continents = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
    found: dict[str, str] = {}
    for name in sorted(zoneinfo.available_timezones()):
        continent, _, city = name.rpartition("/")
        if continent.split("/")[0] in continents:
            found.setdefault(_city_key(city), name)
    return found
