"""Code of the workspace as plain data, for the tools that document it (``ToolSpec.subject``).

A function or class of the workspace cannot leave the sandbox and must not be evaluated by the host. What does leave is
what a reader needs: names, parameters as text, docstrings. The host takes it for what it is, a text of the job's own.
Durable objects go as handles, tools and methods by name: the host documents those itself, under its access decision.

Forms (dicts with the key ``describe``): ``tool`` {name}, ``method`` {of, name}, ``class_of`` {of},
``function`` {name, doc, parameters, returns}, ``class`` {name, doc, fields, methods}.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from sandbox_runner.executor.calls import ToolCallable
from sandbox_runner.executor.console import printable
from sandbox_runner.executor.enums import EnumNames
from sandbox_runner.executor.handles import DurableObject, HandleMethod, Handles
from sandbox_runner.executor.namespace import Namespace

__all__ = ["Describer"]

MAX_DOC_CHARS = 20_000
MAX_TEXT_CHARS = 300
MAX_MEMBERS = 200


class Describer:
    """Describes what the names of a workspace stand for.

    Args:
        namespace: whose names strings are looked up in.
        handles: whose proxies stand for durable classes.
    """

    def __init__(self, namespace: Namespace, handles: Handles) -> None:
        self._namespace = namespace
        self._handles = handles

    def __call__(self, value: Any, look_up: bool) -> Any:
        """The value as it is sent.

        Args:
            value: an argument.
            look_up: whether a string is a name first, and any other value stands for its class.
        """
        if look_up and type(value) is str:
            name = value.strip()
            if name in self._namespace.variables and not name.startswith("__"):
                value = self._namespace.variables[name]
            elif isinstance(self._namespace.layer.get(name), ToolCallable):
                value = self._namespace.layer[name]
            else:
                return value
        if isinstance(value, EnumNames):
            return value.__name__  # the host finds it in the agent's context
        if isinstance(value, ToolCallable):
            return {"describe": "tool", "name": value.__name__}
        if isinstance(value, HandleMethod):
            return {"describe": "method", "of": value.target, "name": value.__name__}
        if isinstance(value, DurableObject):
            return value
        if isinstance(value, type):
            if issubclass(value, DurableObject):
                known = self._handles.example_of(value)
                if known is not None:
                    return {"describe": "class_of", "of": known}
            return _class(value)
        if inspect.isroutine(value):
            return _function(value)
        return _class(type(value)) if look_up else value


def _text(value: object, limit: int = MAX_TEXT_CHARS) -> str:
    text = value if isinstance(value, str) else ""
    return printable(text[:limit])


def _doc(value: Any) -> str:
    return _text(inspect.cleandoc(value.__doc__) if isinstance(value.__doc__, str) else "", MAX_DOC_CHARS)


def _note(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    if isinstance(annotation, str):
        return _text(annotation)
    return _text(annotation.__qualname__ if isinstance(annotation, type) else str(annotation).replace("typing.", ""))


def _function(value: Any, name: str = "", *, bound: bool = False) -> dict[str, Any]:
    parameters: list[list[Any]] = []
    returns = ""
    try:
        signature = inspect.signature(value)
        returns = _note(signature.return_annotation)
        for parameter in list(signature.parameters.values())[1 if bound else 0 :][:MAX_MEMBERS]:
            default = None if parameter.default is parameter.empty else _text(repr(parameter.default))
            parameters.append([parameter.name, int(parameter.kind), _note(parameter.annotation), default])
    except Exception:  # a builtin without a signature, or a repr of the job's own that raises
        parameters = []
    shown = _text(name or getattr(value, "__name__", "function"))
    return {"describe": "function", "name": shown, "doc": _doc(value), "parameters": parameters, "returns": returns}


def _class(kind: type) -> dict[str, Any]:
    fields: list[list[str]] = []
    if dataclasses.is_dataclass(kind):
        fields = [[info.name, _note(info.type)] for info in dataclasses.fields(kind)][:MAX_MEMBERS]
    methods: list[dict[str, Any]] = []
    own = kind.__module__ == "__main__"
    for name in dir(kind) if own else ():
        found = inspect.getattr_static(kind, name, None)
        if name.startswith("_") or found is None:
            continue
        if isinstance(found, property):
            fields.append([name, ""])
        elif isinstance(found, staticmethod):
            methods.append(_function(found.__func__, name))
        elif isinstance(found, classmethod):
            methods.append(_function(found.__func__, name, bound=True))
        elif inspect.isfunction(found):
            methods.append(_function(found, name, bound=True))
    doc = _doc(kind) if "__doc__" in vars(kind) else ""
    shown = _text(kind.__name__)
    return {
        "describe": "class",
        "name": shown,
        "doc": doc,
        "fields": fields[:MAX_MEMBERS],
        "methods": methods[:MAX_MEMBERS],
    }
