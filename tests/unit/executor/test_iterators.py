"""Iterators of itertools outlive a restore where they stand, also where a warning is an error."""

from __future__ import annotations

import itertools

import pytest

from sandbox_runner.executor.iterators import ITERATORS, reduce_iterator


@pytest.mark.parametrize(
    "made",
    [
        "itertools.count(30)",
        "itertools.count(2**80)",
        "itertools.count(2**63 - 2)",
        "itertools.count(1.5, -2)",
        "itertools.count(5, step=3)",
        "itertools.count(float('inf'))",
        "itertools.count(decimal.Decimal('1.1'), 2)",
        "itertools.repeat([1])",
        "itertools.repeat('a', 9)",
        "itertools.repeat('a', 0)",
        "itertools.chain([1, 2, 3], [4, 5, 6])",
        "itertools.cycle([1, 2, 3])",
        "itertools.islice([1, 2, 3, 4, 5, 6], 1, 6)",
        "itertools.zip_longest([1, 2, 3], itertools.count())",
        "itertools.permutations([1, 2, 3])",
    ],
)
def test_an_iterator_goes_on_after_a_restore(start, made):
    still, moving = start(), start()
    code = f"import decimal, itertools, warnings\nwarnings.simplefilter('error')\nx = [{made}] * 2\nnext(x[0], 0)"
    look = "[next(x[index % 2], 'end') for index in range(6)]"
    still.run(code)
    before = moving.run(code)
    assert before.lost == {}
    other = start()
    assert other.restore(moving.commit(before)) == {}
    assert other.run("pass").sent == {}
    assert other.run(look).output == still.run(look).output


def test_count_and_repeat_need_no_help_of_the_library():
    count = itertools.count(7)
    next(count)
    for iterator, expected in [
        (count, (itertools.count, (8,))),
        (itertools.count(-3), (itertools.count, (-3,))),
        (itertools.count(1, 5), (itertools.count, (1, 5))),
        (itertools.count(1.5), (itertools.count, (1.5, 1))),
        (itertools.repeat("a"), (itertools.repeat, ("a",))),
        (itertools.repeat("a", 3), (itertools.repeat, ("a", 3))),
    ]:
        assert reduce_iterator(iterator) == expected
    assert {itertools.count, itertools.repeat, itertools.chain, itertools.islice} < set(ITERATORS)


def test_what_counts_is_kept_whatever_it_shows(host):
    step = host.run(
        "import itertools\nclass N(int):\n    def __repr__(self): return '99'\nx = itertools.count(N(7), N(2))"
    )
    assert step.lost == {}
