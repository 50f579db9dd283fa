"""Commands about a whole store: backup, restore, verify, upgrade."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from orchestrator.api.socket_file import api_socket
from orchestrator.cli import exit_codes
from orchestrator.cli.desk import open_desk, service_answers
from orchestrator.cli.present import when
from orchestrator.cli.progress import Progress
from orchestrator.cli.terminal import Terminal
from statek.exceptions import InvalidRequest, NotFound
from statek.settings import StatekSettings
from statek.upkeep import BackedUp, Finding, Verified

__all__ = ["dispatch"]


def dispatch(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal) -> int:
    """Run the command that the options name."""
    always = getattr(options, "progress", False)
    with Progress(terminal.err, "asking the service or opening the store", always=always) as progress:
        match options.command:
            case "backup":
                return _backup(options, settings, terminal, progress)
            case "restore":
                return _restore(options, settings, terminal, progress)
            case "upgrade":
                return _upgrade(options, settings, terminal, progress)
            case _:
                return _verify(options, settings, terminal, progress)


def _backup(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal, progress: Progress) -> int:
    """``statek backup``."""
    folder: Path = options.folder.absolute()
    with open_desk(settings) as desk:
        made = desk.backup(folder, progress.say)
    progress.clear()
    _tell(made, f"{made.size_bytes} bytes, {made.blocks} block(s) written to {options.folder}", terminal)
    for digest in made.damaged_blocks:
        terminal.note(f"block {digest} is damaged in the store and is not in the backup")
    if made.damaged_blocks:
        terminal.note("statek verify says which jobs need them")
    return exit_codes.FAILED if made.damaged_blocks else exit_codes.OK


def _restore(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal, progress: Progress) -> int:
    """``statek restore``."""
    from orchestrator.app import block_location
    from orchestrator.engine.upkeep import summary_of
    from orchestrator.store.backup import restore_backup

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    root = settings.data_dir / "store"
    made = summary_of(restore_backup(options.folder, root, progress.say, block_location(settings)))
    progress.clear()
    _tell(made, f"the store of {when(made.at_us)} UTC is in {root}", terminal)
    terminal.note("what its jobs did after that is not in it; statek run or statek serve lets them go on from there")
    return exit_codes.OK


def _tell(made: BackedUp, text: str, terminal: Terminal) -> None:
    if terminal.json:
        terminal.value(asdict(made) | {"damaged_blocks": list(made.damaged_blocks)})
    else:
        terminal.note(text)


def _verify(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal, progress: Progress) -> int:
    """``statek verify``."""
    found = _verified(options, settings, progress)
    progress.clear()
    open_findings = [finding for finding in found.findings if not finding.done]
    if terminal.json:
        terminal.value(asdict(found) | {"findings": [asdict(finding) for finding in found.findings]})
    else:
        for finding in found.findings:
            terminal.line(_finding_line(finding))
        terminal.line(
            f"read {found.jobs} job(s), {found.entries} entries, {found.commits} commit(s), {found.blocks} block(s): "
            f"{len(open_findings)} damaged, {len(found.findings) - len(open_findings)} mended"
        )
    return exit_codes.FAILED if open_findings else exit_codes.OK


def _verified(options: argparse.Namespace, settings: StatekSettings, progress: Progress) -> Verified:
    """Ask the service, or read the folder that nobody uses."""
    if options.folder is None and service_answers(settings):
        from orchestrator.api.client import StatekClient

        with StatekClient(api_socket(settings)) as client:
            return client.verify(progress.say)
    from orchestrator.app import block_location
    from orchestrator.engine.upkeep import verify_backup, verify_folder

    if options.folder is not None:
        if not options.folder.is_dir():
            raise InvalidRequest(f"{options.folder} is no folder")
        return verify_backup(options.folder, progress.say)
    root = settings.data_dir / "store"
    if not root.is_dir():
        raise NotFound(f"no store at {root.absolute()} yet; statek run and statek serve make one")
    return verify_folder(root, progress.say, block_location(settings))


def _upgrade(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal, progress: Progress) -> int:
    """``statek upgrade``."""
    from orchestrator.app import block_location, prefix_of
    from orchestrator.engine.upgrading import upgrade_store

    if (options.folder is None) != options.dry_run:
        raise InvalidRequest("say where the backup is to be written, or --dry-run for a trial on a copy")
    root = settings.data_dir / "store"
    folder = None if options.folder is None else options.folder.absolute()
    made = upgrade_store(root.resolve(), prefix_of(root), block_location(settings), folder, progress.say)
    progress.clear()
    if terminal.json:
        facts = asdict(made) | {"backup": None if made.backup is None else str(folder)}
        terminal.value(facts | {"reasons": list(made.reasons)})
        return exit_codes.OK
    for reason in made.reasons:
        terminal.line(reason)
    what = f"{made.jobs} job(s), {made.entries} entries, {made.commits} commit(s)"
    if not made.reasons:
        terminal.note("the store has the form of this version; nothing is to be done")
    elif made.backup is None:
        terminal.note(f"a copy was upgraded and read: {what}; the store is as it was")
    else:
        terminal.note(f"upgraded and read {what}; the store as it was before is in {options.folder}")
        for digest in made.backup.damaged_blocks:
            terminal.note(f"block {digest} is damaged in the store and is not in the backup")
    return exit_codes.OK


def _finding_line(finding: Finding) -> str:
    where = f"{finding.job} commit {finding.commit}: " if finding.commit >= 0 else f"{finding.job}: "
    done = f"; {finding.done}" if finding.done else ""
    return f"{where if finding.job else ''}{finding.problem}{done}"
