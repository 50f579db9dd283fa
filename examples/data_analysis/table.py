"""The table that is analysed: the public holidays of some countries, made at run time from the package ``holidays``."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date

__all__ = ["COUNTRIES", "TABLE_NAME", "YEARS", "make_table"]

TABLE_NAME = "holidays.csv"
"""How the agent asks for it."""

COUNTRIES = ("AT", "BR", "CA", "CH", "CZ", "DE", "DK", "ES", "FI", "FR", "GB", "IT", "JP", "NL", "PL", "PT", "SE", "US")
"""ISO codes of the countries."""

YEARS = range(2010, 2031)
"""The years."""


def make_table(countries: Sequence[str] = COUNTRIES, years: Sequence[int] = YEARS) -> str:
    """A CSV text with the columns date, country and holiday, sorted by date.

    Args:
        countries: ISO codes.
        years: which years.
    """
    import holidays  # a second to import: only where the table is made

    rows: list[tuple[date, str, str]] = []
    for country in countries:
        found = holidays.country_holidays(country, years=years, language="en_US")
        rows += [(day, country, name) for day, name in found.items()]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("date", "country", "holiday"))
    writer.writerows(sorted((day.isoformat(), country, name) for day, country, name in rows))
    return text.getvalue()
