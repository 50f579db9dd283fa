"""Checks of a workspace that an archive names: the bounds that a workspace from a runner has to keep too."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from orchestrator.engine.manifest import PlacedWorkspace
from orchestrator.sandboxes.inbound_messages import InboundLimits
from statek.exceptions import InvalidArchive

__all__ = ["check_workspace"]

_LIMITS = InboundLimits()
_MAX_MODE = 0o777

SizeOf = Callable[[str, int, int], int]
"""Length of the block of a digest at a place (commit, index)."""


def check_workspace(placed: PlacedWorkspace, where: str, size_of: SizeOf) -> None:
    """Check names, paths, modes, sizes and references.

    Args:
        placed: what a manifest said.
        where: for the message.
        size_of: gives the length of a block; raises InvalidArchive for one that is not there.

    Raises:
        InvalidArchive: something is not as it must be.
    """
    sizes = {digest: size_of(digest, place.commit, place.index) for digest, place in placed.places.items()}
    workspace = placed.workspace
    _count(workspace.components, _LIMITS.names, f"variables of {where}")
    _count(workspace.files, _LIMITS.files, f"files of {where}")
    _count(workspace.lost, _LIMITS.lost, f"lost values of {where}")
    _count(placed.held, _LIMITS.held, f"handles of {where}")
    if not all(type(handle) is int and handle > 0 for handle in placed.held):
        raise InvalidArchive(f"a handle of {where} in the archive is no number")
    names: list[str] = []
    for component in workspace.components:
        if not component.names or len(component.previews) != len(component.names):
            raise InvalidArchive(f"a component of {where} in the archive has no names, or other previews than names")
        names.extend(_name(name, where) for name in component.names)
        for line in component.previews:
            _text(line, _LIMITS.preview_bytes, f"a preview of {where}")
        _check_size(component.size_bytes, component.blocks, sizes, f"{component.names[0]!r} of {where}")
    _unique(names, f"variables of {where}")
    for file in workspace.files:
        _check_path(file.path, where)
        if type(file.mode) is not int or not 0 <= file.mode <= _MAX_MODE:
            raise InvalidArchive(f"file {file.path[:80]!r} of {where} in the archive has no plain mode")
        _check_size(file.size_bytes, file.blocks, sizes, f"file {file.path[:80]!r} of {where}")
    _unique((file.path for file in workspace.files), f"files of {where}")
    for lost in workspace.lost:
        _text(lost.name, _LIMITS.path_bytes, f"a lost name of {where}")
        _text(lost.reason, _LIMITS.message_bytes, f"a reason of {where}")


def _check_size(size: Any, blocks: Iterable[str], sizes: dict[str, int], what: str) -> None:
    """A content is as long as it says."""
    total = sum(sizes[digest] for digest in blocks)
    if type(size) is not int or size != total:
        raise InvalidArchive(f"{what} in the archive has blocks of {total} bytes for a size of {str(size)[:40]}")


def _check_path(path: Any, where: str) -> None:
    _text(path, _LIMITS.path_bytes, f"a path of {where}")
    if "\0" in path or any(part in {"", ".", ".."} for part in path.split("/")):
        raise InvalidArchive(f"{path[:80]!r} of {where} in the archive is no plain relative path")


def _name(name: Any, where: str) -> str:
    _text(name, _LIMITS.name_bytes, f"a variable of {where}")
    if not name or not name.isprintable():
        raise InvalidArchive(f"a variable of {where} in the archive has no printable name: {name[:80]!r}")
    return str(name)


def _text(value: Any, limit: int, what: str) -> None:
    if not isinstance(value, str) or len(value.encode("utf-8", "surrogatepass")) > limit:
        raise InvalidArchive(f"{what} in the archive is no text of at most {limit} bytes")


def _count(found: Any, limit: int, what: str) -> None:
    if len(found) > limit:
        raise InvalidArchive(f"{len(found)} {what} in the archive, at most {limit}")


def _unique(found: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in found:
        if name in seen:
            raise InvalidArchive(f"{name[:80]!r} is twice among the {what} in the archive")
        seen.add(name)
