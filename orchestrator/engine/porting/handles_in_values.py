"""Which variables of a workspace reach durable objects: those cannot leave the store that the objects live in.

Values in graph form are read. A pickle is not opened: it is searched for the name under which the executor writes a
handle (``sandbox_runner.executor.pickling._handle``), which pickle keeps as two short texts. One that holds these texts
for another reason counts as one with a handle: it is named as lost, never silently another value.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from orchestrator.sandboxes.step import Component, Form
from sandbox_runner.wire import values

__all__ = ["reaches_durable_objects"]

_LIMITS = values.GraphLimits(max_bytes=64 << 20, max_nodes=2_000_000, max_depth=100_000, max_text_bytes=64 << 20)
_MODULE = b"sandbox_runner.executor.pickling"
_FUNCTION = b"\x8c\x07_handle"  # SHORT_BINUNICODE, its length, the text
_PICKLE, _DEEP = b"P", b"G"  # kinds of the opaque form that can hold handles (sandbox_runner.executor.opaque)


def reaches_durable_objects(component: Component, read: Callable[[str], bytes]) -> bool:
    """Whether the values in a component hold a handle.

    A pickle is read block by block: a block may be named any number of times, and is not kept for each.

    Args:
        component: of a workspace.
        read: gives the block of a digest.
    """
    first = read(component.blocks[0])[:1] if component.blocks else b""
    deep = component.form is not Form.GRAPH and first == _DEEP
    if component.form is Form.GRAPH or deep:
        if component.size_bytes > _LIMITS.max_bytes + deep:
            return False  # no reader takes it
        return _graph_holds(b"".join(map(read, component.blocks))[deep:])
    if first != _PICKLE:
        return False
    module = function = False
    tail = b""
    for digest in component.blocks:
        piece = tail + read(digest)
        module, function = module or _MODULE in piece, function or _FUNCTION in piece
        tail = piece[1 - len(_MODULE) :]
    return module and function


def _graph_holds(data: bytes) -> bool:
    found: list[values.Handle] = []

    def note(handle: values.Handle) -> values.Handle:
        found.append(handle)
        return handle

    with suppress(values.GraphError):  # the sandbox that restores it says so, by name
        values.decode(data, from_handle=note, limits=_LIMITS)
    return bool(found)
