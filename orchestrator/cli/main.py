"""Entry of the ``statek`` command: arguments in, exit code out, errors on one line."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
from collections.abc import Sequence

from orchestrator.cli import exit_codes
from orchestrator.cli.parser import UsageError, build_parser, explicit_settings
from orchestrator.cli.terminal import Terminal
from statek.exceptions import ConfigurationError, StatekError
from statek.installation import without_service
from statek.settings import StatekSettings, set_statek_settings

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; None takes those of the process.

    Returns:
        The exit code.
    """
    terminal = Terminal()
    try:
        options = build_parser().parse_args(arguments)
    except UsageError as error:
        terminal.error("usage", str(error))
        return exit_codes.USAGE
    except SystemExit as left:  # --help prints and leaves
        return int(left.code or 0)
    terminal.json = getattr(options, "json", False)
    try:
        code = _dispatch(options, terminal)
        terminal.flush()
    except BrokenPipeError:
        return _quiet_pipe()
    except KeyboardInterrupt:
        terminal.note("interrupted")
        return exit_codes.INTERRUPTED
    except Exception as error:  # noqa: BLE001 -- the last frame: every error becomes one line
        return _report(error, options, terminal)
    return code


def _dispatch(options: argparse.Namespace, terminal: Terminal) -> int:
    """Load the settings and the one module that the command needs."""
    settings = _settings(options)
    if options.command not in {"run", "serve"} and not getattr(options, "debug", False):
        # What a service logs of its work (a slow store, a store not closed) is noise beside an answer.
        logging.getLogger("orchestrator").setLevel(logging.ERROR)
        logging.getLogger("statek").setLevel(logging.ERROR)
    match options.command:
        case "run" | "serve":
            from orchestrator.cli.commands.hosting import run, serve

            return run(options, settings, terminal) if options.command == "run" else serve(options, settings, terminal)
        case "doctor":
            from orchestrator.cli.commands.doctor import doctor

            return doctor(options, settings, terminal)
        case "prompts":
            from orchestrator.cli.commands.prompts import check

            return check(options, terminal)
        case "config":
            from orchestrator.cli.commands.configuration import config

            return config(settings, terminal)
        case "files":
            from orchestrator.cli.commands.files import files

            return files(options, settings, terminal)
        case "history" | "view" | "diff" | "tag" | "rollback" | "fork":
            from orchestrator.cli.commands import past

            return past.dispatch(options, settings, terminal)
        case "backup" | "restore" | "verify" | "upgrade":
            from orchestrator.cli.commands import upkeep

            return upkeep.dispatch(options, settings, terminal)
        case "compact":
            from orchestrator.cli.commands.retention import compact

            return compact(options, settings, terminal)
        case "jobs" if options.jobs_command:
            from orchestrator.cli.commands import porting

            return porting.dispatch(options, settings, terminal)
        case "submit" | "push" | "cancel" | "calls" | "queues":
            from orchestrator.cli.commands import controlling

            return controlling.dispatch(options, settings, terminal)
        case "events":
            from orchestrator.cli.commands import events

            return events.events(options, settings, terminal)
        case "futures":
            from orchestrator.cli.commands import futures

            return futures.dispatch(options, settings, terminal)
        case _:
            from orchestrator.cli.commands import inspecting

            return inspecting.dispatch(options, settings, terminal)


def _settings(options: argparse.Namespace) -> StatekSettings:
    """The settings in force for this command; also those of the process, for the application's own code."""
    settings = StatekSettings.load(explicit_settings(options), file=getattr(options, "settings", None))
    set_statek_settings(settings)
    return settings


def _report(error: Exception, options: argparse.Namespace, terminal: Terminal) -> int:
    """Show an error on one line."""
    if getattr(options, "debug", False):
        for line in traceback.format_exception(error):
            terminal.note(line.rstrip("\n"))
    error = without_service(error) or error
    if isinstance(error, StatekError):
        terminal.error(error.code, str(error))
    elif isinstance(error, TimeoutError):
        terminal.error("timeout", str(error) or "the answer took too long")
    elif isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        terminal.error(ConfigurationError.code, f"{error.strerror or error}{where}")
        return exit_codes.USAGE
    else:
        terminal.error("internal", f"{type(error).__name__}: {error}; please report this (--debug shows where)")
    return exit_codes.exit_code_of(error)


def _quiet_pipe() -> int:
    """The reader of our output left: nothing to say, and nothing to flush at the exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_codes.OK


if __name__ == "__main__":
    sys.exit(main())
