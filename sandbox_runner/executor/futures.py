"""Values that are not there yet: transparent objects that wait for the host at their first real use.

A tool may answer with a future (a human approval, a callback). In the workspace it is an object that does whatever
its value does; the first time that somebody needs the value, the executor asks the host (AWAIT) and stops there until
it is answered. Passing it on, storing it and binding names to it do not wait.

What it cannot imitate: ``x is None`` and C code that looks at exact types (``json.dumps``, the elements of
``str.join``). A top-level variable is replaced by the value after the statement that waited for it, and ``get_all(x)``
gives the value itself.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from sandbox_runner.executor.calls import AWAIT, Caller
from sandbox_runner.executor.errors import make_error
from sandbox_runner.wire.values import FutureRef, GraphError, Handle, Substitute, encode

__all__ = ["Future", "Futures", "after_statement", "is_pending", "pending_text", "value_of"]

_table: Futures | None = None


class _Cell:
    """What all objects of one future share."""

    __slots__ = ("done", "error", "number", "size", "value", "what")

    def __init__(self, number: int, what: str, size: int) -> None:
        self.number = number
        self.what = what
        self.size = size
        self.done = False
        self.value: Any = None
        self.error: tuple[str, str] | None = None


class Future:
    """Stands for a value that is not there yet; every use of it is a use of the value."""

    __slots__ = ("__weakref__", "_statek_cell", "_statek_index")
    _statek_cell: _Cell
    _statek_index: int

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__" and is_pending(self) and not _the_table().may_wait:
            return Future
        return getattr(value_of(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(value_of(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(value_of(self), name)

    def __iter__(self) -> Iterator[Any]:
        cell = _cell_of(self)
        if is_pending(self) and cell.size and _index_of(self) < 0:
            return iter([_made(cell, index) for index in range(cell.size)])
        return iter(value_of(self))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the value."""
        return value_of(self)(*args, **kwargs)

    def __copy__(self) -> Any:
        import copy

        return copy.copy(value_of(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        import copy

        return copy.deepcopy(value_of(self), memo)

    def __pow__(self, other: Any, modulus: Any = None) -> Any:
        return pow(value_of(self), value_of(other), modulus)

    def __format__(self, specification: str) -> str:
        return format(value_of(self), specification)

    def __await__(self) -> Any:
        value = value_of(self)
        if hasattr(value, "__await__"):
            value = yield from value.__await__()
        return value

    def __exit__(self, *details: object) -> Any:
        return value_of(self).__exit__(*details)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a future is pickled by the executor only")


_cell_of: Callable[[Any], _Cell] = Future.__dict__["_statek_cell"].__get__
_index_of: Callable[[Any], int] = Future.__dict__["_statek_index"].__get__
_set_cell = Future.__dict__["_statek_cell"].__set__
_set_index = Future.__dict__["_statek_index"].__set__


def _unary(function: Callable[..., Any]) -> Callable[[Any], Any]:
    def call(self: Any) -> Any:
        return function(value_of(self))

    return call


def _binary(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    def call(self: Any, other: Any) -> Any:
        return function(value_of(self), value_of(other))

    return call


def _reflected(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    def call(self: Any, other: Any) -> Any:
        return function(value_of(other), value_of(self))

    return call


def _setitem(self: Any, key: Any, value: Any) -> None:
    value_of(self)[value_of(key)] = value


def _instancecheck(self: Any, item: Any) -> bool:
    return isinstance(item, value_of(self))


def _named(name: str) -> Callable[..., Any]:
    def call(self: Any, *args: Any) -> Any:
        return getattr(value_of(self), name)(*args)

    return call


def _install() -> None:
    """Give the class every operator: Python looks them up on the type, past ``__getattribute__``."""
    unary: dict[str, Any] = {
        "bool": bool, "len": len, "hash": hash, "repr": repr, "str": str, "bytes": bytes, "int": int, "float": float,
        "complex": complex, "index": operator.index, "neg": operator.neg, "pos": operator.pos, "abs": abs,
        "invert": operator.invert, "reversed": reversed, "next": next, "dir": dir, "enter": _named("__enter__"),
        "aiter": _named("__aiter__"), "anext": _named("__anext__"), "trunc": _named("__trunc__"),
        "floor": _named("__floor__"), "ceil": _named("__ceil__"), "fspath": _named("__fspath__"),
        "length_hint": operator.length_hint,
    }  # fmt: skip
    for name, function in unary.items():
        setattr(Future, f"__{name}__", function if function.__name__ == "call" else _unary(function))
    for name in ("eq", "ne", "lt", "le", "gt", "ge", "getitem", "delitem", "contains"):
        setattr(Future, f"__{name}__", _binary(getattr(operator, name)))
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "matmul", "lshift", "rshift", "and", "or", "xor"):
        operation = getattr(operator, f"__{name}__")
        setattr(Future, f"__{name}__", _binary(operation))
        setattr(Future, f"__r{name}__", _reflected(operation))
        setattr(Future, f"__i{name}__", _binary(getattr(operator, f"__i{name}__")))
    others: dict[str, Any] = {
        "setitem": _setitem, "divmod": _binary(divmod), "rdivmod": _reflected(divmod), "rpow": _reflected(operator.pow),
        "ipow": _binary(operator.ipow), "round": _named("__round__"), "instancecheck": _instancecheck,
    }  # fmt: skip
    for name, function in others.items():
        setattr(Future, f"__{name}__", function)


_install()


def _the_table() -> Futures:
    assert _table is not None
    return _table


def _made(cell: _Cell, index: int) -> Future:
    made = object.__new__(Future)
    _set_cell(made, cell)
    _set_index(made, index)
    return made


def is_pending(value: object) -> bool:
    """Whether it is a future whose value is not here. Waits for nothing."""
    return type(value) is Future and (not _cell_of(value).done or _cell_of(value).error is not None)


def pending_text(future: object) -> str:
    """A future for people, without waiting for it."""
    cell = _cell_of(future)
    return f"<{'failed' if cell.error else 'pending'}: {cell.what or f'future {cell.number}'}>"


def value_of(value: Any) -> Any:
    """The value itself; waits for the host where a future has none yet.

    Raises:
        Exception: what became of the future, when it has no value.
    """
    while type(value) is Future:
        cell, index = _cell_of(value), _index_of(value)
        if not cell.done:
            _the_table().wait_all([cell])
        if cell.error is not None:
            raise make_error(*cell.error)
        value = cell.value if index < 0 else cell.value[index]
    return value


def after_statement(variables: dict[str, Any]) -> None:
    """Replace the variables whose futures were waited for by their values."""
    if _table is not None:
        _table.after_statement(variables)


class Futures:
    """Every future of this sandbox.

    Args:
        caller: carries the waits.
    """

    def __init__(self, caller: Caller) -> None:
        global _table
        _table = self
        self._caller = caller
        self._cells: dict[int, _Cell] = {}
        self._fresh = False
        self._statement = 0

    @property
    def may_wait(self) -> bool:
        """Whether a step runs that can wait."""
        return self._caller.is_open

    def from_ref(self, ref: FutureRef) -> Future:
        """Decoder hook."""
        cell = self._cells.get(ref.id)
        if cell is None:
            cell = self._cells[ref.id] = _Cell(ref.id, ref.what, ref.size)
        return _made(cell, ref.index)

    def to_ref(self, future: Future) -> FutureRef | Substitute:
        """Encoder hook: the value where it is here, else what stands for it. Waits for nothing."""
        cell, index = _cell_of(future), _index_of(future)
        if not is_pending(future):
            return Substitute(cell.value if index < 0 else cell.value[index])
        return FutureRef(cell.number, cell.what, cell.size, index)

    def begin(self) -> None:
        """A step begins."""
        self._statement = 0

    def after_statement(self, variables: dict[str, Any]) -> None:
        """Replace the variables whose futures were waited for by their values."""
        self._statement += 1
        if not self._fresh:
            return
        self._fresh = False
        for name, value in list(variables.items()):
            if type(value) is Future and not is_pending(value):
                variables[name] = value_of(value)

    def settle(self, value: object, to_handle: Callable[[object], Handle | FutureRef | Substitute | None]) -> None:
        """Wait for every future inside a value that is about to leave for good."""
        found: dict[int, _Cell] = {}

        def collect(item: object) -> Handle | FutureRef | Substitute | None:
            if type(item) is Future and not _cell_of(item).done:
                found[_cell_of(item).number] = _cell_of(item)
            return to_handle(item)

        if any(not cell.done for cell in self._cells.values()):
            try:
                encode(value, to_handle=collect)
            except GraphError:
                return  # whoever encodes it in earnest says what is wrong
            if found:
                self.wait_all(list(found.values()))

    def wait_all(self, cells: list[_Cell]) -> None:
        """Wait until all of these have come to an end."""
        found: Any = self._ask("all", cells)
        for cell, (value, error_type, message) in zip(cells, found, strict=True):
            self._note(cell, value, error_type, message)

    def _ask(self, mode: str, cells: list[_Cell]) -> Any:
        asked = self._caller.encoded([[cell.number for cell in cells], self._statement], mode)
        return self._caller.call(AWAIT, 0, mode, asked, b"")

    def _note(self, cell: _Cell, value: Any, error_type: str, message: str) -> None:
        cell.value = value
        cell.error = (error_type, message) if error_type else None
        cell.done = self._fresh = True

    def get_any(self, *futures: Any) -> Any:
        """Give the value of the first of these that is there; plain values are there."""
        if not futures:
            raise TypeError("get_any() needs at least one future or value")
        for item in futures:
            if type(item) is not Future or _cell_of(item).done:
                return value_of(item)
        cells = [_cell_of(item) for item in futures]
        position, value, error_type, message = self._ask("any", cells)
        self._note(cells[position], value, error_type, message)
        return value_of(futures[position])

    def get_all(self, *futures: Any) -> tuple[Any, ...]:
        """Give the values of all of these in order, once all are there; plain values are there."""
        if not futures:
            raise TypeError("get_all() needs at least one future or value")
        waiting = {_cell_of(item).number: _cell_of(item) for item in futures if type(item) is Future}
        open_cells = [cell for cell in waiting.values() if not cell.done]
        if open_cells:
            self.wait_all(open_cells)
        return tuple([value_of(item) for item in futures])
