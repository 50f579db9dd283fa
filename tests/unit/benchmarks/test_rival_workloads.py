"""The workloads of the comparison: code and edits make the same values, bursts cover every turn once."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.rivals.comparison import Plan, expected_digest, share
from benchmarks.rivals.workloads import WORKLOADS, apply_edits, digest_of

pytestmark = pytest.mark.timeout(30)


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_code_and_edits_make_the_same_values(name: str) -> None:
    workload = WORKLOADS[name]
    run: dict[str, Any] = {}
    exec(workload.make_source(), run)
    edited = workload.initial()
    assert {each: run[each] for each in workload.names} == edited
    for turn in (1, 2, 199, 200, 1000):
        exec(workload.change_source(turn), run)
        apply_edits(edited, workload.edits(turn))
        assert {each: run[each] for each in workload.names} == edited
        variable, index, text = workload.probe(turn)
        assert run[variable][index] == text
    assert sorted(set(run) - {"__builtins__"}) == sorted(workload.names)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(workload.digest_source(), run)
    assert printed.getvalue().strip() == digest_of(workload, edited)


def test_the_list_is_1_mb_of_which_a_kilobyte_changes() -> None:
    workload = WORKLOADS["list"]
    values = workload.initial()
    assert (len(values["rows"]), sum(map(len, values["rows"]))) == (65_536, 65_536 * 14)
    assert sum(map(len, workload.edits(7)["rows"].values())) == 64 * 14


def test_of_many_variables_one_changes() -> None:
    workload = WORKLOADS["many"]
    assert len(workload.initial()) == 201
    assert [len(workload.edits(turn)) for turn in (1, 200, 201)] == [2, 2, 2]
    assert len({*workload.edits(1), *workload.edits(2), *workload.edits(201)}) == 3


def test_another_turn_is_another_digest() -> None:
    workload = WORKLOADS["many"]
    digests = [expected_digest(workload, turns) for turns in range(4)]
    assert len(set(digests)) == 4
    assert digests[0] == digest_of(workload, workload.initial())


@given(st.integers(1, 2000), st.integers(1, 200))
def test_bursts_cover_every_turn_once(total: int, bursts: int) -> None:
    turns: list[int] = []
    for burst in range(bursts):
        first, count = share(total, burst, bursts)
        turns += range(first, first + count)
    assert turns == list(range(1, total + 1))


def test_a_slow_rival_is_asked_for_less_and_never_for_nothing() -> None:
    whole, brief = Plan(1000, 100, 100, 10), Plan(20, 4, 5, 2)
    assert (whole.of("pickle"), whole.of("kishu")) == (whole, Plan(50, 100, 5, 10))
    assert brief.of("kishu") == Plan(5, 4, 3, 2)
    assert Plan(200, 20, 0, 10).of("kishu") == Plan(10, 20, 0, 10)
