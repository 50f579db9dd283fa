"""What an application sees of a job that waits: the future itself, and where the code stands."""

from __future__ import annotations

import pytest

import statek
from statek.exceptions import AccessDenied, FutureError, FutureSettled, NotFound
from statek.future import CombinedFutureResult, FutureElement, FutureResult
from statek.settings import StatekSettings
from statek.testing import ScriptedModel

pytestmark = pytest.mark.timeout(60)


class Desk:
    """An agent whose tool asks people, and what it asked."""

    def __init__(self) -> None:
        self.ids: list[str] = []

        @statek.tool
        def ask(question: str, **kwargs: object) -> statek.FutureResult:
            """Ask a person."""
            future = statek.suspend_for(f"answer to {question}")
            self.ids.append(future.id)
            return future

        self.agent = statek.SupervisedAgent("clerk", "Work.", [ask], _metadata={"MODEL": "scripted/test"})

    def run(self, *sources: str) -> None:
        """Drive the jobs until none can go on."""
        script = ScriptedModel([f"```python\n{source}\n```" for source in sources])
        statek.start_statek(self.agent, model=script, until_idle=True)


@pytest.fixture
def desk(settings: StatekSettings) -> Desk:
    statek.init(settings=StatekSettings(**{**settings.__dict__, "idle_hold_seconds": 0.05}))
    return Desk()


def test_job_tells_which_future_its_code_waits_for_and_where(desk: Desk) -> None:
    job = statek.StatekClientAPI().submit_new_job(desk.agent)
    assert (job.awaited_result, job.next_instr_num) == (None, None)
    before = job.py_env
    assert (before.next_instr_id, before.warmup_block_num, before.future_result) == (None, None, None)
    desk.run("f = ask('q')\nx = 1\nexit(f + '!')")
    awaited = job.awaited_result
    assert isinstance(awaited, FutureResult)
    assert (awaited.id, awaited.what, awaited.check_condition(), job.next_instr_num) == (
        desk.ids[0],
        "answer to q",
        False,
        2,
    )
    with pytest.raises(FutureError):
        _ = awaited.value
    waiting = job.py_env
    assert isinstance(waiting.future_result, FutureResult)
    assert (waiting.next_instr_id, waiting.future_result.id, before.next_instr_id) == (2, desk.ids[0], None)
    statek.StatekClientAPI().resolve(desk.ids[0], "yes")
    assert (awaited.check_condition(), awaited.value) == (True, "yes")
    desk.run()
    assert (job.py_env.exit_status, job.awaited_result, job.next_instr_num) == ("yes!", None, None)
    assert (job.py_env.next_instr_id, job.py_env.future_result) == (None, None)


def test_several_awaited_futures_are_one(desk: Desk) -> None:
    api = statek.StatekClientAPI()
    job = api.submit_new_job(desk.agent)
    desk.run("a, b = ask('a'), ask('b')\nexit(list(get_all(a, b)))")
    awaited = job.awaited_result
    assert isinstance(awaited, CombinedFutureResult)
    assert (awaited.kind, [part.id for part in awaited.futures]) == ("all", desk.ids)
    api.resolve(desk.ids[0], 1)
    assert awaited.check_condition() is False
    api.resolve(desk.ids[1], 2)
    assert awaited.value == (1, 2)


def test_variable_that_was_assigned_a_future_is_one_on_the_host(desk: Desk) -> None:
    job = statek.StatekClientAPI().submit_new_job(desk.agent)
    desk.run("f = ask('q')\nbox = {'f': [f]}", "exit(box['f'][0] + '!')")
    found = job.py_env.local_state["f"]
    assert isinstance(found, FutureResult)
    assert (found.id, found.what, found.check_condition()) == (desk.ids[0], "answer to q", False)
    assert [value.id for value in job.py_env.local_state["box"]["f"]] == desk.ids
    past = job.view(1)["f"]
    statek.StatekClientAPI().resolve(desk.ids[0], "yes")
    assert (found.value, past.value) == ("yes", "yes")
    desk.run()
    assert job.py_env.exit_status == "yes!"


def test_numbers_of_futures_that_a_sandbox_makes_up_show_nothing(desk: Desk) -> None:
    api = statek.StatekClientAPI()
    desk_job = api.submit_new_job(desk.agent)
    desk.run("exit(ask('q'))")
    job = api.submit_new_job(desk.agent)
    forge = (
        "from sandbox_runner.wire.values import FutureRef\n"
        "import sandbox_runner.executor.futures as f\n"
        "one, two, part = (f._table.from_ref(r) for r in (FutureRef(1), FutureRef(999), FutureRef(1, '', 2, 1)))"
    )
    desk.run(forge, "exit()")
    found = job.py_env.local_state
    for name, number in [("one", 1), ("two", 999), ("part", 1)]:
        with pytest.raises(AccessDenied) as raised:
            _ = found[name].value
        assert str(raised.value) == f"future {number} is not one of this job"
    assert isinstance(found["part"], FutureElement)
    assert desk_job.status.name == "SUSPENDED"


def test_client_ends_futures_without_a_value_once(desk: Desk) -> None:
    api = statek.StatekClientAPI()
    source = "try:\n    1 + ask('q')\nexcept Exception as error:\n    exit(f'{type(error).__name__}: {error}')"
    jobs = [api.submit_new_job(desk.agent) for _ in range(3)]
    desk.run(source)
    by_job = {job.id: job.awaited_result for job in jobs}
    api.fail(by_job["j1"].id, "the form is lost")
    api.cancel_future(by_job["j2"].id, "not needed")
    api.cancel_future(by_job["j3"].id)
    with pytest.raises(FutureSettled, match="is failed already; the first answer counts"):
        api.cancel_future(by_job["j1"].id)
    with pytest.raises(FutureSettled, match="is cancelled already; the first answer counts"):
        api.fail(by_job["j2"].id, "too late")
    for end in (lambda id_: api.fail(id_, "x"), api.cancel_future, api.resolve):
        with pytest.raises(NotFound, match="there is no future 'f-nothing'"):
            end("f-nothing")
    assert [by_job[job.id].state.value for job in jobs] == ["failed", "cancelled", "cancelled"]
    desk.run(source)
    assert [job.py_env.exit_status for job in jobs] == [
        "FutureFailed: the form is lost",
        "FutureCancelled: not needed",
        "FutureCancelled: the future was cancelled",
    ]


def test_client_ends_futures_while_the_service_runs(desk: Desk) -> None:
    api = statek.StatekClientAPI()
    ended: list[str] = []

    @statek.tool
    def end(job: str, **kwargs: object) -> None:
        """End what another job waits for."""
        awaited = api.job(job).awaited_result
        while awaited is None:
            awaited = api.job(job).awaited_result
        ended.append(awaited.id)
        api.fail(awaited.id, "ended by a colleague")

    ender = statek.SupervisedAgent("ender", "Work.", [end], _metadata={"MODEL": "scripted/test"})
    waiting = api.submit_new_job(desk.agent)
    api.submit_new_job(ender, {"other": waiting.id})
    source = "exit(end(other)) if 'other' in globals() else exit(ask('q'))"
    script = ScriptedModel([f"```python\n{source}\n```", "```python\nexit('went on')\n```"])
    statek.start_statek([desk.agent, ender], model=script, until_idle=True)
    assert (waiting.py_env.exit_status, ended) == ("went on", desk.ids)
    assert waiting.py_env.console[0].startswith("FutureFailed: ended by a colleague")
