"""The one namespace of a workspace and the layer of names under it.

Variables are the dict of a module registered as ``__main__``: classes and functions defined there pickle by value, and
every function sees the live variables. Tools, print, exit and error classes are in its builtins: a variable of the
same name shadows them and they are never saved.
"""

from __future__ import annotations

import builtins
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sandbox_runner.executor.calls import Caller, ToolCallable
from sandbox_runner.executor.errors import LostVariableError, public_errors
from sandbox_runner.wire.frames import ToolSpec

__all__ = ["Namespace"]


class _LosingBuiltins(dict[str, Any]):
    """Builtins that know which variables were lost.

    CPython asks a builtins dict that is a subclass through its item access, from functions and top level alike. It
    costs the fast lookup of globals, so that it is used only when something was lost.
    """

    lost: Mapping[str, str]

    def __missing__(self, name: str) -> Any:
        reason = self.lost.get(name)
        if reason is None:
            raise KeyError(name)
        raise LostVariableError(f"variable '{name}' could not be kept: {reason}", name=name)


class Namespace:
    """Variables of the workspace.

    Args:
        caller: carries the calls of tools.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.module = types.ModuleType("__main__")
        self.variables: dict[str, Any] = self.module.__dict__
        caller.variables = self.variables
        self.layer: dict[str, Any] = {}
        self.lost: dict[str, str] = {}
        self._tools: dict[str, ToolCallable] = {}
        self._specs: dict[str, ToolSpec] = {}
        self._base = {**builtins.__dict__, **public_errors()}
        self._use(dict(self._base))
        sys.modules["__main__"] = self.module

    def _use(self, layer: dict[str, Any]) -> None:
        self.layer = layer
        self.variables["__builtins__"] = layer

    def define(self, names: Mapping[str, Callable[..., Any]]) -> None:
        """Add names of the executor itself (print, exit) to the layer."""
        self._base.update(names)
        self.layer.update(names)

    def set_lost(self, lost: Mapping[str, str]) -> None:
        """Make later use of these names raise LostVariableError. Before any function is restored or made."""
        self.lost = dict(lost)
        if lost:
            layer = _LosingBuiltins(self.layer)
            layer.lost = self.lost
            self._use(layer)

    def add_lost(self, name: str, reason: str) -> None:
        """Note a variable that could not be restored."""
        self.lost[name] = reason

    def renew(self) -> None:
        """Put the layer right, in place (functions hold it): a step that emptied it must not be the job's last."""
        self.layer.update(self._base)
        self.layer.update({name: self._tools[name] for name in self._specs})
        self.variables["__builtins__"] = self.layer

    def set_tools(self, specs: Iterable[ToolSpec]) -> None:
        """Install exactly these tools."""
        wanted = {spec.name: spec for spec in specs}
        if wanted == self._specs:
            return
        for name in self._specs.keys() - wanted.keys():
            if name in self._base:
                self.layer[name] = self._base[name]
            else:
                self.layer.pop(name, None)
        for name, spec in wanted.items():
            if self._specs.get(name) != spec:
                self._tools[name] = ToolCallable(self._caller, spec)
            self.layer[name] = self._tools[name]
        self._specs = wanted

    def tool(self, name: str) -> ToolCallable:
        """The tool of this name, made if the job does not have it (any more): calling it asks the host."""
        return self._tools.setdefault(name, ToolCallable(self._caller, ToolSpec(name)))

    def saved(self) -> dict[str, Any]:
        """A snapshot of the variables that belong to a checkpoint."""
        return {
            name: value
            for name, value in list(self.variables.items())
            if type(name) is str and not (name.startswith("__") and name.endswith("__"))
        }
