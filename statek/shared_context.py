"""Shared context: small facts that jobs have in common (a long-term memory), durable per prefix.

A context is named by its *binding*, a set of specifiers: texts, or durable objects such as a user. A job is bound to a
set of specifiers; it reads every context whose binding is a subset of them, the newest variable of a name winning, and
writes to the one that has exactly them. The order of specifiers does not matter.

Values are plain data in graph form, or one durable object. A variable keeps its category, a description for agents
and how often it was read.

Preconditions:
    every method of ``SharedContext``: on the store thread; changing ones inside its atomic block.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from sandbox_runner.wire import values
from statek import durable
from statek.context_category import ContextCategory, ContextCategoryDict, ContextVar
from statek.durable import memo
from statek.exceptions import InvalidRequest, LimitExceeded
from statek.packing import pack, unpack

__all__ = [
    "ContextCategory",
    "ContextCategoryDict",
    "ContextRecord",
    "ContextRootRecord",
    "ContextVar",
    "ContextVarRecord",
    "SharedContext",
    "context_title",
    "context_variable",
    "specifier_texts",
    "stored_contexts",
]

MAX_SPECIFIERS = 16
"""Specifiers of one job."""

MAX_SPECIFIER_CHARS = 200
"""Length of one that is a text."""

MAX_VARIABLES = 256
"""Variables of one context."""

MAX_VALUE_BYTES = 16 << 10
"""Length of one value, encoded."""

MAX_DESCRIPTION_CHARS = 1000
"""Length of one description."""

MAX_NAME_CHARS = 100
"""Length of one name."""

_ROOT_TAG = "statek-shared-context"


@memo(id="statek.ContextRootRecord")
class ContextRootRecord:
    """Every context of a prefix.

    Attributes:
        by_specifier: lists of contexts by the first of their sorted specifiers, with the tenant in front.
        changes: counts changes; orders variables by age.
    """

    def __init__(self) -> None:
        self.by_specifier: Any = {}
        self.changes = 0


@memo(id="statek.ContextRecord")
class ContextRecord:
    """One context.

    Attributes:
        tenant: whose it is.
        binding: JSON list of its sorted specifiers.
        names: JSON list of its variables' names.
        variables: ContextVarRecords by name.
    """

    def __init__(self, tenant: str, binding: str) -> None:
        self.tenant = tenant
        self.binding = binding
        self.names = "[]"
        self.variables: Any = {}


@memo(id="statek.ContextVarRecord")
class ContextVarRecord:
    """One shared variable.

    Attributes:
        category: name of a ContextCategory.
        value: graph form; empty where ``target`` is the value.
        target: a durable object, or None.
        type_name: JSON text: name of the value's class; empty for a variable that was written before it was kept.
        description: JSON text.
        change: number of the change that wrote it.
        use_count: how often code has read it.
    """

    type_name = ""

    def __init__(self) -> None:
        self.category = ""
        self.value = b""
        self.target: Any = None
        self.description = '""'
        self.change = 0
        self.use_count = 0
        self.type_name = ""


def specifier_texts(specifiers: Iterable[object]) -> tuple[str, ...]:
    """The stored form of specifiers: sorted, without repetition (store thread, where one is a durable object).

    Raises:
        InvalidRequest: one is neither a text nor a durable object.
        LimitExceeded: too many.
    """
    found: set[str] = set()
    for specifier in specifiers:
        if isinstance(specifier, str) and 0 < len(specifier.strip()) <= MAX_SPECIFIER_CHARS:
            found.add(f"s:{specifier.strip()}")
        elif not isinstance(specifier, type | str) and durable.is_memo(specifier):
            found.add(f"o:{durable.uuid_of(specifier)}")
        else:
            raise InvalidRequest(
                f"a specifier of a shared context is a text of 1 to {MAX_SPECIFIER_CHARS} characters or a durable "
                f"object, not {type(specifier).__name__}"
            )
    if len(found) > MAX_SPECIFIERS:
        raise LimitExceeded("shared_context_specifiers", MAX_SPECIFIERS, len(found))
    return tuple(sorted(found))


def stored_contexts() -> Iterator[ContextRecord]:
    """Every context of the prefix (store thread), in no particular order."""
    root = _root(create=False)
    for key in list(root.by_specifier.keys()) if root is not None else []:
        contexts, at = root.by_specifier[key], 0
        while at < len(contexts):
            yield contexts[at]
            at += 1


def context_title(context: ContextRecord) -> str:
    """What names a context to people: its tenant and its specifiers (store thread)."""
    specifiers = ", ".join(text.partition(":")[2] for text in unpack(context.binding)) or "everybody"
    return f"shared context of tenant {context.tenant} for {specifiers}"


def context_variable(context: ContextRecord, name: str) -> ContextVar:
    """A variable of a context by one of its names (store thread)."""
    return _view(name, context.variables[name])


class SharedContext:
    """What a job, or the application, sees of the shared variables.

    Args:
        specifiers: of the binding: texts and durable objects, or what ``specifier_texts`` gave of them.
        tenant: whose contexts.
    """

    def __init__(self, *specifiers: object, tenant: str = "default") -> None:
        self._binding = specifier_texts(specifiers)
        self._tenant = tenant

    @classmethod
    def bound(cls, texts: Iterable[str], tenant: str) -> SharedContext:
        """The one of stored specifiers."""
        made = cls(tenant=tenant)
        made._binding = tuple(texts)
        return made

    def names(self) -> list[str]:
        """The names that are there, sorted."""
        return sorted({name for context in self._readable() for name in unpack(context.names)})

    def variables(self) -> list[ContextVar]:
        """Every variable that is read by its name, sorted by name; no value is decoded for it."""
        found = {name: self._newest(name) for name in self.names()}
        return [_view(name, record) for name, record in found.items() if record is not None]

    def get(self, name: str, *, count: bool = False) -> ContextVar | None:
        """The newest variable of a name; None without one.

        Args:
            name: its name.
            count: count this as a use of it.
        """
        record = self._newest(name)
        if record is not None and count:
            record.use_count += 1
        return None if record is None else _view(name, record)

    def set(self, category: ContextCategory | str, key: str, value: Any, description: str = "") -> None:
        """Write a variable to the context that has exactly this binding.

        Raises:
            InvalidRequest: an unknown category, a name that code cannot use, or a value that is neither plain data nor
                a durable object.
            LimitExceeded: too large, or too many variables.
        """
        chosen = ContextCategoryDict.get(category)
        if chosen is None:
            raise InvalidRequest(f"{category!r} is no category; there are {', '.join(ContextCategory.__members__)}")
        _check_name(key)
        if not isinstance(description, str) or len(description) > MAX_DESCRIPTION_CHARS:
            raise InvalidRequest(
                f"the description of {key} must be a text of at most {MAX_DESCRIPTION_CHARS} characters"
            )
        target = value if not isinstance(value, type) and durable.is_memo(value) else None
        data = b"" if target is not None else _encoded(key, value)
        root = _root(create=True)
        context = self._exact(root)
        record = context.variables.get(key)
        if record is None:
            names = unpack(context.names)
            if len(names) >= MAX_VARIABLES:
                raise LimitExceeded("shared_context_variables", MAX_VARIABLES, len(names) + 1)
            record = ContextVarRecord()
            context.variables[key] = record
            context.names = pack(sorted([*names, key]))
        root.changes += 1
        record.category = chosen.value
        record.value, record.target = data, target
        record.type_name = pack(type(value).__name__)
        record.description = pack(description)
        record.change = root.changes

    def _readable(self) -> list[ContextRecord]:
        """The contexts whose binding is a subset of this one."""
        root = _root(create=False)
        if root is None:
            return []
        own = set(self._binding)
        found: list[ContextRecord] = []
        for first in ("", *self._binding):
            contexts = root.by_specifier.get(_index_key(self._tenant, first), ())
            found += [context for context in contexts if own.issuperset(unpack(context.binding))]
        return found

    def _newest(self, name: str) -> ContextVarRecord | None:
        records = [context.variables.get(name) for context in self._readable()]
        return max((record for record in records if record is not None), key=lambda r: r.change, default=None)

    def _exact(self, root: Any) -> Any:
        """The context that has exactly this binding, made where there is none."""
        binding = pack(list(self._binding))
        key = _index_key(self._tenant, self._binding[0] if self._binding else "")
        contexts = root.by_specifier.get(key)
        if contexts is None:
            root.by_specifier[key] = []
            contexts = root.by_specifier[key]
        for context in contexts:
            if context.binding == binding:
                return context
        made = ContextRecord(self._tenant, binding)
        contexts.append(made)
        return made


def _index_key(tenant: str, specifier: str) -> str:
    """A key that dbzero holds unchanged, whatever the texts are."""
    return pack([tenant, specifier])


def _root(*, create: bool) -> Any:
    found = next(durable.find(ContextRootRecord, _ROOT_TAG), None)
    if found is None and create:
        found = ContextRootRecord()
        durable.tag(found, _ROOT_TAG)
    return found


def _view(name: str, record: ContextVarRecord) -> ContextVar:
    """A variable whose value is decoded when it is looked at: a list of them does not need it."""
    target, data = record.target, record.value
    load = (lambda: target) if target is not None else partial(values.decode, data)
    type_name = unpack(record.type_name) if record.type_name else type(load()).__name__
    return ContextVar(
        ContextCategory(record.category), name, type_name, unpack(record.description), record.use_count, load
    )


def _check_name(key: object) -> None:
    if (
        not isinstance(key, str)
        or not key.isidentifier()
        or keyword.iskeyword(key)
        or key.startswith("_")
        or len(key) > MAX_NAME_CHARS
    ):
        shown = key if isinstance(key, str) else type(key).__name__
        raise InvalidRequest(f"{str(shown)[:MAX_NAME_CHARS]!r} is no name for a shared variable")


def _encoded(key: str, value: object) -> bytes:
    try:
        data = values.encode(value)
    except values.GraphError as error:
        raise InvalidRequest(f"shared variable {key}: {error}; give plain data or one durable object") from None
    if len(data) > MAX_VALUE_BYTES:
        raise LimitExceeded("shared_context_value_bytes", MAX_VALUE_BYTES, len(data), "keep small facts here only")
    return data
