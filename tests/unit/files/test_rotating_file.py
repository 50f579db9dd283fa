from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from orchestrator.engine.job_logs import log_path
from orchestrator.models.tracing import TracingModel, redacted
from orchestrator.rotating_file import RotatingWriter, append_rotating
from statek.exceptions import ModelError
from statek.model import ModelRequest
from statek.testing import ScriptedModel


def test_a_full_file_is_turned_over(tmp_path: Path):
    path = tmp_path / "deep" / "a.log"
    for number in range(5):
        append_rotating(path, f"{number}\n", max_bytes=4, backups=1)
    assert {file.name: file.read_text() for file in path.parent.iterdir()} == {"a.log": "4\n", "a.log.1": "2\n3\n"}
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    for number in range(3):
        append_rotating(tmp_path / "b.log", f"{number}\n", max_bytes=2, backups=0)
    assert [file.name for file in tmp_path.glob("b.log*")] == ["b.log"]


def test_the_writer_keeps_order_and_outlives_a_file_that_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    writer = RotatingWriter(max_bytes=100, backups=1)
    (tmp_path / "file").write_text("")
    for number in range(3):
        writer.write_nowait(tmp_path / "a.log", f"{number}\n")
        writer.write_nowait(tmp_path / "file" / "b.log", "lost\n")
    with caplog.at_level(logging.ERROR):
        writer.close()
    assert (tmp_path / "a.log").read_text() == "0\n1\n2\n"


def test_log_files_have_names_that_any_file_system_takes(tmp_path: Path):
    assert log_path(tmp_path, "a/../b é", "j1") == tmp_path / "a_.._b___j1.log"


def test_secrets_are_masked_by_name():
    found = redacted(
        {"api_key": "x", "Authorization": "y", "nested": [{"client_secret": 1, "input_tokens": 3}], "o": 1j}
    )
    assert found == {
        "api_key": "[masked]",
        "Authorization": "[masked]",
        "nested": [{"client_secret": "[masked]", "input_tokens": 3}],
        "o": "1j",
    }


async def test_requests_and_answers_are_traced(tmp_path: Path):
    model = TracingModel(ScriptedModel(["hello"]), tmp_path / "trace.jsonl", max_bytes=1 << 20, backups=0)
    messages = tuple({"role": "user", "content": f"m{number}"} for number in range(6))
    request = ModelRequest("scripted/test", messages, job_id="j7", options={"api_key": "secret"})
    assert (await model.complete(request)).text == "hello"
    with pytest.raises(ModelError):
        await model.complete(ModelRequest("scripted/test", messages, job_id="j7", turn=1))
    model.close()
    first, second = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    assert (
        first["job"],
        first["options"],
        first["messages_before"],
        len(first["messages"]),
        first["reply"]["text"],
    ) == (
        "j7",
        {"api_key": "[masked]"},
        2,
        4,
        "hello",
    )
    assert (second["turn"], "error" in second, "reply" in second) == (1, True, False)
