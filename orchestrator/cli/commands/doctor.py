"""``statek doctor``: which sandboxes work here, and what else a service needs to know of the machine."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from orchestrator.api.socket_file import api_socket
from orchestrator.cli import exit_codes, machine
from orchestrator.cli.desk import service_answers
from orchestrator.cli.present import table
from orchestrator.cli.progress import Progress
from orchestrator.cli.terminal import Terminal
from orchestrator.sandboxes.driver import ProbeReport, Tier
from orchestrator.sandboxes.probe import probe_all
from statek.kv_store import describe_location
from statek.settings import StatekSettings

__all__ = ["doctor", "report_lines"]


def doctor(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal) -> int:
    """Print the report; the exit code is 1 where nothing isolates."""
    with Progress(terminal.err, "trying the sandboxes", always=getattr(options, "progress", False)) as progress:
        tiers = asyncio.run(probe_all(runtime=settings.runtime or ""))
        progress.say("measuring the disk")
        facts = _facts(settings)
    if terminal.json:
        terminal.value({"tiers": [_tier_value(report) for report in tiers], **facts})
    else:
        terminal.lines(report_lines(tiers, facts))
    isolated = any(report.available and report.tier > Tier.PROCESS for report in tiers)
    return exit_codes.OK if isolated else exit_codes.FAILED


def _facts(settings: StatekSettings) -> dict[str, Any]:
    """Everything but the tiers."""
    folder = machine.nearest_folder(settings.data_dir)
    fsync: float | None
    try:
        fsync, unwritable = round(machine.fsync_milliseconds(folder), 3), ""
    except OSError as error:
        fsync, unwritable = None, error.strerror or str(error)
    return {
        "driver_setting": settings.driver,
        "data_dir": str(settings.data_dir.absolute()),
        "data_dir_exists": settings.data_dir.is_dir(),
        "blocks": describe_location(settings.blocks, settings.blocks_cache_bytes),
        "fsync_folder": str(folder),
        "fsync_ms": fsync,
        "unwritable": unwritable,
        "service": service_answers(settings),
        "socket": str(api_socket(settings).absolute()),
        "cgroup": machine.cgroup_version(),
        "landlock_abi": machine.landlock_abi(),
        "versions": machine.versions(),
    }


def _tier_value(report: ProbeReport) -> dict[str, Any]:
    return {
        "driver": report.driver,
        "tier": report.tier.label,
        "available": report.available,
        "reason": report.reason,
        "remedy": report.remedy,
    }


def report_lines(tiers: Sequence[ProbeReport], facts: dict[str, Any]) -> Iterator[str]:
    """The report as text."""
    rows = [(report.driver, report.tier.label, "yes" if report.available else "no", report.reason) for report in tiers]
    yield from table(("DRIVER", "TIER", "WORKS", "REASON"), rows)
    yield from (
        f"remedy for {report.driver}: {report.remedy}" for report in tiers if report.remedy and not report.available
    )
    isolating = [report for report in tiers if report.available and report.tier > Tier.PROCESS]
    best = max(isolating, key=lambda report: report.tier, default=None)
    yield f"strongest isolation here: {best.tier.label} ({best.driver})" if best else "nothing here isolates"
    yield f"driver setting: {facts['driver_setting']}"
    yield ""
    yield f"data directory: {facts['data_dir']}{'' if facts['data_dir_exists'] else ' (not made yet)'}"
    yield f"larger values: {facts['blocks']}"
    yield f"service: {'answers' if facts['service'] else 'none answers'} at {facts['socket']}"
    if facts["fsync_ms"] is None:
        yield f"disk: {facts['fsync_folder']} cannot be written: {facts['unwritable']}"
    else:
        yield f"disk: fsync takes {facts['fsync_ms']:.2f} ms (median) in {facts['fsync_folder']}"
    yield f"cgroup: {facts['cgroup']}"
    abi = facts["landlock_abi"]
    yield f"landlock: ABI {abi}" if abi else "landlock: not in this kernel"
    yield "versions: " + ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
