"""One job from submission to its end, through every part."""

from __future__ import annotations

from statek import tool
from statek.executors.views import JobSummary

from .conftest import Open, code, console, steps


@tool(effect="none")
def add(a: int, b: int, **kwargs: object) -> int:
    """Add two numbers."""
    return a + b


async def test_variables_functions_and_files_live_from_step_to_step(open_with: Open) -> None:
    replies = [
        code("x = add(start, 1)\ndef twice(n): return 2 * n * x"),
        code("print(twice(3))\nitems = [x]\nalias = items"),
        code("alias.append(5)\nitems"),
        code("exit({'sum': sum(items)})"),
    ]
    async with open_with(replies, tools=[add], warmup="base = start") as service:
        id_ = await service.submit("helper", shared_vars={"start": 20}, message="go")
        summary = await service.wait(id_)
        job = await service.job(id_)
        variables = {view.name: view for view in await service.variables(id_)}
    assert (summary.status, summary.failure, summary.exit_status) == ("DONE", None, '{"sum":26}')
    assert [console(item) for item in steps(job)] == [[], [], ["126"], ["None", "[21,5]"], []]
    assert [item.changed for item in steps(job)] == [
        ("base",),
        ("twice", "x"),
        ("alias", "items"),
        ("alias", "items"),
        (),
    ]
    assert variables["items"].value == [21, 5]
    assert variables["items"].value is not variables["start"]
    assert [call.result for item in steps(job) for call in item.calls] == ["21"]


async def test_error_and_prose_are_shown_to_the_model_and_the_job_goes_on(open_with: Open) -> None:
    replies = [code("y = 1\n1 / 0\ny = 2"), "I am thinking.", code("print(y)\nexit()")]
    async with open_with(replies) as service:
        id_ = await service.submit("helper")
        summary = await service.wait(id_)
        job = await service.job(id_)
    assert summary.status == "DONE"
    assert [console(item) for item in steps(job)] == [
        ["ZeroDivisionError: division by zero", "(line 2: 1 / 0)"],
        ["Error: no code submitted."],
        ["1"],
    ]


async def test_failed_warmup_fails_its_job_only(open_with: Open) -> None:
    async with open_with([code("exit(1)")], warmup="1 / start") as service:
        bad = await service.submit("helper", shared_vars={"start": 0})
        good = await service.submit("helper", shared_vars={"start": 1})
        ended: list[JobSummary] = [await service.wait(bad), await service.wait(good)]
    assert ended[0].failure == {"kind": "warmup", "message": "ZeroDivisionError: division by zero"}
    assert (ended[1].failure, ended[1].exit_status) == (None, "1")


async def test_limit_of_turns_ends_the_job_and_is_named(open_with: Open) -> None:
    async with open_with([code("x = 1")] * 5, max_turns=3) as service:
        summary = await service.wait(await service.submit("helper"))
    assert summary.failure == {"kind": "limit", "message": "limit max_turns is 3, the job has used 3"}
    assert summary.turns == 3


async def test_finished_job_is_there_after_a_restart(open_with: Open) -> None:
    async with open_with([code("x = [1, {'a': 2}]\nexit(x)")]) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
    async with open_with([]) as service:
        summary = await service.wait(id_)
        variables = await service.variables(id_)
    assert (summary.status, summary.exit_status) == ("DONE", '[1,{"a":2}]')
    assert [(view.name, view.value) for view in variables] == [("x", [1, {"a": 2}])]


async def test_jobs_do_not_see_each_other(open_with: Open) -> None:
    def reply(request: object) -> str:
        return code("mine = name\nprint(mine)\nexit(mine)")

    async with open_with([reply], max_runners=4) as service:
        ids = [await service.submit("helper", shared_vars={"name": f"n{i}"}) for i in range(12)]
        ends = [await service.wait(id_) for id_ in ids]
        consoles = [console(steps(await service.job(id_))[0]) for id_ in ids]
    assert [end.exit_status for end in ends] == [f"n{i}" for i in range(12)]
    assert consoles == [[f"n{i}"] for i in range(12)]


async def test_console_style_runs_replies_without_fences(open_with: Open) -> None:
    replies = ["x = 2\nprint(x)", "I wonder about x.", "exit(x)"]
    async with open_with(replies, metadata={"CHAT_STYLE": "console"}) as service:
        id_ = await service.submit("helper")
        summary = await service.wait(id_)
        job = await service.job(id_)
        requests = service._model.requests  # type: ignore[attr-defined]
    assert summary.exit_status == "2"
    assert console(steps(job)[1])[0].startswith("SyntaxError: ")
    assert [message["content"] for message in requests[1].messages[2:]] == ["x = 2\nprint(x)", "> 2"]
