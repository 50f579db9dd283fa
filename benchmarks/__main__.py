"""Runs the benchmarks and prints one line per number; see ``--help``."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import FrameType

from benchmarks.bench import Bench
from benchmarks.calls import measure_calls
from benchmarks.checkpoints import measure_checkpoints, measure_large_buffer
from benchmarks.claims import measure_claims, measure_cold_start, measure_resume
from benchmarks.endings import measure_deadline
from benchmarks.engine import CHOICES, chosen_driver
from benchmarks.flushes import measure_flushes
from benchmarks.fsyncs import counted_fsyncs
from benchmarks.large_resume import measure_large_resume
from benchmarks.machine import MachineFacts, survey
from benchmarks.past import measure_past
from benchmarks.requests import measure_requests
from benchmarks.rivals.comparison import measure_rivals
from benchmarks.steps import measure_step_overhead, measure_steps_per_second
from benchmarks.suspended import measure_suspended_jobs
from statek.exceptions import ConfigurationError

__all__ = ["BENCHMARKS", "main"]

BENCHMARKS: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "steps": measure_step_overhead,
    "throughput": measure_steps_per_second,
    "requests": measure_requests,
    "calls": measure_calls,
    "claims": measure_claims,
    "cold_start": measure_cold_start,
    "resume": measure_resume,
    "large_resume": measure_large_resume,
    "checkpoints": measure_checkpoints,
    "large_buffer": measure_large_buffer,
    "past": measure_past,
    "flushes": measure_flushes,
    "deadline": measure_deadline,
    "suspended": measure_suspended_jobs,
    "rivals": measure_rivals,
}


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for; 0 when all ran (missed targets are results, not failures), 1 or 2 when not."""
    options = _parser().parse_args(arguments)
    unknown = sorted(set(options.only) - set(BENCHMARKS))
    if unknown:
        print(f"benchmarks: there is no {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.ERROR)
    try:
        with (
            chosen_driver(options.driver) as (driver, engine),
            tempfile.TemporaryDirectory(prefix="statek-bench-", dir=options.folder) as folder,
            counted_fsyncs() as fsyncs,
        ):
            bench = Bench(driver, engine, options.smoke, options.seed, Path(folder), _write, fsyncs=fsyncs)
            return _run(options, bench)
    except ConfigurationError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run(options: argparse.Namespace, bench: Bench) -> int:
    facts = survey(bench.folder)
    tier = bench.driver().tier.label
    for line in facts.lines():
        _write(line)
    mode = "smoke" if bench.smoke else "full"
    _write(f"# driver: {bench.driver_name}, tier {tier}, seed {bench.seed}, mode {mode}")
    failed = []
    begun = time.perf_counter()
    for name in options.only or BENCHMARKS:
        gc.collect()
        try:
            asyncio.run(_named(BENCHMARKS[name], bench))
        except Exception:  # noqa: BLE001 - the others are still worth their numbers
            failed.append(name)
            print(f"benchmarks: {name} failed\n{traceback.format_exc()}", file=sys.stderr, flush=True)
    missed = [result.name for result in bench.results if result.missed]
    _write(
        f"# {len(bench.results)} numbers in {time.perf_counter() - begun:.0f} s; missed: {', '.join(missed) or 'none'}"
    )
    if options.json:
        _write_json(options.json, bench, facts, tier, failed)
    return 1 if failed else 0


async def _named(measure: Callable[[Bench], Awaitable[None]], bench: Bench) -> None:
    await measure(bench)


def _write(line: str) -> None:
    print(line, flush=True)


def _write_json(path: Path, bench: Bench, facts: MachineFacts, tier: str, failed: list[str]) -> None:
    result = {
        "machine": facts.as_json(),
        "driver": bench.driver_name,
        "tier": tier,
        "seed": bench.seed,
        "smoke": bench.smoke,
        "failed": failed,
        "results": [each.as_json() for each in bench.results],
    }
    path.write_text(json.dumps(result, indent=2) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the service on this machine.")
    parser.add_argument("--smoke", action="store_true", help="each benchmark briefly: does it still run")
    parser.add_argument(
        "--driver", choices=CHOICES, default="auto", help="what makes the runners (auto: the strongest)"
    )
    parser.add_argument("--seed", type=int, default=1, help="for whatever is random")
    parser.add_argument("--folder", type=Path, default=None, help="where stores are made; on the disk to measure")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write all results there too")
    parser.add_argument("only", nargs="*", metavar="BENCHMARK", help=f"some of: {', '.join(BENCHMARKS)}")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)  # runners and a private engine must not outlive the run
    sys.exit(main(sys.argv[1:]))
