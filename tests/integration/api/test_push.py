"""Messages to jobs over the socket and from the command line."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.api.client import StatekClient
from orchestrator.cli.main import main
from statek import tool
from statek.exceptions import InvalidRequest, LimitExceeded

from .conftest import Serve, code

pytestmark = pytest.mark.timeout(60)


async def test_pushed_message_makes_a_done_job_go_on_once(serve: Serve) -> None:
    async with serve([code("exit(1)"), code("exit(2)")]) as served:
        id_ = await served.ask(served.client.submit, "helper")
        await served.ask(served.client.wait, id_)
        delivered = [await served.ask(served.client.push, id_, "again", request_id="r1") for _ in range(2)]
        summary = await served.ask(served.client.wait, id_)
        job = await served.ask(served.client.job, id_)
    assert delivered == [True, True]
    assert (summary.exit_status, summary.num_completions, job.inbox) == ("2", 1, ())
    assert [item.text for item in job.items if item.kind == "user"] == ["again"]


async def test_job_that_failed_for_good_shows_what_it_was_not_told(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    entered = asyncio.Event()

    @tool(effect="none")
    async def hang(**kwargs: object) -> None:
        """Never answer."""
        entered.set()
        await asyncio.Event().wait()

    async with serve([code("hang()")], tools=[hang]) as served:
        id_ = await served.ask(served.client.submit, "helper")
        await entered.wait()
        await served.ask(served.client.cancel, id_, "enough")
        options = ["--data-dir", str(served.settings.data_dir)]
        codes = [
            await asyncio.to_thread(main, ["push", id_, "hello?", *options]),
            await asyncio.to_thread(main, ["show", id_, *options]),
        ]
    shown = capsys.readouterr()
    assert codes == [0, 0]
    kept = f"job {id_} ended by a failure that no message mends; it keeps the message (statek show)"
    assert shown.err == f"statek: {kept}\n"
    assert '  " hello?' in shown.out.splitlines()


async def test_bad_pushes_are_refused_by_name(serve: Serve) -> None:
    async with serve([code("exit(1)")]) as served:
        client: StatekClient = served.client
        id_ = await served.ask(client.submit, "helper")
        await served.ask(client.wait, id_)
        with pytest.raises(InvalidRequest, match="the message is empty"):
            await served.ask(client.push, id_, "")
        with pytest.raises(LimitExceeded, match="request_id_chars is 200"):
            await served.ask(client.push, id_, "x", request_id="r" * 201)
