"""What a commit holds: cases that have gone wrong elsewhere, each through the whole service."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from orchestrator.engine.service import Service
from statek.exceptions import StoreError
from statek.executors.history import CommitView

from .conftest import Open, code, console, steps

pytestmark = pytest.mark.timeout(120)


async def run(service: Service, **submitted: Any) -> tuple[str, list[CommitView]]:
    """Run a job to its end; gives its id and its commits."""
    id_ = await service.submit("helper", **submitted)
    await service.wait(id_)
    return id_, await service.past.commits(id_)


async def variables(service: Service, id_: str, at: int) -> dict[str, Any]:
    """What the host can read of the variables of a commit, by name."""
    state = await service.past.state(id_, at)
    return {view.name: view.value for view in state.variables}


async def test_edits_in_place_are_in_the_commit_of_their_step(open_with: Open) -> None:
    script = [
        code("a = [1]\nalias = {'of': a}\nother = [0]"),
        code("a.append(2)\na[0] = 9\nalias['of'].append(3)"),
        code("exit()"),
    ]
    async with open_with(script) as service:
        id_, commits = await run(service)
        before, after = await variables(service, id_, 1), await variables(service, id_, 2)
    assert commits[2].changed == ("a", "alias")
    assert (before["a"], before["alias"]) == ([1], {"of": [1]})
    assert (after["a"], after["alias"], after["other"]) == ([9, 2, 3], {"of": [9, 2, 3]}, [0])


async def test_an_alias_is_one_object_over_commits_and_sandboxes(open_with: Open) -> None:
    async with open_with([code("a = []\nb = a"), code("b.append(1)\nexit()")]) as service:
        id_, _ = await run(service)
    async with open_with([""] * 2 + [code("a.append(2)\nexit((a is b, b))")]) as service:
        await service.push(id_, "Go on.")
        await service.wait(id_)
        ended = (await service.job(id_)).summary.exit_status
    assert ended == "(True,[1,2])"


async def test_a_step_that_only_deletes_and_one_that_sets_none(open_with: Open) -> None:
    script = [code("a, b = [1], 2"), code("del a"), code("b = None"), code("exit()")]
    async with open_with(script) as service:
        id_, commits = await run(service)
        states = [await variables(service, id_, commit.number) for commit in commits]
    assert [commit.changed for commit in commits] == [(), ("a", "b"), ("a",), ("b",), ()]
    assert states == [{}, {"a": [1], "b": 2}, {"b": 2}, {"b": None}, {"b": None}]


async def test_a_step_that_only_reads_adds_no_content(open_with: Open) -> None:
    script = [code("a = list(range(1000))"), code("print(sum(a))"), code("a[0] = a[0]"), code("exit()")]
    async with open_with(script) as service:
        id_, commits = await run(service)
        diffs = [await service.past.diff(id_, 1, number) for number in (2, 3, 4)]
        places = await service._store.read(
            lambda: [service._jobs.workspace(service._jobs.get(1), number).places for number in range(1, 5)]
        )
    assert [commit.changed for commit in commits[2:]] == [(), (), ()]
    assert [(diff.variables, diff.files) for diff in diffs] == [((), ())] * 3
    assert places[0]
    assert places[1:] == [places[0]] * 3  # no block was written after the first step


async def test_a_workspace_of_many_small_names_goes_on_in_another_sandbox(open_with: Open) -> None:
    """Its manifest is made beside the event loop, and refers to blocks of earlier commits as to its own."""
    fill = code("early = [1] * 100"), code("for n in range(900): globals()[f'v{n}'] = [n, early] if n == 7 else [n]")
    files = code("for n in range(300): open(f'f{n}', 'w').write(str(n))\nv8.append(early)\nexit()")
    async with open_with([*fill, files]) as service:
        id_, commits = await run(service)
        read = await variables(service, id_, 3)
    check = code("early[0] = 5\nexit((v7[1] is early, v8[1][0], v899, open('f299').read()))")
    async with open_with([""] * 3 + [check]) as service:
        await service.push(id_, "Go on.")
        await service.wait(id_)
        ended = (await service.job(id_)).summary.exit_status
    assert (len(commits[2].changed), len(commits[3].changed)) == (902, 304)
    assert (read["v5"], read["v899"]) == ([5], [899])
    assert ended == '(True,5,[899],"299")'


async def test_the_head_is_found_after_a_restart_without_any_id(open_with: Open) -> None:
    async with open_with([code("a = 1"), code("a += 1"), code("exit(a)")]) as service:
        await run(service)
    async with open_with([]) as service:
        (job,) = await service.jobs()
        head = (await service.past.commits(job.id))[-1]
        assert await variables(service, job.id, head.number) == {"a": 2}
        assert (head.number, (await service.past.commit(job.id)).number) == (3, 3)


async def test_number_twelve_is_later_than_nine(open_with: Open) -> None:
    script = [code("count = 0"), *[code("count += 1")] * 13, code("exit()")]
    async with open_with(script) as service:
        id_, commits = await run(service)
        await service.past.tag(id_, 9, "nine")
        await service.past.tag(id_, 12, "twelve")
        nine, twelve = [await service.past.commit(id_, name) for name in ("nine", "twelve")]
        values = [(await variables(service, id_, commit.number)).get("count") for commit in commits]
    assert [commit.number for commit in commits] == list(range(16))
    assert nine.at_us < twelve.at_us
    assert (values[9], values[12], values[-1]) == (8, 11, 13)


async def test_two_writers_one_is_refused(open_with: Open) -> None:
    async with open_with([code("a = 1"), code("exit()")]) as service:
        id_, commits = await run(service)
        with pytest.raises(StoreError, match="open already"):
            async with open_with([]):
                pass
        results = await asyncio.gather(*(service.past.roll_back(id_, 0) for _ in range(5)))
        after = await service.past.commits(id_)
    assert [commit.number for commit in results] == [len(commits) + index for index in range(5)]
    assert [commit.parent for commit in after[1:]] == [commit.number for commit in after[:-1]]


async def test_what_is_over_the_limit_is_refused_and_all_history_stays(open_with: Open) -> None:
    script = [
        code("small = [1]"),
        code("small.append(2)\nlarge = bytes(range(256)) * 8192"),
        code("small.append(3)"),
        code("large = None\nexit(small)"),
    ]
    async with open_with(script, checkpoint_bytes=1 << 20) as service:
        id_, commits = await run(service)
        states = [await variables(service, id_, commit.number) for commit in commits]
        said = console(steps(await service.job(id_))[1])
    assert any("checkpoint_bytes is 1048576, it needs 2097" in line for line in said), said
    assert [state.get("small") for state in states] == [None, [1], [1, 2], [1, 2, 3], [1, 2, 3]]
    assert states[4]["large"] is None
    assert [commit.number for commit in commits] == list(range(5))


AWKWARD = {
    "huge": (2**70, "huge == 2**70"),
    "decimal": (Decimal("1.10"), "str(decimal) == '1.10'"),
    "surrogate": ("\ud800\x00", "surrogate == '\\ud800\\x00'"),
    "minus": (-0.0, "str(minus) == '-0.0'"),
}


async def test_awkward_values_are_in_commits_as_they_were(open_with: Open) -> None:
    made = (
        "from decimal import Decimal\nhuge, decimal, surrogate, minus = 2**70, Decimal('1.10'), '\\ud800\\x00', -0.0\n"
        "nan = [float('nan')]\nring = []\nring.append(ring)\ndeep = []\nfor _ in range(100_000): deep = [deep]"
    )
    checks = " and ".join(f"({check})" for _, check in AWKWARD.values())
    looked = f"depth = 0\nwhile deep: deep, depth = deep[0], depth + 1\nok = {checks}\n"
    looked += "exit((ok, nan[0] != nan[0], ring[0] is ring, depth))"
    async with open_with([code(made), code(looked)], idle_hold_seconds=0) as service:
        id_, _ = await run(service)
        values = await variables(service, id_, 1)
        forms = {view.name: view.form for view in (await service.past.state(id_, 1)).variables}
        summary = (await service.job(id_)).summary
    assert {name: values[name] for name in AWKWARD} == {name: value for name, (value, _) in AWKWARD.items()}
    assert values["ring"][0] is values["ring"]
    assert forms["deep"] == "opaque"
    assert summary.exit_status == "(True,True,True,100000)"


async def test_a_value_of_100_mb(open_with: Open) -> None:
    script = [
        code("large = bytearray(100 << 20)\nlarge[::4096] = bytes(range(256)) * 100"),
        code("large[50 << 20] = 77"),
        code("exit((len(large), large[50 << 20], large[4096]))"),
    ]
    async with open_with(script, idle_hold_seconds=0) as service:
        id_, commits = await run(service)
        summary = (await service.job(id_)).summary
        early = {view.name: view.size_bytes for view in (await service.past.state(id_, 1)).variables}
    assert [commit.changed for commit in commits[1:3]] == [("large",), ("large",)]
    assert summary.exit_status == "(104857600,77,1)"
    assert early["large"] >= 100 << 20
