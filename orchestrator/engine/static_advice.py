"""Asks the static policy about code without keeping the event loop."""

from __future__ import annotations

import asyncio

from statek.static_policy import Finding, StaticPolicy, check_code, is_worth_a_look

__all__ = ["examine"]

_SHORT_CODE_CHARS = 1000
"""Advice about so much takes below 2 ms."""


async def examine(source: str, policy: StaticPolicy) -> tuple[Finding, ...]:
    """What ``check_code`` says; in a thread where that may take more than a moment."""
    if not is_worth_a_look(source, policy):
        return ()
    if policy is StaticPolicy.ENFORCE or len(source) > _SHORT_CODE_CHARS:
        return await asyncio.to_thread(check_code, source, policy)
    return check_code(source, policy)
