"""Durable objects: expense claims and the book that holds them."""

from __future__ import annotations

from typing import Any

import dbzero as db0

__all__ = ["Claim", "ClaimBook", "find_book", "make_book"]

_TAG = "examples.approval"

_CLAIMS = (
    ("train to Gdynia", "Ada", 4_200),
    ("conference in Lisbon", "Piotr", 184_000),
    ("lunch with a customer", "Jun", 6_150),
    ("new laptop", "Grace", 239_900),
)
"""What the book begins with: title, who paid, cents."""


@db0.memo(id="examples/approval/claim")
class Claim:
    """An expense that somebody wants to be paid back.

    Attributes:
        title (str): what the money was for
        who (str): who gets it back
        cents (int): how much, in cents of a euro
        state (str): open, asked, paid or refused

    STATEK-ACL
        +title
        +who
        +cents
        +state
        +refuse
    """

    def __init__(self, title: str, who: str, cents: int) -> None:
        self.title = title
        self.who = who
        self.cents = cents
        self.state = "open"

    def refuse(self) -> None:
        """Close the claim without payment."""
        self.state = "refused"

    def __str__(self) -> str:
        return f"{self.who}: {self.title}, {self.cents / 100:.2f} EUR ({self.state})"


@db0.memo(id="examples/approval/book")
class ClaimBook:
    """The claims in the order of their arrival.

    STATEK-ACL
        +claims
        +open_claims
    """

    def __init__(self, claims: list[Claim]) -> None:
        self.claims: Any = claims

    def open_claims(self) -> list[Claim]:
        """The claims that nothing was decided about yet."""
        return [claim for claim in self.claims if claim.state == "open"]

    def __str__(self) -> str:
        return f"{len(self.claims)} claims, {len(self.open_claims())} open"


def make_book() -> ClaimBook:
    """A book with a few claims (store thread)."""
    book = ClaimBook([Claim(*claim) for claim in _CLAIMS])
    db0.tags(book).add(_TAG)
    return book


def find_book() -> ClaimBook | None:
    """The newest book (store thread)."""
    books: list[ClaimBook] = list(db0.find(ClaimBook, _TAG))
    return books[-1] if books else None
