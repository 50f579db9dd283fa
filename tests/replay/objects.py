"""The durable objects of the recorded jobs. Recordings hold them by these ids and fields: additions only."""

from __future__ import annotations

import dbzero

__all__ = ["Account", "Ledger"]


@dbzero.memo(id="replay.Account")
class Account:
    """An account.

    STATEK-ACL:
        +*
    """

    def __init__(self, name: str, balance: int) -> None:
        self.name = name
        self.balance = balance
        self.labels: dict[str, str] = {}

    def withdraw(self, amount: int) -> int:
        """Take an amount; gives what is left."""
        if amount > self.balance:
            raise ValueError(f"{self.name} has {self.balance}, not {amount}")
        self.balance -= amount
        return self.balance


@dbzero.memo(id="replay.Ledger")
class Ledger:
    """All accounts.

    STATEK-ACL:
        +*
    """

    def __init__(self) -> None:
        self.accounts: list[Account] = []
        self.lines: list[str] = []

    def book(self, line: str) -> int:
        """Write a line; gives their number."""
        self.lines.append(line)
        return len(self.lines)
