"""Stepping the pure decision of the job loop by hand."""

from __future__ import annotations

import dataclasses

import pytest

from statek.executors.decision import (
    CancelRequested,
    Deliver,
    Delivered,
    Event,
    Execute,
    ExecuteAgain,
    FailureKind,
    Finish,
    FutureAwaited,
    InDoubt,
    JobView,
    ModelFailed,
    RecordDeath,
    ReplyReceived,
    Resumed,
    StepDied,
    StepEnded,
    StepLost,
    Think,
    VariablesGone,
    Wait,
    decide,
)
from statek.harness import LLM_Harness
from statek.job_mode import JobMode
from statek.job_status import JobStatus


def job(status: JobStatus = JobStatus.STARTED, **facts: object) -> JobView:
    return JobView(status, **facts)  # type: ignore[arg-type]


def test_new_job_runs_its_warmup_blocks_in_order_before_it_thinks() -> None:
    assert decide(job(JobStatus.READY, warmup_blocks=2), Resumed()) == Execute(warmup=0)
    after_first = job(JobStatus.WARMING_UP, warmup_blocks=2, warmup_next=1)
    assert decide(after_first, StepEnded(warmup=True)) == Execute(warmup=1)
    after_last = job(JobStatus.WARMING_UP, warmup_blocks=2, warmup_next=2)
    assert decide(after_last, StepEnded(warmup=True)) == Think()


def test_reply_is_executed_and_a_step_that_ended_leads_to_the_next_thought() -> None:
    assert decide(job(has_current=True), ReplyReceived()) == Execute()
    assert decide(job(), StepEnded()) == Think()
    assert decide(job(), StepEnded(error="ValueError: x")) == Think()
    assert decide(job(), StepDied("deadline: too long")) == Think()


def test_exit_finishes_without_failure() -> None:
    assert decide(job(), StepEnded(exited=True)) == Finish()
    assert decide(job(JobStatus.WARMING_UP), StepEnded(exited=True, warmup=True)) == Finish()


def test_what_waits_is_told_before_the_next_thought_and_after_the_warmup() -> None:
    assert decide(job(inbox=2), StepEnded()) == Deliver()
    assert decide(job(), Delivered()) == Think()
    assert decide(job(JobStatus.READY, inbox=1, warmup_blocks=1), Resumed()) == Execute(warmup=0)


def test_job_that_would_end_goes_on_when_something_waits_for_it() -> None:
    assert decide(job(inbox=1, exited=True), StepEnded(exited=True)) == Deliver()
    assert decide(job(inbox=1, exited=True), Resumed()) == Deliver()


def test_limit_does_not_turn_a_good_end_into_a_failure_because_something_waits() -> None:
    limits = LLM_Harness(1, None, None, None)
    assert decide(job(inbox=1, exited=True, turns=1, limits=limits), Resumed()) == Finish(keeps_inbox=True)
    command = decide(job(inbox=1, turns=1, limits=limits), Resumed())
    assert isinstance(command, Finish)
    assert command.failure is FailureKind.LIMIT


def test_done_job_has_nothing_to_do() -> None:
    assert decide(job(JobStatus.DONE, cancel_requested="x"), Resumed()) is None


def test_failed_warmup_fails_its_job() -> None:
    view = job(JobStatus.WARMING_UP, warmup_blocks=1)
    assert decide(view, StepEnded(error="KeyError: 'a'", warmup=True)) == Finish(FailureKind.WARMUP, "KeyError: 'a'")
    assert decide(view, StepDied("memory: out", warmup=True)) == Finish(FailureKind.WARMUP, "memory: out")


@pytest.mark.parametrize("attempts", [1, 2])
def test_lost_step_runs_again_twice(attempts: int) -> None:
    assert decide(job(has_current=True, attempts=attempts), StepLost("gone")) == ExecuteAgain()


def test_step_lost_a_third_time_counts_as_a_death_of_its_code() -> None:
    command = decide(job(has_current=True, attempts=3), StepLost("gone"))
    assert command == RecordDeath("its runner was lost 3 times, the last time: gone")


@pytest.mark.parametrize("crashes", [0, 1])
def test_step_in_flight_at_one_crash_is_run_again(crashes: int) -> None:
    assert decide(job(has_current=True, attempts=1, crashes=crashes), Resumed()) == ExecuteAgain()


def test_step_in_flight_at_two_crashes_is_quarantined() -> None:
    command = decide(job(has_current=True, attempts=2, crashes=2), Resumed())
    assert isinstance(command, Finish)
    assert (command.failure, command.drop_current) == (FailureKind.QUARANTINE, True)


def test_call_in_doubt_waits_for_an_operator() -> None:
    command = decide(job(has_current=True, attempts=1), InDoubt("pay, call 1, key k"))
    assert command == Wait("in doubt: pay, call 1, key k; resolve it with: statek calls resolve")


def test_cancellation_wins_over_every_other_event() -> None:
    view = job(has_current=True, attempts=1, cancel_requested="enough")
    expected = Finish(FailureKind.CANCELLED, "enough", drop_current=True)
    for event in (Resumed(), StepEnded(exited=True), StepLost("x"), InDoubt("y"), CancelRequested("enough")):
        assert decide(view, event) == expected


def test_model_failure_ends_the_job() -> None:
    assert decide(job(), ModelFailed("no key")) == Finish(FailureKind.MODEL, "no key")


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"turns": 5}, "max_turns is 5"),
        ({"exceptions": 5}, "max_exceptions is 4, the job has used 5"),
        ({"consecutive_exceptions": 4}, "max_consecutive_exceptions is 3, the job has used 4"),
        ({"tokens": 900}, "max_token_usage is 900"),
    ],
)
def test_harness_limit_ends_the_job_before_the_turn_that_would_exceed_it(facts: dict[str, int], name: str) -> None:
    limits = LLM_Harness(5, 4, 3, 900)
    command = decide(job(limits=limits, **facts), StepEnded())
    assert isinstance(command, Finish)
    assert command.failure is FailureKind.LIMIT
    assert name in command.message
    below = {key: value - 1 for key, value in facts.items()}
    assert decide(job(limits=limits, **below), StepEnded()) == Think()


def test_completions_extend_every_limit_but_the_streak() -> None:
    limits = LLM_Harness(5, 4, 3, 900, 0.5)
    extended = job(limits=limits, completions=2, turns=9, exceptions=8, consecutive_exceptions=3, tokens=1799)
    assert decide(extended, StepEnded()) == Think()
    for fact, name, value in (
        ("turns", "max_turns is 10", 10),
        ("exceptions", "max_exceptions is 8", 9),
        ("consecutive_exceptions", "max_consecutive_exceptions is 3", 4),
        ("tokens", "max_token_usage is 1800", 1800),
    ):
        command = decide(dataclasses.replace(extended, **{fact: value}), StepEnded())
        assert isinstance(command, Finish)
        assert command.message == f"limit {name}, the job has used {value}"


def test_no_exceptions_at_all_may_be_asked_for() -> None:
    limits = LLM_Harness(max_exceptions=0, max_consecutive_exceptions=0)
    assert decide(job(limits=limits), Resumed()) == Think()
    assert decide(job(limits=limits, exceptions=1), StepEnded()) == Finish(
        FailureKind.LIMIT, "limit max_exceptions is 0, the job has used 1"
    )


def test_no_limit_speaks_when_limits_are_off() -> None:
    limits = LLM_Harness(None, None, None, None)
    assert decide(job(limits=limits, turns=10**9, exceptions=10**9, tokens=10**12), StepEnded()) == Think()


RUNNER_GONE = "its runner is gone: the service was restarted, it was held for its time, or another job needed one"


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (Resumed(), RUNNER_GONE),
        (VariablesGone("held too long"), "held too long"),
        (StepLost("went away"), "its runner was lost: went away"),
        (StepDied("deadline: 5 s"), "a step ended its runner: deadline: 5 s"),
        (
            FutureAwaited("waits for an answer"),
            "its runner was held for its time, and the job still waits for an answer",
        ),
        (InDoubt("pay, call 1"), "its step was stopped because a call is in doubt: pay, call 1"),
    ],
)
@pytest.mark.parametrize("in_flight", [True, False])
def test_a_live_job_without_its_runner_is_lost(event: Event, why: str, *, in_flight: bool) -> None:
    view = job(mode=JobMode.LIVE, runner_held=True, has_current=in_flight, attempts=1)
    message = f"{why}; a live job keeps its variables and files in its runner only: no commit has them"
    assert decide(view, event) == Finish(FailureKind.LOST, message, drop_current=in_flight)


def test_a_live_job_with_its_runner_goes_on() -> None:
    view = job(mode=JobMode.LIVE, runner_held=True)
    assert decide(view, Resumed(runner=True)) == Think()
    assert decide(view, StepEnded()) == Think()
    assert decide(view, StepEnded(exited=True)) == Finish()


def test_a_live_job_that_no_runner_had_has_lost_nothing() -> None:
    assert decide(job(mode=JobMode.LIVE), Resumed()) == Think()
    assert decide(job(mode=JobMode.LIVE, has_current=True), Resumed()) == ExecuteAgain()


def test_a_live_job_that_only_has_its_end_to_write_needs_no_variables() -> None:
    over = job(mode=JobMode.LIVE, runner_held=True, exited=True)
    assert decide(over, Resumed()) == Finish()
    told = decide(dataclasses.replace(over, inbox=1), Resumed())
    assert isinstance(told, Finish)
    assert told.failure is FailureKind.LOST
    failed = job(mode=JobMode.LIVE, runner_held=True, warmup_failure="ValueError: no", warmup_blocks=1)
    assert decide(failed, Resumed()) == Finish(FailureKind.WARMUP, "ValueError: no")


@pytest.mark.parametrize("mode", [JobMode.STATELESS, JobMode.DURABLE])
def test_other_jobs_run_a_lost_step_again(mode: JobMode) -> None:
    assert decide(job(mode=mode, has_current=True, attempts=1), StepLost("went away")) == ExecuteAgain()
