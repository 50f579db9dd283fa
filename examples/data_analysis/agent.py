"""The agent: its prompt and its one tool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from statek import SupervisedAgent, make_system_prompt, tool

__all__ = ["QUESTION", "ROLE", "TRANSCRIPT", "make_agent"]

ROLE = "data_analyst"

TRANSCRIPT = Path(__file__).with_name("transcript.md")
"""The recorded replies that are played where no model provider can be asked."""

QUESTION = (
    "How many public holidays do people lose to weekends, by country and by year? "
    "Keep plots and the numbers behind them as files."
)

_PROMPT = """ROLE: Data analyst. You work by writing Python.

GOAL: Answer the user's question from the tables at hand, then call exit("...") with the answer in two sentences.

--- PYTHON WORKSPACE ---
- Every reply needs one ```python block; it is executed, and you get what it printed.
- numpy, pandas and matplotlib are installed. There is no display: save figures, do not show them.
- Variables, functions and imports stay between replies. Reuse them.
- The current folder keeps files for the user. Put plots (PNG) and tables (CSV) into it.
- Tables: {table_names}

--- AVAILABLE FUNCTIONS ---
{brief_tools}
"""


def make_agent(folder: Path, model: str) -> SupervisedAgent:
    """The data analyst.

    Args:
        folder: holds the tables that it may read.
        model: model string, ``provider/model``.
    """
    return SupervisedAgent(
        role=ROLE,
        _system_prompt=make_system_prompt(_PROMPT),
        _tools=[_make_read_table(folder)],
        _metadata={"MODEL": model, "CHAT_STYLE": "MARKDOWN"},
        _description="Answers questions about tables, with plots.",
    )


def _make_read_table(folder: Path) -> Callable[..., str]:
    """The tool that reads tables, bound to a folder."""

    @tool(effect="none")
    def read_table(name: str, **_kwargs: Any) -> str:
        """Read a table.

        Args:
            name (str): name of the table

        Returns:
            str: its content as CSV text, the first line names the columns

        Raises:
            LookupError: there is no such table
        """
        known = sorted(path.name for path in folder.glob("*.csv"))
        if name not in known:
            raise LookupError(f"there is no table {name!r}; there are: {', '.join(known)}")
        return (folder / name).read_text(encoding="utf-8")

    return read_table
