"""The agent of a bakery's counter: it knows the price list, takes an order and sends it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import statek
from statek.agents.dialog_agent import DialogAgent

__all__ = ["PRICES", "RECORDED_USER", "TRANSCRIPT", "make_agent"]

TRANSCRIPT = Path(__file__).with_name("transcript.md")

PRICES = {"rye bread": 390, "baguette": 150, "plum cake": 280}
"""Cents by article."""

RECORDED_USER = (
    "What do you have without wheat?",
    "Then two of those, and a plum cake, please.",
    "Yes, send it.",
)
"""What the user says to the recording."""

_PROMPT = """
You serve the customers of a small bakery. What you write outside of code goes to the customer: be brief and friendly.
Work in Python where you have to look something up or to calculate; variables stay from message to message.
When the customer has confirmed an order, call answer(...) with what was ordered.

{brief_tools}
"""

_REMINDER = "Ask whether the order is complete, or call answer() if it was confirmed."
_LONG_DIALOG = 8
"""Messages after which the agent is reminded to come to an end."""


@statek.tool(effect="none")
def price_list(**kwargs: Any) -> dict[str, int]:
    """Give the price of every article in cents."""
    return PRICES


def make_agent(show: Callable[[str], None], model: str) -> DialogAgent:
    """The agent.

    Args:
        show: prints a line for the customer.
        model: model string, ``provider/model``.
    """

    # Showing a line again does no harm: a message that was under way when the program died is sent again.
    @statek.tool(idempotent=True)
    def send_message(body: str, **kwargs: Any) -> None:
        """Show a message to the customer."""
        for line in body.splitlines():
            show(line)

    agent = DialogAgent(
        send_message, tools=[price_list], role="bakery", _metadata={"MODEL": model}, _system_prompt=_PROMPT
    )
    agent.set_new_reminder(_REMINDER, min_dialog_len=_LONG_DIALOG)
    return agent
