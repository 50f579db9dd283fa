"""What the agent can do: ask a person, pay."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import statek
from statek.future import FutureResult

__all__ = ["ask_for_approval", "make_pay", "read_payments"]


@statek.tool(effect="store")
def ask_for_approval(claim: Any, **_kwargs: Any) -> FutureResult:
    """Ask a person whether a claim may be paid.

    Args:
        claim (Claim): the claim

    Returns:
        str: "approve" or "refuse", once the person has decided, which may take days
    """
    claim.state = "asked"
    details = {"who": claim.who, "title": claim.title, "amount": f"{claim.cents / 100:.2f} EUR"}
    return statek.suspend_for(f"approval of {claim.cents / 100:.2f} EUR for {claim.who}", details=details)


def make_pay(payments: Path) -> Callable[..., str]:
    """The tool that pays, bound to the file that stands for a bank.

    It is declared idempotent because the bank takes each idempotency key only once.
    """

    @statek.tool(effect="external", idempotent=True, timeout=30)
    def pay(claim: Any, ctx: statek.ToolContext, **_kwargs: Any) -> str:  # noqa: D417 - agents never see ctx
        """Pay a claim. Claims of more than 100 EUR need an approval first.

        Args:
            claim (Claim): the claim

        Returns:
            str: a receipt
        """
        known = read_payments(payments)
        if all(payment["key"] != ctx.idempotency_key for payment in known):
            with payments.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": ctx.idempotency_key, "to": claim.who, "cents": claim.cents}) + "\n")
                file.flush()
                os.fsync(file.fileno())
        claim.state = "paid"
        return f"paid {claim.cents / 100:.2f} EUR to {claim.who}"

    return pay


def read_payments(payments: Path) -> list[dict[str, Any]]:
    """What was paid so far."""
    if not payments.exists():
        return []
    return [json.loads(line) for line in payments.read_text(encoding="utf-8").splitlines()]
