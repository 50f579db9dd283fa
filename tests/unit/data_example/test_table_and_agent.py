"""The data analysis without its sandbox: the table, the tool, the recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.data_analysis.agent import TRANSCRIPT, make_agent
from examples.data_analysis.table import make_table
from statek.styles.markdown import parse_reply
from statek.testing import load_transcript


def test_the_table_has_a_row_per_holiday() -> None:
    lines = make_table(["DE", "US"], [2024]).splitlines()
    assert lines[:3] == ["date,country,holiday", "2024-01-01,DE,New Year's Day", "2024-01-01,US,New Year's Day"]
    assert len(lines) == 1 + 9 + 11
    assert lines[1:] == sorted(lines[1:])


def test_the_tool_reads_the_tables_of_its_folder_only(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "a.csv").write_text("x\n1\n")
    (tmp_path / "b.csv").write_text("secret")
    [definition] = [tool for tool in make_agent(tmp_path / "tables", "m/x").tool_defs() if not tool.system]
    assert definition.function("a.csv") == "x\n1\n"
    for name in ("b.csv", "../b.csv", str(tmp_path / "b.csv")):
        with pytest.raises(LookupError) as raised:
            definition.function(name)
        assert str(raised.value) == f"there is no table {name!r}; there are: a.csv"


def test_every_recorded_reply_is_a_step() -> None:
    replies = load_transcript(TRANSCRIPT).replies
    assert len(replies) == 6
    for reply in replies:
        compile(parse_reply(reply).code, "reply", "exec")
