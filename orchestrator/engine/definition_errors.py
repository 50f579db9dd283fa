"""The durable counts of errors of job definitions, by what they say (``statek.definition_errors``).

Every function runs on the store thread; those that change something inside its atomic block.
"""

from __future__ import annotations

import logging

from orchestrator.digests import content_digest
from orchestrator.engine.clock import now_us
from statek.definition_errors import DefinitionErrors, JobDefError
from statek.records import ServiceRecord

__all__ = ["MAX_DEFINITIONS", "clear_errors", "errors_of", "note_error"]

_log = logging.getLogger("statek.jobs")

MAX_DEFINITIONS = 1000
"""Definitions whose errors are kept; an application may make each job another one."""

_FORGOTTEN_AT_ONCE = 50
"""How many definitions are forgotten when there are too many, so that they are seldom looked through."""


def errors_of(root: ServiceRecord | None, definition: str) -> DefinitionErrors:
    """What is kept for the definition of that text."""
    kept = root.definition_errors if root is not None else None
    return DefinitionErrors() if kept is None else DefinitionErrors.from_text(kept.get(_key(definition), ""))


def note_error(root: ServiceRecord, definition: str, error: JobDefError) -> None:
    """Count an error of a definition; too many definitions make those forgotten that had none for longest."""
    if root.definition_errors is None:
        root.definition_errors = {}
    if root.definition_errors_us is None:
        root.definition_errors_us = {}
    key = _key(definition)
    if key not in root.definition_errors and len(root.definition_errors) >= MAX_DEFINITIONS:
        _forget_oldest(root)
    root.definition_errors[key] = errors_of(root, definition).with_error(error).to_text()
    root.definition_errors_us[key] = now_us()


def clear_errors(root: ServiceRecord | None, definition: str) -> None:
    """Forget the errors of a definition."""
    if root is not None and root.definition_errors is not None:
        _forget(root, _key(definition))


def _forget_oldest(root: ServiceRecord) -> None:
    """Make room for further definitions."""
    at = dict(root.definition_errors_us.items())
    by_age = sorted(root.definition_errors.keys(), key=lambda key: at.get(key, 0))
    surplus = len(by_age) - MAX_DEFINITIONS + _FORGOTTEN_AT_ONCE
    for key in by_age[:surplus]:
        _forget(root, key)
    _log.warning("errors of more than %s definitions; those of the oldest %s are forgotten", MAX_DEFINITIONS, surplus)


def _forget(root: ServiceRecord, key: str) -> None:
    root.definition_errors.pop(key, None)
    if root.definition_errors_us is not None:
        root.definition_errors_us.pop(key, None)


def _key(definition: str) -> str:
    return content_digest(definition.encode())
