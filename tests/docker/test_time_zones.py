"""The time zones that values may name exist in the sandbox."""

from __future__ import annotations

from importlib.resources import files

from orchestrator.sandboxes.pool import Pool
from tests.support.steps import Console, run

SOURCE = """
from zoneinfo import ZoneInfo
for name in {names!r}:
    assert ZoneInfo(name).key == name
print("all", end="")
"""


async def test_every_zone_can_be_opened(pool: Pool) -> None:
    names = files("tzdata").joinpath("zones").read_text().split()
    console = Console()
    sandbox = await pool.claim(timeout=20)
    await run(sandbox, SOURCE.format(names=names), console=console)
    assert (len(names) > 400, console.text) == (True, "all")
