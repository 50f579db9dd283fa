"""The state of a handle: what sandbox code may read of an object without asking again.

A state has two digests. Its *version* covers what is stored (the readable fields, or the elements of a
collection) and is what a write is checked against: any writer's change of them shows. The *digest*
covers all that is sent, properties and text included, and tells whether a state must be sent again;
properties stay out of the version, since one that looks at the clock would make every write stale.

The version of a collection longer than ``ObjectLimits.version_items`` covers its length and that many
elements, half from each end (lists; for dicts and sets the first ones in the store's order).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from blake3 import blake3

from orchestrator.engine.objects.describe import COLLECTION_DOCS, Describer, TypeDescription
from orchestrator.engine.objects.failures import ApplicationFailure, run_application
from orchestrator.engine.objects.grants import EXPLICIT, Grant, Grants, reached
from orchestrator.engine.objects.kinds import Kind, kind_of
from orchestrator.engine.objects.limits import ObjectLimits
from orchestrator.engine.objects.outbound import PLAIN_TYPES, Outbound, type_key
from orchestrator.engine.objects.surface import MemberKind, is_public_name, stored_fields
from sandbox_runner.wire.values import GraphError, Handle, encode
from statek.access import ResourceKind
from statek.durable import uuid_of
from statek.exceptions import InternalError, LimitExceeded

__all__ = ["REFUSED", "Access", "Snapshots", "State", "blank_state", "collection_type", "container_access"]

_VERSION_BYTES = 16

REFUSED = b"refused"
"""Digest of a state of which nothing may be read."""


@dataclass(frozen=True, slots=True)
class Access:
    """How a collection is reached: what its elements inherit and whose attribute it is.

    Attributes:
        explicit: given explicitly, and so are its elements.
        owner: class of the object whose attribute it is; None for an explicit one.
        owner_explicit: whether that object was given explicitly.
        attribute: name of that attribute; empty for an explicit one.
    """

    explicit: bool
    owner: type | None
    owner_explicit: bool
    attribute: str


@dataclass(frozen=True, slots=True)
class State:
    """One state, ready for a bundle.

    Attributes:
        id: the handle.
        entry: the state's entry in the bundle.
        version: what writes are checked against.
        digest: of everything that is sent.
        computed: whether application code computed a part of it.
        description: of the class; None for a collection.
        named: every handle in it.
        related: those of them that are worth sending along (collections of an object, objects of a collection).
        size: encoded bytes, about.
    """

    id: int
    entry: dict[str, Any]
    version: bytes
    digest: bytes
    computed: bool
    description: TypeDescription | None
    named: tuple[int, ...]
    related: tuple[int, ...]
    size: int = 64


def container_access(grants: Grants, grant: Grant) -> Access:
    """Tell how a collection was reached, through other collections up to an object or an explicit grant.

    Raises:
        AccessDenied: a handle on the way is gone.
    """
    while not grant.explicit:
        if grant.parent >= grant.id:
            raise InternalError(f"handle {grant.id} says that it was reached through the later handle {grant.parent}")
        parent = grants.resolve(grant.parent)
        if kind_of(parent.target) is Kind.OBJECT:
            return Access(False, type(parent.target), parent.explicit, grant.attribute)
        grant = parent
    return Access(True, None, True, "")


class Snapshots:
    """Builds the states of one job's handles (store thread, inside the atomic block)."""

    def __init__(self, grants: Grants, describer: Describer, limits: ObjectLimits) -> None:
        self._grants = grants
        self._describer = describer
        self._limits = limits

    def state(self, handle: int) -> State:
        """Build the state of a handle.

        What would need more grants than the job may have is left out; asking for it says so.

        Raises:
            AccessDenied: the job has no such handle.
        """
        grant = self._grants.resolve(handle)
        kind = kind_of(grant.target)
        if kind is Kind.OBJECT:
            return self._object_state(grant)
        if kind is None:
            raise InternalError(f"handle {handle} stands for a {type(grant.target).__name__}")
        return self._collection_state(grant, kind)

    def outline(self, handle: int, version: bytes = b"") -> State:
        """Build a state without content: what can be asked of the object is known, and what is read is asked for."""
        grant = self._grants.resolve(handle)
        kind = kind_of(grant.target)
        if kind is not Kind.OBJECT and kind is not None:
            refused = self._owner_refusal(container_access(self._grants, grant))
            return blank_state(handle, kind.value, version, refused, None)
        description = self._describer.of(type(grant.target), explicit=grant.explicit)
        stored = list(stored_fields(grant.target, description.surface))
        description.meet(stored)
        return blank_state(handle, description.key, version, description.closed_because(stored), description)

    def version(self, handle: int) -> bytes:
        """Give the version of a handle's present content."""
        grant = self._grants.resolve(handle)
        kind = kind_of(grant.target)
        return self.state(handle).version if kind is Kind.OBJECT else self._collection_version(grant.target)

    def outbound(self, origin: str) -> Outbound:
        """Give a converter whose durable objects are granted with an origin."""

        def make_handle(target: Any, kind: Kind) -> Handle:
            return Handle(self._grants.grant(target, origin), type_key(target, kind))

        futures = self._grants.futures
        make_future = None if futures is None else futures.ref
        return Outbound(make_handle, max_items=self._limits.result_items, make_future=make_future)

    def element_origin(self, grant: Grant) -> str:
        """Tell the origin of a collection's elements: explicit like the collection, or reached through it."""
        return EXPLICIT if container_access(self._grants, grant).explicit else reached(grant.id, "")

    # ------------------------------------------------------------------------------------ objects

    def _object_state(self, grant: Grant) -> State:
        description = self._describer.of(type(grant.target), explicit=grant.explicit)
        surface = description.surface
        stored = stored_fields(grant.target, surface)
        description.meet(stored)
        refused = description.closed_because(list(stored))
        if refused is not None:
            return blank_state(grant.id, description.key, b"", refused, description)
        content = blake3(b"object\0")
        fields: dict[str, Any] = {}
        named: list[int] = []
        related: list[int] = []
        size = 0
        for name, value in stored.items():
            if not description.readable(name):
                continue
            plain, data, handles = self._field(grant, name, value)
            content.update(b"%d:%s=%d:" % (len(name), name.encode(), len(data)))
            content.update(data)
            if data and size + len(data) <= self._limits.state_bytes:
                fields[name] = plain
                size += len(data) + len(name)
                named += handles
                if kind_of(value) not in {None, Kind.OBJECT}:
                    related += handles
        version = content.digest(_VERSION_BYTES)
        whole = content.copy()
        whole.update(description.key.encode())
        for member in surface.members.values():
            if member.name in stored or member.kind is MemberKind.METHOD or not description.readable(member.name):
                continue
            plain, data, handles = self._computed(grant, member.name)
            whole.update(b"%d:%s=%d:" % (len(member.name), member.name.encode(), len(data)))
            whole.update(data)
            if data and size + len(data) <= self._limits.state_bytes:
                fields[member.name] = plain
                size += len(data) + len(member.name)
                named += handles
        text = self._text(grant.target, surface.text_method)
        whole.update(b"text" if text is None else text.encode("utf-8", "surrogatepass"))
        entry = _state_entry(grant.id, description.key, version, fields=fields, text=text)
        return State(
            grant.id,
            entry,
            version,
            whole.digest(_VERSION_BYTES),
            surface.computed,
            description,
            tuple(named),
            tuple(related),
            size + len(text or "") + 64,
        )

    def _field(self, grant: Grant, name: str, value: Any) -> tuple[Any, bytes, list[int]]:
        """Convert one stored value; no bytes for one that is not sent (it is asked for by name, and may fail then)."""
        if type(value) in PLAIN_TYPES:
            data = encode(value)
            return (value, data, []) if len(data) <= self._limits.result_bytes else (None, b"", [])
        outbound = self.outbound(reached(grant.id, name))
        try:
            plain = outbound.convert(value)
            data = encode(plain, to_handle=outbound.to_handle, max_bytes=self._limits.result_bytes)
        except (GraphError, LimitExceeded):
            return None, b"", []
        return plain, data, outbound.handles

    def _computed(self, grant: Grant, name: str) -> tuple[Any, bytes, list[int]]:
        """Evaluate a property or read a class-level default; no bytes when it fails, so that asking raises it."""
        outbound = self.outbound(reached(grant.id, name))
        try:
            plain = outbound.convert(run_application(lambda: getattr(grant.target, name)))
            data = encode(plain, to_handle=outbound.to_handle, max_bytes=self._limits.result_bytes)
        except (ApplicationFailure, GraphError, LimitExceeded):
            return None, b"", []
        return plain, data, outbound.handles

    def _text(self, target: Any, method: str) -> str | None:
        """Give the text that an object prints as, None for the default rendering."""
        if not method:
            return None
        try:
            text = run_application(getattr(target, method))
        except ApplicationFailure:
            return None
        if not isinstance(text, str):
            return None
        limit = self._limits.text_chars
        return str(text) if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"

    # -------------------------------------------------------------------------------- collections

    def _collection_state(self, grant: Grant, kind: Kind) -> State:
        access = container_access(self._grants, grant)
        refused = self._owner_refusal(access)
        if refused is not None:
            return blank_state(grant.id, kind.value, b"", refused, None)
        length = len(grant.target)
        items, size, related = self._inline_items(grant, kind, length)
        version = self._collection_version(grant.target)
        entry = _state_entry(grant.id, kind.value, version, items=items, length=length)
        return State(grant.id, entry, version, version, False, None, related, related, size + 64)

    def _owner_refusal(self, access: Access) -> str | None:
        """Tell why a collection may not be read: it is as open as the attribute that it was reached through."""
        if access.owner is None or not is_public_name(access.attribute):
            return None
        description = self._describer.of(access.owner, explicit=access.owner_explicit)
        decision = description.decision(ResourceKind.READ_ATTRIBUTE, access.attribute)
        return None if decision.allowed else decision.rule

    def _inline_items(self, grant: Grant, kind: Kind, length: int) -> tuple[list[Any] | None, int, tuple[int, ...]]:
        if length > self._limits.inline_items:
            return None, 0, ()
        outbound = self.outbound(self.element_origin(grant))
        raw: Iterable[Any] = grant.target.items() if kind is Kind.DICT else grant.target
        try:
            items = [outbound.convert(item) for item in raw]
            data = encode(items, to_handle=outbound.to_handle, max_bytes=self._limits.inline_bytes)
        except (GraphError, LimitExceeded):
            return None, 0, ()
        return items, len(data), tuple(outbound.handles)

    def _collection_version(self, target: Any) -> bytes:
        """Digest the content without granting it: objects count by their uuid, inner collections by kind and length."""
        length = len(target)
        content = blake3(b"%d:" % length)
        covered = self._limits.version_items
        kind = kind_of(target)
        outbound = Outbound(_anonymous_handle, max_items=covered * 10)
        for item in _sampled(target, kind, length, covered):
            content.update(_token(item, outbound))
        return content.digest(_VERSION_BYTES)


def _sampled(target: Any, kind: Kind | None, length: int, covered: int) -> Iterable[Any]:
    if kind is Kind.DICT:
        return (part for pair in islice(target.items(), covered) for part in pair)
    if kind is Kind.LIST and length > covered:
        half = covered // 2
        return (target[i] for i in (*range(half), *range(length - half, length)))
    return islice(target, covered)


def _token(item: Any, outbound: Outbound) -> bytes:
    kind = kind_of(item)
    if kind is Kind.OBJECT:
        return b"o" + uuid_of(item).encode()
    if kind is not None:
        return b"c%s%d" % (kind.value.encode(), len(item))
    try:
        return b"v" + encode(outbound.convert(item), to_handle=outbound.to_handle)
    except GraphError:
        return b"?" + type(item).__name__.encode()


def _anonymous_handle(target: Any, kind: Kind) -> Handle:
    """Stand for an object in a digest: by its uuid, without granting it."""
    return Handle(1, uuid_of(target) if kind is Kind.OBJECT else kind.value)


def blank_state(
    handle: int, key: str, version: bytes, refused: str | None, description: TypeDescription | None
) -> State:
    """Make a state without content: refused, or to be asked for."""
    entry = _state_entry(handle, key, version, denied=refused)
    digest = REFUSED if refused is not None else b""
    return State(handle, entry, version, digest, False, description, (), ())


def _state_entry(
    handle: int,
    key: str,
    version: bytes,
    *,
    fields: dict[str, Any] | None = None,
    items: list[Any] | None = None,
    length: int | None = None,
    text: str | None = None,
    denied: str | None = None,
) -> dict[str, Any]:
    """Make the entry of one state in a bundle."""
    return {
        "id": handle,
        "type": key,
        "version": version,
        "fields": fields or {},
        "items": items,
        "length": length,
        "text": text,
        "denied": denied,
    }


def collection_type(key: str) -> dict[str, Any]:
    """Give the bundle's type entry of a durable list, dict or set."""
    return {
        "key": key,
        "name": key,
        "kind": key,
        "doc": COLLECTION_DOCS[key],
        "fields": [],
        "writable": [],
        "methods": {},
    }
