"""Values from a runner that would take for ever to show: bounded wherever the host makes text of them."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

import pytest

from orchestrator.cli.as_json import is_exact
from orchestrator.engine.views import arguments_text, short
from sandbox_runner.executor.rendering import render
from sandbox_runner.wire.values import decode, encode
from statek.rendering import MAX_CHARACTERS, render_value


def shared(make: Any, start: Any, levels: int = 20) -> Any:
    value = start
    for _ in range(levels):
        value = make(value)
    return value


WIDE = [
    pytest.param(shared(lambda x: [x] * 25, []), id="lists"),
    pytest.param(shared(lambda x: (x,) * 25, ()), id="tuples"),
    pytest.param(shared(lambda x: dict.fromkeys(range(25), x), {}), id="dicts"),
    pytest.param([{shared(lambda x: (x, x), (), 18): 1}], id="keys"),
]
SET_OF_NUMBERS = set(range(50_000))
SETS = [
    pytest.param(shared(lambda x: frozenset([x, (x,)]), frozenset([1]), 12), id="sets in sets"),
    pytest.param([[SET_OF_NUMBERS] * 25] * 25, id="one set many times"),
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("value", [*WIDE, *SETS])
def test_the_host_shows_it_at_once(value) -> None:
    before = time.thread_time()
    text = render_value(decode(encode(value)))

    assert (len(text) < 3 * MAX_CHARACTERS, time.thread_time() - before < 2) == (True, True)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("value", WIDE)
def test_the_sandbox_shows_it_at_once(value) -> None:
    assert len(render(value)) < 3 * MAX_CHARACTERS


@pytest.mark.timeout(20)
@pytest.mark.parametrize("value", WIDE[:1])
def test_no_json_is_made_of_it(value) -> None:
    assert is_exact(value) is False


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (range(2**40_000 // 2**39_990), "range(0, 1024)"),
        (range(0, 9, 2), "range(0, 9, 2)"),
        (slice(1, 2), "slice(1, 2, None)"),
        ([Fraction(3**20_000, 2**30_000)], "[<Fraction>]"),
    ],
)
def test_numbers_with_more_digits_than_python_shows(value, text) -> None:
    assert render_value(value) == text


def test_views_of_calls_do_not_fail_on_them() -> None:
    huge = 1 << 100_000
    members = {huge, Fraction(3**20_000, 2**30_000), range(1 << 30_000)}

    assert short(encode(members)).startswith("{0x1000")
    assert arguments_text(encode([[slice(huge)], {}])).startswith("slice(None, 0x1000")
