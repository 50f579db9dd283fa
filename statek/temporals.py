"""How the value of a temporal comes about, and the temporals of this process by name."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from statek.exceptions import FutureError

__all__ = ["Temporal", "find_temporal", "register_temporal", "tuple_size"]


@dataclass(frozen=True, slots=True)
class Temporal:
    """How the value of a temporal comes about.

    Attributes:
        name: ``module.qualname`` of the decorated function.
        complement: gives the value from what the function returned; raises FutureError while it is not ready.
        condition: tells from the same whether it is ready; None asks the complement.
        size: length of the tuple that the complement returns, where its annotation says so; else 0.
    """

    name: str
    complement: Callable[..., Any]
    condition: Callable[..., Any] | None
    size: int

    def is_ready(self, deps: Any) -> bool:
        """Whether the value is there."""
        if self.condition is not None:
            return bool(_apply(self.condition, deps))
        try:
            _apply(self.complement, deps)
        except FutureError:
            return False
        return True

    def value(self, deps: Any) -> Any:
        """The value.

        Raises:
            FutureError: it is not ready.
        """
        return _apply(self.complement, deps)


def _apply(function: Callable[..., Any], deps: Any) -> Any:
    """A tuple is several arguments, as the function returned several values."""
    return function(*deps) if isinstance(deps, tuple) else function(deps)


_temporals: dict[str, Temporal] = {}


def register_temporal(made: Temporal) -> None:
    """Know a temporal by its name."""
    _temporals[made.name] = made


def find_temporal(name: str) -> Temporal | None:
    """The temporal that this process has under a name."""
    return _temporals.get(name)


def tuple_size(complement: Callable[..., Any]) -> int:
    """Length of the tuple that a complement is annotated to return; 0 for anything else."""
    try:
        returned = typing.get_type_hints(complement).get("return")
    except Exception:  # noqa: BLE001 -- evaluating an application's annotation may raise anything
        return 0
    elements = typing.get_args(returned) if typing.get_origin(returned) is tuple else ()
    return 0 if Ellipsis in elements else len(elements)
