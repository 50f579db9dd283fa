"""The checkpoint at the end of a step: every variable, in components, hashed whole.

Nothing is tracked: a component is serialized again each time and compared by its hash, so that no change can be
missed, whoever made it. What has not changed names its earlier blocks and sends nothing. A variable that cannot be
saved never keeps another from it.
"""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass, field
from typing import Any

from sandbox_runner.executor.blocks import BlockTable
from sandbox_runner.executor.components import Group, split
from sandbox_runner.executor.handles import Handles
from sandbox_runner.executor.namespace import Namespace
from sandbox_runner.executor.opaque import FLAT_TYPES, RAW_TYPES, flat_stream, named_head, pickle_head
from sandbox_runner.executor.pickling import Pickles
from sandbox_runner.executor.previews import preview
from sandbox_runner.wire.frames import Component, Lost
from sandbox_runner.wire.values import FutureRef, GraphError, Handle, Substitute, encode

__all__ = ["GRAPH", "OPAQUE", "Checkpoint", "Checkpointer"]

GRAPH, OPAQUE = 1, 2
GRAPH_BYTES = 64 << 10
_FLAT_PARTS = 1024
_REASON_CHARS = 200
_ATTEMPTS = 3


@dataclass(slots=True)
class _Serialized:
    """A component in memory: a stream, then buffers that stay where they are."""

    names: list[str]
    form: int
    stream: bytes
    buffers: list[memoryview] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.stream) + sum(buffer.nbytes for buffer in self.buffers)


@dataclass(slots=True)
class Checkpoint:
    """What a step leaves: every component, what was lost, the handles that variables hold."""

    components: list[Component] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    held: set[int] = field(default_factory=set)


class Checkpointer:
    """Makes the checkpoints of one executor.

    Args:
        namespace: the variables.
        handles: the proxies in them.
        pickles: for what has no graph form.
        blocks: what the host has.
        checkpoint_bytes: limit of all components together; 0 for none.
    """

    def __init__(
        self, namespace: Namespace, handles: Handles, pickles: Pickles, blocks: BlockTable, checkpoint_bytes: int
    ) -> None:
        self._namespace = namespace
        self._handles = handles
        self._pickles = pickles
        self._blocks = blocks
        self._limit = checkpoint_bytes

    def take(self) -> Checkpoint:
        """Serialize the workspace and send the blocks that are new."""
        made = Checkpoint()
        variables = self._namespace.saved()
        for name in self._namespace.lost.keys() & variables.keys():
            del self._namespace.lost[name]
        modules = {name: value for name, value in variables.items() if _is_importable_module(value)}
        rest = {name: value for name, value in variables.items() if name not in modules} if modules else variables
        lost: dict[str, str] = {}
        parts: list[_Serialized] = []
        namespaces = frozenset(
            {
                id(self._namespace.variables),
                id(self._namespace.layer),
                id(sys.modules),
                id(sys.modules["builtins"].__dict__),
            }
        )
        for group in split(rest, namespaces):
            parts += self._serialized(group, rest, lost, made.held)
        if modules:
            named = {name: modules[name].__name__ for name in sorted(modules)}
            parts.append(_Serialized(list(named), OPAQUE, b"M" + encode(named)))
        self._fit(parts, lost)
        parts.sort(key=lambda part: part.names[0])
        for part in parts:
            numbers = list(self._blocks.stream(part.stream))
            for buffer in part.buffers:
                numbers += self._blocks.buffer(buffer)
            previews = [preview(variables[name]) for name in part.names]
            made.components.append(Component(part.names, part.form, numbers, part.size, previews))
        made.lost = [Lost(name, reason) for name, reason in sorted({**self._namespace.lost, **lost}.items())]
        return made

    def _serialized(
        self, group: Group, variables: dict[str, Any], lost: dict[str, str], held: set[int]
    ) -> list[_Serialized]:
        values = {name: variables[name] for name in group.names}
        try:
            return [self._one(values, group, held)]
        except Exception as error:
            if len(values) == 1:
                lost[group.names[0]] = _reason(error)
                return []
        # Together they failed: find which of them fail alone, and keep the others together.
        good: dict[str, Any] = {}
        for name, value in values.items():
            try:
                self._one({name: value}, group, set())
            except Exception as error:
                lost[name] = _reason(error)
            else:
                good[name] = value
        try:
            return [self._one(good, group, held)] if good else []
        except Exception as error:
            lost.update(dict.fromkeys(good, _reason(error)))
            return []

    def _one(self, values: dict[str, Any], group: Group, held: set[int]) -> _Serialized:
        names = list(values)
        if group.parts <= GRAPH_BYTES:
            try:
                return _Serialized(names, GRAPH, self._graph(values, held, GRAPH_BYTES))
            except GraphError:
                pass
        if len(values) == 1:
            ((name, value),) = values.items()
            kind = type(value)
            if kind in RAW_TYPES and value:
                return _Serialized(names, OPAQUE, named_head(RAW_TYPES[kind], name), [memoryview(value)])
            if kind in FLAT_TYPES and len(value) >= _FLAT_PARTS and group.flat:
                return _Serialized(names, OPAQUE, named_head(FLAT_TYPES[kind], name) + flat_stream(value))
        return self._pickled(names, values, held)

    def _pickled(self, names: list[str], values: dict[str, Any], held: set[int]) -> _Serialized:
        for attempt in range(_ATTEMPTS):
            try:
                stream, buffers = self._pickles.dump(values, held)
            except RecursionError:
                # Deeper than a pickle can go; the graph form has no such limit.
                try:
                    return _Serialized(names, OPAQUE, b"G" + self._graph(values, held, None))
                except GraphError as error:
                    raise RecursionError(f"it is nested too deeply to be pickled, and {error}") from None
            except RuntimeError:
                # A thread of the user changed a dict in between.
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                head = pickle_head(len(stream), [buffer.nbytes for buffer in buffers])
                return _Serialized(names, OPAQUE, head + stream, buffers)
        raise AssertionError

    def _graph(self, values: dict[str, Any], held: set[int], limit: int | None) -> bytes:
        met: list[int] = []

        def to_handle(value: object) -> Handle | FutureRef | Substitute | None:
            found = self._handles.to_handle(value)
            if type(found) is Handle:
                met.append(found.id)
            return found

        data = encode(values, to_handle=to_handle, max_bytes=limit)
        held.update(met)
        return data

    def _fit(self, parts: list[_Serialized], lost: dict[str, str]) -> None:
        """Drop the largest components until the rest is within the limit."""
        total = sum(part.size for part in parts)
        if not self._limit or total <= self._limit:
            return
        for part in sorted(parts, key=lambda part: (-part.size, part.names)):
            if total <= self._limit:
                return
            total -= part.size
            parts.remove(part)
            reason = f"limit checkpoint_bytes is {self._limit}, it needs {part.size}"
            lost.update(dict.fromkeys(part.names, reason))


def _is_importable_module(value: object) -> bool:
    return type(value) is types.ModuleType and sys.modules.get(value.__name__) is value and value.__name__ != "__main__"


def _reason(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException:
        text = ""
    text = text or type(error).__name__
    return text if len(text) <= _REASON_CHARS else text[:_REASON_CHARS] + "..."
