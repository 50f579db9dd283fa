"""``python -m tests.chaos [--kills N] [--seed S]`` kills and checks; ``--round R`` makes one round of a seed again.

The last line is ``kills=<n> seed=<s> lost=<n> repeated=<n> stuck=<n> orphans=<n>``; the exit status is 0 only when all
but the first two are zero.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from orchestrator.sandboxes.docker import DockerDriver
from tests.chaos.damage import DamageReport, damage_store
from tests.chaos.evidence import write_evidence
from tests.chaos.matrix import Matrix
from tests.chaos.points import POINTS
from tests.support.private_engine import EngineUnavailable, PrivateEngine

_WITH_ENGINE = 100
"""Fewer kills do not start a Docker engine of their own: to prepare it takes half a minute."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a campaign, or one of its rounds."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description="Kill processes on purpose and check what is left."
    )
    parser.add_argument("--kills", type=int, default=100, help="go on until there were so many (%(default)s)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32), help="of everything")
    parser.add_argument("--round", type=int, action="append", help="only this round of the seed; may be repeated")
    parser.add_argument("--workers", type=int, default=2, help="rounds at once (%(default)s)")
    parser.add_argument("--engine", action=argparse.BooleanOptionalAction, help="kill a Docker engine, too")
    parser.add_argument(
        "--damage", type=int, default=3, help="bits to flip in each file of a store, one at a time (%(default)s)"
    )
    parser.add_argument("--output", type=Path, help="write the evidence there")
    parser.add_argument("--commit", default="", help="of an exported tree, which cannot tell")
    options = parser.parse_args(arguments)
    wanted = options.kills >= _WITH_ENGINE if options.engine is None else options.engine
    print(f"seed {options.seed}", flush=True)
    with _engine(wanted=wanted) as engine:
        matrix = Matrix(options.seed, engine=engine, workers=options.workers)
        if options.round is not None:
            matrix.run_rounds(options.round)
        else:
            matrix.run(options.kills)
    tally = matrix.tally
    damage = DamageReport()
    if options.round is None:
        damage = damage_store(options.seed, each=options.damage)
        tally.lost += len(damage.wrong)
        tally.damaged = damage.rebuilt + damage.refused + len(damage.wrong)
        tally.refused = damage.refused
        print(*damage.wrong, *damage.lines(), sep="\n")
    print(f"rounds={tally.rounds} jobs={tally.jobs} lives={tally.lives} reopened={tally.reopened}")
    print(f"killed {dict(tally.kills)} at {len(tally.points)} of {len(POINTS)} points; failed {dict(tally.failures)}")
    print(
        f"acknowledged={tally.acknowledged} deliveries={tally.deliveries} in_doubt={tally.in_doubt} "
        f"deaths={tally.deaths} quarantined={tally.quarantined}"
    )
    print(f"damaged={tally.damaged} rebuilt={tally.damaged - tally.refused} refused={tally.refused}")
    if options.output is not None:
        write_evidence(options.output, matrix, damage, commit=options.commit)
    print(tally.line(options.seed))
    return 0 if tally.clean else 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _engine(*, wanted: bool) -> Iterator[PrivateEngine | None]:
    """A Docker engine of its own with the runner image; None where there is none to be had."""
    if not wanted:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="eng"))  # a short path: the engine's sockets are below it
    engine = PrivateEngine(folder)
    try:
        found = _started(engine)
        yield engine if found else None
    finally:
        engine.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _started(engine: PrivateEngine) -> bool:
    try:
        engine.start()
    except EngineUnavailable as error:
        print(f"rounds with containers are left out: {error}", file=sys.stderr)
        return False
    asyncio.run(_prepare(engine))
    return True


async def _prepare(engine: PrivateEngine) -> None:
    driver = DockerDriver(engine.address)
    try:
        await driver.prepare("base")
    finally:
        await driver.aclose()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)  # so that engine, mounts and folders go with it
    sys.exit(main())
