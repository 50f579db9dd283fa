"""Names of the documents' context helpers and renderers; each lives in the module that owns it."""

from __future__ import annotations

from statek.job_context import perm_ctx_get, perm_ctx_set, perm_ctx_set_unique, statek_ctx_get, statek_ctx_set
from statek.rendering import format_default_llm_repr as format_llm_repr
from statek.rendering import render_value as format_value_repr

__all__ = [
    "format_llm_repr",
    "format_value_repr",
    "perm_ctx_get",
    "perm_ctx_set",
    "perm_ctx_set_unique",
    "statek_ctx_get",
    "statek_ctx_set",
]
