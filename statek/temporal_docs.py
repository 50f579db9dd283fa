"""What agents are shown of a temporal's result: what its complement gives, for that is what their code gets."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from statek.docstring import ParsedDoc, parse_docstring

__all__ = ["with_complement"]


def with_complement(
    function: Callable[..., Any], signature: inspect.Signature, doc: ParsedDoc
) -> tuple[inspect.Signature, ParsedDoc]:
    """The signature and docstring of a function, its result that of the complement where it is a temporal.

    What the complement does not say of its result is left as the function says it.

    Args:
        function: decorated with ``temporal`` or not.
        signature: what is shown of it.
        doc: its docstring, taken apart.
    """
    complement = getattr(function, "__temporal_complement__", None)
    if complement is None:
        return signature, doc
    returned = _return_annotation(complement)
    if returned is not inspect.Signature.empty:
        signature = signature.replace(return_annotation=returned)
    described = parse_docstring(complement.__doc__ if inspect.isroutine(complement) else None).returns
    return signature, doc if described is None else replace(doc, returns=described)


def _return_annotation(complement: Callable[..., Any]) -> Any:
    """The annotation of what a complement returns, as an object where it can be one."""
    try:
        written = inspect.signature(complement).return_annotation
    except (TypeError, ValueError):
        return inspect.Signature.empty
    if written is inspect.Signature.empty:
        return written
    try:
        return typing.get_type_hints(complement).get("return", written)
    except Exception:  # noqa: BLE001 -- evaluating an application's annotation may raise anything
        return written
