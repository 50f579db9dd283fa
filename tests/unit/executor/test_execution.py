"""Statements, console, exit, errors, tools."""

from __future__ import annotations

import pytest

from sandbox_runner.wire.frames import CallResult, ToolSpec
from sandbox_runner.wire.values import decode


def test_expression_statements_echo_and_print_is_one_element(host):
    step = host.run("x = 1\nx\nprint('a', [1, 's'], end='')\n[].append(1)\n{'k': (1,)}")
    assert step.output == [("ECHO", "1"), ("PRINT", 'a [1,"s"]'), ("ECHO", "None"), ("ECHO", '{"k":(1)}')]
    assert (step.finished.outcome, step.finished.statement) == (1, 4)
    assert host.values(step) == {"x": 1}


def test_no_echo_on_request(host):
    assert host.run("1\nprint(2)", echo=False).output == [("PRINT", "2")]


def test_streams_become_stream_elements_in_order(host):
    step = host.run("import sys\nsys.stdout.write('a')\nsys.stderr.write('b\\nc')\nprint('d')", echo=False)
    assert step.output == [("STREAM", "ab"), ("STREAM", "c"), ("PRINT", "d")]


def test_an_error_is_a_result_and_earlier_assignments_stay(host):
    step = host.run("a = 1\ndef f():\n    return 1 / 0\nf()\nb = 2")
    assert step.output == [("ERROR", "ZeroDivisionError: division by zero"), ("NOTE", "(line 3: return 1 / 0)")]
    finished = step.finished
    assert (finished.outcome, finished.error_type, finished.error_message, finished.statement) == (
        2,
        "ZeroDivisionError",
        "division by zero",
        2,
    )
    assert step.names == ["a", "f"]


def test_a_syntax_error_runs_nothing(host):
    step = host.run("a = 1\nreturn 5\n")
    assert step.output == [("ERROR", "SyntaxError: 'return' outside function (line 2)"), ("NOTE", "(line 2: return 5)")]
    assert step.names == []


@pytest.mark.parametrize(
    "code",
    [
        "exit({'a': 1})\nnever = 1",
        "def f():\n for i in range(3):\n  try:\n   exit({'a': 1})\n  except Exception:\n   pass\nf()",
        "import sys\nsys.exit({'a': 1})",
        "raise SystemExit({'a': 1})",
        "quit({'a': 1})",
    ],
)
def test_exit_stops_at_the_call(host, code):
    step = host.run(code)
    assert (step.finished.outcome, decode(step.finished.exit_value), step.output) == (3, {"a": 1}, [])
    assert "never" not in step.names


def test_exit_without_value_and_with_one_that_cannot_leave(host):
    assert decode(host.run("exit()").finished.exit_value) is None
    step = host.run("exit(object())")
    text = "exit(): value is of type object, which cannot cross the boundary"
    assert (step.finished.outcome, step.output) == (2, [("ERROR", f"TypeError: {text}")])


@pytest.mark.parametrize("name", ["KeyboardInterrupt", "GeneratorExit", "BaseException", "MemoryError"])
def test_base_exceptions_of_the_code_are_errors(host, name):
    step = host.run(f"raise {name}('m')")
    assert step.output == [("ERROR", f"{name}: m"), ("NOTE", f"(line 1: raise {name}('m'))")]


def test_head_and_tail_are_kept_and_the_middle_is_counted(start):
    host = start(output_head_bytes=10, output_tail_bytes=6)
    step = host.run("print('123456')\nfor i in range(100): print(f'{i:03}')\nprint('e\\ud800')\n1/0")
    assert step.output == [
        ("PRINT", "123456"),
        ("PRINT", "000"),
        ("PRINT", "0"),
        ("NOTE", "(297 bytes of output left out)"),
        ("PRINT", "\\ud800"),
        ("ERROR", "ZeroDivisionError: division by zero"),
        ("NOTE", "(line 4: 1/0)"),
    ]
    assert step.finished.output_dropped_bytes == 6 + 300 + 7 - 10 - 6


def test_a_huge_print_is_cut(start):
    host = start(output_head_bytes=100, output_tail_bytes=50)
    step = host.run("print('a' * 10_000_000 + 'b')")
    assert step.output == [
        ("PRINT", "a" * 100),
        ("NOTE", "(9999851 bytes of output left out)"),
        ("PRINT", "a" * 49 + "b"),
    ]


def test_random_is_seeded(host):
    first = host.run("import random\nrandom.random()", seed=5).output
    assert host.run("random.random()", seed=5).output == first
    assert host.run("random.random()", seed=6).output != first


def test_tools_are_called_with_graph_arguments(host):
    tools = [ToolSpec("add", "(a: int, b=1) -> int", "Adds.")]
    step = host.run(
        "import inspect\nprint(add(1, b=2**70))\nprint(add.__name__, add.__doc__, inspect.signature(add))",
        tools=tools,
        answer=lambda call: sum(decode(call.args)[0]) + sum(decode(call.args)[1].values()),
    )
    assert step.output == [("PRINT", str(1 + 2**70)), ("PRINT", "add Adds. (a: 'int', b=1) -> 'int'")]
    assert [(call.kind, call.name, decode(call.args)) for call in step.calls] == [(1, "add", [[1], {"b": 2**70}])]
    assert step.names == ["inspect"]


def test_a_tool_argument_that_cannot_leave_is_refused_before_anything_is_sent(host):
    tools = [ToolSpec("f", "(*a, **k)", "")]
    step = host.run("f(1, [object()])", tools=tools)
    assert step.output[0] == (
        "ERROR",
        "TypeError: f(): argument 2[0] is of type object, which cannot leave the sandbox",
    )
    step = host.run("f(x={'a': len})", tools=tools)
    assert step.output[0] == (
        "ERROR",
        "TypeError: f(): argument x['a'] is of type builtin_function_or_method, which cannot leave the sandbox",
    )


@pytest.mark.parametrize(
    ("error_type", "message", "check"),
    [
        ("ValueError", "no", "ValueError"),
        ("KeyError", "'k'", "KeyError"),
        ("AccessDenied", "rule r", "PermissionError"),
        ("LimitExceeded", "limit", "RuntimeError"),
        ("OutboxFull", "x", "statek_errors.OutboxFull"),
    ],
)
def test_errors_of_tools_are_exceptions_of_that_name(host, error_type, message, check):
    step = host.run(
        f"import statek_errors\ntry:\n    f()\nexcept {check} as e:\n    print(type(e).__name__, str(e))",
        tools=[ToolSpec("f", "()", "")],
        answer=lambda call: CallResult(error_type=error_type, error_message=message),
    )
    assert step.output == [("PRINT", f"{error_type} {message}")]


def test_a_variable_shadows_a_tool_and_tools_come_and_go(host):
    tool = ToolSpec("f", "()", "")
    assert host.run("f()", tools=[tool], answer=lambda call: 7).output == [("ECHO", "7")]
    assert host.run("f = 3\nf", tools=[tool]).output == [("ECHO", "3")]
    assert host.run("del f\nf()", tools=[tool], answer=lambda call: 8).output == [("ECHO", "8")]
    assert host.run("f").output[0] == ("ERROR", "NameError: name 'f' is not defined")


def test_calls_of_threads_are_serialised_and_refused_after_the_step(host):
    code = """
import threading
results, late = [], []
def work(n):
    results.append(f(n))
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for t in threads: t.start()
for t in threads: t.join()
def leftover():
    try:
        while True:
            f(1)
    except RuntimeError as e:
        late.append(str(e))
straggler = threading.Thread(target=leftover)
straggler.start()
print(sorted(results))
"""
    tools = [ToolSpec("f", "(n)", "")]
    step = host.run(code, tools=tools, echo=False, answer=lambda call: decode(call.args)[0][0] * 10)
    assert step.output[0] == ("PRINT", "[0,10,20,30,40,50,60,70]")
    assert sorted(step.lost) == ["straggler", "t", "threads"]
    step = host.run("straggler.join()\nprint(late)", tools=tools, echo=False)
    assert step.output == [("PRINT", '["f cannot be called: the step has ended"]')]


def test_max_calls(host):
    step = host.run("f()\nf()\nf()", tools=[ToolSpec("f", "()", "")], answer=lambda call: call.call, max_calls=2)
    assert step.output == [
        ("ECHO", "1"),
        ("ECHO", "2"),
        ("ERROR", "LimitExceeded: limit max_calls is 2, this step has made 2 calls"),
        ("NOTE", "(line 3: f())"),
    ]


def test_future_imports_and_getsource_work(host):
    step = host.run(
        "from __future__ import annotations\nimport inspect\ndef f(a: Nope): pass\nprint(inspect.getsource(f))"
    )
    assert step.output == [("PRINT", "def f(a: Nope): pass")]


def test_a_step_that_empties_the_builtins_is_not_the_last(host):
    host.run("def f(): return len('abc')\n__builtins__.clear()")
    assert host.run("print(f())").output == [("PRINT", "3")]
    host.run("__builtins__ = {}")
    assert host.run("print(f())").output == [("PRINT", "3")]


def test_empty_lines_are_bounded_like_bytes(start):
    host = start(output_head_bytes=20_000, output_tail_bytes=6_000)
    step = host.run("for i in range(20_000): print()")
    assert [kind for kind, _ in step.output].count("PRINT") == 8192 + 2048
    assert ("NOTE", f"({20_000 - 8192 - 2048} bytes of output left out)") in step.output


def test_a_traceback_begins_with_the_code_and_is_bounded(host):
    step = host.run("def f():\n    return 1 / 0\nf()")
    lines = step.finished.error_traceback.split("\n")
    assert [line.strip() for line in lines if not set(line) <= set(" ~^")] == [
        "Traceback (most recent call last):",
        'File "<step 1>", line 3, in <module>',
        "f()",
        'File "<step 1>", line 2, in f',
        "return 1 / 0",
        "ZeroDivisionError: division by zero",
    ]
    long = host.run("raise ValueError('x' * 100_000)").finished.error_traceback
    assert (len(long) < 6100, "characters are left out here]" in long, long[-1]) == (True, True, "\n")
    assert host.run("x = 1").finished.error_traceback == ""


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("class E(Exception):\n    def __str__(self): raise KeyboardInterrupt\nraise E", "<exception str() failed>\n"),
        (
            "class E(Exception):\n    __notes__ = property(lambda self: 1 / 0)\nraise E",
            # The library itself says so from Python 3.13 on; before, it raises.
            ("raised ZeroDivisionError>", "Ignored error getting __notes__: ZeroDivisionError('division by zero')\n"),
        ),
        ("e = ValueError()\ne.__cause__ = e\nraise e", "ValueError\n"),
    ],
)
def test_a_traceback_of_hostile_exceptions_is_a_text_all_the_same(host, code, shown):
    step = host.run(code)
    assert (step.finished.outcome, step.finished.error_traceback.endswith(shown)) == (2, True)
