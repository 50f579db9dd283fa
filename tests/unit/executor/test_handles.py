"""Proxies of durable objects and collections."""

from __future__ import annotations

import pytest

from sandbox_runner.wire.frames import CallResult, ToolSpec
from sandbox_runner.wire.values import Handle, decode, encode
from tests.unit.executor.conftest import Commit

TYPES = [
    {
        "key": "app:Meeting",
        "name": "Meeting",
        "kind": "object",
        "doc": "A meeting.",
        "fields": ["title", "owner", "notes"],
        "writable": ["title"],
        "methods": {"move_to": ["(slot)", "Moves it."]},
    },
    {"key": "db:List", "name": "List", "kind": "list", "doc": "", "fields": [], "writable": [], "methods": {}},
    {"key": "db:Dict", "name": "Dict", "kind": "dict", "doc": "", "fields": [], "writable": [], "methods": {}},
    {"key": "db:Set", "name": "Set", "kind": "set", "doc": "", "fields": [], "writable": [], "methods": {}},
]


def state(number, key, **more):
    return {
        "id": number,
        "type": key,
        "version": b"v1",
        "fields": {},
        "items": None,
        "length": None,
        "text": None,
        "denied": None,
        **more,
    }


def bundle(*states):
    return encode({"types": TYPES, "states": list(states)})


MEETING = Handle(1, "app:Meeting")


def test_fields_are_local_and_the_rest_are_calls(host):
    def answer(call):
        if call.name == "get":
            return MEETING
        changed = bundle(state(1, "app:Meeting", version=b"v2", fields={"title": "New", "owner": MEETING}))
        return CallResult(value=encode(call.name), handles=changed)

    step = host.run(
        "m = tool()\n"
        "print(m.title, m.owner is m, m == m.owner, type(m).__name__, m.__doc__, m)\n"
        "print(m.move_to('x', fast=True), m.title, m.move_to.__doc__, 'move_to' in dir(m))\n"
        "print(m.notes)\n"
        "m.title = 'T'\n"
        "for name in ('nope', '_x'):\n"
        "    try: getattr(m, name)\n"
        "    except AttributeError as e: print(e)\n"
        "try: m.owner = 1\n"
        "except AttributeError as e: print(e)",
        tools=[ToolSpec("tool", "()", "")],
        handles=bundle(state(1, "app:Meeting", fields={"title": "Plan", "owner": MEETING})),
        answer=lambda call: MEETING if call.name == "tool" else answer(call),
        echo=False,
    )
    assert step.output == [
        ("PRINT", 'Plan True True Meeting A meeting. Meeting(title="Plan",owner=<Meeting>)'),
        ("PRINT", "move_to New Moves it. True"),
        ("PRINT", "notes"),
        ("PRINT", "'Meeting' object has no attribute 'nope'; it has move_to, notes, owner, title"),
        ("PRINT", "'Meeting' object has no attribute '_x'"),
        ("PRINT", "attribute 'owner' of 'Meeting' objects is not writable"),
    ]
    assert [(c.kind, c.handle, c.name, decode(c.args), c.version) for c in step.calls[1:]] == [
        (2, 1, "move_to", [["x"], {"fast": True}], b"v1"),
        (3, 1, "notes", [], b"v2"),
        (4, 1, "title", ["T"], b"v2"),
    ]
    assert step.finished.held == [1]
    assert host.values(step) == {"m": MEETING, "name": "_x"}


def test_handles_in_opaque_variables_are_held_and_survive(host, moved):
    states = bundle(state(1, "app:Meeting", fields={"title": "Plan"}, text="<plan>"))
    step = host.run(
        "class Box: pass\nb = Box()\nb.m = tool()\nmove = b.m.move_to",
        tools=[ToolSpec("tool", "()", "")],
        handles=states,
        answer=lambda call: MEETING,
        echo=False,
    )
    assert (step.finished.held, step.lost) == ([1], {})
    other = moved(host, step)
    step = other.run("print(b.m, b.m.title, move == b.m.move_to)", handles=states, echo=False)
    assert (step.output, step.finished.held) == ([("PRINT", "<plan> Plan True")], [1])


def test_denied_objects_raise_access_denied(host):
    step = host.run(
        "try: tool().title\nexcept PermissionError as e: print(type(e).__name__, e)",
        tools=[ToolSpec("tool", "()", "")],
        handles=bundle(state(1, "app:Meeting", denied="rule -*")),
        answer=lambda call: MEETING,
        echo=False,
    )
    assert step.output == [("PRINT", "AccessDenied rule -*")]


@pytest.mark.parametrize("local", [True, False])
def test_collections(host, local):
    data = {2: list(range(450)), 3: {"a": 1, "b": 2}, 4: {5, 6}}
    keys = {2: "db:List", 3: "db:Dict", 4: "db:Set"}

    def states(*numbers):
        return bundle(
            *[
                state(
                    n,
                    keys[n],
                    length=len(data[n]),
                    items=([list(p) for p in data[n].items()] if n == 3 else sorted(data[n]) if n == 4 else data[n])
                    if local
                    else None,
                )
                for n in numbers
            ]
        )

    def answer(call):
        if call.name == "tool":
            return [Handle(n, key) for n, key in keys.items()]
        target, args = data[call.handle], decode(call.args)[0]
        value = None
        if call.name == "page":
            every = (
                [list(p) for p in target.items()]
                if call.handle == 3
                else sorted(target)
                if call.handle == 4
                else target
            )
            value = every[args[0] : args[0] + args[1]]
        elif call.name in {"get", "contains"}:
            value = target[args[0]] if call.name == "get" else args[0] in target
        elif call.name == "set":
            target[args[0]] = args[1]
        elif call.name == "delete":
            del target[args[0]]
        else:
            value = getattr(target, call.name)(*args)
        return CallResult(value=encode(value), handles=states(call.handle))

    step = host.run(
        "l, d, s = tool()\n"
        "print(len(l), l[3], l[-1], l[1:3], l[::-200], sum(l), 449 in l, 'x' in l)\n"
        "l.append(450); l[0] = 7; del l[1]; print(l.pop(), l[:3], len(l), list(l) == l, l == list(l))\n"
        "d['a'] += 1; print(d['a'], sorted(d), len(d), d.get('zz', 9), dict(d.items()),"
        " 'b' in d, d == {'a': 2, 'b': 2})\n"
        "print(d.pop('b'), d.pop('b', 0), d.setdefault('n', 3), d.copy())\n"
        "s.add(7); s.discard(5); print(sorted(s), 6 in s, len(s), s | {1}, s == {6, 7})",
        tools=[ToolSpec("tool", "()", "")],
        handles=states(2, 3, 4),
        answer=lambda call: _keyerror(answer, call),
        echo=False,
    )
    assert step.output == [
        ("PRINT", "450 3 449 [1,2] [449,249,49] 101025 True False"),
        ("PRINT", "450 [7,2,3] 449 True True"),
        ("PRINT", '2 ["a","b"] 2 9 {"a":2,"b":2} True True'),
        ("PRINT", '2 0 3 {"a":2,"n":3}'),
        ("PRINT", "[6,7] True 2 {1,6,7} True"),
    ]


def _keyerror(answer, call):
    try:
        return answer(call)
    except KeyError as error:
        return CallResult(error_type="KeyError", error_message=str(error))


def test_durable_objects_are_printed_like_what_they_stand_for(host):
    meeting = {"title": "Weekly", "owner": Handle(2, "app:Meeting"), "notes": Handle(3, "db:List")}
    states = bundle(
        state(1, "app:Meeting", fields=meeting),
        state(2, "app:Meeting", fields={"title": "Other", "notes": Handle(4, "db:List")}),
        state(3, "db:List", items=[1, "s", Handle(2, "app:Meeting"), Handle(1, "app:Meeting")]),
        state(4, "db:List", length=900),
        state(5, "db:Dict", items=[["k", [1]]]),
        state(6, "db:Set", items=[3, 1]),
    )

    def answer(call):
        if call.name == "page":
            start, size = decode(call.args)[0]
            return list(range(start, min(start + size, 900)))
        return [Handle(number, "app:Meeting" if number < 3 else "db:List") for number in range(1, 7)]

    step = host.run(
        "found = tool()\nprint(found[0])\nprint(found[:2])\nfor item in found[2:]:\n    print(item)",
        tools=[ToolSpec("tool", "()", "")],
        handles=states,
        answer=answer,
    )
    first = 'Meeting(title="Weekly",owner=<Meeting>,notes=<List of 4 items>)'
    assert [text for _, text in step.output] == [
        first,
        f'[{first},Meeting(title="Other",...)]',
        '[1,"s",Meeting(title="Other",notes=<List of 900 items>),Meeting(title="Weekly",...)]',
        f"[{','.join(map(str, range(25)))}, ...] (900 items total)",
        '{"k":[1]}',
        "{3,1}",
    ]


def test_a_workspace_that_is_not_saved_is_shared_in_place_and_names_the_handles_in_use(host):
    assert host.restore(Commit(), unsaved=True) == {}
    tools = [ToolSpec("tool", "()", "")]
    states = bundle(state(1, "app:Meeting", fields={"title": "Weekly"}), state(2, "app:Meeting"))

    def answer(call):
        return [Handle(1, "app:Meeting"), Handle(2, "app:Meeting")]

    first = host.run("found = tool()\nseen = (item for item in found)", tools=tools, handles=states, answer=answer)
    assert (first.finished.components, first.finished.files, first.lost, first.sent) == ([], [], {}, {})
    assert first.finished.held == [1, 2]
    second = host.run("one = next(seen)\ndel found, seen", tools=tools)
    assert second.finished.held == [1]
    assert host.run("print(one.title)", tools=tools).output == [("PRINT", "Weekly")]
    assert host.run("del one", tools=tools).finished.held == []


def test_a_runner_of_one_step_says_what_goes_with_it(host):
    assert host.restore(Commit(), unsaved=True, one_step=True) == {}
    step = host.run("x = 1\n" + "\n".join(f"v{n:02} = {n}" for n in range(25)))
    listed = ", ".join(f"v{n:02}" for n in range(20))
    assert step.output == [("NOTE", f"Not kept after this step, as nothing of this job is: {listed} and 6 more")]
