from __future__ import annotations

import datetime as dt
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine.objects.failures import ApplicationFailure, failure_answer, run_application
from orchestrator.engine.objects.host_proxy import unwrap, wrap
from orchestrator.engine.objects.outbound import MAX_DEPTH, Outbound
from orchestrator.sandboxes.step import CallAnswer
from sandbox_runner.wire.values import GraphError
from statek.exceptions import InvalidRequest, LimitExceeded


def outbound(max_items=100):
    def refuse(_target, _kind):
        raise AssertionError("no durable object here")

    return Outbound(refuse, max_items=max_items)


values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(), st.binary(), st.dates(), st.complex_numbers(allow_nan=False)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(), inner, max_size=4),
        st.tuples(inner, inner),
        st.sets(st.integers(), max_size=4),
        st.frozensets(st.text(), max_size=4),
    ),
    max_leaves=20,
)


@given(values)
def test_plain_values_stay_what_they_are(value):
    assert outbound().convert(value) == value
    assert wrap(value, None) == value
    assert unwrap(value) == value


def test_sharing_and_cycles_survive():
    shared = [1]
    value = {"a": shared, "b": shared}
    value["self"] = value
    copy = outbound().convert(value)
    assert copy is not value
    assert copy["a"] is copy["b"]
    assert copy["self"] is copy
    wrapped = wrap(value, None)
    assert wrapped["a"] is wrapped["b"]
    assert wrapped["self"] is wrapped


def test_other_types_pass_untouched():
    value = deque([1])
    assert outbound().convert([value])[0] is value
    assert outbound().convert(dt.timedelta(1)) == dt.timedelta(1)


def test_iterators_are_drawn_to_a_bound():
    assert outbound().convert(iter([1, 2])) == [1, 2]
    assert outbound().convert({"a": 1}.items()) == [("a", 1)]

    def endless():
        while True:
            yield 1

    with pytest.raises(LimitExceeded) as caught:
        outbound().convert(endless())
    assert (caught.value.limit, caught.value.usage) == ("result_items", 101)


def test_depth_and_count_are_bounded():
    deep = []
    for _ in range(MAX_DEPTH + 2):
        deep = [deep]
    with pytest.raises(LimitExceeded, match="result_depth"):
        outbound(10_000).convert(deep)
    with pytest.raises(LimitExceeded, match="result_items"):
        outbound(1).convert([[] for _ in range(20)])
    with pytest.raises(InvalidRequest, match="nested more than"):
        wrap(deep, None)


def test_application_errors_become_data():
    class Silent(Exception):
        def __str__(self):
            raise RuntimeError

    cases = [
        (KeyError("x"), ("KeyError", "x")),
        (ValueError("a\ud800"), ("ValueError", "a\\ud800")),
        (Silent(), ("Silent", "(its text could not be made)")),
        (GeneratorExit(), ("GeneratorExit", "")),
    ]
    for error, expected in cases:

        def fail(error=error):
            raise error

        with pytest.raises(ApplicationFailure) as caught:
            run_application(fail)
        assert (caught.value.type_name, caught.value.message) == expected
        assert failure_answer(caught.value) == CallAnswer(error_type=expected[0], error_message=expected[1])


def test_malformed_arguments_are_value_errors_to_the_sandbox():
    assert failure_answer(GraphError("bad")) == CallAnswer(error_type="ValueError", error_message="bad")
