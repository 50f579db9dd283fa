from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.exceptions import ConfigurationError, InvalidRequest
from statek.job_definition import JobDefinition
from statek.settings import StatekSettings
from statek.static_policy import MAX_SOURCE_BYTES, Finding, StaticPolicy, check_code

ADVISE, ENFORCE = StaticPolicy.ADVISE, StaticPolicy.ENFORCE

ORDINARY = """
import collections.abc, datetime, json, math, os, re, statistics, urllib.parse
from collections import Counter
from pathlib import Path
from http import HTTPStatus

counts, _total = Counter(), 0
counts["a"] += 1
class Thing(Counter):
    _kind = "x"
    def __init__(self, n=0):
        super().__init__()
        self.n = n
    def __repr__(self):
        return f"{type(self).__name__}({self.n!r})"
thing = Thing(1)
thing.n += 1
async def later(*, _x=1):
    async with thing as (a, b):
        return await b
match counts:
    case {"a": 1, **rest}:
        x, *y = rest
try:
    1 / 0
except ZeroDivisionError as error:
    print(type(error).__name__, error.__class__, error.__cause__)
def outer():
    n = 1
    def inner():
        nonlocal n
        n += 1
    return inner
while True:
    n = (lambda _a: _a)(1)
with open("/work/notes.txt", "w") as file, open("data.csv") as other:
    file.write(Path("/tmp/x").read_text() + os.path.join("/etc", "passwd"))
print(os.listdir("/work"), os.getcwd(), Path("/usr/share").name, thing.__dict__, printed := 3)
print([n for n in range(3) if (m := n)], {**counts}, getattr(thing, "_kind"))
"""


@pytest.mark.parametrize("policy", [ADVISE, ENFORCE])
def test_ordinary_code_is_not_remarked_upon(policy: StaticPolicy) -> None:
    assert check_code(ORDINARY, policy) == ()


@pytest.mark.parametrize(
    ("source", "rule", "what"),
    [
        ("import socket", "network", "import socket"),
        ("import json, requests", "network", "import requests"),
        ("import urllib.request as u", "network", "import urllib.request"),
        ("from urllib import request", "network", "import urllib.request"),
        ("from http.client import HTTPConnection", "network", "import http.client"),
        ("from subprocess import run", "programs", "import subprocess"),
        ("import os\nos.system('ls')", "programs", "os.system(...)"),
        ("os.fork()", "programs", "os.fork(...)"),
        ("os.spawnlpe(1)", "programs", "os.spawnlpe(...)"),
        ("open('/etc/passwd').read()", "files", "open('/etc/passwd')"),
        ("open('/workshop')", "files", "open('/workshop')"),
        ("Path('~/.ssh/id').read_text()", "files", "Path('~/.ssh/id')"),
        ("os.listdir('/')", "files", "os.listdir('/')"),
        ("answer = input('name? ')", "input", "input(...)"),
    ],
)
def test_advice(source: str, rule: str, what: str) -> None:
    line = source.count("\n") + 1
    assert check_code(source, ADVISE) == (Finding(line, rule, what),)
    assert check_code(source, ENFORCE) == (Finding(line, rule, what),)
    assert check_code(source, StaticPolicy.OFF) == ()


def test_a_finding_says_where_what_and_what_to_do() -> None:
    [finding] = check_code("x = 1\nimport socket", ADVISE)
    assert finding.note() == (
        "note: line 2: import socket: there is no network in this workspace; use the tools of this job"
    )
    assert finding.refusal() == (
        "line 2, rule network: import socket: there is no network in this workspace; use the tools of this job"
    )


def test_a_function_of_ones_own_is_no_builtin() -> None:
    assert check_code("def open(x): ...\nopen('/etc/x')\ninput = max\ninput(1)", ADVISE) == ()


@pytest.mark.parametrize(
    ("source", "rule", "what"),
    [
        ("().__class__.__subclasses__()", "introspection", ".__subclasses__"),
        ("f.__globals__['x']", "introspection", ".__globals__"),
        ("__builtins__", "introspection", "__builtins__"),
        ("async def f():\n  g.gi_frame", "introspection", ".gi_frame"),
        ("match a:\n  case 1: e.tb_frame", "introspection", ".tb_frame"),
        ("class A:\n  x = eval('1')", "dynamic_code", "eval(...)"),
        ("exec('x = 1')", "dynamic_code", "exec(...)"),
    ],
)
def test_what_only_enforce_refuses(source: str, rule: str, what: str) -> None:
    line = source.count("\n") + 1
    assert check_code(source, ENFORCE) == (Finding(line, rule, what),)
    assert check_code(source, ADVISE) == ()


def test_at_most_five_findings_are_told() -> None:
    assert len(check_code("import socket\n" * 50, ADVISE)) == 5


HOSTILE = {
    "parentheses": "(" * 7000,
    "unary": "-" * 7000 + "1",
    "not": "not " * 1900 + "1",
    "sum": "1+" * 3900 + "1",
    "attributes": "socket" + ".b" * 3900,
    "calls": "open" + "()" * 3900,
    "power": "1**" * 2600 + "1",
    "lambda": "lambda:" * 1100 + "1",
    "elif": "if 1:\n pass\n" + "elif 1:\n pass\n" * 500,
    "statements": "x=1\n" * 1990,
    "f-strings": "f'{a}'" * 1300,
    "patterns": "match x:\n case " + "A(" * 190 + ")" * 190 + ":pass",
    "digits": "1" * 7900,
    "NUL": "import socket\0",
    "surrogate": "import socket #\ud800",
    "endless": "socket" * 200_000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("policy", [ADVISE, ENFORCE])
def test_hostile_text_is_answered(name: str, policy: StaticPolicy) -> None:
    answers: list[tuple[Finding, ...]] = []
    source = HOSTILE[name] if policy is ENFORCE else "import os\n" + HOSTILE[name]
    # In a thread, as the engine does it: its stack is not the main thread's.
    thread = threading.Thread(target=lambda: answers.append(check_code(source, policy)))
    thread.start()
    thread.join()
    assert [{one.rule for one in found} - {"size"} for found in answers] == [set()]


def test_code_too_long_to_look_at() -> None:
    source = "import socket\n" + "#" * MAX_SOURCE_BYTES
    assert check_code(source, ADVISE) == ()
    assert [one.advice for one in check_code(source, ENFORCE)] == [
        "code of 8014 bytes (limit static_policy_bytes is 8000): send less at a time"
    ]
    assert [one.advice for one in check_code("-" * 7000 + "1", ENFORCE)] == [
        "code that is nested this deeply: send less at a time"
    ]


KEYWORDS = ["import", "from", "as", "lambda", "if", "else", "class", "def", "async", "match", "case", "not", "while"]
MARKS = ["(", ")", "[", "]", "{", "}", ":", "\n", "\t", ".", ",", "=", "'/etc'", "@", "**", "*", "-", "f'{", "}'"]
WORDS = st.sampled_from([*KEYWORDS, *MARKS, "socket", "open", "os", "system", "eval", "__import__"])


@given(st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=80).map(" ".join)))
def test_any_text_is_answered(source: str) -> None:
    for policy in StaticPolicy:
        assert len(check_code(source, policy)) <= 5


def test_restricted_python_is_imported_only_where_it_is_enforced() -> None:
    code = (
        "import sys; from statek.static_policy import *; check_code('import socket', StaticPolicy.ADVISE); "
        "print('RestrictedPython' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_choosing_a_policy() -> None:
    assert StatekSettings.load({}, environ={}).static_policy is ADVISE
    assert StatekSettings.load({}, environ={"STATEK_STATIC_POLICY": "Off"}).static_policy is StaticPolicy.OFF
    definition = JobDefinition("a", "Agent", {"MODEL": "m", "static_policy": "enforce"}, "")
    assert definition.static_policy is ENFORCE
    assert JobDefinition("a", "Agent", {"MODEL": "m"}, "").static_policy is None
    with pytest.raises(InvalidRequest, match=r"^agent 'a': static policy 'no' is unknown; use one of off, advise, enf"):
        JobDefinition("a", "Agent", {"MODEL": "m", "STATIC_POLICY": "no"}, "")
    with pytest.raises(ConfigurationError, match="static policy 'no' is unknown"):
        StatekSettings.load({"static_policy": "no"}, environ={})
