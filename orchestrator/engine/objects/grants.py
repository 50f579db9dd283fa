"""Which durable objects a job may reach: the capabilities behind its handles.

A handle's id is the position of the object in the job's table, plus one. Ids are never reused while
the job lives, the same object always has the same id, and an id that is not in *this* table stands
for nothing, whatever a runner says. The table holds strong references, so an object that a job can
name cannot vanish under it; ``close`` drops them when the job ends and keeps names, for people who look at
its variables later and for a job that goes on after its end (``reopen``). A deletion of a granted object by
the application is refused by dbzero for the same reason.

Collections have no uuid of their own, but they can be referenced like objects and keep their identity
as long as a Python reference lives, so the table holds them directly.

Where an object came from is recorded with it: given explicitly, or reached through an attribute or an
element of another handle, which asks more of its class (see ``statek.access``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from sandbox_runner.wire.values import FutureRef
from statek.durable import fetch, is_memo, memo, uuid_of
from statek.exceptions import AccessDenied, LimitExceeded, NotFound

__all__ = ["EXPLICIT", "FutureAccess", "Grant", "GrantTable", "Grants", "copied_grants", "find_granted", "reached"]

EXPLICIT = ""
"""Origin of an object that a startup variable, a tool or a method gave."""


_GONE = "gone"


def reached(parent: int, name: str) -> str:
    """Give the origin of what was found in attribute ``name`` of handle ``parent`` ("" for an element)."""
    return f"{parent}.{name}"


class FutureAccess(Protocol):
    """The futures that a job may reach."""

    def value(self, ref: FutureRef) -> Any:
        """The value of one that has come to an end."""
        ...

    def ref(self, future: Any) -> FutureRef:
        """What stands for a future that a tool gave."""
        ...


@memo(id="orchestrator.GrantTable")
class GrantTable:
    """The durable record of one job's grants.

    Attributes:
        objects: strong references; the object of handle n is at index n - 1.
        origins: for each of them where it came from: empty (explicit) or ``"<parent id>.<attribute>"``; a closed table
            keeps them.
        closed: true once the job has ended; a closed table grants nothing.
        names: of a closed table: the uuid of each object, empty for collections, which have none.

    In a table that was closed and opened again, None stands for an object that is gone.
    """

    names: Any = ()

    def __init__(self) -> None:
        self.objects: Any = []
        self.origins: Any = []
        self.closed = False


def find_granted(table: Any, handle: int) -> Any:
    """The object behind a handle for people who inspect the job, an ended one too; None where it is gone.

    Never for code from a sandbox: it reaches what ``Grants.resolve`` gives.
    """
    if 0 < handle <= len(table.objects):
        return table.objects[handle - 1]
    return _found(table.names[handle - 1]) if 0 < handle <= len(table.names) and table.names[handle - 1] else None


def _name_of(target: Any) -> str:
    """What a closed table keeps of an object; what was gone before stays gone."""
    if target is None:
        return _GONE
    return uuid_of(target) if is_memo(target) else ""


def _found(name: str) -> Any:
    """The object of that name; None where it is gone."""
    try:
        return fetch(name)
    except NotFound:
        return None


def copied_grants(source: Any, target: Any, handles: frozenset[int]) -> None:
    """Give an empty table the grants behind some handles of another job, under the same ids.

    What those were reached through comes along; every other id stands for nothing. Of a job that has ended, what the
    application has kept comes back (``Grants.reopen``).
    """
    wanted = set(handles)
    for position in range(len(source.origins), 0, -1):  # a handle is reached through an earlier one
        parent = source.origins[position - 1].partition(".")[0]
        if position in wanted and parent:
            wanted.add(int(parent))
    target.origins = list(source.origins)
    if source.closed:
        target.names = [name if number in wanted else _GONE for number, name in enumerate(source.names, start=1)]
        target.closed = True
        Grants(target, max_grants=0).reopen()
    else:
        for number, granted in enumerate(source.objects, start=1):
            target.objects.append(granted if number in wanted else None)


@dataclass(frozen=True, slots=True)
class Grant:
    """One granted object.

    Attributes:
        id: the handle id.
        target: the durable object or collection itself; never leaves the store thread.
        explicit: whether it was given explicitly.
        parent: handle it was reached through; 0 for an explicit one.
        attribute: attribute of the parent; empty for an explicit one or an element of a collection.
    """

    id: int
    target: Any
    explicit: bool
    parent: int
    attribute: str


class Grants:
    """One job's grants with their index.

    Preconditions:
        Used on the store thread only, by one instance per job at a time.

    The index is only a hint from an object to its id and every hit is checked against the table:
    an atomic block that is rolled back takes its grants with it, and the index notices at its next
    use that the table has become shorter.
    """

    def __init__(self, table: Any, *, max_grants: int) -> None:
        self._table = table
        self._max_grants = max_grants
        self._ids: dict[str | int, int] = {}
        self._keys: list[str | int] = []
        self.futures: FutureAccess | None = None
        self._handed_back: frozenset[int] = frozenset()
        self._collections: dict[int, Any] = {}  # keeps ids of Python objects from being reused

    def __len__(self) -> int:
        return len(self._table.objects)

    def future_value(self, ref: FutureRef) -> Any:
        """The value of a future that this job was given.

        Raises:
            AccessDenied: it was not given any.
        """
        if self.futures is None:
            raise AccessDenied(f"future {ref.id} is not one of this job", rule="future")
        return self.futures.value(ref)

    def grant(self, target: Any, origin: str = EXPLICIT) -> int:
        """Let the job reach a durable object; gives its handle id, the same one every time.

        An object that had been reached through an attribute and is now given explicitly becomes an
        explicit grant, unless the call that gives it had it from the job itself (``handed_back``); the other way
        round nothing changes.

        Raises:
            LimitExceeded: the job has as many grants as it may have.
            AccessDenied: the job has ended.
        """
        known = self.find(target)
        if known is not None:
            if origin == EXPLICIT and self._table.origins[known - 1] != EXPLICIT and known not in self._handed_back:
                self._table.origins[known - 1] = EXPLICIT
            return known
        if self._table.closed:
            raise AccessDenied("the job has ended, it is granted nothing", rule="closed job")
        used = len(self._table.objects)
        if used >= self._max_grants:
            raise LimitExceeded("grants", self._max_grants, used + 1, "ask for fewer objects at a time")
        self._table.objects.append(target)
        self._table.origins.append(origin)
        self._note(used + 1, target)
        return used + 1

    @contextmanager
    def handed_back(self, handles: frozenset[int]) -> Iterator[None]:
        """Let these handles keep their origin inside the block: whoever gives them back adds nothing to them."""
        self._handed_back = handles
        try:
            yield
        finally:
            self._handed_back = frozenset()

    def find(self, target: Any) -> int | None:
        """Give the handle id of an object, None if the job cannot reach it."""
        self._catch_up()
        known = self._ids.get(self._key(target))
        if known is None or self._table.objects[known - 1] is not target:
            return None
        return known

    def is_explicit(self, target: Any) -> bool:
        """Whether an object was given explicitly, or is not granted at all: then it never came through the job."""
        known = self.find(target)
        return known is None or bool(self._table.origins[known - 1] == EXPLICIT)

    def resolve(self, handle: int) -> Grant:
        """Give what a handle id stands for.

        Raises:
            AccessDenied: this job has no such handle.
        """
        objects = self._table.objects
        if type(handle) is not int or not 0 < handle <= len(objects):
            raise AccessDenied(f"this job has no handle {str(handle)[:40]}", rule="not granted")
        origin = self._table.origins[handle - 1]
        parent, _, attribute = origin.partition(".")
        target = objects[handle - 1]
        if target is None:
            raise AccessDenied(
                f"what handle {handle} stood for went away when the job had ended; reach it again", rule="gone"
            )
        return Grant(handle, target, origin == EXPLICIT, int(parent or 0), attribute)

    def holds(self, handle: int) -> bool:
        """Whether an id stands for something."""
        return 0 < handle <= len(self._table.objects) and self._table.objects[handle - 1] is not None

    def close(self) -> None:
        """Drop every grant; the job has ended."""
        if not self._table.closed:
            self._table.names = [_name_of(target) for target in self._table.objects]
        self._table.objects.clear()
        self._table.closed = True
        self._forget_from(0)

    def reopen(self) -> None:
        """Take up again what the job had before it ended, as far as the application has kept it.

        Objects come back by name, collections through the attribute that they were reached by. An id whose object
        is gone, or whose collection was given by itself, stands for nothing any more and is not given anew.
        """
        table = self._table
        if not table.closed:
            return
        names, table.names, table.closed = list(table.names), [], False
        for position, name in enumerate(names):
            origin = table.origins[position] if position < len(table.origins) else EXPLICIT
            table.objects.append(_found(name) if name else self._found_in(origin))
        self._forget_from(0)

    def _found_in(self, origin: str) -> Any:
        """The collection in an attribute of an object that is there again; None where there is none."""
        parent, _, attribute = origin.partition(".")
        if not attribute or not self.holds(int(parent)):
            return None
        owner = self._table.objects[int(parent) - 1]
        return vars(owner).get(attribute) if is_memo(owner) else None

    def _catch_up(self) -> None:
        """Bring the index to the table's length: drop what was rolled back, add what it has not seen."""
        length = len(self._table.objects)
        if length < len(self._keys):
            self._forget_from(length)
        for position in range(len(self._keys), length):
            self._note(position + 1, self._table.objects[position])

    def _note(self, handle: int, target: Any) -> None:
        key = self._key(target)
        if type(key) is int:
            self._collections[key] = target
        self._ids[key] = handle
        self._keys.append(key)

    def _forget_from(self, length: int) -> None:
        for key in self._keys[length:]:
            self._ids.pop(key, None)
            if type(key) is int:
                self._collections.pop(key, None)
        del self._keys[length:]

    @staticmethod
    def _key(target: Any) -> str | int:
        return uuid_of(target) if is_memo(target) else id(target)
