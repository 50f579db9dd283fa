"""Whatever a view holds arrives unchanged, in parts of bounded size."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.api import outbound
from orchestrator.api.joining import ItemJoiner, join_variables, read_call, read_summary
from orchestrator.api.limits import MAX_MESSAGE_BYTES, PAGE_BYTES, PIECE_BYTES
from orchestrator.api.v1 import service_pb2 as pb
from sandbox_runner.wire.values import EnumValue, Handle
from statek.executors.views import CallView, ItemView, JobSummary, VariableView

texts = st.text(st.characters(), max_size=60)
plain = st.text(st.characters(codec="utf-8"), max_size=20)
counts = st.integers(0, 2**31)
big = st.integers(-1, 2**62)
objects = st.dictionaries(texts, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts, max_size=4)
calls = st.builds(
    CallView, job=plain, step=counts, number=counts, name=texts, kind=plain, handle=big, arguments=texts, effect=plain,
    state=plain, result=texts, idempotency_key=plain, target=texts,
)  # fmt: skip
failures = st.none() | st.fixed_dictionaries({"kind": texts, "type": texts, "message": texts})
summaries = st.builds(
    JobSummary, id=plain, role=texts, tenant=texts, principal=texts, status=plain, reason=texts, failure=failures,
    steps=counts, turns=counts, tier=plain, created_us=big, changed_us=big, input_tokens=big, output_tokens=big,
    cost_microusd=big, exit_status=texts,
)  # fmt: skip
items = st.builds(
    ItemView, kind=plain, at_us=big, text=texts, step=counts, code=texts, state=plain, attempts=counts,
    console=st.lists(st.tuples(plain, texts), max_size=5).map(tuple), outcome=objects,
    changed=st.lists(texts, max_size=5).map(tuple), calls=st.lists(calls, max_size=3).map(tuple),
    start_commit=big, end_commit=big, usage=objects,
)  # fmt: skip


def across(found: list[ItemView]) -> list[ItemView]:
    """Items after a trip over the wire, page by page."""
    parts = (part for index, item in enumerate(found) for part in outbound.item_parts(index, item))
    joiner = ItemJoiner()
    arrived: list[ItemView] = []
    for page in outbound.pages(parts, lambda held: pb.GetJobResponse(items=held)):
        data = page.SerializeToString()
        assert len(data) < PAGE_BYTES * 2 < MAX_MESSAGE_BYTES
        for part in pb.GetJobResponse.FromString(data).items:
            arrived.extend(joiner.add(part))
    arrived.extend(joiner.finish())
    return arrived


@given(summaries)
def test_summaries(summary: JobSummary) -> None:
    message = pb.JobSummary.FromString(outbound.summary_to_wire(summary).SerializeToString())
    assert read_summary(message) == summary


@given(calls)
def test_calls(call: CallView) -> None:
    assert read_call(pb.Call.FromString(outbound.call_to_wire(call).SerializeToString())) == call


@given(st.lists(items, max_size=4))
@settings(max_examples=50)
def test_items(found: list[ItemView]) -> None:
    assert across(found) == found


def test_an_item_larger_than_many_pages() -> None:
    call = CallView("j1", 1, 1, "f", "tool", 0, "x" * 200, "none", "done", "y" * 200, "")
    item = ItemView(
        kind="reply",
        at_us=1,
        text="é" * PAGE_BYTES,
        step=1,
        code="\ud800" * PIECE_BYTES * 3,
        state="committed",
        attempts=1,
        console=(("print", "a" * (PIECE_BYTES * 2)), ("print", ""), ("print", "b" * PIECE_BYTES), ("note", "c" * 5)),
        outcome={"message": "m" * PIECE_BYTES * 2},
        changed=tuple(f"v{number}" for number in range(20_000)),
        calls=tuple(replace(call, number=number) for number in range(2_000)),
        start_commit=0,
        end_commit=1,
    )
    small = replace(item, text="", code="", console=(), outcome={}, changed=(), calls=())
    assert across([small, item, small]) == [small, item, small]


def test_variables_of_every_form() -> None:
    cycle: list[object] = [1]
    cycle.append(cycle)
    variables = [
        VariableView("a", "1", "graph", 2**70, 9),
        VariableView("b\ud800", "\x00", "opaque", None, 10),
        VariableView("c", "too large", "lost", None, 0),
        VariableView("d", "bytes", "graph", b"x" * (PIECE_BYTES * 3 + 1), 200_000),
        VariableView("e", "none", "graph", None, 2),
        VariableView("f", "handle", "graph", [Handle(3, "Meeting"), EnumValue("m", "Colour", "RED")], 2),
    ]
    parts = [part for index, variable in enumerate(variables) for part in outbound.variable_parts(index, variable)]
    assert max(part.ByteSize() for part in parts) < PIECE_BYTES + 200
    assert join_variables(parts) == variables
    (joined,) = join_variables(outbound.variable_parts(0, VariableView("g", "c", "graph", cycle, 2)))
    assert joined.value[1] is joined.value
    (nan,) = join_variables(outbound.variable_parts(0, VariableView("h", "nan", "graph", math.nan, 2)))
    assert math.isnan(nan.value)
