"""Which drivers work on this machine, and which one to take."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from orchestrator.sandboxes.bubblewrap import BubblewrapDriver
from orchestrator.sandboxes.docker import DockerDriver
from orchestrator.sandboxes.driver import Driver, ProbeReport, Tier
from orchestrator.sandboxes.process import UnsafeProcessDriver
from statek.exceptions import ConfigurationError

__all__ = ["DRIVER_NAMES", "make_driver", "probe_all", "require_tier", "select_driver"]

DRIVER_NAMES = ("docker", "bubblewrap", "process")
"""From the strongest tier to none."""


def make_driver(
    name: str, *, engine: str | None = None, base_image: str = "", runtime: str = "", cache: Path | None = None
) -> Driver:
    """Make a driver by name, without asking whether it works here.

    Args:
        name: one of DRIVER_NAMES.
        engine: address of the Docker engine; None takes the Docker client's own configuration.
        base_image: image that Docker flavours are built upon; empty makes them from Debian packages.
        runtime: OCI runtime; empty takes the engine's default.
        cache: folder for what is built once.

    Raises:
        ConfigurationError: there is no driver of that name.
    """
    if name == "docker":
        return DockerDriver(engine, base_image=base_image, runtime=runtime)
    if name == "bubblewrap":
        return BubblewrapDriver(cache=cache)
    if name == "process":
        return UnsafeProcessDriver(cache=cache)
    raise ConfigurationError(f"there is no sandbox driver {name!r}; known: auto, {', '.join(DRIVER_NAMES)}")


async def probe_all(
    *, engine: str | None = None, base_image: str = "", runtime: str = "", cache: Path | None = None
) -> list[ProbeReport]:
    """Ask every driver whether it works here, strongest first; arguments as for make_driver."""
    drivers = [
        make_driver(name, engine=engine, base_image=base_image, runtime=runtime, cache=cache) for name in DRIVER_NAMES
    ]
    try:
        return list(await asyncio.gather(*(driver.probe() for driver in drivers)))
    finally:
        for driver in drivers:
            await driver.aclose()


async def select_driver(
    name: str = "auto",
    *,
    engine: str | None = None,
    base_image: str = "",
    runtime: str = "",
    cache: Path | None = None,
) -> Driver:
    """Take a driver that works here.

    Args:
        name: a driver's name, or ``auto`` for the strongest isolation there is. ``auto`` never takes
            ``process``: no isolation has to be asked for by name.
        engine: as for make_driver.
        base_image: as for make_driver.
        runtime: as for make_driver.
        cache: as for make_driver.

    Raises:
        ConfigurationError: it does not work here; the message gives the reason and the command that
            an administrator runs. Or a base image or a runtime is asked for of a driver that has none.
    """
    images_only = ", ".join(
        f"{what} {value!r}" for what, value in (("base_image", base_image), ("runtime", runtime)) if value
    )
    if images_only and name not in ("auto", "docker"):
        raise ConfigurationError(f"{images_only}: the sandbox driver {name!r} has no such thing, only docker has")
    names: Sequence[str] = (name,) if name != "auto" else ("docker",) if images_only else ("docker", "bubblewrap")
    refused: list[ProbeReport] = []
    for candidate in names:
        driver = make_driver(candidate, engine=engine, base_image=base_image, runtime=runtime, cache=cache)
        report = await driver.probe()
        if report.available:
            return driver
        await driver.aclose()
        refused.append(report)
    reasons = "; ".join(f"{report.driver}: {report.reason}" for report in refused)
    remedy = refused[-1].remedy
    wanted = f"{images_only}: no Docker engine works here" if images_only else "no sandbox works here"
    raise ConfigurationError(f"{wanted} ({reasons}); an administrator runs: {remedy}")


def require_tier(driver: Driver, required: str | None) -> None:
    """Refuse to go on with an isolation that is weaker than asked for.

    Args:
        driver: what makes the runners.
        required: label of a tier; None asks for nothing.

    Raises:
        ConfigurationError: the driver's tier is weaker; nothing weaker is ever used instead.
    """
    if required is None or driver.tier >= Tier[required.upper()]:
        return
    raise ConfigurationError(
        f"required_tier is {required}, driver {driver.name} gives {driver.tier.label} here; "
        "`statek doctor` lists what works, docs/tiers.md says how to get more"
    )
