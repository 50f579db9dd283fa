"""Whatever a caller sends is a value, or one clear error."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.api.inbound import read_named_values, read_newest, read_resolution, read_text
from orchestrator.api.limits import MAX_VALUES
from orchestrator.api.v1 import service_pb2 as pb
from orchestrator.engine.operator_calls import Resolution, Verdict
from sandbox_runner.wire import values
from statek.exceptions import InvalidRequest, LimitExceeded


async def test_json_and_graph_form_give_values() -> None:
    found = [
        pb.NamedValue(name="a", json=b'{"x": [1, null, "\xc3\xa9"]}'),
        pb.NamedValue(name="b", graph=values.encode({(1, 2): 2**70})),
        pb.NamedValue(name="c", json=b'"' + b"x" * 100_000 + b'"'),
    ]
    assert await read_named_values("variables", found) == {
        "a": {"x": [1, None, "é"]}, "b": {(1, 2): 2**70}, "c": "x" * 100_000
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (pb.NamedValue(name="x"), "variables['x'] has no value"),
        (
            pb.NamedValue(name="_x", json=b"1"),
            "variables['_x']: the name must be a Python name without a leading underscore",
        ),
        (pb.NamedValue(name="x", json=b"\xff"), "variables['x'] is no UTF-8 text (byte 0)"),
        (pb.NamedValue(name="x", json=b"[1, NaN]"), "variables['x'] is no JSON: NaN is no JSON number"),
        (pb.NamedValue(name="x", json=b'{"a":1,"a":1}'), "variables['x'] is no JSON: key 'a' is given twice"),
        (pb.NamedValue(name="x", json=b"[" * 100_000), "variables['x'] is no JSON: it is nested too deeply"),
        (
            pb.NamedValue(name="x", graph=values.encode(values.Handle(1, "Meeting"))),
            "variables['x'] is no value: a durable object cannot be named from outside",
        ),
        (
            pb.NamedValue(name="x", graph=values.encode(signal.SIGINT)),
            "variables['x'] is no value: a member of an enum cannot be given from outside",
        ),
    ],
)
async def test_what_is_no_value_is_refused(value: pb.NamedValue, message: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        await read_named_values("variables", [value])
    assert str(raised.value) == message


async def test_names_are_given_once_and_in_bounds() -> None:
    twice = [pb.NamedValue(name="x", json=b"1")] * 2
    with pytest.raises(InvalidRequest) as repeated:
        await read_named_values("params", twice)
    assert str(repeated.value) == "params['x'] is given twice"
    with pytest.raises(LimitExceeded) as many:
        await read_named_values("params", twice * MAX_VALUES)
    assert str(many.value) == "limit api_values is 1000, this needs 2000; params has too many entries"


@given(st.binary(max_size=64), st.booleans())
async def test_any_bytes_are_a_value_or_refused(data: bytes, graph: bool) -> None:
    value = pb.NamedValue(name="x", graph=data) if graph else pb.NamedValue(name="x", json=data)
    try:
        await read_named_values("variables", [value])
    except InvalidRequest as error:
        refusal = str(error)
    else:
        refusal = "variables['x'] is no refusal"
    assert refusal.startswith("variables['x'] is no ")


async def test_decisions() -> None:
    async def read(**verdict: object) -> Resolution:
        return await read_resolution(pb.ResolveCallRequest(id="j1", call=1, **verdict))  # type: ignore[arg-type]

    assert await read(happened=pb.NamedValue(json=b"[1]")) == Resolution(Verdict.HAPPENED, value=[1])
    assert await read(failed_text=b"no") == Resolution(Verdict.FAILED, message="no")
    assert await read(retry=pb.RetryCall()) == Resolution(Verdict.RETRY)
    with pytest.raises(InvalidRequest) as missing:
        await read()
    assert str(missing.value) == "a decision is missing: happened, failed or retry"


def test_texts_and_counts() -> None:
    assert read_text("reason_text", b"\xed\xa0\x80") == "\ud800"
    with pytest.raises(InvalidRequest) as raised:
        read_text("reason_text", b"a\xff")
    assert str(raised.value) == "reason_text is no UTF-8 text (byte 1)"
    assert (read_newest(0), read_newest(7)) == (50, 7)
    with pytest.raises(LimitExceeded) as many:
        read_newest(10_001)
    assert str(many.value) == "limit api_newest is 10000, this needs 10001; ask for fewer jobs"
