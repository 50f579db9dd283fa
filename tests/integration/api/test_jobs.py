from __future__ import annotations

import asyncio
import datetime as dt
import inspect
from dataclasses import replace
from decimal import Decimal

import pytest

from orchestrator.app import open_inspection
from statek import FutureResult, suspend_for, tool
from statek.agents.agent import SupervisedAgent
from statek.client import StatekClient
from statek.exceptions import ConfigurationError, InvalidRequest, LimitExceeded, NotFound
from statek.executors.views import AwaitedView
from statek.settings import StatekSettings
from tests.integration.api.conftest import Serve, code


async def test_a_job_from_submission_to_its_end(serve: Serve) -> None:
    script = [code("total = count + len(days)\nprint('hi \\x00 \\ud800')"), code("exit(total)")]
    async with serve(script) as served:
        client = served.client
        variables = {"count": 2**70, "days": [dt.date(2026, 1, 1)], "price": Decimal("1.10")}
        id_ = await served.ask(client.submit, "helper", shared_vars=variables, message="go \ud800", principal="ann")
        assert id_ == "j1"
        summary = await served.ask(client.wait, id_)
        assert (summary.status, summary.failure, summary.steps) == ("DONE", None, 2)
        assert (summary.exit_status, summary.principal, summary.tier) == (str(2**70 + 1), "ann", "process")

        assert await served.ask(client.job, id_) == await served.service.job(id_)
        view = await served.ask(client.job, id_)
        assert view.items[0].text == "go \ud800"
        assert view.items[1].console == (("print", "hi \x00 \\ud800"),)
        assert await served.ask(client.jobs) == [view.summary]
        assert await served.ask(lambda: list(client.follow(id_))) == list(view.items)
        assert await served.ask(lambda: list(client.follow(id_, start=2))) == list(view.items[2:])

        found = {variable.name: variable for variable in await served.ask(client.variables, id_)}
        assert {name: variable.value for name, variable in found.items()} == {**variables, "total": 2**70 + 1}
        assert await served.ask(client.variables, id_) == await served.service.variables(id_)


async def test_locale_and_style_of_one_job(serve: Serve) -> None:
    async with serve([code("exit(1)")]) as served:
        submit = served.client.submit
        id_ = await served.ask(submit, "helper", message="go", locale="pl-pl", chat_style="console")
        definition, _ = await asyncio.to_thread(served.service.access.definition_sync, id_)
        with pytest.raises(InvalidRequest, match="chat style 'LOUD' is unknown"):
            await served.ask(submit, "helper", chat_style="LOUD")
        with pytest.raises(LimitExceeded, match="limit principal_chars is 200, "):
            await served.ask(submit, "helper", principal="x" * 10_000)
    assert (definition.locale, definition.chat_style.name) == ("PL-PL", "CONSOLE")


async def test_followers_get_entries_while_the_job_runs(serve: Serve) -> None:
    release = asyncio.Event()

    @tool(effect="none")
    async def hold(**kwargs: object) -> None:
        """Wait for the test."""
        await release.wait()

    async with serve([code("print(1)"), code("hold()"), code("exit()")], tools=[hold]) as served:
        client = served.client
        id_ = await served.ask(client.submit, "helper")
        entries = client.follow(id_)
        first = await served.ask(next, entries)
        assert first.console == (("print", "1"),)
        assert not release.is_set()
        release.set()
        assert [item.code for item in await served.ask(list, entries)] == ["hold()", "exit()"]


async def test_a_long_entry_arrives_whole(serve: Serve) -> None:
    text = "é" * 700_000
    async with serve([code("exit()")]) as served:
        id_ = await served.ask(served.client.submit, "helper", message=text)
        await served.ask(served.client.wait, id_)
        view = await served.ask(served.client.job, id_)
        assert view.items[0].text == text
        assert await served.ask(lambda: list(served.client.follow(id_))) == list(view.items)


async def test_a_cancelled_job_is_done_with_its_reason(serve: Serve) -> None:
    started = asyncio.Event()

    @tool(effect="none")
    async def hold(**kwargs: object) -> None:
        """Wait for ever."""
        started.set()
        await asyncio.Event().wait()

    async with serve([code("hold()")], tools=[hold]) as served:
        id_ = await served.ask(served.client.submit, "helper")
        await started.wait()
        summary = await served.ask(served.client.cancel, id_, "not needed")
        assert summary.status == "DONE"
        assert "not needed" in summary.reason + str(summary.failure)
        with pytest.raises(InvalidRequest) as raised:
            await served.ask(served.client.cancel, id_)
        assert (type(raised.value), str(raised.value)) == (InvalidRequest, "job j1 is done already")


async def test_a_wait_ends_at_its_time(serve: Serve) -> None:
    release = asyncio.Event()

    @tool(effect="none")
    async def hold(**kwargs: object) -> None:
        """Wait for the test."""
        await release.wait()

    async with serve([code("hold()"), code("exit()")], tools=[hold]) as served:
        id_ = await served.ask(served.client.submit, "helper")
        with pytest.raises(TimeoutError) as raised:
            await served.ask(served.client.wait, id_, timeout_seconds=0.2)
        path = served.settings.data_dir / "api.sock"
        assert str(raised.value) == f"the service at {path} gave no answer within 0.2 s"
        release.set()
        assert (await served.ask(served.client.wait, id_)).status == "DONE"
        assert not served.service.watch._watchers


async def test_errors_arrive_as_what_they_were(serve: Serve) -> None:
    async with serve([code("exit()")]) as served:
        client = served.client
        assert await served.ask(client.submit, "helper") == "j1"
        await served.ask(client.wait, "j1")
        with pytest.raises(NotFound) as missing:
            await served.ask(client.job, "j7")
        assert str(missing.value) == "job j7 does not exist; this store has 1 job(s)"
        with pytest.raises(InvalidRequest) as odd:
            await served.ask(client.variables, "seven")
        assert str(odd.value) == "'seven' is no job id; job ids look like j12 (statek jobs lists them)"
        with pytest.raises(NotFound) as unknown:
            await served.ask(client.submit, "nobody")
        assert str(unknown.value) == "agent 'nobody' is not registered here; registered: helper"
        with pytest.raises(InvalidRequest) as name:
            await served.ask(client.submit, "helper", params={"tenant": "other"})
        assert str(name.value) == "params['tenant']: the name has a meaning of its own; choose another"
        arguments = inspect.signature(SupervisedAgent.create_job_def).parameters.values()
        for setup in [argument.name for argument in arguments if argument.kind is not argument.VAR_KEYWORD]:
            with pytest.raises(InvalidRequest, match="the name has a meaning of its own"):
                await served.ask(client.submit, "helper", params={setup: "x"})
        assert [job.id for job in await served.ask(client.jobs)] == ["j1"]
        assert await served.ask(client.calls) == []
        with pytest.raises(InvalidRequest) as settled:
            await served.ask(client.resolve, "j1", 1, "retry")
        assert str(settled.value) == "job j1 is DONE, not suspended; nothing of it is to be resolved"


async def test_the_service_says_what_it_is(serve: Serve) -> None:
    async with serve() as served:
        status = await served.ask(served.client.status)
        assert status.statistics["scheduler"] == {"running": 0, "runnable": 0}


def test_nobody_at_the_socket_is_one_clear_error(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with StatekClient(tmp_path / "none.sock") as client, pytest.raises(ConfigurationError) as raised:
        client.jobs()
    assert str(raised.value) == f"no service answers at {tmp_path / 'none.sock'}; statek serve starts one"


async def test_a_new_service_has_no_jobs(serve: Serve) -> None:
    async with serve() as served:
        assert await served.ask(served.client.jobs) == []
        with pytest.raises(NotFound) as missing:
            await served.ask(served.client.job, "j1")
        assert str(missing.value) == "job j1 does not exist; this store has 0 job(s)"


async def test_a_waiting_job_tells_a_client_what_it_waits_for(serve: Serve) -> None:
    @tool(effect="none")
    def ask(question: str, **kwargs: object) -> FutureResult:
        """Ask a person."""
        return suspend_for(question)

    async with serve(
        [code("a, b = ask('tea \\x00 \\ud800'), ask('milk')\nexit(get_any(a, b))")], tools=[ask]
    ) as served:
        client = served.client
        id_ = await served.ask(client.submit, "helper")
        while (view := await served.ask(client.job, id_)).awaited is None:
            await asyncio.sleep(0.01)
        assert view == await served.service.job(id_)
        futures = {future.what: future.id for future in await served.ask(client.futures)}
        assert view.awaited == AwaitedView(
            "any", (futures["tea \x00 \ud800"], futures["milk"]), ("tea \x00 \ud800", "milk"), 1
        )
        assert view.summary.reason == "waits for tea \\x00 \\ud800 or milk"
        await served.ask(client.resolve_future, futures["milk"], "poured")
        assert (await served.ask(client.wait, id_)).exit_status == "poured"
        assert (await served.ask(client.job, id_)).awaited is None


async def test_agents_are_listed_with_what_the_store_keeps(serve: Serve, settings: StatekSettings) -> None:
    async with serve() as served:
        [agent] = await served.ask(served.client.agents)
        assert (agent.role, agent.agent_class, agent.running) == ("helper", "statek.agents.agent:SupervisedAgent", True)
        assert (len(agent.digest), agent.created_us, agent.changed_us) == (64, agent.seen_us, agent.seen_us)
        assert [agent] == await served.service.agents()
    async with open_inspection(settings) as inspection:
        assert await inspection.agents() == [replace(agent, running=False)]
    async with serve() as served:
        [again] = await served.ask(served.client.agents)
    assert again.created_us == agent.created_us == again.changed_us < again.seen_us
