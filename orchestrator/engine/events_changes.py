"""What a commit changed, as the event of it tells: names with the previews of their old and new values.

The previews are those that the sandbox made for people; they are bounded by the wire and cut again by
``statek.events.changes_payload``.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.sandboxes.step import Workspace
from statek.events import MAX_CHANGES, StateChange

__all__ = ["state_changes"]


def state_changes(before: Workspace, after: Workspace, names: Sequence[str]) -> tuple[StateChange, ...]:
    """The first of these changes; costs as much for a large workspace as ``manifest.changed_names``.

    Args:
        before: what a commit keeps.
        after: what another one keeps.
        names: variables and files (as ``/work/path``) that they do not agree on.
    """
    shown = names[:MAX_CHANGES]
    if not shown:
        return ()
    wanted = frozenset(shown)
    old, new = _previews(before, wanted), _previews(after, wanted)
    return tuple(StateChange(name, old.get(name), new.get(name)) for name in shown)


def _previews(workspace: Workspace, wanted: frozenset[str]) -> dict[str, str]:
    """A line about each of the wanted names that the workspace has."""
    found: dict[str, str] = {}
    for component in workspace.components:
        for place, name in enumerate(component.names):
            if name in wanted:
                found[name] = component.previews[place] if component.previews else ""
    for file in workspace.files:
        name = f"/work/{file.path}"
        if name in wanted:
            found[name] = f"{file.size_bytes} bytes"
    for value in workspace.lost:
        if value.name in wanted:
            found[value.name] = f"lost: {value.reason}"
    return found
