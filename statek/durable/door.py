"""Typed names for what statek uses of dbzero. dbzero ships no type information."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar, cast

import dbzero

from statek.durable.checked import install
from statek.durable.containers import DICT, LIST, SET, TUPLE
from statek.exceptions import NotFound

__all__ = [
    "StoreDoor",
    "exists",
    "fetch",
    "find",
    "find_page",
    "is_durable_dict",
    "is_durable_list",
    "is_durable_set",
    "is_memo",
    "memo",
    "state_number",
    "tag",
    "to_plain",
    "untag",
    "uuid_of",
]

T = TypeVar("T")
C = TypeVar("C", bound=type)

install()


class StoreDoor(Protocol):
    """What statek needs of a store; ``orchestrator.store.Store`` satisfies it.

    Every function passed in runs on the one store thread, must not wait, and must not do I/O.
    """

    def on_store_thread(self) -> bool:
        """Whether the caller already runs on the store thread."""
        ...

    async def read(self, fn: Callable[[], T]) -> T:
        """Run ``fn`` between mutations."""
        ...

    async def write(self, fn: Callable[[], T]) -> T:
        """Run ``fn`` as one atomic block; an exception rolls it back and is raised here."""
        ...

    async def commit(self, fn: Callable[[], T]) -> T:
        """`write`, then wait until it survives a crash."""
        ...

    async def flush(self) -> None:
        """Wait until everything written so far survives a crash."""
        ...

    def read_sync(self, fn: Callable[[], T]) -> T:
        """`read` for threads other than the event loop's."""
        ...

    def write_sync(self, fn: Callable[[], T]) -> T:
        """`write` for threads other than the event loop's; on the store thread it joins the outer block."""
        ...

    def commit_sync(self, fn: Callable[[], T]) -> T:
        """`commit` for threads other than the event loop's."""
        ...


def memo(*, id: str) -> Callable[[C], C]:  # noqa: A002 - dbzero's own word
    """Make a class durable under a stable identity.

    Args:
        id: the identity; it survives renaming and moving the class.
    """
    return cast("Callable[[C], C]", dbzero.memo(id=id))


def is_memo(obj: object) -> bool:
    """Whether ``obj`` is an instance of a memo class (a memo class itself is not)."""
    return not isinstance(obj, type) and bool(dbzero.is_memo(obj))


def uuid_of(obj: object) -> str:
    """The permanent name of a memo object within its prefix."""
    return str(dbzero.uuid(obj))


def exists(uuid: str) -> bool:
    """Whether an object of that name exists in the open prefix."""
    try:
        return bool(dbzero.exists(uuid))
    except RuntimeError:  # a malformed name
        return False


def fetch(uuid: str) -> Any:
    """The object of that name.

    Raises:
        NotFound: there is none in the open prefix.
    """
    try:
        if dbzero.exists(uuid):
            return dbzero.fetch(uuid)
    except (RuntimeError, dbzero.ReferenceError) as error:
        raise NotFound(f"no durable object {uuid!r}") from error
    raise NotFound(f"no durable object {uuid!r}")


def find(cls: type[T], *tags: object) -> Iterator[T]:
    """Objects of a class that carry all the tags, in no particular order."""
    return cast("Iterator[T]", iter(dbzero.find(cls, *tags)))


def find_page(cls: type[T], tag_name: str, start: int, stop: int) -> list[T]:
    """Some of what ``find`` gives, by place; objects that get the tag meanwhile move the others to later places."""
    return list(dbzero.find(cls, tag_name)[start:stop])


def tag(obj: object, *tags: str) -> None:
    """Attach tags; a tagged object stays alive without a reference to it."""
    dbzero.tags(obj).add(*tags)


def untag(obj: object, *tags: str) -> None:
    """Detach tags."""
    dbzero.tags(obj).remove(*tags)


def state_number() -> int:
    """Number of the prefix's state that the changes made now will be part of (time travel reads it back)."""
    return int(dbzero.get_state_num())


def is_durable_list(obj: object) -> bool:
    """Whether ``obj`` is dbzero's list."""
    return type(obj) is LIST


def is_durable_dict(obj: object) -> bool:
    """Whether ``obj`` is dbzero's dict."""
    return type(obj) is DICT


def is_durable_set(obj: object) -> bool:
    """Whether ``obj`` is dbzero's set."""
    return type(obj) is SET


def to_plain(obj: object) -> Any:
    """Copy durable containers to plain ones; memo objects inside stay as they are.

    Dicts come in sorted order of their keys where these are texts: the store keeps hash order, which says nothing.

    Raises:
        ValueError: the containers contain themselves.
    """
    return _plain(obj, ())


def _plain(obj: Any, inside: tuple[int, ...]) -> Any:
    kind = type(obj)
    if kind not in (LIST, DICT, SET, TUPLE):
        return obj
    # Containers keep their identity while they are read, so the address names one on the current path.
    if id(obj) in inside:
        raise ValueError("a durable container contains itself")
    path = (*inside, id(obj))
    if kind is DICT:
        pairs = [(key, _plain(obj[key], path)) for key in obj]
        if all(type(key) is str for key, _ in pairs):
            pairs.sort(key=lambda pair: pair[0])
        return dict(pairs)
    items = (_plain(item, path) for item in obj)
    if kind is LIST:
        return list(items)
    return set(items) if kind is SET else tuple(items)
