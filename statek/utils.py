"""The documents' context helpers and renderers by their documented path; each lives in the module that owns it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from statek.doc_format import format_brief, format_detailed
from statek.job_context import perm_ctx_get, perm_ctx_set, perm_ctx_set_unique, statek_ctx_get, statek_ctx_set
from statek.rendering import format_default_llm_repr as format_llm_repr
from statek.rendering import render_value as format_value_repr
from statek.tool_specs import provider_spec
from statek.tools import ToolDef

__all__ = [
    "format_callable_decl",
    "format_llm_repr",
    "format_tool_spec",
    "format_value_repr",
    "perm_ctx_get",
    "perm_ctx_set",
    "perm_ctx_set_unique",
    "statek_ctx_get",
    "statek_ctx_set",
]


def format_callable_decl(function: Callable[..., Any], *, detailed: bool = False) -> str:
    """How a prompt shows a callable: as ``{brief_tools}`` does, or as ``{detailed_tools}``.

    Raises:
        InvalidRequest: it can be no tool.
    """
    tool = ToolDef.of(function)
    return format_detailed(tool) if detailed else format_brief(tool)


def format_tool_spec(function: Callable[..., Any]) -> dict[str, Any]:
    """How a provider is told of a callable: OpenAI's function form.

    Raises:
        InvalidRequest: it can be no tool.
    """
    return provider_spec(ToolDef.of(function))
