"""The durable counts of errors of job definitions, by what they say (``statek.definition_errors``).

Every function runs on the store thread; those that change something inside its atomic block.
"""

from __future__ import annotations

from orchestrator.digests import content_digest
from statek.definition_errors import DefinitionErrors, JobDefError
from statek.records import ServiceRecord

__all__ = ["clear_errors", "errors_of", "note_error"]


def errors_of(root: ServiceRecord | None, definition: str) -> DefinitionErrors:
    """What is kept for the definition of that text."""
    kept = root.definition_errors if root is not None else None
    return DefinitionErrors() if kept is None else DefinitionErrors.from_text(kept.get(_key(definition), ""))


def note_error(root: ServiceRecord, definition: str, error: JobDefError) -> None:
    """Count an error of a definition."""
    if root.definition_errors is None:
        root.definition_errors = {}
    root.definition_errors[_key(definition)] = errors_of(root, definition).with_error(error).to_text()


def clear_errors(root: ServiceRecord | None, definition: str) -> None:
    """Forget the errors of a definition."""
    if root is not None and root.definition_errors is not None:
        root.definition_errors.pop(_key(definition), None)


def _key(definition: str) -> str:
    return content_digest(definition.encode())
