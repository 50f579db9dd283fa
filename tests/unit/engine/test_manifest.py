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
from sandbox_runner.wire import values
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


def test_a_manifest_of_an_earlier_version_is_read_as_before() -> None:
    def refs(*digests: str) -> list[list[object]]:
        return [[bytes.fromhex(digest), 3 if digest == A else -1, 0] for digest in digests]

    old = [
        [
            [["x", "y"], 1, refs(A), 10, ["int 1", "int 2"]],
            [["z"], 2, refs(B, C), 300_000, ["DataFrame (3, 2)"]],
        ],
        [["plots/a.png", 0o644, 12, refs(C)]],
        [["lock", "cannot pickle '_thread.lock' object"]],
        [1, 7],
    ]
    places = {A: BlockPlace(3, 0), B: BlockPlace(-1, 0), C: BlockPlace(-1, 0)}
    assert decode_manifest(values.encode(old)) == PlacedWorkspace(workspace(), places, (1, 7))


@pytest.mark.parametrize(
    ("refs", "message"),
    [
        (b"d" * 39, "a commit's manifest does not read: a block reference is cut off"),
        ([[b"d" * 32, "0", 0]], "a block reference of a manifest is malformed"),
        ([[1, 2]], "a commit's manifest does not read: not enough values to unpack (expected 3, got 2)"),
        (7, "a commit's manifest does not read: 'int' object is not iterable"),
    ],
)
def test_references_that_do_not_read_are_named_as_damage(refs: object, message: str) -> None:
    data = values.encode([[[["x"], 1, refs, 10, [""]]], [], [], []])
    with pytest.raises(StoreDamaged) as caught:
        decode_manifest(data)
    assert str(caught.value) == message


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
