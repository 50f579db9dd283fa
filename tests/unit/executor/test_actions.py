"""Actions: what a model's formal tool calls are in the sandbox."""

from __future__ import annotations

import pytest

from sandbox_runner.wire.frames import Action, CallResult, ToolSpec
from sandbox_runner.wire.values import decode, encode

ADD = ToolSpec("add", "(a, b=1)", "adds")


def code(source):
    return Action(1, source)


def call(tool, *args, **kwargs):
    return Action(2, tool=tool, args=encode([list(args), kwargs]))


def refused(kind, message):
    return Action(3, error_type=kind, error_message=message)


def added(request):
    args, kwargs = decode(request.args)
    return sum(args) + sum(kwargs.values())


def test_actions_run_in_order_before_the_code_each_with_its_own_output(host):
    step = host.run(
        "print(x + y)",
        tools=[ADD],
        answer=added,
        actions=[code("x = 5\nprint(x)\nx + 1"), call("add", a=1, b=2), code("y = x * 2")],
    )
    assert step.slots == {1: [("PRINT", "5"), ("ECHO", "6")], 2: [("ECHO", "3")], 3: []}
    assert (step.output, host.values(step)) == ([("PRINT", "15")], {"x": 5, "y": 10})


def test_an_error_of_one_action_keeps_its_output_and_the_next_one_runs(host):
    step = host.run(
        "",
        tools=[ADD],
        answer=lambda request: CallResult(error_type="ValueError", error_message="kaput"),
        actions=[
            code("print('before')\n1 / 0"),
            call("add", 1),
            refused("NameError", "tool 'nope' not found"),
            code("x = ("),
            code("print('last')"),
        ],
    )
    assert step.slots == {
        1: [("PRINT", "before"), ("ERROR", "ZeroDivisionError: division by zero"), ("NOTE", "(line 2: 1 / 0)")],
        2: [("ERROR", "ValueError: kaput")],
        3: [("ERROR", "NameError: tool 'nope' not found")],
        4: [("ERROR", "SyntaxError: '(' was never closed (line 1)"), ("NOTE", "(line 1: x = ()")],
        5: [("PRINT", "last")],
    }
    assert (step.finished.outcome, step.output) == (1, [])


def test_a_result_of_none_shows_nothing(host):
    step = host.run("", tools=[ADD], answer=lambda request: None, actions=[call("add", 1)])
    assert step.slots == {1: []}


def test_exit_in_an_action_ends_the_step(host):
    actions = [code("print(1)\nexit('done')\nprint(2)"), code("print(3)")]
    step = host.run("print(4)", actions=actions)
    assert (step.slots, step.output) == ({1: [("PRINT", "1")], 2: []}, [])
    assert (step.finished.outcome, decode(step.finished.exit_value)) == (3, "done")


def test_a_tool_is_the_job_s_own_whatever_variable_has_its_name(host):
    host.run("add = 7")
    assert host.run("", tools=[ADD], answer=added, actions=[call("add", 2, b=3)]).slots == {1: [("ECHO", "5")]}


def test_a_noisy_action_leaves_room_for_the_next_one(start):
    host = start(output_head_bytes=1200, output_tail_bytes=600)
    noisy = code("for i in range(1000): print(f'line {i}')")
    step = host.run("print('own')", actions=[noisy, code("print('x' * 300)")])
    first = [text for _, text in step.slots[1]]
    assert (first[0], first[-1]) == ("line 0", "line 999")
    assert [text for kind, text in step.slots[1] if kind == "NOTE"] == [
        f"({step.finished.output_dropped_bytes} bytes of output left out)"
    ]
    assert 500 < sum(map(len, first)) < 700
    assert (step.slots[2], step.output) == ([("PRINT", "x" * 300)], [("PRINT", "own")])


def test_the_bounds_hold_over_all_actions_together(start):
    host = start(output_head_bytes=1200, output_tail_bytes=600)
    loud = code("print('z' * 100_000)")
    step = host.run("print('z' * 100_000)", actions=[loud] * 30)
    kept = sum(len(text) for items in [*step.slots.values(), step.output] for kind, text in items if kind == "PRINT")
    assert kept <= 1200 + 600
    assert all(items for items in step.slots.values())


@pytest.mark.parametrize("given", [call("look", "tasks"), call("look", what="tasks"), code("look('tasks')")])
def test_the_name_of_a_variable_stands_for_it_where_no_text_is_taken(host, given):
    host.run("tasks = [1, 2]")
    seen = []

    def answer(request):
        args, kwargs = decode(request.args)
        seen.append([*args, *kwargs.values()])

    tool = ToolSpec("look", "(what, note='')", "", ["what"])
    host.run("", tools=[tool], answer=answer, actions=[given])
    assert seen == [[[1, 2]]]


def test_other_texts_stay_texts(host):
    host.run("tasks = 1\nprint = 2")
    seen = []
    tool = ToolSpec("look", "(what, note='')", "", ["what"])
    calls = [call("look", "missing", "tasks"), call("look", what="__builtins__"), call("look", "exit", note="tasks")]
    host.run("", tools=[tool], answer=lambda request: seen.append(decode(request.args)), actions=calls)
    assert seen == [[["missing", "tasks"], {}], [[], {"what": "__builtins__"}], [["exit"], {"note": "tasks"}]]
