"""Stateless and live jobs: what is kept between steps, what is lost with a runner, and how that is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from orchestrator.engine.service import Service
from statek import tool
from statek.exceptions import InvalidRequest
from statek.executors.views import JobSummary
from statek.future import FutureResult, FutureState, Settlement
from statek.model import ModelReply, ModelRequest
from tests.integration.engine.conftest import RunnerLoss, agent, code, console, crash, steps

Open = Callable[..., AbstractAsyncContextManager[Service]]


class AwaitingModel:
    """Answers turn ``n`` of every job with reply ``n``; one that is a coroutine function takes its time."""

    def __init__(self, replies: Sequence[Any]) -> None:
        self._replies = replies

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The reply for the request's turn."""
        reply = self._replies[request.turn]
        return ModelReply(reply if isinstance(reply, str) else await reply())


@pytest.fixture
def open_job(open_agents: Open) -> Open:
    """Opens a service with one agent, ``helper``; again after it was closed, as after a restart."""

    def opened(
        replies: Sequence[Any], *, tools: Sequence[Any] = (), mode: str = "durable", **settings: Any
    ) -> AbstractAsyncContextManager[Service]:
        return open_agents([agent("helper", tools=tools, MODE=mode)], AwaitingModel(replies), **settings)

    return opened


class Thought:
    """A reply of the model that does not come before it is let go."""

    def __init__(self, text: str = "") -> None:
        self.asked, self.answer = asyncio.Event(), asyncio.Event()
        self._text = text

    async def __call__(self) -> str:
        """Wait, then answer."""
        self.asked.set()
        await self.answer.wait()
        return self._text


GONE = "a live job keeps its variables and files in its runner only: no commit has them"
RESTARTED = "its runner is gone: the service was restarted, it was held for its time, or another job needed one"
UNPICKLABLE = "import sqlite3\ndb = sqlite3.connect(':memory:')\nrows = [1]\nalias = rows"


@pytest.fixture
def paid() -> list[str]:
    return []


@pytest.fixture
def pay(paid: list[str]) -> Any:
    @tool(effect="external")
    async def pay(name: str, **kwargs: object) -> str:
        """Pay somebody."""
        paid.append(name)
        return f"paid {name}"

    return pay


async def lost(service: Service, id_: str) -> tuple[JobSummary, str]:
    """The summary of a job that has ended, and the message of its loss."""
    summary = await service.wait(id_)
    assert summary.failure is not None
    assert (summary.status, summary.failure["kind"], summary.reason) == ("DONE", "lost", "lost")
    return summary, summary.failure["message"]


# ----------------------------------------------------------------------------------------- stateless


async def test_a_stateless_step_finds_the_startup_variables_and_nothing_else(open_job: Open) -> None:
    replies = [
        code("start += [2]\nx = 1\nwith open('note.txt', 'w') as file:\n    _ = file.write('n')\nprint(start)"),
        code("import os\nprint(start, os.listdir('.'))\nprint(x)"),
        code("exit(start)"),
    ]
    async with open_job(replies) as service:
        id_ = await service.submit("helper", shared_vars={"start": [1]}, mode="stateless")
        summary = await service.wait(id_)
        job = await service.job(id_)
        found = await service.variables(id_)
    assert (summary.status, summary.failure, summary.mode, summary.exit_status) == ("DONE", None, "stateless", "[1]")
    first, second, _ = steps(job)
    assert console(first) == ["[1,2]", "Not kept after this step, as nothing of this job is: _, file, x"]
    assert console(second)[0] == "[1] []"
    assert second.outcome["type"] == "NameError"
    assert [(view.name, view.value) for view in found] == [("start", [1])]
    assert job.commits == 4


async def test_a_stateless_step_may_leave_what_no_checkpoint_could_keep(open_job: Open) -> None:
    async with open_job([code(UNPICKLABLE), code("exit('done')")]) as service:
        id_ = await service.submit("helper", mode="stateless")
        summary = await service.wait(id_)
        job = await service.job(id_)
    assert (summary.failure, summary.exit_status) == (None, "done")
    assert console(steps(job)[0]) == [
        "Not kept after this step, as nothing of this job is: alias, db, rows, sqlite3",
    ]


async def test_a_stateless_step_whose_runner_is_lost_runs_again_against_its_journal(
    open_job: Open, pay: Any, paid: list[str], runner_loss: RunnerLoss
) -> None:
    source = "print(pay('ann'))\n_ = lose_runner()\nprint(pay('bob'))"
    async with open_job([code(source), code("exit(1)")], tools=[pay, runner_loss.tool]) as service:
        runner_loss.service = service
        id_ = await service.submit("helper", mode="stateless")
        summary = await service.wait(id_)
        job = await service.job(id_)
    assert (summary.failure, paid) == (None, ["ann", "bob"])
    assert (console(steps(job)[0]), steps(job)[0].attempts) == (
        ["paid ann", "paid bob", "Not kept after this step, as nothing of this job is: _"],
        2,
    )


async def test_a_stateless_job_goes_on_after_a_crash(open_job: Open, pay: Any, paid: list[str]) -> None:
    waiting = asyncio.Event()

    async def wait(**kwargs: object) -> None:
        """Wait for ever, once."""
        if not waiting.is_set():
            waiting.set()
            await asyncio.Event().wait()

    hang = tool(effect="none")(wait)
    replies = [code("pay('ann')\nwait()"), code("exit(2)")]
    async with open_job(replies, tools=[pay, hang]) as service:
        id_ = await service.submit("helper", mode="stateless")
        await waiting.wait()
        await crash(service)
    async with open_job(replies, tools=[pay, hang]) as service:
        summary = await service.wait(id_)
    assert (summary.failure, summary.exit_status, paid) == (None, "2", ["ann"])


async def test_views_of_a_stateless_job_say_what_they_cannot_show(open_job: Open) -> None:
    async with open_job([code("x = 1"), code("exit(x0)"), code("exit(x0 + 1)")]) as service:
        id_ = await service.submit("helper", shared_vars={"x0": 7}, mode="stateless")
        await service.wait(id_)
        state = await service.past.state(id_)
        diff = await service.past.diff(id_, 0, None)
        with pytest.raises(InvalidRequest) as refused:
            await service.past.roll_back(id_, 0)
        fork = await service.past.fork(id_, 1)
        forked = await service.wait(fork)
    assert (state.commit.mode, [view.name for view in state.variables]) == ("stateless", ["x0"])
    assert (diff.variables, diff.after.mode) == ((), "stateless")
    assert str(refused.value) == (
        f"job {id_} cannot go back: a stateless job keeps nothing between its steps: these are its startup variables"
    )
    assert (forked.mode, forked.failure, forked.exit_status) == ("stateless", None, "7")


# ---------------------------------------------------------------------------------------------- live


async def test_a_live_job_shares_its_objects_in_place_between_steps(open_job: Open) -> None:
    replies = [
        code(f"{UNPICKLABLE}\nseen = id(rows)\nopen('note.txt', 'w').write('kept')"),
        code("alias.append(2)\ndb.execute('create table t (a)')"),
        code("print(rows, rows is alias, id(rows) == seen, open('note.txt').read())"),
        code("exit(db.execute('select count(*) from t').fetchone()[0])"),
    ]
    async with open_job(replies) as service:
        id_ = await service.submit("helper", mode="live")
        summary = await service.wait(id_)
        job = await service.job(id_)
        sizes = await service._store.blocks.size()
    assert (summary.failure, summary.mode, summary.exit_status) == (None, "live", "0")
    assert console(steps(job)[2]) == ["[1,2] True True kept"]
    assert (job.commits, sizes) == (1, (0, 0))


async def test_nothing_shows_variables_of_a_live_job(open_job: Open) -> None:
    async with open_job([code("x = 1"), code("exit(x)")]) as service:
        id_ = await service.submit("helper", shared_vars={"given": 1}, mode="live")
        await service.wait(id_)
        questions = [
            service.variables(id_),
            service.files(id_),
            service.past.state(id_),
            service.past.state(id_, 0),
            service.past.diff(id_, 0, None),
            service.past.roll_back(id_, 0),
            service.past.fork(id_),
            anext(service.file(id_, "note.txt")),  # type: ignore[call-overload]
        ]
        for question in questions:
            with pytest.raises(InvalidRequest) as refused:
                await question
            assert str(refused.value) == f"job {id_}: {GONE}"
        assert [commit.kind for commit in await service.past.commits(id_)] == ["start"]
        env = service.access.job(int(id_[1:])).py_env
        with pytest.raises(InvalidRequest):
            await asyncio.to_thread(lambda: dict(env.local_state))
    assert (env.exit_status, env.console) == (1, [])


async def test_a_live_job_whose_runner_dies_in_a_step_is_lost(
    open_job: Open, pay: Any, paid: list[str], runner_loss: RunnerLoss
) -> None:
    replies = [code("x = 1"), code("pay('ann')\nlose_runner()"), code("exit(x)")]
    async with open_job(replies, tools=[pay, runner_loss.tool]) as service:
        id_ = await service.submit("helper", mode="live")
        runner_loss.service = service
        _, message = await lost(service, id_)
        job = await service.job(id_)
    assert message.startswith("its runner was lost: ")
    assert message.endswith(GONE)
    assert paid == ["ann"]
    last = steps(job)[-1]
    assert (last.state, console(last)[-1]) == (
        "died",
        "calls of this step that took effect: pay(...) succeeded",
    )


@pytest.mark.parametrize("source", ["while True: pass", "import os; os.kill(os.getpid(), 9)", "import os; os._exit(3)"])
async def test_a_live_job_whose_step_ends_its_runner_is_lost(open_job: Open, source: str) -> None:
    async with open_job([code("x = 1"), code(source), code("exit(x)")], step_deadline_seconds=0.5) as service:
        id_ = await service.submit("helper", mode="live")
        _, message = await lost(service, id_)
        job = await service.job(id_)
    assert message.startswith("a step ended its runner: ")
    assert console(steps(job)[-1])[-1].endswith("The variables are gone with the runner.")


async def test_a_live_job_in_its_first_step_is_lost_too(open_job: Open, runner_loss: RunnerLoss) -> None:
    async with open_job([code("lose_runner()"), code("exit(1)")], tools=[runner_loss.tool]) as service:
        runner_loss.service = service
        id_ = await service.submit("helper", mode="live")
        _, message = await lost(service, id_)
    assert message.startswith("its runner was lost: ")


@pytest.mark.parametrize("orderly", [True, False])
async def test_a_live_job_is_lost_with_a_restart(open_job: Open, *, orderly: bool) -> None:
    thought = Thought()
    async with open_job([code("x = 1"), thought]) as service:
        id_ = await service.submit("helper", mode="live")
        await thought.asked.wait()
        if not orderly:
            await crash(service)
    async with open_job([code("exit(x)")]) as service:
        _, message = await lost(service, id_)
        pushed = await service.push(id_, "still there?")
    assert message == f"{RESTARTED}; {GONE}"
    assert pushed.delivered is False


async def test_a_live_job_that_no_runner_had_survives_a_restart(open_job: Open) -> None:
    thought = Thought()
    async with open_job([thought]) as service:
        id_ = await service.submit("helper", shared_vars={"x": 5}, mode="live")
        await thought.asked.wait()
    async with open_job([code("exit(x)")]) as service:
        summary = await service.wait(id_)
    assert (summary.failure, summary.exit_status) == (None, "5")


async def test_a_live_job_waits_for_its_model_no_longer_than_it_is_held(open_job: Open) -> None:
    async with open_job([code("x = 1"), Thought()], live_hold_seconds=0.1) as service:
        id_ = await service.submit("helper", mode="live")
        _, message = await lost(service, id_)
        claimed = service.statistics()["pool"]["claimed"]
    assert message == f"its runner was held for its time while the model had not answered; {GONE}"
    assert claimed == 0


class Approvals:
    """A tool that gives futures, and the ids of those."""

    def __init__(self) -> None:
        self.ids: asyncio.Queue[str] = asyncio.Queue()

        @tool(effect="external")
        async def ask(**kwargs: object) -> FutureResult:
            """Ask a person."""
            future = FutureResult(what="an approval")
            self.ids.put_nowait(future.id)
            return future

        self.tool = ask


async def test_a_live_job_waits_in_its_runner_for_a_future(open_job: Open) -> None:
    approvals = Approvals()
    replies = [code("x = [1]\nanswer = ask()\nx.append(bool(answer))"), code("exit(x)")]
    async with open_job(replies, tools=[approvals.tool], idle_hold_seconds=0.0) as service:
        id_ = await service.submit("helper", mode="live")
        future = await approvals.ids.get()
        await service.settle_future(future, Settlement(FutureState.RESOLVED, True))
        summary = await service.wait(id_)
        job = await service.job(id_)
    assert (summary.failure, summary.exit_status, steps(job)[0].attempts) == (None, "[1,True]", 1)


async def test_a_live_job_waits_for_a_future_no_longer_than_it_is_held(open_job: Open) -> None:
    approvals = Approvals()
    replies = [code("x = 1"), code("if ask(): pass"), code("exit(x)")]
    async with open_job(replies, tools=[approvals.tool], live_hold_seconds=0.1) as service:
        id_ = await service.submit("helper", mode="live")
        _, message = await lost(service, id_)
    assert message == f"its runner was held for its time, and the job still waits for an approval; {GONE}"


async def test_a_message_finds_the_variables_of_a_live_job_that_was_done(open_job: Open) -> None:
    replies = [code("x = [1]\nexit('first')"), code("x.append(2)\nexit(x)")]
    async with open_job(replies) as service:
        id_ = await service.submit("helper", mode="live")
        await service.wait(id_)
        await service.wait_idle()
        assert service.statistics()["parked"] == 1
        await service.push(id_, "go on")
        await service.wait_idle()
        summary = (await service.jobs())[0]
    assert (summary.failure, summary.exit_status) == (None, "[1,2]")


async def test_a_done_live_job_whose_runner_another_job_took_is_lost_when_it_should_go_on(open_job: Open) -> None:
    replies = [code("x = 1\nexit(x)"), code("exit(x)")]
    async with open_job(replies, max_runners=1, pool_size=0) as service:
        first = await service.submit("helper", mode="live")
        await service.wait(first)
        await service.wait_idle()
        second = await service.wait(await service.submit("helper"))
        assert (second.exit_status, service.statistics()["parked"]) == ("1", 0)
        done = next(job for job in await service.jobs() if job.id == first)
        assert (done.failure, done.exit_status) == (None, "1")
        await service.push(first, "go on")
        await service.wait_idle()
        _, message = await lost(service, first)
    assert message == f"{RESTARTED}; {GONE}"


async def test_a_parked_runner_is_ended_after_its_time(open_job: Open) -> None:
    async with open_job([code("exit(1)")], live_hold_seconds=0.05, pool_size=0) as service:
        await service.wait(await service.submit("helper", mode="live"))
        await service.wait_idle()
        while service.statistics()["pool"]["claimed"] or service.statistics()["pool"]["destroying"]:
            await asyncio.sleep(0.01)
        assert service.statistics()["parked"] == 0


async def test_a_live_job_is_not_asked_for_its_runner_while_it_thinks(open_job: Open) -> None:
    thought = Thought(code("exit(x)"))
    replies = [code("x = 1"), thought]
    async with open_job(replies, max_runners=1, pool_size=0, idle_hold_seconds=0.0) as service:
        first = await service.submit("helper", mode="live")
        await thought.asked.wait()
        second = asyncio.ensure_future(service.wait(await service.submit("helper")))
        while service.statistics()["pool"]["waiting"] == 0:
            await asyncio.sleep(0.01)
        thought.answer.set()
        summary = await service.wait(first)
        other = await second
    assert (summary.failure, summary.exit_status, other.exit_status) == (None, "1", "1")


async def test_a_cancelled_live_job_gives_its_runner_back(open_job: Open) -> None:
    thought = Thought()
    async with open_job([code("x = 1"), thought], pool_size=0) as service:
        id_ = await service.submit("helper", mode="live")
        await thought.asked.wait()
        summary = await service.cancel(id_, "enough")
        await service.wait_idle()
        statistics = service.statistics()
    assert summary.failure == {"kind": "cancelled", "message": "enough"}
    assert (statistics["parked"], statistics["pool"]["claimed"]) == (0, 0)


# ------------------------------------------------------------------------------------------ archives


async def test_no_archive_carries_a_live_job_and_a_stateless_one_stays_stateless(open_job: Open) -> None:
    async with open_job([code("x = 1"), code("exit(x0)")]) as service:
        live = await service.submit("helper", shared_vars={"x0": 1}, mode="live")
        stateless = await service.submit("helper", shared_vars={"x0": 7}, mode="stateless")
        await service.wait(live)
        await service.wait(stateless)
        with pytest.raises(InvalidRequest) as refused:
            await anext(service.porter.export(live))  # type: ignore[call-overload]
        archive = [piece async for piece in service.porter.export(stateless)]

        async def pieces() -> AsyncIterator[bytes]:
            for piece in archive:
                yield piece

        imported = await service.porter.import_job(pieces())
        found = next(job for job in await service.jobs() if job.id == imported.id)
    assert str(refused.value) == f"job {live}: {GONE}"
    assert (found.mode, found.exit_status) == ("stateless", "7")


# --------------------------------------------------------------------------------------- who chooses


async def test_an_agent_gives_its_jobs_their_mode_and_a_submission_another(open_job: Open) -> None:
    async with open_job([code("exit(1)")] * 2, mode="Live") as service:
        own = await service.wait(await service.submit("helper"))
        other = await service.wait(await service.submit("helper", mode="durable"))
    assert [own.mode, other.mode] == ["live", "durable"]


async def test_an_unknown_mode_is_refused_before_there_is_a_job(open_job: Open) -> None:
    async with open_job([]) as service:
        with pytest.raises(InvalidRequest) as refused:
            await service.submit("helper", mode="immortal")
        assert await service.jobs() == []
    assert str(refused.value) == "mode 'immortal' is unknown; use stateless, live or durable"
