"""Pickles of what the graph form cannot hold: functions and classes of the workspace by value.

A function of the workspace is rebuilt with the live namespace as its globals (nothing is copied), and with its own
closure cells, so that two functions that share a cell go on sharing it. Tools, handles and their methods travel by
name and id. Pickles are read in the sandbox only.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import sys
import types
from collections import ChainMap, Counter
from collections.abc import Callable, Iterable
from typing import Any

import cloudpickle

from sandbox_runner.executor.arrays import reduce_array
from sandbox_runner.executor.calls import ToolCallable
from sandbox_runner.executor.futures import Future
from sandbox_runner.executor.handles import DurableObject, HandleMethod, Handles
from sandbox_runner.executor.iterators import ITERATORS, reduce_iterator
from sandbox_runner.executor.namespace import Namespace
from sandbox_runner.wire.values import FutureRef, Substitute

__all__ = ["Pickles"]

IN_BAND_BYTES = 4096
"""Buffers below this are not worth a block of their own."""

_current: Pickles | None = None


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """One pickling run."""

    def __init__(
        self, file: io.BytesIO, pickles: Pickles, buffer_callback: Callable[[pickle.PickleBuffer], bool]
    ) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffer_callback)
        self._pickles = pickles
        self.held: set[int] = set()

    def dump(self, obj: Any) -> None:
        """Pickle; unlike cloudpickle's own, leaves a RecursionError what it is."""
        pickle.Pickler.dump(self, obj)

    def reducer_override(self, obj: Any) -> Any:
        kind = type(obj)
        if kind is Future:  # before any isinstance, which would wait for its value
            found = self._pickles.handles.futures.to_ref(obj)
            return (_same, (found.value,)) if isinstance(found, Substitute) else (_future, (found,))
        if kind is types.FunctionType:
            if obj.__globals__ is self._pickles.namespace.variables:
                return _reduce_function(obj)
        elif isinstance(obj, DurableObject):
            number, type_name = self._pickles.handles.identity(obj)
            self.held.add(number)
            return _handle, (number, type_name)
        elif kind is HandleMethod:
            return HandleMethod, (obj.target, obj.__name__, obj.signature_text, obj.__doc__ or "")
        elif kind is ToolCallable:
            return _tool, (obj.__name__,)
        elif kind is types.BuiltinFunctionType or kind is types.MethodType:
            name = self._pickles.own_names.get(id(obj))
            if name is not None:
                return _own, (name,)
        elif kind is Counter:
            # By itself it gives its items as an argument, so that one that holds itself has no end.
            return kind, (), obj.__dict__ or None, None, iter(obj.items())
        elif kind.__name__ == "ndarray" and kind.__module__ == "numpy":
            reduced = reduce_array(obj)
            if reduced is not None:
                return reduced
        elif isinstance(obj, type) and obj.__module__ == "__main__":
            # Pickling an instance notes this on its class: do it first, or the class would differ the next time.
            copyreg._slotnames(obj)  # type: ignore[attr-defined]  # noqa: SLF001
        return super().reducer_override(obj)


def _reduce_cell(cell: types.CellType) -> tuple[Any, ...]:
    try:
        contents: tuple[Any, ...] = (cell.cell_contents,)
    except ValueError:
        return _empty_cell, ()
    # The cell exists before what is in it: the function inside may hold this very cell.
    return _empty_cell, (), contents, None, None, _fill_cell


def _empty_cell() -> types.CellType:
    return types.CellType()


def _fill_cell(cell: types.CellType, contents: tuple[Any, ...]) -> None:
    cell.cell_contents = contents[0]


def _reduce_code(code: types.CodeType) -> tuple[Any, ...]:
    make, arguments = cloudpickle.Pickler.dispatch_table[types.CodeType](code)
    arguments = list(arguments)
    for position in _NAMES:
        arguments[position] = tuple(map(_apart, arguments[position]))
    arguments[_QUALNAME] = _apart(code.co_qualname)
    return make, tuple(arguments)


_NAMES = (8, 9, 16, 17)
"""Where ``types.CodeType`` takes names, names of variables, free and cell variables (codeobject.c, since 3.11)."""
_QUALNAME = 12


_NAMES_APART = sys.version_info >= (3, 12)
"""With Python 3.11 pickles keep the form that stores already hold: in another one every function would have changed."""


def _apart(name: str) -> str:
    """A name as a text that is one object with no other, as cloudpickle does with ``co_name``.

    A pickle refers back to the same object. Whether the names of variables, of functions and in code are one object
    depends on who interned them: the compiler, ``types.CodeType`` (more of them from Python 3.13 on), an earlier use in
    this process, or nobody, after a restore: a function that nobody touched would have other bytes. (Texts of one
    character are the same object everywhere then, too.)
    """
    return "".join(name) if _NAMES_APART and type(name) is str else name


def _reduce_function(function: types.FunctionType) -> tuple[Any, ...]:
    state = {
        "__qualname__": _apart(function.__qualname__),
        "__module__": function.__module__,
        "__doc__": function.__doc__,
        "__defaults__": function.__defaults__,
        "__kwdefaults__": function.__kwdefaults__,
        "__annotations__": function.__annotations__,
        "__dict__": function.__dict__,
    }
    made = (function.__code__, _apart(function.__name__), function.__closure__)
    return _make_function, made, state, None, None, _fill_function


_Pickler.dispatch_table = ChainMap(
    {
        types.CellType: _reduce_cell,
        types.CodeType: _reduce_code,
        **dict.fromkeys(ITERATORS, reduce_iterator),
    },
    cloudpickle.Pickler.dispatch_table,
)


def _make_function(code: types.CodeType, name: str, closure: tuple[types.CellType, ...] | None) -> types.FunctionType:
    return types.FunctionType(code, _pickles().namespace.variables, name, None, closure)


def _fill_function(function: types.FunctionType, state: dict[str, Any]) -> None:
    function.__dict__.update(state.pop("__dict__"))
    for name, value in state.items():
        setattr(function, name, value)


def _pickles() -> Pickles:
    assert _current is not None
    return _current


def _handle(number: int, type_name: str) -> object:
    return _pickles().handles.get(number, type_name)


def _future(ref: FutureRef) -> object:
    return _pickles().handles.futures.from_ref(ref)


def _same(value: object) -> object:
    return value


def _tool(name: str) -> object:
    return _pickles().namespace.tool(name)


def _own(name: str) -> object:
    return _pickles().namespace.layer[name]


class Pickles:
    """Writes and reads pickles of one workspace.

    Args:
        namespace: globals of the functions.
        handles: the proxies.
    """

    def __init__(self, namespace: Namespace, handles: Handles) -> None:
        global _current
        _current = self
        self.namespace = namespace
        self.handles = handles
        self.own_names: dict[int, str] = {}

    def dump(self, variables: dict[str, Any], held: set[int]) -> tuple[bytes, list[memoryview]]:
        """Pickle variables by name; gives the stream and the buffers that stay where they are.

        Args:
            variables: any values.
            held: receives the ids of the handles in it.

        Raises:
            Exception: whatever a value's own reduction raises.
        """
        buffers: list[memoryview] = []

        def keep(buffer: pickle.PickleBuffer) -> bool:
            try:
                raw = buffer.raw()
            except BufferError:  # not contiguous
                return True
            if raw.nbytes < IN_BAND_BYTES:
                return True
            buffers.append(raw)
            return False

        file = io.BytesIO()
        pickler = _Pickler(file, self, keep)
        pickler.dump({_apart(name): value for name, value in variables.items()})
        held |= pickler.held
        return file.getvalue(), buffers

    def load(self, stream: bytes | memoryview, buffers: Iterable[object]) -> Any:
        """Read a pickle of this job, inside its sandbox."""
        return pickle.loads(stream, buffers=buffers)  # noqa: TID251 -- in the sandbox, its own data
