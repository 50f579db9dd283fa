"""Proxies of durable objects: fields read from the snapshot, everything else a host call.

One proxy per handle id, one class per type key. States come in bundles (docs/handles.md) with the step and with
every answer; a new state replaces the old one. A handle met before its type is known gets its class later.
"""

# ruff: noqa: SLF001 -- proxies hide their state from user code behind underscores; this module is their owner
from __future__ import annotations

import inspect
import sys
import types
from typing import Any

from sandbox_runner.executor.calls import GET_ATTRIBUTE, METHOD, SET_ATTRIBUTE, Caller, parse_signature
from sandbox_runner.executor.enums import enum_member
from sandbox_runner.executor.errors import AccessDenied
from sandbox_runner.executor.futures import Future, Futures
from sandbox_runner.wire.values import FutureRef, GraphLimits, Handle, Substitute, decode

__all__ = ["HOST_LIMITS", "DurableObject", "HandleMethod", "Handles", "State", "TypeInfo"]

HOST_LIMITS = GraphLimits(max_bytes=1 << 30, max_nodes=1 << 30, max_depth=1 << 30, max_text_bytes=1 << 30)
"""What the sandbox accepts from its host, which is trusted."""


_OWN_REFERENCES = 2


class TypeInfo:
    """What is known of a type of durable objects."""

    __slots__ = ("fields", "methods", "name", "proxy_class", "writable")

    def __init__(self, name: str, fields: list[str], writable: list[str], methods: dict[str, list[str]]) -> None:
        self.name = name
        self.fields = frozenset(fields)
        self.writable = frozenset(writable)
        self.methods = methods
        self.proxy_class: type[DurableObject] = DurableObject


class State:
    """One snapshot of a durable object. ``items`` is a list, a dict or a set for collections."""

    __slots__ = ("denied", "fields", "items", "length", "text", "version")

    def __init__(self) -> None:
        self.version = b""
        self.fields: dict[str, Any] = {}
        self.items: Any = None
        self.length: int | None = None
        self.text: str | None = None
        self.denied: str | None = None

    @property
    def is_outline(self) -> bool:
        """Whether nothing of the object is known: it was only named, or its state was withdrawn."""
        known = (self.items, self.length, self.text, self.denied)
        return not self.fields and all(part is None for part in known)


class HandleMethod:
    """A method of a durable object, bound to it; calling it asks the host."""

    def __init__(self, target: DurableObject, name: str, signature: str, doc: str) -> None:
        self.target = target
        self.signature_text = signature
        self.__name__ = name
        self.__qualname__ = f"{type(target).__name__}.{name}"
        self.__doc__ = doc or None

    @property
    def __self__(self) -> DurableObject:
        """The object that the method belongs to."""
        return self.target

    @property
    def __signature__(self) -> inspect.Signature:
        """What ``inspect.signature`` shows."""
        return parse_signature(self.signature_text)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the host."""
        return self.target._ask(METHOD, self.__name__, list(args), kwargs)

    def __eq__(self, other: object) -> bool:
        return type(other) is HandleMethod and (self.target, self.__name__) == (other.target, other.__name__)

    def __hash__(self) -> int:
        return hash((self.target, self.__name__))

    def __repr__(self) -> str:
        return f"<method {self.__qualname__}{self.signature_text}>"


class DurableObject:
    """A durable object of the host. Attributes and methods are what its type declares."""

    __slots__ = ("__weakref__", "_handles", "_number", "_state", "_type")
    _handles: Handles
    _number: int
    _state: State
    _type: TypeInfo | None

    def __getattr__(self, name: str) -> Any:
        # Only called for names that Python does not find: every declared field and method.
        if name.startswith("_"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'", name=name, obj=self)
        known, state = self._type, self._state
        if name in state.fields:
            return state.fields[name]
        if state.denied is not None:
            raise AccessDenied(state.denied)
        if known is None:
            return self._ask_value(GET_ATTRIBUTE, name, [])
        method = known.methods.get(name)
        if method is not None:
            return HandleMethod(self, name, *method)
        if name in known.fields:
            return self._ask_value(GET_ATTRIBUTE, name, [])
        raise AttributeError(
            f"'{known.name}' object has no attribute '{name}'; it has {', '.join(_names(known)) or 'none'}",
            name=name,
            obj=self,
        )

    def __setattr__(self, name: str, value: Any) -> None:
        known = self._type
        if name.startswith("_"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'", name=name, obj=self)
        if known is not None and name not in known.writable:
            if name in known.fields or name in known.methods:
                raise AttributeError(
                    f"attribute '{name}' of '{known.name}' objects is not writable", name=name, obj=self
                )
            raise AttributeError(
                f"'{known.name}' object has no attribute '{name}'; it has {', '.join(_names(known)) or 'none'}",
                name=name,
                obj=self,
            )
        self._ask_value(SET_ATTRIBUTE, name, [value])

    def __delattr__(self, name: str) -> None:
        raise AttributeError(
            f"attribute '{name}' of '{type(self).__name__}' objects cannot be deleted", name=name, obj=self
        )

    def __dir__(self) -> list[str]:
        names = [name for name in object.__dir__(self) if not name.startswith("_") or name.startswith("__")]
        return sorted({*names, *(_names(self._type) if self._type else ())})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DurableObject) and self._number == other._number

    def __hash__(self) -> int:
        return hash(("durable", self._number))

    def __repr__(self) -> str:
        state = self._known_state()
        if state.text is not None:
            return state.text
        if state.denied is not None:
            return f"<{type(self).__name__}: {state.denied}>"
        shown = ",".join(f"{name}={_brief(value)}" for name, value in state.fields.items())
        return f"{type(self).__name__}({shown})"

    __str__ = __repr__

    def __copy__(self) -> DurableObject:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> DurableObject:
        return self

    def _known_state(self) -> State:
        """The state, asked for where the host has named this object only.

        After the end of a step nobody answers: then it is what is known.
        """
        if self._state.is_outline and self._handles.caller.is_open:
            self._ask_value(GET_ATTRIBUTE, "", [])
        return self._state

    def _ask(self, kind: int, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        return self._handles.caller.call_with(kind, self._number, name, args, kwargs, self._state.version)

    def _ask_value(self, kind: int, name: str, value: list[Any]) -> Any:
        caller = self._handles.caller
        return caller.call(kind, self._number, name, caller.encoded(value, name), self._state.version)


def _names(known: TypeInfo) -> list[str]:
    return sorted({*known.fields, *known.methods})


def _brief(value: Any) -> str:
    if isinstance(value, DurableObject):
        return f"<{type(value).__name__}>"
    if isinstance(value, (list, tuple, set, frozenset, dict)):
        return f"<{type(value).__name__.capitalize()} of {len(value)} items>"
    return f'"{value}"' if isinstance(value, str) else str(value)


class Handles:
    """Every proxy of this sandbox, and the futures beside them.

    Args:
        caller: carries the host calls; its answers' bundles come back here.
        kinds: proxy base classes of durable collections by kind.
    """

    def __init__(self, caller: Caller, kinds: dict[str, type[DurableObject]]) -> None:
        self.caller = caller
        self._kinds = kinds
        self._types: dict[str, TypeInfo] = {}
        self._proxies: dict[int, DurableObject] = {}
        self._type_names: dict[int, str] = {}
        self.futures = Futures(caller)
        caller.to_handle = self.to_handle
        caller.from_answer = self.from_answer

    def get(self, number: int, type_name: str) -> DurableObject:
        """The proxy of a handle id."""
        proxy = self._proxies.get(number)
        if proxy is None:
            known = self._types.get(type_name)
            kind = known.proxy_class if known else _unknown_class(type_name)
            proxy = object.__new__(kind)
            for name, value in (("_handles", self), ("_number", number), ("_state", State()), ("_type", known)):
                object.__setattr__(proxy, name, value)
            self._proxies[number] = proxy
            self._type_names[number] = type_name
        return proxy

    def identity(self, proxy: DurableObject) -> tuple[int, str]:
        """Id and type key of a proxy."""
        return proxy._number, self._type_names[proxy._number]

    def example_of(self, kind: type) -> DurableObject | None:
        """Some proxy of this class, so that the host can be asked about it."""
        return next((proxy for proxy in self._proxies.values() if type(proxy) is kind), None)

    def in_use(self) -> set[int]:
        """The handles that anything but this table refers to; finds also what no checkpoint could."""
        # The table's reference and the argument's own make two.
        return {number for number in self._proxies if sys.getrefcount(self._proxies[number]) > _OWN_REFERENCES}

    def to_handle(self, value: object) -> Handle | FutureRef | Substitute | None:
        """Encoder hook."""
        if type(value) is Future:  # before any isinstance, which would wait for its value
            return self.futures.to_ref(value)
        return Handle(*self.identity(value)) if isinstance(value, DurableObject) else None

    def from_handle(self, handle: Handle) -> DurableObject:
        """Decoder hook."""
        return self.get(handle.id, handle.type_name)

    def from_answer(self, value: bytes, bundle: bytes) -> Any:
        """Apply the states of an answer, then decode its value."""
        self.apply(bundle)
        return self.decode(value) if value else None

    def decode(self, data: bytes) -> Any:
        """A value of the host with its durable objects and futures."""
        return decode(
            data,
            from_handle=self.from_handle,
            limits=HOST_LIMITS,
            enum_loader=enum_member,
            from_future=self.futures.from_ref,
        )

    def apply(self, bundle: bytes) -> None:
        """Take a bundle of types and states."""
        if not bundle:
            return
        found: Any = self.decode(bundle)
        for description in found.get("types", ()):
            self._add_type(description)
        for description in found.get("states", ()):
            self._add_state(description)

    def _add_type(self, found: dict[str, Any]) -> None:
        methods = {name: list(pair) for name, pair in found.get("methods", {}).items()}
        known = TypeInfo(found["name"], found.get("fields", []), found.get("writable", []), methods)
        base = self._kinds.get(found.get("kind", "object"), DurableObject)
        module, _, qualname = found["key"].partition(":")
        body = {
            "__slots__": (),
            "__doc__": found.get("doc") or None,
            "__module__": module,
            "__qualname__": qualname or found["name"],
        }
        before = self._types.get(found["key"])
        known.proxy_class = (
            types.new_class(found["name"], (base,), {}, lambda ns: ns.update(body))
            if before is None
            else before.proxy_class
        )
        self._types[found["key"]] = known

    def _add_state(self, found: dict[str, Any]) -> None:
        proxy = self.get(found["id"], found["type"])
        known = self._types.get(found["type"])
        if known is not None and proxy._type is not known:
            object.__setattr__(proxy, "__class__", known.proxy_class)
            object.__setattr__(proxy, "_type", known)
            self._type_names[found["id"]] = found["type"]
        state = State()
        state.version = found.get("version", b"")
        state.fields = found.get("fields") or {}
        items = found.get("items")
        if items is not None and hasattr(proxy, "_local_items"):
            items = proxy._local_items(items)
        state.items = items
        state.length = found.get("length")
        state.text = found.get("text")
        state.denied = found.get("denied")
        object.__setattr__(proxy, "_state", state)


def _unknown_class(type_name: str) -> type[DurableObject]:
    name = type_name.rpartition(":")[2].rpartition(".")[2]
    return type(name if name.isidentifier() else "DurableObject", (DurableObject,), {"__slots__": ()})
