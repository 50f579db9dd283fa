"""The statistics behind a number, and its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.measurement import Better, Measurement, format_number, median, parse_line, percentile

pytestmark = pytest.mark.timeout(30)

NUMBERS = st.floats(min_value=1e-4, max_value=1e9, allow_nan=False)


def test_percentile_takes_the_nearest_rank() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert [percentile(values, percent) for percent in (0, 1, 50, 95, 99, 100)] == [1, 1, 50, 95, 99, 100]


def test_median_of_an_odd_and_an_even_number_of_values() -> None:
    assert (median([3, 1, 2]), median([4, 1, 3, 2]), median([7])) == (2, 2, 7)


@given(st.lists(NUMBERS, min_size=1), st.floats(min_value=0, max_value=100))
def test_percentile_is_one_of_the_values_and_covers_its_share(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= percent / 100 * len(values) - 1e-9


def test_no_values_and_impossible_percentages_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^no values$"):
        median([])
    with pytest.raises(ValueError, match=r"^percent must be within 0 to 100, got 101$"):
        percentile([1.0], 101)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (4.1234, "4.12"), (0.012345, "0.0123"), (1234.5, "1234"), (99.96, "100.0"), (1e-9, "0.000000")],
)
def test_numbers_have_three_digits_and_no_exponent(value: float, text: str) -> None:
    assert format_number(value) == text


def test_a_kept_promise_is_a_ratio_below_one() -> None:
    kept = Measurement("step_overhead_p50", 4.1, "ms", 5, "target-5ms", notes={"fsyncs/op": "2.00"})
    assert kept.line() == "step_overhead_p50 4.10 ms 0.82x-of-target-5ms fsyncs/op=2.00"


def test_a_missed_promise_says_so() -> None:
    assert Measurement("a", 6, "ms", 5, "target-5ms").line() == "a 6.00 ms 1.20x-of-target-5ms missed"


def test_a_promise_missed_by_a_hair_does_not_read_as_kept() -> None:
    assert Measurement("a", 5.001, "ms", 5, "target-5ms").line() == "a 5.00 ms 1.01x-of-target-5ms missed"


def test_where_more_is_better_the_ratio_is_turned_round() -> None:
    slow = Measurement("steps_per_second", 250, "steps/s", 500, "target-500", better=Better.HIGHER)
    fast = Measurement("steps_per_second", 1000, "steps/s", 500, "target-500", better=Better.HIGHER)
    assert (slow.ratio, slow.missed, fast.ratio, fast.missed) == (2, True, 0.5, False)


def test_a_comparison_with_a_rival_is_no_promise() -> None:
    rival = Measurement("a", 6, "ms", 5, "docker_run")
    assert (rival.missed, rival.line()) == (False, "a 6.00 ms 1.20x-of-docker_run")


@given(NUMBERS, NUMBERS, st.sampled_from(["target-1.3x-docker_run", "rival_p50"]), st.booleans())
def test_every_line_parses_to_what_it_says(value: float, reference: float, versus: str, with_note: bool) -> None:
    notes = {"fsyncs/op": "2.00", "jobs": "8"} if with_note else {}
    result = Measurement("name_1mb", value, "steps/s", reference, versus, notes=notes)
    parsed = parse_line(result.line())
    assert (parsed["name"], parsed["unit"], parsed["versus"]) == ("name_1mb", "steps/s", versus)
    assert (parsed["notes"], parsed["missed"]) == (notes, result.missed)
    assert parsed["value"] == pytest.approx(value, rel=0.006, abs=1e-6)


def test_what_is_no_line_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^not a benchmark line: '# machine: x'$"):
        parse_line("# machine: x")


def test_json_holds_every_fact() -> None:
    assert Measurement("a", 6.0, "ms", 5.0, "target-5ms", notes={"jobs": "2"}).as_json() == {
        "name": "a",
        "value": 6.0,
        "unit": "ms",
        "ratio": 1.2,
        "versus": "target-5ms",
        "reference": 5.0,
        "missed": True,
        "notes": {"jobs": "2"},
    }
