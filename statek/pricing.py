"""Prices of models: those that the application gives, before those that litellm knows.

``model_info_dir`` names a directory of CSV files (``*.csv`` and ``*.txt``, at any depth) with the columns PROVIDER,
MODEL, MODEL_FAMILY, INPUT_PRICE_PER_M, INPUT_PRICE_PER_CACHED_M and OUTPUT_PRICE_PER_M: US dollars for a million
tokens. A row that cannot be understood is left out and named in the log. The price of a reply is that of the moment
it came; later prices change no job's cost.
"""

from __future__ import annotations

import csv
import logging
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from statek.exceptions import ConfigurationError, InvalidRequest
from statek.model_routing import canonical_name

__all__ = ["ModelPricing", "get_model_pricing", "load_model_pricing", "price_of", "set_model_pricing"]

_log = logging.getLogger("statek.pricing")

_MOST = 1e6
"""US dollars for a million tokens that no model costs; above it the row is a mistake."""

_COLUMNS = ("PROVIDER", "MODEL", "INPUT_PRICE_PER_M", "OUTPUT_PRICE_PER_M")
_lock = threading.Lock()
_prices: dict[tuple[str, str, str], ModelPricing] = {}


@dataclass(frozen=True, slots=True)
class ModelPricing:
    """What a million tokens of a model cost.

    Attributes:
        input_price_per_M: US dollars for a million prompt tokens.
        input_price_per_cached_M: the same for those that the provider served from its cache; None for the same price.
        output_price_per_M: US dollars for a million completion tokens.

    Raises:
        InvalidRequest: a price is no number from 0 to 1,000,000.
    """

    input_price_per_M: float  # noqa: N815 -- the documented name
    output_price_per_M: float  # noqa: N815
    input_price_per_cached_M: float | None = None  # noqa: N815

    def __post_init__(self) -> None:
        """Check the prices."""
        for name in ("input_price_per_M", "output_price_per_M", "input_price_per_cached_M"):
            value = getattr(self, name)
            if value is None and name == "input_price_per_cached_M":
                continue
            if not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= _MOST:
                raise InvalidRequest(f"{name} is {value!r}, must be a number from 0 to {_MOST:,.0f}")

    def cost_microusd(self, input_tokens: int, cached_tokens: int, output_tokens: int) -> int:
        """Cost in millionths of a US dollar.

        Args:
            input_tokens: prompt tokens, cached ones included.
            cached_tokens: those of them that came from the provider's cache.
            output_tokens: completion tokens.
        """
        cached = min(cached_tokens, input_tokens)
        cached_price = (
            self.input_price_per_M if self.input_price_per_cached_M is None else self.input_price_per_cached_M
        )
        # Dollars for a million tokens are millionths of a dollar for one.
        fresh = (input_tokens - cached) * self.input_price_per_M
        return round(fresh + cached * cached_price + output_tokens * self.output_price_per_M)


def set_model_pricing(provider: str, model: str, pricing: ModelPricing, *, model_family: str | None = None) -> None:
    """Give the price of a model, in this process.

    Args:
        provider: in any letter case, as the following.
        model: its name.
        pricing: its prices.
        model_family: the part of the name before the model's, if there is one.
    """
    with _lock:
        _prices[_key(provider, model_family or "", model)] = pricing


def get_model_pricing(provider: str, model: str, *, model_family: str | None = None) -> ModelPricing | None:
    """The price that was given for a model, or for the model of that name in any family; None without one."""
    with _lock:
        return _prices.get(_key(provider, model_family or "", model)) or _prices.get(_key(provider, "", model))


def price_of(model: str) -> ModelPricing | None:
    """The price that was given for a model string as litellm takes it; None without one."""
    provider, slash, rest = model.partition("/")
    if not slash:
        return get_model_pricing("", model)
    family, _, name = rest.rpartition("/")
    return get_model_pricing(provider, name, model_family=family)


def load_model_pricing(directory: Path | str) -> int:
    """Read every price of a directory; gives how many.

    Raises:
        ConfigurationError: there is no such directory, or a file of it cannot be read.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise ConfigurationError(f"model_info_dir {folder} is no directory")
    found = 0
    for path in sorted(path for ending in ("*.csv", "*.txt") for path in folder.rglob(ending) if path.is_file()):
        try:
            text = path.read_text(encoding="utf-8-sig", errors="replace").replace("\0", "")
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
        found += _load_rows(path, text)
    return found


def _load_rows(path: Path, text: str) -> int:
    """Take the rows of one file; bad ones are named in the log."""
    rows = csv.DictReader(text.splitlines(), skipinitialspace=True)
    found = 0
    try:
        rows.fieldnames = [str(name).strip().upper() for name in rows.fieldnames or ()]
        missing = [name for name in _COLUMNS if name not in rows.fieldnames]
        if missing:
            _log.warning("%s has no prices: its first line lacks the column %s", path, missing[0])
            return 0
        for row in rows:
            try:
                _take_row(row)
                found += 1
            except InvalidRequest as error:
                _log.warning("%s, line %d is left out: %s", path, rows.line_num, error)
    except csv.Error as error:
        _log.warning("%s, line %d is no CSV: %s", path, rows.line_num, error)
    return found


def _take_row(row: Mapping[str | None, object]) -> None:
    def text(name: str) -> str:
        value = row.get(name)
        return value.strip() if isinstance(value, str) else ""

    def price(name: str) -> float:
        try:
            return float(text(name))
        except ValueError:
            raise InvalidRequest(f"{name} is {text(name)!r}, must be a number") from None

    if not text("PROVIDER") or not text("MODEL"):
        raise InvalidRequest("PROVIDER and MODEL must be given")
    cached = price("INPUT_PRICE_PER_CACHED_M") if text("INPUT_PRICE_PER_CACHED_M") else None
    pricing = ModelPricing(price("INPUT_PRICE_PER_M"), price("OUTPUT_PRICE_PER_M"), cached)
    set_model_pricing(text("PROVIDER"), text("MODEL"), pricing, model_family=text("MODEL_FAMILY") or None)


def _key(provider: str, family: str, model: str) -> tuple[str, str, str]:
    return canonical_name(provider.strip()), family.strip().lower(), model.strip().lower()
