"""Which driver the benchmarks use, and the Docker engine that it may need."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.sandboxes.driver import Driver
from orchestrator.sandboxes.probe import make_driver
from statek.exceptions import ConfigurationError
from tests.support.private_engine import EngineUnavailable, PrivateEngine, usual_engine

__all__ = ["CHOICES", "chosen_driver"]

CHOICES = ("auto", "docker", "bubblewrap", "process")

_FOLDER = Path(__file__).resolve().parents[1] / ".cache" / "dockerd"


@contextmanager
def chosen_driver(name: str) -> Iterator[tuple[str, str | None]]:
    """Give the driver's name and the address of its engine, and stop what was started for it.

    Args:
        name: one of CHOICES; ``auto`` takes docker, then bubblewrap, never process.

    Raises:
        ConfigurationError: it does not work here.
    """
    if name not in {"auto", "docker"}:
        _require(make_driver(name))
        yield name, None
        return
    address = usual_engine()
    private = PrivateEngine(_FOLDER)
    try:
        if not address:
            private.start()
            address = private.address
        _require(make_driver("docker", engine=address))
    except (EngineUnavailable, ConfigurationError) as error:
        private.stop()
        if name == "docker":
            raise ConfigurationError(str(error)) from error
        print(f"# docker does not work here ({error}); taking bubblewrap", flush=True)
        _require(make_driver("bubblewrap"))
        yield "bubblewrap", None
        return
    try:
        yield "docker", address
    finally:
        private.stop()


def _require(driver: Driver) -> None:
    async def probe() -> None:
        try:
            report = await driver.probe()
        finally:
            await driver.aclose()
        if not report.available:
            raise ConfigurationError(f"driver {driver.name} does not work here: {report.reason}; {report.remedy}")

    asyncio.run(probe())
