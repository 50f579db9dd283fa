"""How a commit names its workspace: a manifest of block references.

A block is either *inline* (small, kept in the commit record that first named it) or in the tenant's
block store. A reference is digest, commit and index with commit -1 for the block store. Inline
blocks spare a second durable write for the usual small step; a later commit refers to them where
they are.

The references of a component or file are one byte string, 40 bytes each: 1 MB of text has two hundred and more, and as
values of their own they took a tenth of the time of a commit. Commits of earlier versions have a list
``[digest, commit, index]`` for each and are read as before.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.sandboxes.step import Component, Form, LostValue, WorkFile, Workspace
from sandbox_runner.wire import values
from statek.exceptions import StoreDamaged

__all__ = ["MAX_INLINE_BYTES", "BlockPlace", "PlacedWorkspace", "changed_names", "decode_manifest", "encode_manifest"]

MAX_INLINE_BYTES = 32 << 10
"""All new blocks of a step travel inline up to this sum; a larger step uses the block store. With the usual manifest
that is one element of a list, and a change of a little within much (one or two blocks) is one durable write."""

_REFERENCE = struct.Struct("<32sii")  # digest, commit, index

_LIMITS = values.GraphLimits(max_bytes=64 << 20, max_nodes=5_000_000, max_depth=20, max_text_bytes=64 << 20)


@dataclass(frozen=True, slots=True)
class BlockPlace:
    """Where a block is: in the commit ``commit`` at ``index``, or in the block store (commit -1)."""

    commit: int
    index: int


@dataclass(frozen=True, slots=True)
class PlacedWorkspace:
    """A workspace and where each of its blocks is.

    Attributes:
        workspace: components, files, lost values.
        places: place by digest, for every digest that the workspace names.
        held: ids of the handles that variables reach.
    """

    workspace: Workspace = field(default_factory=Workspace)
    places: Mapping[str, BlockPlace] = field(default_factory=dict)
    held: tuple[int, ...] = ()


def encode_manifest(placed: PlacedWorkspace) -> bytes:
    """Write a manifest; the workspace's digests must all have a place."""
    places = placed.places

    def refs(digests: Iterable[str]) -> bytes:
        found = ((digest, places[digest]) for digest in digests)
        return b"".join([_REFERENCE.pack(bytes.fromhex(digest), at.commit, at.index) for digest, at in found])

    workspace = placed.workspace
    return values.encode(
        [
            [
                [list(c.names), c.form.value, refs(c.blocks), c.size_bytes, list(c.previews)]
                for c in workspace.components
            ],
            [[f.path, f.mode, f.size_bytes, refs(f.blocks)] for f in workspace.files],
            [[v.name, v.reason] for v in workspace.lost],
            list(placed.held),
        ]
    )


def decode_manifest(data: bytes) -> PlacedWorkspace:
    """Read a manifest back.

    Raises:
        StoreDamaged: these bytes are not a manifest.
    """
    places: dict[str, BlockPlace] = {}

    def digests(refs: bytes | list[list[object]]) -> tuple[str, ...]:
        names = []
        for digest, commit, index in _references(refs):
            name = digest.hex()
            places[name] = BlockPlace(commit, index)
            names.append(name)
        return tuple(names)

    try:
        found: Any = values.decode(data, limits=_LIMITS)
        components, files, lost, held = found
        workspace = Workspace(
            tuple(Component(tuple(n), Form(form), digests(b), size, tuple(p)) for n, form, b, size, p in components),
            tuple(WorkFile(path, mode, size, digests(b)) for path, mode, size, b in files),
            tuple(LostValue(name, reason) for name, reason in lost),
        )
    except (values.GraphError, ValueError, TypeError) as error:
        raise StoreDamaged(f"a commit's manifest does not read: {error}") from error
    return PlacedWorkspace(workspace, places, tuple(held))


def _references(refs: bytes | list[list[object]]) -> Iterator[tuple[bytes, int, int]]:
    """Digest, commit and index of each block, from either form.

    Raises:
        StoreDamaged: one of a list is malformed.
        ValueError: the bytes are cut off.
    """
    if isinstance(refs, bytes):
        if len(refs) % _REFERENCE.size:
            raise ValueError("a block reference is cut off")
        yield from _REFERENCE.iter_unpack(refs)
        return
    for digest, commit, index in refs:
        if not (isinstance(digest, bytes) and isinstance(commit, int) and isinstance(index, int)):
            raise StoreDamaged("a block reference of a manifest is malformed")
        yield digest, commit, index


def changed_names(old: Workspace, new: Workspace) -> list[str]:
    """Names of variables and files (as ``/work/path``) that were added, changed or removed."""
    before, after = _fingerprints(old), _fingerprints(new)
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _fingerprints(workspace: Workspace) -> dict[str, tuple[object, ...]]:
    """What identifies the content of each name."""
    prints: dict[str, tuple[object, ...]] = {}
    for component in workspace.components:
        for name in component.names:
            prints[name] = (component.names, component.blocks)
    for file in workspace.files:
        prints[f"/work/{file.path}"] = (file.mode, file.blocks)
    for value in workspace.lost:
        prints[value.name] = ("lost", value.reason)
    return prints
