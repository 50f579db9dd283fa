from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.parser import COMMANDS, UsageError, build_parser, command_names, explicit_settings


def parse(*arguments: str) -> dict[str, object]:
    return vars(build_parser().parse_args(arguments))


def test_run_takes_everything_that_a_job_is_given() -> None:
    assert parse(
        "run", "app.py:agents", "--role", "r", "--message", "m", "--principal", "p",
        "--locale", "PL-PL", "--chat-style", "direct", "--mode", "live",
        "--var", "x=1", "--var", 'y={"a": [null]}', "--param", 'z="t"',
    ) == {
        "command": "run",
        "app": "app.py:agents",
        "role": "r",
        "message": "m",
        "principal": "p",
        "locale": "PL-PL",
        "chat_style": "direct",
        "mode": "live",
        "var": [("x", 1), ("y", {"a": [None]})],
        "param": [("z", "t")],
    }  # fmt: skip


def test_common_options_may_stand_on_both_sides_of_the_command() -> None:
    expected = {"data_dir": "d", "a": "1", "b": "x=y"}
    for arguments in (
        ("--data-dir", "d", "--set", "a=1", "calls", "--set", "b=0", "list", "--json", "--set", "b=x=y"),
        ("calls", "list", "--set", "b=0", "--json", "--data-dir", "d", "--set", "a=1", "--set", "b=x=y"),
    ):
        options = build_parser().parse_args(arguments)
        assert explicit_settings(options) == expected
        assert options.json is True


def test_resolve_takes_exactly_one_verdict() -> None:
    base = {"command": "calls", "calls_command": "resolve", "id": "j1", "call": 2}
    assert parse("calls", "resolve", "j1", "2", "--happened", "null") == {**base, "happened": None}
    assert parse("calls", "resolve", "j1", "2", "--failed", "") == {**base, "failed": ""}
    assert parse("calls", "resolve", "j1", "2", "--retry") == {**base, "retry": True}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "the following arguments are required: COMMAND|"),
        (("run",), "the following arguments are required: APP|run"),
        (("submit",), "the following arguments are required: --role|submit"),
        (
            ("run", "a", "--var", "x"),
            "argument --var: 'x' is not NAME=JSON with a Python name, for example count=3|run",
        ),
        (
            ("run", "a", "--var", "_x=1"),
            "argument --var: '_x=1' is not NAME=JSON with a Python name, for example count=3|run",
        ),
        (
            ("run", "a", "--var", "x=hello"),
            (
                "argument --var: x: 'hello' is no JSON: Expecting value: line 1 column 1 (char 0); "
                "a text needs quotes: 'x=\"hello\"'|run"
            ),
        ),
        (
            ("run", "a", "--var", "x=NaN"),
            "argument --var: x: 'NaN' is no JSON: NaN is no JSON number; a text needs quotes: 'x=\"NaN\"'|run",
        ),
        (
            ("run", "a", "--var", 'x={"a": 1, "a": 2}'),
            "argument --var: x: '{\"a\": 1, \"a\": 2}' is no JSON: key 'a' is given twice|run",
        ),
        (
            ("jobs", "--newest", "0"),
            "argument --newest: '0' is not a number from 1 to 10000|jobs",
        ),
        (
            ("logs", "j1", "--start", "-1"),
            "argument --start: '-1' is not a number from 0|logs",
        ),
        (
            ("calls", "resolve", "j1", "2"),
            "one of the arguments --happened --failed --retry is required|calls resolve",
        ),
        (
            ("calls", "resolve", "j1", "2", "--retry", "--failed", "x"),
            "argument --failed: not allowed with argument --retry|calls resolve",
        ),
        (("jobs", "--set", "x"), "argument --set: 'x' is not NAME=VALUE|jobs"),
        (("jobs", "--js"), "unrecognized arguments: --js|"),
    ],
)
def test_wrong_arguments_say_what_is_wrong(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(*arguments)
    text, _, command = message.rpartition("|")
    assert str(raised.value) == f"{text} ({f'statek {command}'.strip()} --help shows how)"


def test_the_documents_describe_every_command_and_no_other() -> None:
    text = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")
    described = [line.removeprefix("## statek ") for line in text.splitlines() if line.startswith("## statek ")]
    assert described == command_names()


def test_the_list_of_commands_is_the_parsers() -> None:
    choices = build_parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    assert list(choices) == list(COMMANDS)
