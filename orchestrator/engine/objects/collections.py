"""Item operations on durable lists, dicts and sets.

dbzero's own methods are used only where they are measured to be right with every value that passed the
checks: searching is done here by equality (its own search may crash on odd values), indexes are brought
into range here, and what its list lacks (insert, slices) is made of what it has. Its ``pop(i)`` and
``remove`` move the last element into the gap, which breaks the order: only the last one is ever popped.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, NamedTuple

from orchestrator.engine.objects.kinds import Kind, is_durable_tuple, kind_of
from statek.durable import check_key, check_storable, to_plain
from statek.exceptions import UnstorableValue

__all__ = ["READS", "REMOVES", "ItemOperation", "item_operation", "take_out"]

MAX_SHIFTED = 20_000
"""Elements that one insertion into, or removal from, a durable list may move, one by one."""


class ItemOperation(NamedTuple):
    """One operation: the function (target, page limit, *arguments) and the counts of arguments it takes."""

    run: Callable[..., Any]
    least: int
    most: int


_COLLECTIONS = frozenset({Kind.LIST, Kind.DICT, Kind.SET})

READS = frozenset({"page", "get", "contains"})
"""Operations that change nothing."""

REMOVES = frozenset({"delete", "discard", "remove"})
"""Operations after which what they were given is nowhere that it was not before."""


def item_operation(kind: Kind, name: str) -> ItemOperation:
    """Find an operation of a kind of collection.

    Raises:
        AttributeError: the kind has no such operation.
    """
    found = _OPERATIONS.get((kind, name))
    if found is None:
        shown = ascii(name)[:80]
        raise AttributeError(f"a durable {kind.value} has no operation {shown}")
    return found


def _is_same(left: Any, right: Any) -> bool:
    """Compare as Python's containers do; durable objects by identity, unless their class says otherwise.

    A durable container is copied to a plain one first: dbzero's own comparison is not asked about
    values that come from a sandbox.
    """
    if left is right:
        return True
    if kind_of(left) in _COLLECTIONS or is_durable_tuple(left):
        if type(right) not in {list, dict, set, tuple}:
            return False
        left = to_plain(left)
    return bool(left == right)


def _index(target: Any, index: Any, what: str) -> int:
    length = len(target)
    if type(index) is not int:
        raise TypeError(f"list indices must be integers, not {type(index).__name__}")
    if not -length <= index < length:
        raise IndexError(f"{what} index out of range")
    return index % length


def _window(start: Any, count: Any, page: int) -> tuple[int, int]:
    if type(start) is not int or type(count) is not int or start < 0 or count < 0:
        raise TypeError("a page is asked for by two whole numbers: start and count")
    return start, min(count, page)


# ------------------------------------------------------------------------------------------ list


def _check_shift(count: int) -> None:
    if count > MAX_SHIFTED:
        raise ValueError(
            f"one operation may move {MAX_SHIFTED} elements of a durable list, this one would move {count}"
        )


def take_out(target: Any, place: int) -> Any:
    """Remove one element of a durable list by its index from 0 and close the gap in order; gives the element."""
    length = len(target)
    _check_shift(length - 1 - place)
    found = target[place]
    for i in range(place, length - 1):
        target[i] = target[i + 1]
    target.pop()
    return found


def _list_page(target: Any, page: int, start: Any, count: Any) -> list[Any]:
    first, wanted = _window(start, count, page)
    return [target[i] for i in range(first, min(len(target), first + wanted))]


def _list_get(target: Any, _page: int, index: Any) -> Any:
    return target[_index(target, index, "list")]


def _list_set(target: Any, _page: int, index: Any, value: Any) -> None:
    check_storable(value)
    target[_index(target, index, "list assignment")] = value


def _list_delete(target: Any, _page: int, index: Any) -> None:
    take_out(target, _index(target, index, "list assignment"))


def _list_append(target: Any, _page: int, value: Any) -> None:
    check_storable(value)
    target.append(value)


def _list_extend(target: Any, _page: int, values: Any) -> None:
    kind = kind_of(values)
    items = list(values) if kind in {Kind.LIST, Kind.SET} or type(values) in {list, tuple, set, frozenset} else None
    if items is None:
        raise TypeError(f"extend takes a list, not {type(values).__name__}")
    check_storable(items, "values")
    for item in items:
        target.append(item)


def _list_insert(target: Any, _page: int, index: Any, value: Any) -> None:
    check_storable(value)
    length = len(target)
    if type(index) is not int:
        raise TypeError(f"list indices must be integers, not {type(index).__name__}")
    place = min(max(index + length if index < 0 else index, 0), length)
    _check_shift(length - place)
    target.append(value)
    for i in range(length, place, -1):
        target[i] = target[i - 1]
    if place < length:
        target[place] = value


def _list_pop(target: Any, _page: int, index: Any = -1) -> Any:
    if len(target) == 0:
        raise IndexError("pop from empty list")
    return take_out(target, _index(target, index, "pop"))


def _list_remove(target: Any, _page: int, value: Any) -> None:
    for i, item in enumerate(target):
        if _is_same(item, value):
            take_out(target, i)
            return
    raise ValueError("list.remove(x): x not in list")


def _list_contains(target: Any, _page: int, value: Any) -> bool:
    return any(_is_same(item, value) for item in target)


# ------------------------------------------------------------------------------------------ dict


def _is_key(key: Any) -> bool:
    """Tell whether a value can be a key at all; what cannot is in no dict, and must not reach dbzero's lookup."""
    try:
        check_key(key)
    except UnstorableValue:
        return False
    return True


def _dict_page(target: Any, page: int, start: Any, count: Any) -> list[Any]:
    first, wanted = _window(start, count, page)
    return list(islice(target.items(), first, first + wanted))


def _dict_get(target: Any, _page: int, key: Any) -> Any:
    if not _is_key(key) or key not in target:
        raise KeyError(key)
    return target[key]


def _dict_set(target: Any, _page: int, key: Any, value: Any) -> None:
    check_key(key)
    check_storable(value)
    target[key] = value


def _dict_delete(target: Any, _page: int, key: Any) -> None:
    if not _is_key(key) or key not in target:
        raise KeyError(key)
    del target[key]


def _dict_contains(target: Any, _page: int, key: Any) -> bool:
    return _is_key(key) and key in target


def _dict_pop(target: Any, _page: int, key: Any, *default: Any) -> Any:
    if not _is_key(key) or key not in target:
        if default:
            return default[0]
        raise KeyError(key)
    found = target[key]
    del target[key]
    return found


def _dict_update(target: Any, _page: int, values: Any) -> None:
    if type(values) is not dict and kind_of(values) is not Kind.DICT:
        raise TypeError(f"update takes a dict, not {type(values).__name__}")
    pairs = list(values.items())
    check_storable(dict(pairs), "values")
    for key, value in pairs:
        target[key] = value


# ------------------------------------------------------------------------------------------- set


def _set_page(target: Any, page: int, start: Any, count: Any) -> list[Any]:
    first, wanted = _window(start, count, page)
    return list(islice(target, first, first + wanted))


def _set_add(target: Any, _page: int, member: Any) -> None:
    check_key(member, "member")
    target.add(member)


def _set_discard(target: Any, _page: int, member: Any) -> None:
    if _is_key(member) and member in target:
        target.remove(member)


def _set_remove(target: Any, _page: int, member: Any) -> None:
    if not _is_key(member) or member not in target:
        raise KeyError(member)
    target.remove(member)


def _set_contains(target: Any, _page: int, member: Any) -> bool:
    return _is_key(member) and member in target


def _clear(target: Any, _page: int) -> None:
    target.clear()


_OPERATIONS: dict[tuple[Kind, str], ItemOperation] = {
    (Kind.LIST, "page"): ItemOperation(_list_page, 2, 2),
    (Kind.LIST, "get"): ItemOperation(_list_get, 1, 1),
    (Kind.LIST, "set"): ItemOperation(_list_set, 2, 2),
    (Kind.LIST, "delete"): ItemOperation(_list_delete, 1, 1),
    (Kind.LIST, "append"): ItemOperation(_list_append, 1, 1),
    (Kind.LIST, "extend"): ItemOperation(_list_extend, 1, 1),
    (Kind.LIST, "insert"): ItemOperation(_list_insert, 2, 2),
    (Kind.LIST, "pop"): ItemOperation(_list_pop, 0, 1),
    (Kind.LIST, "remove"): ItemOperation(_list_remove, 1, 1),
    (Kind.LIST, "contains"): ItemOperation(_list_contains, 1, 1),
    (Kind.LIST, "clear"): ItemOperation(_clear, 0, 0),
    (Kind.DICT, "page"): ItemOperation(_dict_page, 2, 2),
    (Kind.DICT, "get"): ItemOperation(_dict_get, 1, 1),
    (Kind.DICT, "set"): ItemOperation(_dict_set, 2, 2),
    (Kind.DICT, "delete"): ItemOperation(_dict_delete, 1, 1),
    (Kind.DICT, "contains"): ItemOperation(_dict_contains, 1, 1),
    (Kind.DICT, "pop"): ItemOperation(_dict_pop, 1, 2),
    (Kind.DICT, "clear"): ItemOperation(_clear, 0, 0),
    (Kind.DICT, "update"): ItemOperation(_dict_update, 1, 1),
    (Kind.SET, "page"): ItemOperation(_set_page, 2, 2),
    (Kind.SET, "add"): ItemOperation(_set_add, 1, 1),
    (Kind.SET, "discard"): ItemOperation(_set_discard, 1, 1),
    (Kind.SET, "remove"): ItemOperation(_set_remove, 1, 1),
    (Kind.SET, "contains"): ItemOperation(_set_contains, 1, 1),
    (Kind.SET, "clear"): ItemOperation(_clear, 0, 0),
}
