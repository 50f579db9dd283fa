"""Commits over the API: what a client in another process asks and changes."""

from __future__ import annotations

import pytest

from statek.exceptions import InvalidRequest, NotFound
from tests.integration.api.conftest import Serve, code

REPLIES = [
    code("x = [1]\nopen('a.txt', 'w').write('1')"),
    code("x.append(2)\ny = 'é\\ud800'"),
    code("exit(x)"),
]


async def test_history_view_and_diff(serve: Serve) -> None:
    async with serve(REPLIES) as served:
        client, ask = served.client, served.ask
        id_ = await ask(client.submit, "helper", shared_vars={"z": 0})
        await ask(client.wait, id_)
        commits = await ask(client.commits, id_)
        assert commits == await served.service.past.commits(id_)
        assert [(commit.number, commit.changed) for commit in commits] == [
            (0, ("z",)),
            (1, ("/work/a.txt", "x")),
            (2, ("x", "y")),
            (3, ()),
        ]
        assert [commit.number for commit in await ask(client.commits, id_, newest=2)] == [2, 3]
        first = await ask(client.view, id_, "1")
        assert first == await served.service.past.state(id_, 1)
        assert [(variable.name, variable.value) for variable in first.variables] == [("x", [1]), ("z", 0)]
        assert [file.path for file in (await ask(client.view, id_, commits[1].hash[:10])).files] == ["a.txt"]
        recent = await ask(client.view, id_, "2", focus="recent")
        assert [variable.name for variable in recent.variables] == ["x", "y"]
        diff = await ask(client.diff, id_, "0", "2")
        assert [change.name for change in diff.variables] == ["x", "y"]
        assert [change.path for change in diff.files] == ["a.txt"]
        assert [variable.value for variable in await ask(client.variables, id_, at="1")] == [[1], 0]


async def test_tag_rollback_and_fork(serve: Serve) -> None:
    async with serve(REPLIES) as served:
        client, ask = served.client, served.ask
        id_ = await ask(client.submit, "helper", shared_vars={"z": 0})
        await ask(client.wait, id_)
        assert (await ask(client.tag, id_, "good", "1")).tags == ("good",)
        made = await ask(client.rollback, id_, "good", principal="ann")
        assert (made.number, made.kind) == (4, "rollback")
        told = (await ask(client.job, id_)).items[-1]
        assert (told.kind, told.text) == (
            "system",
            "The variables and files of this job were put back by ann to commit 1.",
        )
        fork = await ask(client.fork, id_, "2", message="Once more.", principal="ben")
        summary = await ask(client.wait, fork)
        # The script answers by turn, and a fork's turns begin anew: its first reply makes x once more.
        assert (summary.exit_status, summary.principal) == ("[1,2]", "ben")
        await ask(client.untag, id_, "good")
        with pytest.raises(NotFound, match="no tag 'good'"):
            await ask(client.untag, id_, "good")


async def test_bad_requests_are_named(serve: Serve) -> None:
    async with serve(REPLIES) as served:
        client, ask = served.client, served.ask
        id_ = await ask(client.submit, "helper", shared_vars={"z": 0})
        await ask(client.wait, id_)
        for verb, arguments in (
            (client.view, (id_, "nothing here")),
            (client.diff, (id_, "x y", "1")),
            (client.tag, (id_, "latest", "1")),
            (client.rollback, (id_, "")),
            (client.rollback, (id_, "-1")),
            (client.fork, ("nonsense",)),
        ):
            with pytest.raises(InvalidRequest):
                await ask(verb, *arguments)
        for verb, arguments in ((client.view, (id_, "17")), (client.fork, ("j9",)), (client.view, (id_, "f" * 64))):
            with pytest.raises(NotFound):
                await ask(verb, *arguments)
        with pytest.raises(InvalidRequest, match="at most 100000"):
            await ask(client.commits, id_, newest=100_001)
