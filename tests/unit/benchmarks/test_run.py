"""The program around the benchmarks: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import benchmarks.__main__ as program
from benchmarks.bench import Bench
from benchmarks.machine import fsync_median_ms, survey
from benchmarks.measurement import parse_line
from statek.exceptions import ConfigurationError

pytestmark = pytest.mark.timeout(30)


@contextmanager
def process_driver(name: str) -> Iterator[tuple[str, str | None]]:
    if name == "docker":
        raise ConfigurationError("no engine")
    yield "process", None


async def two_numbers(bench: Bench) -> None:
    bench.add("first", 4.0, "ms", 5, "target-5ms", notes={"fsyncs/op": "2"})
    bench.add("second", bench.times(10, 6), "ms", 5, "target-5ms", notes={"fsyncs/op": "0.00"})


async def silent(bench: Bench) -> None:
    bench.add("third", 1.0, "ms", 5, "target-5ms")


async def broken(bench: Bench) -> None:
    raise RuntimeError("it broke")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "chosen_driver", process_driver)
    monkeypatch.setattr(program, "BENCHMARKS", {"numbers": two_numbers, "broken": broken, "silent": silent})


def test_a_run_prints_a_header_its_lines_and_what_was_missed(
    small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = program.main(["--smoke", "--seed", "7", "--folder", str(tmp_path), "numbers"])
    lines = capsys.readouterr().out.splitlines()
    header = [line.split(":")[0] for line in lines if line.startswith("# ") and ": " in line]
    assert (status, header[:5]) == (0, ["# machine", "# system", "# commit", "# disk", "# driver"])
    assert "# driver: process, tier process, seed 7, mode smoke" in lines
    assert [parse_line(line)["missed"] for line in lines if not line.startswith("#")] == [False, True]
    assert lines[-1].endswith("; missed: second")
    assert list(tmp_path.iterdir()) == []


def test_results_go_into_a_file_with_machine_and_commit(small: None, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    assert program.main(["--folder", str(tmp_path), "--json", str(file), "numbers"]) == 0
    result = json.loads(file.read_text())
    assert sorted(result) == ["driver", "failed", "machine", "results", "seed", "smoke", "tier"]
    assert result["machine"]["cores"] == len(os.sched_getaffinity(0))
    assert [(each["name"], each["value"]) for each in result["results"]] == [("first", 4.0), ("second", 10)]


def test_a_benchmark_that_fails_does_not_hide_the_others(
    small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(["--folder", str(tmp_path), "broken", "numbers"]) == 1
    output = capsys.readouterr()
    assert "benchmarks: broken failed" in output.err
    assert "second 10.0 ms 2.00x-of-target-5ms fsyncs/op=0.00 missed" in output.out


def test_a_number_says_how_many_fsyncs_it_made(small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--folder", str(tmp_path), "silent"]) == 1
    output = capsys.readouterr()
    assert "ValueError: third does not say how many fsyncs it made" in output.err
    assert "# 0 numbers in " in output.out


def test_an_unknown_benchmark_is_named(small: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["nothing"]) == 2
    assert capsys.readouterr().err == "benchmarks: there is no nothing; there are numbers, broken, silent\n"


def test_a_driver_that_does_not_work_is_one_clear_error(small: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--driver", "docker"]) == 2
    assert capsys.readouterr().err == "benchmarks: no engine\n"


def test_the_survey_looks_at_this_machine_and_leaves_nothing(tmp_path: Path) -> None:
    facts = survey(tmp_path)
    assert facts.kernel == os.uname().release
    assert facts.memory_gib > 0.1
    assert 0 < fsync_median_ms(tmp_path) < 10_000
    assert list(tmp_path.iterdir()) == []
