"""What sandbox code does with a handle: read, write, call, and item operations.

Each function looks the handle up in the job's grants, asks the access decision, decodes and checks the
arguments, and only then touches the object. Names are looked up in the class's public surface and among
the stored fields; ``getattr`` never sees a name that is not there.
"""

from __future__ import annotations

import enum
import inspect
from dataclasses import dataclass
from typing import Any

from orchestrator.engine.objects.arguments import bind_method, decode_call, decode_single
from orchestrator.engine.objects.collections import READS, REMOVES, item_operation
from orchestrator.engine.objects.describe import Describer, TypeDescription
from orchestrator.engine.objects.failures import run_application
from orchestrator.engine.objects.grants import EXPLICIT, Grant, Grants, reached
from orchestrator.engine.objects.handing_on import require_handing_on
from orchestrator.engine.objects.kinds import Kind, kind_of
from orchestrator.engine.objects.limits import ObjectLimits
from orchestrator.engine.objects.snapshot import Snapshots, container_access
from orchestrator.engine.objects.surface import MemberKind, is_public_name, stored_fields
from statek.access import ResourceKind
from statek.durable import check_storable
from statek.exceptions import AccessDenied, StaleObjectError

__all__ = ["Done", "Effect", "Operations"]


class Effect(enum.Enum):
    """What an operation may have changed."""

    NOTHING = 0
    TARGET = 1
    """The stored content of its target, and so what other objects compute from it."""
    ANYTHING = 2
    """It ran application code."""


@dataclass(frozen=True, slots=True)
class Done:
    """An operation that was carried out.

    Attributes:
        value: what it gave, still with durable objects in it.
        origin: origin of the durable objects in the value.
        effect: what it may have changed.
        arguments: durable objects among its arguments.
        handed: handles of the target and of everything among the arguments: what comes back of them was the job's.
    """

    value: Any
    origin: str
    effect: Effect
    arguments: tuple[Any, ...] = ()
    handed: frozenset[int] = frozenset()


class Operations:
    """The operations of one job's handles (store thread, inside the atomic block)."""

    def __init__(self, grants: Grants, describer: Describer, snapshots: Snapshots, limits: ObjectLimits) -> None:
        self._grants = grants
        self._describer = describer
        self._snapshots = snapshots
        self._limits = limits

    def get_attribute(self, handle: int, name: str, args: bytes) -> Done:
        """Read one attribute; the empty name reads nothing and only brings the state.

        Raises:
            AccessDenied: no such handle, or the decision was no.
            AttributeError: nothing of that name, or a method.
            ApplicationFailure: a property raised.
        """
        grant = self._grants.resolve(handle)
        if name == "":
            return Done(None, EXPLICIT, Effect.NOTHING)
        description = self._description(grant, name)
        description.decision(ResourceKind.READ_ATTRIBUTE, name).require()
        origin = reached(grant.id, name)
        stored = stored_fields(grant.target, description.surface)
        if name in stored:
            return Done(stored[name], origin, Effect.NOTHING)
        member = description.surface.members.get(name)
        if member is not None and member.kind is MemberKind.METHOD:
            raise AttributeError(f"{description.surface.name}.{name} is a method: call it")
        if member is None:
            raise _no_attribute(description, name)
        return Done(run_application(lambda: getattr(grant.target, name)), origin, Effect.NOTHING)

    def set_attribute(self, handle: int, name: str, args: bytes, version: bytes) -> Done:
        """Write one attribute.

        Raises:
            AccessDenied: no such handle, or the decision was no.
            AttributeError: nothing of that name that can be set.
            StaleObjectError: the object changed since the code read it.
            UnstorableValue: the store could not hold the value unchanged.
            ApplicationFailure: a setter raised.
        """
        grant = self._grants.resolve(handle)
        description = self._description(grant, name)
        description.decision(ResourceKind.WRITE_ATTRIBUTE, name).require()
        surface = description.surface
        member = surface.members.get(name)
        if member is None and name not in stored_fields(grant.target, surface):
            raise _no_attribute(description, name)
        if member is not None and not member.writable:
            raise AttributeError(f"{member.kind.value} {name!r} of {surface.name} cannot be set")
        value = decode_single(args, self._grants, self._limits.arguments)
        check_storable(value, name)
        if name not in surface.last_write_wins:
            self._check_version(grant, version)
        if member is not None and member.kind is MemberKind.PROPERTY:
            # dbzero's setattr would store a field beside the property instead of calling the setter.
            run_application(lambda: member.function(grant.target, value))
            return Done(None, EXPLICIT, Effect.ANYTHING, (value,))
        run_application(lambda: setattr(grant.target, name, value))
        return Done(None, EXPLICIT, Effect.TARGET, (value,))

    def call_method(self, handle: int, name: str, args: bytes) -> Done:
        """Call a method with the raw objects behind the handles; what it gives is granted explicitly.

        Raises:
            AccessDenied: no such handle (the arguments' too), or the decision was no.
            AttributeError: no such method.
            TypeError: it is async, or the arguments do not fit.
            ApplicationFailure: it raised.
        """
        grant = self._grants.resolve(handle)
        description = self._description(grant, name)
        description.decision(ResourceKind.METHOD, name).require()
        member = description.surface.members.get(name)
        if member is None or member.kind is not MemberKind.METHOD:
            raise AttributeError(f"{description.surface.name!r} object has no method {name!r}")
        if member.is_async:
            raise TypeError(
                f"{description.surface.name}.{name} is async; methods of durable objects run inside the store and "
                "cannot wait: the application offers it as a tool instead"
            )
        handed = {grant.id}
        positional, keywords = decode_call(args, self._grants, self._limits.arguments, named=handed)
        method = getattr(grant.target, name)
        positional, keywords = bind_method(method, positional, keywords)
        result = run_application(lambda: method(*positional, **keywords))
        if inspect.isawaitable(result) or inspect.isasyncgen(result):
            close = getattr(result, "close", None)
            if close is not None:
                close()
            raise TypeError(f"{description.surface.name}.{name} returned an awaitable, which cannot be waited for here")
        return Done(result, EXPLICIT, Effect.ANYTHING, (*positional, *keywords.values()), frozenset(handed))

    def item(self, handle: int, name: str, args: bytes, version: bytes) -> Done:
        """Carry out an item operation of a collection.

        Raises:
            AccessDenied: no such handle, or the decision was no.
            AttributeError: the collection has no such operation.
            TypeError, IndexError, KeyError, ValueError: as Python's own collections.
            StaleObjectError: the collection changed since the code read it.
            UnstorableValue: the store could not hold the value unchanged.
        """
        grant = self._grants.resolve(handle)
        kind = kind_of(grant.target)
        if kind is Kind.OBJECT or kind is None:
            raise AttributeError("the handle is not of a collection")
        operation = item_operation(kind, name)
        reads = name in READS
        last_write_wins = self._decide_item(grant, writes=not reads)
        positional, keywords = decode_call(args, self._grants, self._limits.arguments)
        if keywords or not operation.least <= len(positional) <= operation.most:
            raise TypeError(f"{kind.value} operation {name} does not take these arguments")
        origin = self._snapshots.element_origin(grant)
        if not reads and not last_write_wins:
            self._check_version(grant, version)
        if not reads and name not in REMOVES:
            require_handing_on(positional, self._grants.is_explicit, self._describer.policy)
        value = operation.run(grant.target, self._limits.page_items, *positional)
        return Done(value, origin, Effect.NOTHING if reads else Effect.TARGET, tuple(positional))

    # ------------------------------------------------------------------------------------ inside

    def _description(self, grant: Grant, name: str) -> TypeDescription:
        """Describe the class behind a handle, once the name is known to be one that may be looked up."""
        if kind_of(grant.target) is not Kind.OBJECT:
            raise AttributeError(f"a durable collection has no attribute {ascii(name)[:80]}")
        description = self._describer.of(type(grant.target), explicit=grant.explicit)
        if not is_public_name(name):
            rule = "names with a leading underscore are private, others are plain identifiers"
            raise AccessDenied(f"attribute {ascii(name)[:80]} of {description.surface.name}: {rule}", rule=rule)
        return description

    def _decide_item(self, grant: Grant, *, writes: bool) -> bool:
        """Decide about a collection as about the attribute that it is; tells whether its last write wins."""
        access = container_access(self._grants, grant)
        if access.owner is None:
            return False
        description = self._describer.of(access.owner, explicit=access.owner_explicit)
        asked = ResourceKind.WRITE_ATTRIBUTE if writes else ResourceKind.READ_ATTRIBUTE
        description.decision(asked, access.attribute).require()
        return access.attribute in description.surface.last_write_wins

    def _check_version(self, grant: Grant, version: bytes) -> None:
        """Refuse a write that is based on an older content; no version means that nothing had been read."""
        if version and version != self._snapshots.version(grant.id):
            name = type(grant.target).__name__
            raise StaleObjectError(f"{name} (handle {grant.id}) changed since it was read; read it again, then write")


def _no_attribute(description: TypeDescription, name: str) -> AttributeError:
    return AttributeError(f"{description.surface.name!r} object has no attribute {name!r}")
