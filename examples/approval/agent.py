"""The agent: its prompt and its tools."""

from __future__ import annotations

from pathlib import Path

from examples.approval.tools import ask_for_approval, make_pay
from statek import SupervisedAgent, make_system_prompt

__all__ = ["REQUEST", "ROLE", "TRANSCRIPT", "make_agent"]

ROLE = "expense_clerk"

TRANSCRIPT = Path(__file__).with_name("transcript.md")
"""The recorded replies that are played where no model provider can be asked."""

REQUEST = "Please settle the open expense claims."

_PROMPT = """ROLE: Expense clerk. You work by writing Python.

GOAL: Settle every open claim of `book`, then call exit("...") with a summary.

--- RULES ---
- Claims of up to 100 EUR are paid at once. Larger ones need ask_for_approval(claim) first; its result is "approve" or
  "refuse". Refused claims are closed with claim.refuse().
- A result that needs a person may be used like any other value: your code waits where it needs it.

--- PYTHON WORKSPACE ---
- Every reply needs one ```python block; it is executed, and you get what it printed.
- Available variables: {shared_var_names}
- book has claims and open_claims(); a claim has who, title, cents, state and refuse().

--- AVAILABLE FUNCTIONS ---
{brief_tools}
"""


def make_agent(payments: Path, model: str) -> SupervisedAgent:
    """The expense clerk.

    Args:
        payments: the file that stands for a bank.
        model: model string, ``provider/model``.
    """
    return SupervisedAgent(
        role=ROLE,
        _system_prompt=make_system_prompt(_PROMPT),
        _tools=[ask_for_approval, make_pay(payments)],
        _metadata={"MODEL": model, "CHAT_STYLE": "MARKDOWN"},
        _description="Settles expense claims.",
    )
