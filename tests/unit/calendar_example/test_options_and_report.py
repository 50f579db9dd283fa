from __future__ import annotations

from pathlib import Path

import pytest

from examples.calendar_assistant.options import Options, parse_options
from examples.calendar_assistant.report import CallReport, JobReport, StepReport, render_report
from examples.recorded import DEFAULT_MODELS


def test_the_command_line(monkeypatch):
    for name in DEFAULT_MODELS:
        monkeypatch.delenv(name, raising=False)
    assert parse_options([]) == Options(None, "openai/gpt-5-mini", Path(".statek"))
    assert parse_options(["--ics", "", "--model", "", "--data-dir", ""]) == parse_options([])
    options = parse_options(["--ics", "a.ics", "--model", "ollama/llama3:8b", "--data-dir", "/tmp/x"])
    assert options == Options(Path("a.ics"), "ollama/llama3:8b", Path("/tmp/x"))
    assert options.outbox == Path("/tmp/x/outbox.jsonl")


@pytest.mark.parametrize("arguments", [["--nope"], ["extra"], ["--model", "a b"], ["--mod", "x"]])
def test_a_wrong_command_line(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        parse_options(arguments)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_a_report_reads_well():
    step = StepReport(
        "step 1",
        "x = 1\nprint(x)",
        "1\x1b[31m\n",
        (CallReport("send_message", "to='Ada'", "'sent'", "external", 2), CallReport("t", "", "y" * 300, "none")),
        ("x",),
        0.0123,
    )
    report = JobReport(
        "j1", "DONE", "container", "m/x", True, (step,), ("a → b",), (), {"x": "1", "long": "z" * 200}, {"turns": 1}
    )
    lines = list(render_report(report))
    assert lines[:10] == [
        "Job j1, model m/x (recorded replies), isolation: container",
        "",
        "── step 1 (12 ms) " + "─" * 82,
        "  x = 1",
        "  print(x)",
        "  console:",
        "  │ 1\\x1b[31m",
        "  call [external, 2 attempts] send_message(to='Ada') → 'sent'",
        f"  call [none] t() → {'y' * 193}…",
        "  variables: x",
    ]
    assert lines[10:] == [
        "",
        "What changed in the calendar:",
        "  a → b",
        "",
        "Messages in the outbox:",
        "  none",
        "",
        "Variables that the job keeps:",
        f"  long  {'z' * 99}…",
        "  x     1",
        "",
        "Counters:",
        "  turns: 1",
        "",
        "To look further:",
        "  statek jobs",
        "  statek show j1",
        "  statek locals j1",
        "  statek logs j1",
        "",
        "job j1 DONE tier=container steps=1",
    ]


def test_a_long_console_is_shortened_and_an_error_shown():
    step = StepReport("s", "pass", "\n".join(map(str, range(100))))
    lines = list(render_report(JobReport("j", "DONE", "t", "m", False, (step,), error="boom", exit_status="bye")))
    assert "  │ ... 40 lines left out ..." in lines
    assert lines[lines.index("Error:") + 1] == "  boom"
    assert lines[lines.index("Answer:") + 1] == "  bye"
