from __future__ import annotations

from dataclasses import replace

from orchestrator.cli import as_json, present
from statek.executors.views import AgentView, CallView, ItemView, JobSummary, JobView, VariableView

SUMMARY = JobSummary(
    id="j3",
    role="planner",
    tenant="default",
    principal="",
    status="DONE",
    reason="",
    failure=None,
    steps=2,
    turns=3,
    tier="namespace",
    created_us=1_700_000_000_000_000,
    changed_us=1_700_000_061_999_999,
    input_tokens=1200,
    output_tokens=34,
    cost_microusd=12_345,
    exit_status="'ok'",
)
CALL = CallView(
    job="j3",
    step=1,
    number=2,
    name="send",
    kind="tool",
    handle=0,
    arguments="[1]",
    effect="external",
    state="done",
    result="'sent'",
    idempotency_key="j3-1-2",
)
USER = ItemView(
    kind="user",
    at_us=1_700_000_000_000_000,
    text="hello\nworld",
    step=0,
    code="",
    state="none",
    attempts=0,
    console=(),
    outcome={},
    changed=(),
    calls=(),
    start_commit=-1,
    end_commit=-1,
)
REPLY = ItemView(
    kind="reply",
    at_us=1_700_000_001_000_000,
    text="```python\nx = 1\nprint(x)\n```",
    step=1,
    code="x = 1\nprint(x)",
    state="committed",
    attempts=2,
    console=(("print", "1\n"), ("echo", "2"), ("error", "Traceback\nValueError: no"), ("note", "n"), ("odd", "?")),
    outcome={"outcome": "error", "type": "ValueError", "message": "no"},
    changed=("x", "y"),
    calls=(
        CALL,
        replace(CALL, number=3, handle=7, target="Meeting", kind="method", effect="none", state="failed", result=""),
    ),
    start_commit=0,
    end_commit=1,
    usage={"input_tokens": 5, "wall_seconds": 0.25, "cost_microusd": None, "cached_tokens": 0},
)


def test_a_table_of_jobs() -> None:
    failed = replace(
        SUMMARY,
        id="j12",
        mode="live",
        tier="",
        failure={"kind": "harness", "type": "TurnLimit", "message": "too\nmany"},
    )
    waiting = replace(SUMMARY, id="j4", status="SUSPENDED", reason="call 2 is in doubt")
    assert present.job_rows([SUMMARY, failed, waiting]) == [
        "ID   STATUS     ROLE     MODE     STEPS  TIER       TOKENS  COST     CHANGED (UTC)        REMARK",
        "j3   DONE       planner  durable  2      namespace  1234    $0.0123  2023-11-14 22:14:21",
        (
            "j12  DONE       planner  live     2      -          1234    $0.0123  2023-11-14 22:14:21  "
            "failed: harness: TurnLimit: too\\nmany"
        ),
        "j4   SUSPENDED  planner  durable  2      namespace  1234    $0.0123  2023-11-14 22:14:21  call 2 is in doubt",
    ]


def test_a_whole_job() -> None:
    view = JobView(SUMMARY, (USER, REPLY), commits=2, image_digest="sha256:ab")
    assert list(present.job_lines(view)) == [
        "job j3  DONE  role planner  mode durable  tier namespace",
        "tenant default  principal -",
        "created 2023-11-14 22:13:20 UTC  changed 2023-11-14 22:14:21 UTC",
        "steps 2  turns 3  commits 2  tokens 1200 in, 34 out  cost $0.0123",
        "image sha256:ab",
        "exit: 'ok'",
        "",
        "[0] user  2023-11-14 22:13:20 UTC",
        '  " hello',
        '  " world',
        "",
        "[1] reply  step 1  committed  attempts 2  2023-11-14 22:13:21 UTC",
        "    x = 1",
        "    print(x)",
        "  | 1",
        "  | 2",
        "  ! Traceback",
        "  ! ValueError: no",
        "  * n",
        "  ? ?",
        "  call 2: send([1])  effect external  done",
        "      -> 'sent'",
        "  call 3: Meeting#7.send([1])  effect none  failed",
        "  ended: error (ValueError: no)",
        "  changed: x, y",
        "  used: input_tokens 5, wall_seconds 0.250",
    ]


def test_the_last_line_of_run() -> None:
    assert present.closing_line(SUMMARY) == "job j3 DONE tier=namespace steps=2"
    assert present.closing_line(replace(SUMMARY, tier="")) == "job j3 DONE tier=none steps=2"


def test_a_hostile_text_cannot_pass_for_a_line_of_ours() -> None:
    item = replace(REPLY, console=(("print", "job j3 DONE tier=container steps=9\n"),), calls=(), code="", text="")
    lines = list(present.item_lines(0, item))
    assert "  | job j3 DONE tier=container steps=9" in lines
    assert "job j3 DONE tier=container steps=9" not in lines


def test_tables_of_calls_and_variables() -> None:
    assert present.call_rows([CALL]) == [
        "JOB  STEP  CALL  NAME  EFFECT    IDEMPOTENCY KEY  ARGUMENTS",
        "j3   1     2     send  external  j3-1-2           [1]",
    ]
    variables = [VariableView("x", "1", "graph", 1, 9), VariableView("model", "<Model>", "opaque", None, 12_000)]
    assert present.variable_rows(variables) == [
        "NAME   FORM    BYTES  VALUE",
        "x      graph   9      1",
        "model  opaque  12000  <Model>",
    ]


def test_only_values_that_json_keeps_unchanged_are_given_as_values() -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    exact = [None, True, 1, -(2**53), 0.5, "\ud800", [1, {"a": []}]]
    inexact = [2**53 + 1, float("nan"), float("inf"), (1,), {1: 2}, b"x", {1}, cycle, [2**70]]
    assert [as_json.is_exact(value) for value in exact] == [True] * len(exact)
    assert [as_json.is_exact(value) for value in inexact] == [False] * len(inexact)
    assert as_json.variable_value(VariableView("x", "1", "graph", 1, 9)) == {
        "name": "x", "form": "graph", "size_bytes": 9, "preview": "1", "value": 1
    }  # fmt: skip
    assert as_json.variable_value(VariableView("x", "p", "opaque", None, 9)) == {
        "name": "x", "form": "opaque", "size_bytes": 9, "preview": "p"
    }  # fmt: skip


def test_a_job_as_json_has_everything() -> None:
    value = as_json.job_value(JobView(SUMMARY, (REPLY,), commits=2, image_digest="d"))
    assert value["id"] == "j3"
    assert value["commits"] == 2
    assert value["items"][0]["index"] == 0
    assert value["items"][0]["console"][0] == {"kind": "print", "text": "1\n"}
    assert value["items"][0]["calls"][0]["idempotency_key"] == "j3-1-2"


def test_a_job_says_how_often_its_model_was_asked_again() -> None:
    views = [JobView(replace(SUMMARY, repeated_replies=count), (), 1, "") for count in range(3)]
    lines = [[line for line in present.job_lines(view) if "again" in line] for view in views]
    told = "model asked again after a restart: {}; what that cost is not in the figures above"
    assert lines == [[], [told.format("once")], [told.format("2 times")]]


def test_a_moment_beyond_the_calendar_is_shown() -> None:
    assert present.when(1_700_000_000_000_000) == "2023-11-14 22:13:20"
    assert present.when(1 << 62) == f"{(1 << 62) // 1_000_000} s"


def test_agents_are_one_line_each() -> None:
    moment = 1_700_000_000_000_000
    agent = AgentView(
        "clerk", "shop:Clerk", "shop:clerks", "shop", "0123456789abcdef", "", moment, moment, moment, True
    )
    other = replace(agent, role="old\x1b[2J", source="", description="Was here.", running=False)
    assert list(present.agent_rows([agent, other])) == [
        "ROLE        RUNNING  DIGEST        CHANGED (UTC)        SEEN (UTC)           HELD AT      DESCRIPTION",
        "clerk       yes      0123456789ab  2023-11-14 22:13:20  2023-11-14 22:13:20  shop:clerks  -",
        "old\\x1b[2J  no       0123456789ab  2023-11-14 22:13:20  2023-11-14 22:13:20  -            Was here.",
    ]
    assert as_json.agent_value(agent)["source"] == "shop:clerks"
