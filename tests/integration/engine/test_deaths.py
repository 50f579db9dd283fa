"""Steps that are ended: what the console says, what is kept, and that the job goes on."""

from __future__ import annotations

import pytest

from statek import tool

from .conftest import Open, RunnerLoss, code, console, steps


@tool(effect="none")
def note(text: str, **kwargs: object) -> str:
    """Give the text back."""
    return text


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("kept = 2\nprint('before')\nwhile True: pass", "deadline"),
        ("kept = 2\nprint('before')\nimport os; os._exit(3)", "crashed"),
        ("kept = 2\nprint('before')\nimport ctypes; ctypes.string_at(0)", "crashed"),
        (
            (
                "kept = 2\nprint('before')\nimport signal\nfor s in range(1, 64):\n"
                "    try: signal.signal(s, signal.SIG_IGN)\n    except Exception: pass\nwhile True: pass"
            ),
            "deadline",
        ),
    ],
)
async def test_death_by_code_keeps_the_workspace_and_output_and_the_model_goes_on(
    open_with: Open, source: str, reason: str
) -> None:
    replies = [code("kept = 1"), code(source), code("print(kept)\nexit(kept)")]
    async with open_with(replies, step_deadline_seconds=0.5) as service:
        id_ = await service.submit("helper")
        summary = await service.wait(id_)
        died, after = steps(await service.job(id_))[1:]
    assert (summary.status, summary.exit_status) == ("DONE", "1")
    assert died.state == "died"
    assert console(died)[0] == "before"
    assert console(died)[1].startswith(f"StepDied: {reason}: ")
    assert console(after) == ["1"]


async def test_death_lists_the_calls_that_took_effect(open_with: Open) -> None:
    sent: list[str] = []

    @tool(idempotent=True)
    def send(text: str, **kwargs: object) -> None:
        """Send a text."""
        sent.append(text)

    replies = [code("send('a')\nwhile True: pass"), code("exit()")]
    async with open_with(replies, tools=[send], step_deadline_seconds=0.5) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        died = steps(await service.job(id_))[0]
    assert sent == ["a"]
    assert console(died)[-1] == "calls of this step that took effect: send(...) succeeded"


async def test_lost_runner_runs_the_step_again_against_its_journal(open_with: Open, runner_loss: RunnerLoss) -> None:
    sent: list[str] = []

    @tool
    def send(text: str, **kwargs: object) -> int:
        """Send a text."""
        sent.append(text)
        return len(sent)

    replies = [code("n = send('once'); lose_runner(); n2 = send('twice')\nprint(n, n2)\nexit(n2)")]
    async with open_with(replies, tools=[send, runner_loss.tool]) as service:
        runner_loss.service = service
        id_ = await service.submit("helper")
        summary = await service.wait(id_)
        step = steps(await service.job(id_))[0]
    assert (summary.exit_status, sent) == ("2", ["once", "twice"])
    assert (step.attempts, console(step)) == (2, ["None", "1 2"])


async def test_rerun_that_takes_another_way_is_stopped_as_diverged(open_with: Open, runner_loss: RunnerLoss) -> None:
    sent: list[int] = []

    @tool
    def pay(amount: int, **kwargs: object) -> None:
        """Pay."""
        sent.append(amount)

    source = "import time\npay(time.time_ns())\nlose_runner()"
    async with open_with([code(source), code("exit('seen')")], tools=[pay, runner_loss.tool]) as service:
        runner_loss.service = service
        id_ = await service.submit("helper")
        summary = await service.wait(id_)
        died = steps(await service.job(id_))[0]
    assert summary.exit_status == "seen"
    assert len(sent) == 1
    assert died.state == "died"
    assert console(died)[0].startswith("StepDied: diverged: the re-run asks for pay (arguments ")


async def test_read_before_an_effect_is_answered_from_the_journal(open_with: Open, runner_loss: RunnerLoss) -> None:
    calls: list[str] = []

    @tool
    def pay(**kwargs: object) -> None:
        """Pay."""
        calls.append("pay")

    source = "import os\nif not os.path.exists('/proc/self/nothing') and first():\n    pay()\nlose_runner()"

    @tool(effect="none")
    def first(**kwargs: object) -> bool:
        """Whether this is asked for the first time."""
        calls.append("first")
        return calls.count("first") == 1

    async with open_with([code(source), code("exit('seen')")], tools=[pay, first, runner_loss.tool]) as service:
        runner_loss.service = service
        id_ = await service.submit("helper")
        await service.wait(id_)
        step = steps(await service.job(id_))[0]
    # The answer of first() is in the journal before the effect that follows it, so the re-run takes the same way.
    assert calls == ["first", "pay"]
    assert (step.state, step.attempts) == ("committed", 2)


async def test_variables_that_kill_every_runner_end_the_job_with_a_name(open_with: Open) -> None:
    source = "import os\nclass Bomb:\n    def __reduce__(self):\n        return (os._exit, (7,))\nbomb = Bomb()"
    replies = [code(source), code("while True: pass"), code("exit()")]
    async with open_with(replies, step_deadline_seconds=0.5) as service:
        summary = await service.wait(await service.submit("helper"))
    assert summary.status == "DONE"
    assert summary.failure is not None
    assert summary.failure["kind"] == "restore"
    assert summary.failure["message"].startswith("the variables of the job cannot be restored: ")


async def test_code_over_the_limit_is_refused_by_name_and_the_job_goes_on(open_with: Open) -> None:
    replies = [code("x = '" + "a" * 300_000 + "'"), code("exit('on')")]
    async with open_with(replies) as service:
        id_ = await service.submit("helper")
        summary = await service.wait(id_)
        step = steps(await service.job(id_))[0]
    assert summary.exit_status == "on"
    assert console(step) == ["LimitExceeded: limit code_bytes is 200000, this reply has 300006; send less at a time"]
