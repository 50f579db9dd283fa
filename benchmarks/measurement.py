"""One measured number as one line of text, and the statistics behind it.

A line is ``name value unit ratio`` with the ratio written ``0.82x-of-target-5ms``, then words ``key=value`` and,
where a target was missed, the word ``missed``. A ratio to a target is above 1 exactly when it was missed, whatever
direction is good.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Better", "Measurement", "format_number", "median", "parse_line", "percentile"]

_LINE = re.compile(
    r"(?P<name>[a-z][a-z0-9_]*) (?P<value>[0-9.e+-]+) (?P<unit>\S+) "
    r"(?P<ratio>[0-9.e+-]+)x-of-(?P<versus>[A-Za-z0-9_./-]+)"
    r"(?P<notes>( [a-z][a-z0-9_/]*=\S+)*)(?P<missed> missed)?"
)


class Better:
    """Which direction of a number is good."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number.

    Attributes:
        name: as docs/performance.md lists it, ``[a-z][a-z0-9_]*``.
        value: in ``unit``.
        unit: ``ms``, ``KB``, ``steps/s``, ``x`` and so on, one word.
        reference: what it is compared with, in the same unit; above zero.
        versus: one word naming the reference (``target-5ms``, or a rival measured in the same run).
        better: which direction is good (of ``Better``).
        notes: further facts, such as fsyncs per operation.
    """

    name: str
    value: float
    unit: str
    reference: float
    versus: str
    better: str = Better.LOWER
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Value to reference; turned round where more is better, so that above 1 is always worse."""
        if self.better == Better.HIGHER:
            return self.reference / self.value if self.value else math.inf
        return self.value / self.reference

    @property
    def is_target(self) -> bool:
        """Whether the reference is a promise and not another measurement."""
        return self.versus.startswith("target-")

    @property
    def missed(self) -> bool:
        """Whether a promise was not kept."""
        return self.is_target and self.ratio > 1

    def line(self) -> str:
        """The number as one line."""
        ratio = f"{self.ratio:.2f}" if not self.missed else f"{max(self.ratio, 1.01):.2f}"
        words = [self.name, format_number(self.value), self.unit, f"{ratio}x-of-{self.versus}"]
        words += [f"{key}={value}" for key, value in self.notes.items()]
        if self.missed:
            words.append("missed")
        return " ".join(words)

    def as_json(self) -> dict[str, object]:
        """The number for a result file."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "ratio": self.ratio,
            "versus": self.versus,
            "reference": self.reference,
            "missed": self.missed,
            "notes": dict(self.notes),
        }


def format_number(value: float) -> str:
    """A number with three significant digits and without an exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(digits, 6)}f}"


def parse_line(text: str) -> dict[str, object]:
    """The fields of a line that ``Measurement.line`` made.

    Raises:
        ValueError: it is no such line.
    """
    match = _LINE.fullmatch(text)
    if match is None:
        raise ValueError(f"not a benchmark line: {text!r}")
    return {
        "name": match["name"],
        "value": float(match["value"]),
        "unit": match["unit"],
        "ratio": float(match["ratio"]),
        "versus": match["versus"],
        "notes": dict(note.split("=", 1) for note in match["notes"].split()),
        "missed": match["missed"] is not None,
    }


def median(values: Sequence[float]) -> float:
    """The middle value.

    Raises:
        ValueError: there are none.
    """
    return percentile(values, 50)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least ``percent`` of the values do not exceed (nearest rank).

    Raises:
        ValueError: there are no values, or the percentage is not within 0 to 100.
    """
    if not values:
        raise ValueError("no values")
    if not 0 <= percent <= 100:
        raise ValueError(f"percent must be within 0 to 100, got {percent:g}")
    ordered = sorted(values)
    rank = max(1, math.ceil(percent / 100 * len(ordered)))
    return ordered[rank - 1]
