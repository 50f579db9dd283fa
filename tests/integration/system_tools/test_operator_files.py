"""What a service reads and writes beside its store: definitions at its start, a log per job, a trace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from statek.exceptions import ConfigurationError

from .conftest import Open, code

pytestmark = pytest.mark.timeout(60)


async def test_folders_of_the_settings_are_applied_at_the_start(open_with: Open, tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "warmups").mkdir()
    (tmp_path / "prompts" / "helper.md").write_text("# MODEL: scripted/test\n# System Prompt\nFrom the file.")
    (tmp_path / "warmups" / "helper.py").write_text("ready = 41")
    chosen = {"prompt_files_dir": tmp_path / "prompts", "warmup_defs_dir": tmp_path / "warmups"}
    async with open_with([code("exit(ready + 1)")], **chosen) as service:
        await service.wait(await service.submit("helper"))
        summary = (await service.job("j1")).summary
        assert (summary.status, service._agents["helper"].system_prompt()) == ("DONE", "From the file.")
    (tmp_path / "warmups" / "helper.py").write_text("ready = (")
    with pytest.raises(ConfigurationError, match=r"^warmup file .*helper\.py: warmup block 1, code line 1"):
        async with open_with([], **chosen):
            pass


async def test_each_job_has_a_log_and_requests_a_trace(open_with: Open, tmp_path: Path) -> None:
    chosen = {"logs_path": tmp_path / "logs", "trace_path": tmp_path / "trace.jsonl"}
    async with open_with([code("print('one')"), code("exit(2)")], **chosen) as service:
        await service.wait(await service.submit("helper", message="Please."))
    async with open_with([code("print('three')"), code("exit(4)")], **chosen) as service:
        await service.wait(await service.submit("helper"))
    first = (tmp_path / "logs" / "helper_j1.log").read_text().split("\n")
    kept = [line for line in first if not line.startswith("---")]
    assert [line.split(" ", 2)[2] for line in first if line.startswith("---")] == [
        "user",
        "reply step 1 committed",
        "reply step 2 committed",
    ]
    assert [line for line in kept if line.startswith((">>>", "  one", "  Please"))] == [
        "  Please.",
        ">>> print('one')",
        "  one",
        ">>> exit(2)",
    ]
    assert "three" in (tmp_path / "logs" / "helper_j2.log").read_text()
    lines = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    assert [(line["job"], line["turn"]) for line in lines] == [("j1", 0), ("j1", 1), ("j2", 0), ("j2", 1)]
