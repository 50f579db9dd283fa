"""Puts the starting commit of a job in place in a fresh executor."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Mapping
from typing import Any

from sandbox_runner.executor.arrays import ArrayMemory
from sandbox_runner.executor.blocks import BlockTable
from sandbox_runner.executor.checkpoint import GRAPH
from sandbox_runner.executor.enums import enum_member
from sandbox_runner.executor.handles import HOST_LIMITS, Handles
from sandbox_runner.executor.namespace import Namespace
from sandbox_runner.executor.opaque import read_named, read_pickle_head
from sandbox_runner.executor.pickling import Pickles
from sandbox_runner.executor.work_files import WorkFiles
from sandbox_runner.wire.frames import Component, Lost, Restore
from sandbox_runner.wire.values import decode

__all__ = ["Restorer"]

_REASON_CHARS = 200


class Restorer:
    """Restores one commit.

    Args:
        namespace: receives the variables.
        handles: receives the proxies.
        pickles: reads opaque components.
        blocks: learns what the host has.
        files: writes the work directory.
    """

    def __init__(
        self, namespace: Namespace, handles: Handles, pickles: Pickles, blocks: BlockTable, files: WorkFiles
    ) -> None:
        self._namespace = namespace
        self._handles = handles
        self._pickles = pickles
        self._blocks = blocks
        self._files = files

    def restore(self, commit: Restore, data: Mapping[int, bytes]) -> list[Lost]:
        """Restore a commit.

        Args:
            commit: what it consists of.
            data: the blocks that were sent before, by id.

        Returns:
            What could not be restored. These names raise LostVariableError from now on.
        """
        for number, block in data.items():
            self._blocks.known(number, block)
        if commit.shared_context:
            self._namespace.ask()
        earlier = {item.name: item.reason for item in commit.lost}
        if earlier:
            self._namespace.set_lost(earlier)
        failed = self._components(commit.components, data)
        if failed and not earlier:
            # Names that raise need another kind of builtins, which functions take over when they are made: again.
            self._namespace.set_lost(failed)
            for name in self._namespace.saved():
                del self._namespace.variables[name]
            failed = self._components(commit.components, data)
        for name, reason in failed.items():
            self._namespace.add_lost(name, reason)
        lost = [Lost(name, reason) for name, reason in sorted(failed.items())]
        return lost + self._files.restore(commit.files, data)

    def _components(self, components: list[Component], data: Mapping[int, bytes]) -> dict[str, str]:
        failed: dict[str, str] = {}
        for component in components:
            try:
                whole = b"".join([data[number] for number in component.blocks])
                values = self._graph(whole) if component.form == GRAPH else self._opaque(whole)
                self._note_stream(component, whole, data)
            except Exception as error:
                text = f"cannot be restored: {type(error).__name__}: {error}"
                failed.update(dict.fromkeys(component.names, text[:_REASON_CHARS]))
            else:
                if isinstance(values, dict):
                    self._namespace.variables.update(values)
        return failed

    def _graph(self, data: bytes | memoryview) -> Any:
        return decode(
            bytes(data),
            from_handle=self._handles.from_handle,
            limits=HOST_LIMITS,
            enum_loader=enum_member,
            from_future=self._handles.futures.from_ref,
        )

    def _opaque(self, whole: bytes) -> dict[str, Any]:
        view = memoryview(whole)
        kind = whole[:1]
        if kind == b"P":
            start, stream_bytes, sizes = read_pickle_head(view)
            stop = start + stream_bytes
            buffers: list[ArrayMemory] = []
            at = stop
            for size in sizes:
                buffers.append(ArrayMemory(view[at : at + size]))  # an array is writable when its buffer is
                at += size
            found: dict[str, Any] = self._pickles.load(view[start:stop], buffers)
            return found
        if kind in {b"T", b"D"}:
            name, rest = read_named(view)
            elements = pickle.loads(rest)  # noqa: TID251 -- in the sandbox, its own data
            return {name: list(elements) if kind == b"T" else dict(zip(elements[::2], elements[1::2], strict=True))}
        if kind in {b"B", b"A"}:
            name, rest = read_named(view)
            return {name: bytes(rest) if kind == b"B" else bytearray(rest)}
        if kind == b"G":
            return dict(self._graph(view[1:]))
        if kind == b"M":
            return {name: importlib.import_module(module) for name, module in self._graph(view[1:]).items()}  # noqa: TID251
        raise ValueError(f"unknown opaque kind {kind!r}")

    def _note_stream(self, component: Component, whole: bytes, data: Mapping[int, bytes]) -> None:
        """Make an unchanged stream known by its hash, so that it is not cut again."""
        size = len(whole)
        if component.form != GRAPH and whole[:1] == b"P":
            start, stream_bytes, _ = read_pickle_head(memoryview(whole))
            size = start + stream_bytes
        elif component.form != GRAPH and whole[:1] in {b"B", b"A"}:
            size = len(whole) - len(read_named(memoryview(whole))[1])
        numbers: list[int] = []
        covered = 0
        for number in component.blocks:
            if covered >= size:
                break
            numbers.append(number)
            covered += len(data[number])
        if covered == size:
            self._blocks.known_stream(memoryview(whole)[:size], numbers)
