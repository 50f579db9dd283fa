"""``python_cli``: the formal tool call that runs Python in a DIRECT job.

Only its name, signature and text are used: the executor runs the code of such a call as it runs the code of a
step, and has a function of its own under this name for code that calls it, so that no call crosses the boundary.
"""

from __future__ import annotations

from statek.chat_style import ChatStyle
from statek.system import tool

__all__ = ["PYTHON_CLI", "python_cli"]


@tool(system=True, target=ChatStyle.DIRECT, effect="none")
def python_cli(code: str, **kwargs: object) -> None:
    """Run Python code in the workspace; variables stay for later calls. Returns what it prints.

    Args:
        code: Python source without fences; the value of an expression that stands alone is shown.
        kwargs: none.

    Raises:
        RuntimeError: always; code is run by the sandbox of a job.
    """
    raise RuntimeError("python_cli runs in the sandbox of a job, as a formal tool call of a DIRECT job")


PYTHON_CLI = "python_cli"
"""Its name."""
