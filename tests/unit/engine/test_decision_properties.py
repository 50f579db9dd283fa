"""What holds of every decision, whatever the facts and the event."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from statek.executors.decision import (
    MAX_ENVIRONMENT_RERUNS,
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

COUNTS = st.integers(0, 5)
TEXTS = st.sampled_from(["", "because"])
AT_LEAST_ONE = st.none() | st.integers(1, 5)
LIMITS = st.builds(
    LLM_Harness, AT_LEAST_ONE, st.none() | COUNTS, st.none() | COUNTS, AT_LEAST_ONE, st.floats(0, 3, allow_nan=False)
)
VIEWS = st.builds(
    JobView,
    status=st.sampled_from(JobStatus),
    warmup_next=COUNTS,
    warmup_blocks=COUNTS,
    has_current=st.booleans(),
    current_is_warmup=st.booleans(),
    attempts=COUNTS,
    crashes=COUNTS,
    turns=COUNTS,
    exceptions=COUNTS,
    consecutive_exceptions=COUNTS,
    tokens=COUNTS,
    cancel_requested=TEXTS,
    exited=st.booleans(),
    warmup_failure=TEXTS,
    completions=COUNTS,
    inbox=COUNTS,
    limits=LIMITS,
    mode=st.sampled_from(JobMode),
    runner_held=st.booleans(),
)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Resumed, st.booleans()),
    st.builds(VariablesGone, TEXTS),
    st.builds(FutureAwaited, TEXTS),
    st.just(ReplyReceived()),
    st.just(Delivered()),
    st.builds(ModelFailed, TEXTS),
    st.builds(StepEnded, st.booleans(), TEXTS, st.booleans()),
    st.builds(StepDied, TEXTS, st.booleans()),
    st.builds(StepLost, TEXTS),
    st.builds(InDoubt, TEXTS),
    st.builds(CancelRequested, TEXTS),
)


@given(VIEWS, EVENTS)
def test_only_a_done_job_has_no_command(view: JobView, event: Event) -> None:
    assert (decide(view, event) is None) is (view.status is JobStatus.DONE)


@given(VIEWS, EVENTS)
def test_every_command_fits_the_facts(view: JobView, event: Event) -> None:
    match decide(view, event):
        case Think():
            assert not view.has_current
            assert view.warmup_next >= view.warmup_blocks
            assert not view.exited
            assert not view.inbox
        case Deliver():
            assert not view.has_current
            assert view.inbox
        case Execute(warmup=int(block)):
            assert not view.has_current
            assert block == view.warmup_next < view.warmup_blocks
        case Execute() | ExecuteAgain() | RecordDeath() | Wait():
            assert view.has_current
        case Finish(drop_current=dropped, failure=None, keeps_inbox=keeps):
            assert dropped is view.has_current
            assert keeps is (view.inbox > 0)
        case Finish(drop_current=dropped):
            assert dropped is view.has_current


@given(VIEWS, EVENTS)
def test_cancellation_always_wins(view: JobView, event: Event) -> None:
    if view.status is not JobStatus.DONE and view.cancel_requested:
        command = decide(view, event)
        assert command == Finish(FailureKind.CANCELLED, view.cancel_requested, drop_current=view.has_current)


@given(VIEWS, st.sampled_from([Resumed(), StepLost("gone")]))
def test_no_step_runs_more_often_than_promised(view: JobView, event: Event) -> None:
    if isinstance(decide(view, event), ExecuteAgain):
        assert view.attempts <= MAX_ENVIRONMENT_RERUNS


@given(VIEWS, EVENTS)
def test_only_a_live_job_is_lost_and_it_never_runs_a_step_twice(view: JobView, event: Event) -> None:
    command = decide(view, event)
    if view.mode is not JobMode.LIVE:
        assert not (isinstance(command, Finish) and command.failure is FailureKind.LOST)
    elif view.runner_held and not isinstance(event, ReplyReceived | Delivered | StepEnded):
        assert not isinstance(command, ExecuteAgain) or event == Resumed(runner=True) or isinstance(event, StepDied)
