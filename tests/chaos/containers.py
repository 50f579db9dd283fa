"""The containers of a killed orchestrator: which still run, and which are left."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

from orchestrator.sandboxes.confinement import LABEL_RUNNER
from tests.support.private_engine import PrivateEngine, usual_engine

__all__ = ["Containers", "some_engine"]

_ENDED_SECONDS = 10.0


class Containers:
    """What an engine knows of runners.

    Args:
        address: of the engine.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def still_running(self, runners: Iterable[str]) -> list[str]:
        """Those of the runners that run even after the grace time: a runner ends itself when its host is gone."""
        deadline = time.monotonic() + _ENDED_SECONDS
        while (found := self._find(runners, every=False)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def left(self, runners: Iterable[str]) -> list[str]:
        """Those of the runners that the engine has a container of, running or not."""
        return self._find(runners, every=True)

    def _find(self, runners: Iterable[str], *, every: bool) -> list[str]:
        client = docker.APIClient(base_url=self.address, version="auto")
        try:
            known = client.containers(all=every, filters={"label": [LABEL_RUNNER]})
        finally:
            client.close()
        wanted = set(runners)
        return sorted(f"container {one['Id'][:12]}" for one in known if one["Labels"][LABEL_RUNNER] in wanted)


@contextmanager
def some_engine(root: Path) -> Iterator[str]:
    """The engine that answers here, else a private one for as long as it is needed.

    Raises:
        EngineUnavailable: none can be had.
    """
    address = usual_engine()
    engine = PrivateEngine(root / ".cache" / "dockerd")
    if not address:
        engine.start()
    try:
        yield address or engine.address
    finally:
        engine.stop()
