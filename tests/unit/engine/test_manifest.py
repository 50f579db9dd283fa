"""Manifests: a workspace as block references."""

from __future__ import annotations

import pytest

from orchestrator.engine.manifest import (
    BlockPlace,
    PlacedWorkspace,
    changed_names,
    decode_manifest,
    encode_manifest,
)
from orchestrator.sandboxes.step import Component, Form, LostValue, WorkFile, Workspace
from statek.exceptions import StoreDamaged

A, B, C = "aa" * 32, "bb" * 32, "cc" * 32


def workspace() -> Workspace:
    return Workspace(
        (
            Component(("x", "y"), Form.GRAPH, (A,), 10, ("int 1", "int 2")),
            Component(("z",), Form.OPAQUE, (B, C), 300_000, ("DataFrame (3, 2)",)),
        ),
        (WorkFile("plots/a.png", 0o644, 12, (C,)),),
        (LostValue("lock", "cannot pickle '_thread.lock' object"),),
    )


def test_manifest_comes_back_as_it_was() -> None:
    places = {A: BlockPlace(3, 0), B: BlockPlace(-1, 0), C: BlockPlace(-1, 0)}
    placed = PlacedWorkspace(workspace(), places, (1, 7))
    assert decode_manifest(encode_manifest(placed)) == placed


def test_changed_names_lists_what_was_added_changed_and_removed() -> None:
    old = workspace()
    new = Workspace((Component(("x", "y"), Form.GRAPH, (C,), 10, ("", "")),), old.files, ())
    assert changed_names(old, new) == ["lock", "x", "y", "z"]
    assert changed_names(old, old) == []
    assert changed_names(Workspace(), Workspace(files=old.files)) == ["/work/plots/a.png"]


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\x00" * 40])
def test_garbage_is_named_as_damage(data: bytes) -> None:
    with pytest.raises(StoreDamaged, match="a commit's manifest does not read"):
        decode_manifest(data)
