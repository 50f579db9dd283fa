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

from sandbox_runner.executor.calls import NAME, Caller, ToolCallable
from sandbox_runner.executor.enums import context_enums
from sandbox_runner.executor.errors import LostVariableError, public_errors
from sandbox_runner.wire.frames import ToolSpec
from sandbox_runner.wire.values import encode

__all__ = ["Namespace"]

_WRITER = "shared_context_set_var"
_NO_ARGUMENTS = encode([])


class _AskingBuiltins(dict[str, Any]):
    """Builtins that know which variables were lost, and ask the host for those that jobs share.

    CPython asks a builtins dict that is a subclass through its item access, from functions and top level alike. It
    costs the fast lookup of globals, so that it is used only when something was lost or the job has a shared context.
    """

    namespace: Namespace

    def __missing__(self, name: str) -> Any:
        reason = self.namespace.lost.get(name)
        if reason is not None:
            raise LostVariableError(f"variable '{name}' could not be kept: {reason}", name=name)
        return self.namespace.shared.find(name)


class _SharedNames:
    """The shared context as the running step sees it: each name is asked for once."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._active = False
        self.names: frozenset[str] = frozenset()
        self._found: dict[str, Any] = {}
        self._absent: set[str] = set()

    def begin(self, *, active: bool, names: Iterable[str]) -> None:
        """Start a step."""
        self._active, self.names = active, frozenset(names)
        self._found.clear()
        self._absent.clear()

    def called(self, tool: str) -> None:
        """A tool was called; after one that writes what was seen may be old."""
        if tool == _WRITER:
            self._found.clear()
            self._absent.clear()

    def find(self, name: str) -> Any:
        """The shared variable of this name.

        Raises:
            KeyError: there is none; Python makes a NameError of it.
        """
        if name in self._found:
            return self._found[name]
        if not self._active or type(name) is not str or name.startswith("_") or name in self._absent:
            raise KeyError(name)
        try:
            value = self._caller.call(NAME, 0, name, _NO_ARGUMENTS, b"")
        except NameError:
            self._absent.add(name)
            raise KeyError(name) from None
        except RuntimeError:  # a value of the job looks its globals up while it is saved, after the step
            raise KeyError(name) from None
        self._found[name] = value
        return value

    def refuse_assignment(self, names: Iterable[str], variables: Mapping[str, Any]) -> None:
        """Refuse to hide a shared variable; a name that the job has already is its own.

        Raises:
            PermissionError: one of the names is shared.
        """
        for name in names:
            if name in self.names and name not in variables:
                raise PermissionError(
                    f"Shared context variable is read-only: {name}. Use shared_context_set_var(...) to change it, or "
                    "another name for a variable of your own."
                )


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
        self.shared = _SharedNames(caller)
        caller.called = self.shared.called
        self._tools: dict[str, ToolCallable] = {}
        self._specs: dict[str, ToolSpec] = {}
        self._enums: dict[str, Any] = {}
        self._enum_data = b""
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
            self.ask()

    def ask(self) -> None:
        """Let missing names be asked for. Functions that exist already do not take part: before any is made."""
        if type(self.layer) is dict:
            layer = _AskingBuiltins(self.layer)
            layer.namespace = self
            self._use(layer)

    def share(self, *, active: bool, names: Iterable[str]) -> None:
        """Start a step with this shared context."""
        if active:
            self.ask()
        self.shared.begin(active=active, names=names)

    def add_lost(self, name: str, reason: str) -> None:
        """Note a variable that could not be restored."""
        self.lost[name] = reason

    def renew(self) -> None:
        """Put the layer right, in place (functions hold it): a step that emptied it must not be the job's last."""
        self.layer.update(self._base)
        self.layer.update(self._enums)
        self.layer.update({name: self._tools[name] for name in self._specs})
        self.variables["__builtins__"] = self.layer

    def set_enums(self, data: bytes) -> None:
        """Install exactly these enums of the agent's context (``RunStep.enums``); a tool of the same name hides one."""
        if data == self._enum_data:
            return
        found = context_enums(data)
        gone = self._enums.keys() - found.keys()
        self._enums, self._enum_data = found, data
        self._uncover(gone - self._specs.keys())
        self.layer.update({name: value for name, value in found.items() if name not in self._specs})

    def _uncover(self, names: Iterable[str]) -> None:
        """Take names out of the layer; what they hid is there again."""
        for name in names:
            if name in self._enums or name in self._base:
                self.layer[name] = self._enums.get(name, self._base.get(name))
            else:
                self.layer.pop(name, None)

    def set_tools(self, specs: Iterable[ToolSpec]) -> None:
        """Install exactly these tools."""
        wanted = {spec.name: spec for spec in specs}
        if wanted == self._specs:
            return
        self._uncover(self._specs.keys() - wanted.keys())
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
