"""Tools as model providers are told of them: the function form of OpenAI, which litellm translates for the others."""

from __future__ import annotations

import datetime as dt
import enum
import inspect
import types
import typing
from typing import Any

from statek.docstring import parse_docstring
from statek.tools import ToolDef

__all__ = ["provider_spec"]

_TYPES: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", dict: "object"}
_ARRAYS = frozenset({list, tuple, set, frozenset})
_DATES: dict[Any, str] = {dt.datetime: "date-time", dt.date: "date", dt.time: "time"}
_MAX_ENUM_VALUES = 200


def provider_spec(tool: ToolDef) -> dict[str, Any]:
    """One tool in OpenAI's form.

    Parameters that a model may not give are left out. What an annotation says that JSON has no word for is text: the
    name of a variable stands for the variable there.
    """
    described = {item.name: item.text for item in parse_docstring(tool.function.__doc__).args}
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, parameter in tool.visible.parameters.items():
        if parameter.kind in {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
            continue
        schema = _schema(tool.hints.get(name))
        if described.get(name):
            schema["description"] = described[name]
        properties[name] = schema
        if parameter.default is inspect.Parameter.empty:
            required.append(name)
    parameters: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        parameters["required"] = required
    function = {"name": tool.name, "description": tool.brief or tool.name, "parameters": parameters}
    return {"type": "function", "function": function}


def _schema(annotation: Any) -> dict[str, Any]:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _schema(typing.get_args(annotation)[0])
    if origin is typing.Union or origin is types.UnionType:
        members = [member for member in typing.get_args(annotation) if member is not type(None)]
        return _schema(members[0]) if len(members) == 1 else {"type": "string"}
    if origin is typing.Literal:
        return _literal(typing.get_args(annotation))
    kind = origin or annotation
    if kind in _TYPES:
        return {"type": _TYPES[kind]}
    if kind in _ARRAYS:
        members = [member for member in typing.get_args(annotation) if member is not Ellipsis]
        # Providers refuse an array that does not say what is in it.
        return {"type": "array", "items": _schema(members[0]) if members else {"type": "string"}}
    if kind in _DATES:
        return {"type": "string", "format": _DATES[kind]}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        names = list(kind.__members__)
        return {"type": "string", "enum": names} if 0 < len(names) <= _MAX_ENUM_VALUES else {"type": "string"}
    return {"type": "string"}


def _literal(members: tuple[Any, ...]) -> dict[str, Any]:
    for kind, name in ((str, "string"), (bool, "boolean"), (int, "integer")):
        if all(type(member) is kind for member in members):
            return {"type": name, "enum": list(members)} if kind is str else {"type": name}
    return {"type": "string"}
