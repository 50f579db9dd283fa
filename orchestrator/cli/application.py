"""Finds the agents that an operator names: ``module:attribute`` or ``path/to/file.py:attribute``."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from statek.agents.agent import Agent
from statek.exceptions import ConfigurationError, StatekError

__all__ = ["DEFAULT_ATTRIBUTE", "load_agents"]

ResultT = TypeVar("ResultT")

DEFAULT_ATTRIBUTE = "agents"
"""Taken when only a module or file is named."""


def load_agents(application: str) -> list[Agent]:
    """Import the application and give its agents.

    The folder of a file, or the current one for a module, goes to the front of the import path, so that
    the application finds its own modules.

    Args:
        application: what the operator typed; the attribute is an agent, several, or a function
            without arguments that returns them.

    Raises:
        ConfigurationError: it cannot be imported, or what it names are no agents.
    """
    place, colon, attribute = application.rpartition(":")
    if not colon:
        place, attribute = application, DEFAULT_ATTRIBUTE
    module = _import_file(application, Path(place)) if _is_file(place) else _import_module(application, place)
    try:
        found = getattr(module, attribute)
    except AttributeError:
        raise ConfigurationError(f"application {application!r}: {place} has no attribute {attribute!r}") from None
    if callable(found) and not isinstance(found, Agent | type):
        found = _guarded(application, found)
    agents = [found] if isinstance(found, Agent) else list(found) if isinstance(found, Iterable) else []
    if not agents or not all(isinstance(agent, Agent) for agent in agents):
        raise ConfigurationError(f"application {application!r}: {attribute!r} is neither an agent nor a list of agents")
    roles = [agent.role for agent in agents]
    repeated = sorted({role for role in roles if roles.count(role) > 1})
    if repeated:
        raise ConfigurationError(f"application {application!r}: two agents have the role {repeated[0]!r}")
    return agents


def _is_file(place: str) -> bool:
    return place.endswith(".py") or "/" in place


def _import_module(application: str, name: str) -> ModuleType:
    """Import a module by its dotted name."""
    sys.path.insert(0, str(Path.cwd()))
    # The operator names it on the command line, so no import contract can know it.
    return _guarded(application, lambda: importlib.import_module(name))  # noqa: TID251


def _import_file(application: str, path: Path) -> ModuleType:
    """Import a file under its own name, so that durable classes in it keep one module name."""
    if not path.is_file():
        raise ConfigurationError(f"application {application!r}: there is no file {path}")
    name = path.stem
    if not name.isidentifier():
        raise ConfigurationError(f"application {application!r}: {name!r} is no module name; rename the file")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"application {application!r}: {path} is no Python file")
    loader = spec.loader
    module = importlib.util.module_from_spec(spec)
    if name in sys.modules:
        raise ConfigurationError(f"application {application!r}: the name {name!r} is taken by another module")
    sys.modules[name] = module
    _guarded(application, lambda: loader.exec_module(module))
    return module


def _guarded(application: str, function: Callable[[], ResultT]) -> ResultT:
    """Call code of the application; what it raises is its operator's to mend."""
    try:
        return function()
    except StatekError:
        raise
    except Exception as error:
        raise ConfigurationError(f"application {application!r}: {type(error).__name__}: {error}") from error
