"""Who takes part in the comparison, what is said of those who cannot, and the lines."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import benchmarks.rivals.comparison as comparison
from benchmarks.bench import Bench
from benchmarks.measurement import parse_line
from benchmarks.rivals.comparison import Plan, measure_rivals
from benchmarks.rivals.environment import Environment, RivalMissing
from benchmarks.rivals.workloads import WORKLOADS, Workload

pytestmark = pytest.mark.timeout(30)


class _Kept(Environment):
    """One that is there, and is never installed."""

    def is_ready(self) -> bool:
        return True

    def install(self) -> None:
        pass


class _Gone(Environment):
    """One that cannot be installed."""

    def is_ready(self) -> bool:
        return False

    def install(self) -> None:
        raise RivalMissing(f"{self.name} cannot be installed: no index")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """Takes the place of the measuring: workloads and rivals that it was asked for."""
    asked: list[tuple[str, list[str]]] = []

    async def measure(_bench: Bench, workload: Workload, _plan: Plan, pythons: dict[str, Path]) -> None:
        asked.append((workload.name, list(pythons)))

    monkeypatch.setattr(comparison, "_measure", measure)
    return asked


def bench(folder: Path, lines: list[str], *, smoke: bool) -> Bench:
    return Bench("process", None, smoke, 1, folder, lines.append)


def environments(monkeypatch: pytest.MonkeyPatch, **kinds: type[Environment]) -> None:
    made = {name: kind(name, Path(name), Path("/there") / name) for name, kind in kinds.items()}
    monkeypatch.setattr(comparison, "ENVIRONMENTS", made)


async def test_a_whole_run_without_a_rival_measures_the_others_and_then_fails(
    measured: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environments(monkeypatch, kishu=_Kept, langgraph=_Gone)
    lines: list[str] = []
    with pytest.raises(RivalMissing, match=r"^langgraph cannot be installed: no index$"):
        await measure_rivals(bench(tmp_path, lines, smoke=False))
    assert measured == [("list", ["pickle", "kishu"]), ("many", ["pickle", "kishu"])]
    assert lines == [
        "# rivals_langgraph MISSING: langgraph cannot be installed: no index",
        "# rivals_langgraph_delta MISSING: langgraph cannot be installed: no index",
    ]


async def test_a_brief_run_installs_nothing_and_does_not_fail(
    measured: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environments(monkeypatch, kishu=_Gone, langgraph=_Kept)
    lines: list[str] = []
    await measure_rivals(bench(tmp_path, lines, smoke=True))
    assert [names for _, names in measured] == [["pickle", "langgraph", "langgraph_delta"]] * 2
    assert lines == ["# rivals_kishu MISSING: kishu is not installed, and a brief run installs nothing"]


class _Scripted:
    """A contender that takes one millisecond for everything, and notes what it was asked for."""

    def __init__(self, name: str, folder: Path, digest: str) -> None:
        self.name = name
        self.folder = folder
        self.turns: list[int] = []
        self.looked: list[int] = []
        self._digest = digest

    def fsyncs(self) -> int | None:
        return len(self.turns) if self.name == "statek" else None

    async def begin(self) -> dict[str, str]:
        return {"sync": "some"}

    async def steps(self, first: int, count: int) -> list[float]:
        for turn in range(first, first + count):
            (self.folder / f"{self.name}-{turn}").write_bytes(random.Random(turn).randbytes(4096))
            self.turns.append(turn)
        return [1.0] * count

    async def prepare(self) -> None:
        pass

    async def view(self, turn: int) -> float:
        self.looked.append(turn)
        return 2.0

    async def fork(self, turn: int) -> float:
        self.looked.append(turn)
        return 3.0

    async def resume(self) -> tuple[float, str]:
        return 4.0, self._digest


async def _compared(tmp_path: Path, digests: dict[str, str]) -> tuple[list[str], list[_Scripted]]:
    plan, lines, contenders = Plan(40, 4, 5, 1), list[str](), list[_Scripted]()
    for name, digest in digests.items():
        (tmp_path / name).mkdir()
        contenders.append(_Scripted(name, tmp_path / name, digest))
    made = bench(tmp_path, lines, smoke=True)
    taken = {each.name: comparison._Taken(plan.of(each.name), await each.begin()) for each in contenders}
    await comparison._steps(plan, list(contenders), taken)
    await comparison._past(made, plan, list(contenders), taken)
    await comparison._resumes(WORKLOADS["many"], plan, list(contenders), taken)
    comparison._report(made, WORKLOADS["many"], taken, 0.5)
    return lines, contenders


async def test_each_line_names_what_was_measured_and_what_it_is_compared_with(tmp_path: Path) -> None:
    after = comparison.expected_digest(WORKLOADS["many"], 40)
    digests = {"statek": after, "pickle": after, "kishu": comparison.expected_digest(WORKLOADS["many"], 5)}
    lines, contenders = await _compared(tmp_path, digests)
    parsed = [parse_line(line) for line in lines]
    assert [each["name"] for each in parsed] == [
        *(f"rivals_many_step_{name}" for name in digests),
        "rivals_many_commit_statek",
        *(f"rivals_many_{what}_{name}" for what in ("stored", "view", "fork", "resume") for name in digests),
    ]
    assert lines[0] == "rivals_many_step_statek 1.00 ms 1.00x-of-pickle commits=40 sync=some fsyncs/op=1.00"
    assert lines[2] == "rivals_many_step_kishu 1.00 ms 1.00x-of-statek commits=5 sync=some fsyncs/op=uncounted"
    assert lines[3] == "rivals_many_commit_statek 0.500 ms 0.50x-of-step_statek commits=40 sync=some fsyncs/op=1.00"
    assert [each["value"] for each in parsed if str(each["name"]).startswith("rivals_many_stored")] == [4.0] * 3
    for each in contenders:
        commits = 5 if each.name == "kishu" else 40
        assert each.turns == list(range(1, commits + 1))
        assert len(each.looked) == (6 if each.name == "kishu" else 10)
        assert set(each.looked) <= set(each.turns)


async def test_other_values_after_a_resumption_fail_the_run(tmp_path: Path) -> None:
    after = comparison.expected_digest(WORKLOADS["many"], 40)
    with pytest.raises(RuntimeError, match=r"^pickle does not hold the values of workload many after a resume$"):
        await _compared(tmp_path, {"statek": after, "pickle": "other"})
