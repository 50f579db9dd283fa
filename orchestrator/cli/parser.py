"""The command's arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from orchestrator.api.json_values import read_json
from orchestrator.api.limits import DEFAULT_COMMITS, DEFAULT_NEWEST
from statek.job_mode import JobMode

__all__ = ["COMMANDS", "UsageError", "build_parser", "command_names", "explicit_settings"]

_LEVELS = 3
"""Depths of parsers: statek, command, command of a command."""

_APP = "agents: module:attribute or path/to/file.py:attribute (:agents when left out)"

COMMANDS = {
    "run": "run one job to its end in this process",
    "serve": "run the service until SIGTERM or SIGINT",
    "submit": "give the running service a job",
    "jobs": "list jobs, export one to a file, import one, move them to another image",
    "show": "show a job: code, console, calls, what changed",
    "locals": "show the variables of a job",
    "files": "list the files that a job keeps in /work, or copy them",
    "logs": "print the steps of a job, on request as they come",
    "events": "print what happened to jobs, on request as it happens",
    "push": "tell a job something on behalf of its user",
    "cancel": "end a job; what it did stays done",
    "history": "list the commits of a job",
    "view": "show the variables and files of a job as of a commit",
    "diff": "show what differs between two commits of a job",
    "tag": "give a commit of a job a name",
    "rollback": "put variables and files of a job back to a commit, by a new commit",
    "fork": "make a job that goes on from a commit of another one",
    "calls": "calls whose outcome is not known, and the decisions about them",
    "futures": "what jobs wait for: approvals, callbacks; and the answers",
    "agents": "agents that services of this store have run",
    "queues": "messages and events that wait or could not be delivered",
    "backup": "write the whole store to a folder, also while it is in use",
    "restore": "make a store of a backup",
    "verify": "read the whole store, or a backup, and say what is damaged",
    "compact": "drop variables and files of older commits, and give their space back",
    "upgrade": "make the store of an earlier version one of this version, after a backup",
    "prompts": "prompt definition files",
    "doctor": "say which sandboxes work here, and why not the others",
    "config": "show every setting and where its value comes from",
}
"""Every command and what it does, in the order of the help."""


class UsageError(Exception):
    """The arguments make no sense."""


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing its own kind of error and leaving."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} ({self.prog} --help shows how)")


def command_names() -> list[str]:
    """Every command a user can type, subcommands with their parent."""
    parents = {
        "calls": ("calls list", "calls resolve"),
        "prompts": ("prompts check",),
        "futures": ("futures list", "futures show", "futures resolve", "futures fail", "futures cancel"),
        "agents": ("agents list",),
        "queues": ("queues list",),
        "jobs": ("jobs", "jobs export", "jobs import", "jobs migrate"),
    }
    return [full for name in COMMANDS for full in parents.get(name, (name,))]


def build_parser() -> argparse.ArgumentParser:
    """The parser; common options may stand before or behind the command."""
    parser = _Parser(
        prog="statek",
        description="Durable Python agents in sandboxes.",
        parents=[_common_options(0)],
        epilog="Exit codes: 0 done, 1 failed, 2 wrong arguments or something to set up first, 3 the job is suspended.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, parent: Any = commands, summary: str = "") -> argparse.ArgumentParser:
        text = summary or COMMANDS[name]
        made: argparse.ArgumentParser = parent.add_parser(
            name,
            parents=[_common_options(1 + (parent is not commands))],
            help=text,
            description=text[0].upper() + text[1:] + ".",
            allow_abbrev=False,
        )
        return made

    run = add("run")
    run.add_argument("app", metavar="APP", help=_APP)
    _job_options(run, role_required=False)
    serve = add("serve")
    serve.add_argument("app", metavar="APP", help=_APP)
    _job_options(add("submit"), role_required=True)
    jobs = add("jobs")
    jobs.add_argument(
        "--newest", type=_count, default=DEFAULT_NEWEST, metavar="N", help=f"how many (default {DEFAULT_NEWEST})"
    )
    of_jobs = jobs.add_subparsers(
        dest="jobs_command", metavar="COMMAND", title="commands", description="Without one the newest jobs are listed."
    )
    export = add("export", of_jobs, "write a job with its whole past to a file")
    export.add_argument("id", metavar="ID", help="the job, for example j12")
    export.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the new file")
    import_ = add("import", of_jobs, "make a job of a file that statek jobs export wrote")
    import_.add_argument("file", type=Path, metavar="FILE", help="the file, also one of another store")
    import_.add_argument("--principal", default="", metavar="NAME", help="on whose behalf the job acts here")
    import_.add_argument("--request-id", default="", metavar="NAME", help="the same for a repeated import: made once")
    migrate = add("migrate", of_jobs, "move jobs that were saved on another image to the one that the service runs")
    migrate.add_argument("ids", nargs="*", metavar="ID", help="the jobs (default: all that are not done)")
    migrate.add_argument("--image", required=True, metavar="NEW", help="the image that the service runs")
    migrate.add_argument("--dry-run", action="store_true", help="only say what would become of each variable")
    for name in ("show", "locals", "files", "logs"):
        add(name).add_argument("id", metavar="ID", help="the job, for example j12")
    files = commands.choices["files"]
    files.add_argument("path", nargs="?", default="", metavar="PATH", help="one file, as the list shows it")
    files.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="copy to this file; without PATH, all to this new folder",
    )
    logs = commands.choices["logs"]
    logs.add_argument("-f", "--follow", action="store_true", help="go on until the job is done")
    logs.add_argument("--start", type=_index, default=0, metavar="N", help="index of the first entry (default 0)")
    _event_options(add("events"))
    push = add("push")
    push.add_argument("id", metavar="ID", help="the job, for example j12; one that is done goes on")
    push.add_argument("text", metavar="TEXT", help="what the user says")
    push.add_argument("--request-id", default="", metavar="NAME", help="the same for a repeated push: told once")
    cancel = add("cancel")
    cancel.add_argument("id", metavar="ID", help="the job, for example j12")
    cancel.add_argument("--reason", default="", metavar="TEXT", help="recorded with the job")
    _past_options(add)
    calls = add("calls").add_subparsers(dest="calls_command", metavar="COMMAND", required=True)
    add("list", calls, "list the calls in doubt")
    _resolve_options(add("resolve", calls, "decide what became of a call in doubt"))
    futures = add("futures").add_subparsers(dest="futures_command", metavar="COMMAND", required=True)
    add("list", futures, "list what is waited for")
    _future_id(add("show", futures, "show one future, with the details for whoever decides"))
    resolve = _future_id(add("resolve", futures, "give a future its value; the job goes on"))
    resolve.add_argument("value", type=_json, metavar="JSON", help="the value, for example true or '\"yes\"'")
    fail = _future_id(add("fail", futures, "let a future end without a value; the code gets an error"))
    fail.add_argument("message", metavar="TEXT", help="text of the error")
    cancel = _future_id(add("cancel", futures, "call a future off; the code gets an error"))
    cancel.add_argument("--reason", default="", metavar="TEXT", help="text of the error")
    agents = add("agents").add_subparsers(dest="agents_command", metavar="COMMAND", required=True)
    add("list", agents, "list the agents, and where the application holds them")
    queues = add("queues").add_subparsers(dest="queues_command", metavar="COMMAND", required=True)
    add("list", queues, "list the queues and what could not be delivered")
    add("backup").add_argument("folder", type=Path, metavar="DIR", help="a folder that does not exist yet")
    add("restore").add_argument("folder", type=Path, metavar="DIR", help="the backup; --data-dir says where it goes")
    verify = add("verify")
    verify.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="a backup (default the store in use)")
    _compact_options(add("compact"))
    upgrade = add("upgrade")
    upgrade.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="a new folder for the backup")
    upgrade.add_argument("--dry-run", action="store_true", help="upgrade a copy only, and say what became of it")
    prompts = add("prompts").add_subparsers(dest="prompts_command", metavar="COMMAND", required=True)
    check = add("check", prompts, "read every <role>.md of a folder and say what is wrong")
    check.add_argument("folder", metavar="DIR", help="the folder")
    add("doctor")
    add("config")
    return parser


def _past_options(add: Callable[[str], argparse.ArgumentParser]) -> None:
    """The commands about commits."""
    which = "number, tag, first digits of the hash, or latest"
    made = {name: add(name) for name in ("history", "view", "diff", "tag", "rollback", "fork")}
    for command in made.values():
        command.add_argument("id", metavar="ID", help="the job, for example j12")
    made["history"].add_argument(
        "--newest", type=_count, default=DEFAULT_COMMITS, metavar="N", help=f"how many (default {DEFAULT_COMMITS})"
    )
    for name in ("view", "tag", "fork"):
        made[name].add_argument("--at", default="", metavar="COMMIT", help=f"{which} (default latest)")
    made["view"].add_argument("--recent", action="store_true", help="only what that commit changed")
    made["diff"].add_argument("before", metavar="BEFORE", help=f"a commit: {which}")
    made["diff"].add_argument("after", nargs="?", default="", metavar="AFTER", help="another one (default latest)")
    made["tag"].add_argument("name", metavar="NAME", help="letters, digits, '_', '.' and '-'")
    made["tag"].add_argument("--delete", action="store_true", help="take the name away; the commit stays")
    made["rollback"].add_argument("commit", metavar="COMMIT", help=which)
    made["fork"].add_argument("-m", "--message", default="", metavar="TEXT", help="what the new job is told first")


def _compact_options(compact: argparse.ArgumentParser) -> None:
    """Of which jobs, and what stays."""
    which = compact.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", metavar="ID", help="the job, for example j12")
    which.add_argument("--all", action="store_true", help="every job")
    compact.add_argument(
        "--keep-last",
        type=_positive,
        metavar="N",
        help="how many of the newest commits of a job stay (default all: only blocks go that no commit names)",
    )
    compact.add_argument(
        "--keep-tagged",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether commits with a name stay too (default: they do)",
    )
    compact.add_argument("--dry-run", action="store_true", help="only say what would go")


def explicit_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings that the arguments give, by name; the later ones win."""
    given: dict[str, Any] = {}
    for level in range(_LEVELS):
        given.update(getattr(options, f"set_{level}", ()))
    if hasattr(options, "data_dir"):
        given["data_dir"] = str(options.data_dir)
    return given


def _common_options(level: int) -> argparse.ArgumentParser:
    """Options of every command, for the parser at some depth.

    Their defaults are absent, so that a deeper parser keeps the value that was given before it. One that may
    be repeated needs a name per depth, because a deeper parser would otherwise drop the earlier ones.
    """
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    group = common.add_argument_group("common options")
    group.add_argument("--data-dir", type=Path, metavar="DIR", help="directory of the store and the service's socket")
    group.add_argument(
        "--settings", type=Path, metavar="FILE", help="settings file (default statek.toml, if there is one)"
    )
    group.add_argument(
        "--set",
        dest=f"set_{level}",
        type=_setting,
        action="append",
        metavar="NAME=VALUE",
        help="a setting, before file and environment; may be repeated",
    )
    group.add_argument("--json", action="store_true", help="print JSON")
    group.add_argument("--progress", action="store_true", help="show progress although no terminal is there")
    group.add_argument("--debug", action="store_true", help="show the traceback of an error, and the log")
    return common


def _job_options(parser: argparse.ArgumentParser, *, role_required: bool) -> None:
    """What a new job is given."""
    needed = "" if role_required else "; may be left out where there is one agent"
    parser.add_argument("--role", required=role_required, default="", metavar="ROLE", help=f"role of the agent{needed}")
    parser.add_argument("--message", default="", metavar="TEXT", help="what the user says first")
    parser.add_argument("--principal", default="", metavar="NAME", help="on whose behalf the job acts")
    parser.add_argument("--locale", default="", metavar="LANG-COUNTRY", help="language of the job, for example PL-PL")
    parser.add_argument(
        "--chat-style",
        default="",
        metavar="STYLE",
        help="MARKDOWN, DIRECT, MD_DIALOG or CONSOLE",
    )
    parser.add_argument(
        "--mode",
        choices=[mode.value for mode in JobMode],
        default="",
        help="what becomes of its variables between steps (default: the agent's, else durable)",
    )
    for option, about in (("--var", "a startup variable"), ("--param", "a value for the agent's prompt")):
        parser.add_argument(
            option, type=_named_json, action="append", default=[], metavar="NAME=JSON", help=f"{about}; may be repeated"
        )


def _resolve_options(parser: argparse.ArgumentParser) -> None:
    """Which call, and what became of it."""
    parser.add_argument("id", metavar="ID", help="the job, for example j12")
    parser.add_argument("call", type=_count, metavar="CALL", help="number of the call, as statek calls list shows it")
    verdict = parser.add_mutually_exclusive_group(required=True)
    verdict.add_argument(
        "--happened",
        type=_json,
        metavar="JSON",
        default=argparse.SUPPRESS,
        help="it took effect; the code gets this value",
    )
    verdict.add_argument(
        "--failed",
        metavar="TEXT",
        default=argparse.SUPPRESS,
        help="it did not take effect; the code gets an error with this text",
    )
    verdict.add_argument(
        "--retry", action="store_true", default=argparse.SUPPRESS, help="it did not take effect; it is made again"
    )


def _event_options(parser: argparse.ArgumentParser) -> None:
    """Which events."""
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is still to come")
    parser.add_argument("--after", type=_index, default=0, metavar="N", help="only events behind number N (default 0)")
    parser.add_argument("--job", default="", metavar="ID", help="only of this job, for example j12; * for any text")
    parser.add_argument(
        "--match",
        default="",
        metavar="PATTERN",
        help="kind=, job= or name= with * for any text; a bare word is a kind: 'commit.* name=total'",
    )
    parser.add_argument("--tenant", default="", metavar="NAME", help="whose jobs (default the default tenant)")


def _future_id(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("id", metavar="ID", help="the future, as statek futures list shows it")
    return parser


def _json(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON: {error}") from None


def _named_json(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier() or name.startswith("_"):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=JSON with a Python name, for example count=3")
    try:
        return name, read_json(value)
    except ValueError as error:
        hint = f"; a text needs quotes: '{name}=\"{value}\"'" if value.isprintable() and '"' not in value else ""
        raise argparse.ArgumentTypeError(f"{name}: {value!r} is no JSON: {error}{hint}") from None


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:10]) <= 10_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 10000")
    return int(text)


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)


def _index(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0")
    return int(text)
