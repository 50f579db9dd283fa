"""How a commit names its workspace: a manifest of block references.

A block is either *inline* (small, kept in the commit record that first named it) or in the tenant's
block store. A reference is a digest and its place, commit and index, with commit -1 for the block store. Inline
blocks spare a second durable write for the usual small step; a later commit refers to them where
they are.

A manifest is ASCII JSON, because Python reads and writes it in C: that of 700 variables (73 KB) is written in a
quarter of the time that the graph form took, on the store thread.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from typing import Any

from orchestrator.sandboxes.step import Component, Form, LostValue, WorkFile, Workspace
from statek.exceptions import StoreDamaged
from statek.packing import pack

__all__ = ["MAX_INLINE_BYTES", "BlockPlace", "PlacedWorkspace", "changed_names", "decode_manifest", "encode_manifest"]

MAX_INLINE_BYTES = 16 << 10
"""All new blocks of a step travel inline up to this sum; a larger step uses the block store."""

_DIGEST_BYTES = 32


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

    def refs(digests: Sequence[str]) -> list[Any]:
        numbers = [number for d in digests for number in (places[d].commit, places[d].index)]
        return [b64encode(bytes.fromhex("".join(digests))).decode(), *numbers]

    workspace = placed.workspace
    return pack(
        [
            [[c.names, c.form.value, c.size_bytes, c.previews, *refs(c.blocks)] for c in workspace.components],
            [[f.path, f.mode, f.size_bytes, *refs(f.blocks)] for f in workspace.files],
            [[v.name, v.reason] for v in workspace.lost],
            placed.held,
        ]
    ).encode()


def decode_manifest(data: bytes) -> PlacedWorkspace:
    """Read a manifest back.

    Raises:
        StoreDamaged: these bytes are not a manifest.
    """
    places: dict[str, BlockPlace] = {}

    def digests(packed: str, numbers: list[int]) -> tuple[str, ...]:
        raw = b64decode(packed, validate=True)
        names = tuple(raw[at : at + _DIGEST_BYTES].hex() for at in range(0, len(raw), _DIGEST_BYTES))
        if len(raw) % _DIGEST_BYTES or len(numbers) != 2 * len(names):
            raise ValueError("digests and places do not match")
        places.update(zip(names, starmap(BlockPlace, zip(numbers[::2], numbers[1::2], strict=True)), strict=True))
        return names

    try:
        components, files, lost, held = json.loads(data)
        workspace = Workspace(
            tuple(
                Component(tuple(names), Form(form), digests(packed, numbers), size, tuple(previews))
                for names, form, size, previews, packed, *numbers in components
            ),
            tuple(WorkFile(path, mode, size, digests(packed, numbers)) for path, mode, size, packed, *numbers in files),
            tuple(LostValue(name, reason) for name, reason in lost),
        )
        return PlacedWorkspace(workspace, places, tuple(held))
    except (ValueError, TypeError, RecursionError) as error:
        raise StoreDamaged(f"a commit's manifest does not read: {error}") from error


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
