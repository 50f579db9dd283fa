"""The tools that every job has, whatever its agent; importing this package registers them.

Plain functions declared with ``@tool(system=True)``. They print through ``ctx.show`` and return nothing, act on their
own job through ``ctx.job`` only, and may be called by an application's own code too, where they print to its standard
output. A module that adds one is imported here.
"""

from __future__ import annotations

from statek.system_tools import difficulty, documentation, documents, examples, python_cli, shared_context, sub_tasks

__all__ = ["difficulty", "documentation", "documents", "examples", "python_cli", "shared_context", "sub_tasks"]
