from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.agents import Agent
from statek.exceptions import InvalidRequest
from statek.job_definition import JobDefinition
from statek.post_processors import (
    FinalCheck,
    LLM_StepData,
    PostProcessor,
    Processed,
    apply_post_processors,
    parse_post_processors,
    post_processors_text,
)

STEP = LLM_StepData("hello")


class Fixed(PostProcessor):
    """Gives what it is told to."""

    def __init__(self, given: Any = None) -> None:
        self.given = given

    def process(self, llm_step: LLM_StepData, job: object) -> Any:
        return {"same": llm_step, "other": LLM_StepData(llm_step.text.upper())}.get(self.given, self.given)


class Forgetful(PostProcessor):
    """Keeps nothing."""

    def __init__(self, words: int = 3) -> None:
        pass


def apply(*processors: PostProcessor) -> Processed:
    return apply_post_processors(processors, STEP, None)  # type: ignore[arg-type]


def test_each_sees_what_the_one_before_gave() -> None:
    assert apply(Fixed("same"), Fixed("other")) == Processed(LLM_StepData("HELLO"))


def test_a_text_suppresses_and_ends_the_chain() -> None:
    told = Fixed(("note", STEP))
    assert apply(told, Fixed(("stop", "now")), Fixed("other")) == Processed(
        None, (("Fixed", "note"), ("Fixed", "stop"), ("Fixed", "now"))
    )


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        (7, TypeError, "Fixed.process gave int, must be a step, a text or a tuple of both"),
        (None, TypeError, "Fixed.process gave NoneType, must be a step, a text or a tuple of both"),
        ((), ValueError, "Fixed.process gave 0 steps, must be at most one, or a text"),
        ((STEP, STEP), ValueError, "Fixed.process gave 2 steps, must be at most one, or a text"),
    ],
)
def test_what_is_no_answer_is_named(given: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as error:
        apply(Fixed(given))
    assert str(error.value) == message


class AJob:
    """What FinalCheck asks of a job."""

    def __init__(self, *, final: bool = True, actions: int = 0, fired: bool = False) -> None:
        self.final, self.actions, self.fired = final, actions, fired

    def is_step_final(self, step: LLM_StepData) -> bool:
        return self.final

    def count_llm_actions(self) -> int:
        return self.actions

    def was_post_processed_by(self, name: str) -> bool:
        return self.fired and name == "FinalCheck"


@pytest.mark.parametrize(
    ("job", "fires"),
    [
        (AJob(), True),
        (AJob(actions=1), True),
        (AJob(actions=2), False),
        (AJob(final=False), False),
        (AJob(fired=True), False),
    ],
)
def test_final_check_fires_once_on_an_early_final_reply(job: Any, fires: bool) -> None:
    given = FinalCheck(max_llm_actions=2).process(STEP, job)
    assert isinstance(given, str) is fires
    assert given == STEP or fires


def test_they_are_kept_as_text() -> None:
    text = post_processors_text([FinalCheck(2), Fixed("same")])
    assert text == "FinalCheck(max_llm_actions=2), Fixed(given='same')"
    again = parse_post_processors(text)
    assert [type(one).__name__ for one in again] == ["FinalCheck", "Fixed"]
    assert post_processors_text(again) == text
    assert [post_processors_text(one) for one in (None, "", FinalCheck())] == ["", "", "FinalCheck(max_llm_actions=3)"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FinalCheck", "must look like FinalCheck(max_llm_actions=2), Other()"),
        ("FinalCheck(", "must look like FinalCheck(max_llm_actions=2), Other()"),
        ("os.remove()", "must look like FinalCheck(max_llm_actions=2), Other()"),
        ("FinalCheck(2)", "give the arguments of FinalCheck by keyword"),
        (
            "FinalCheck(max_llm_actions=open('x'))",
            "arguments of FinalCheck must be texts, numbers, True, False or None",
        ),
        ("FinalCheck(**{})", "arguments of FinalCheck must be texts, numbers, True, False or None"),
        ("FinalCheck(max_llm_actions=-1)", "FinalCheck: max_llm_actions is -1, must be a whole number from 0"),
    ],
)
def test_broken_text_is_named(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        parse_post_processors(text)
    assert str(error.value) == f"POST_PROCESSORS {text!r}: {message}".replace(": must look", " must look")


def test_unknown_class_is_named_with_those_that_are_known() -> None:
    with pytest.raises(InvalidRequest, match=r"Polite is not known; known are .*FinalCheck.*; import the module"):
        parse_post_processors("Polite()")


def test_what_cannot_be_kept_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="Forgetful must keep words as a text, number, bool or None"):
        post_processors_text(Forgetful())
    with pytest.raises(InvalidRequest, match="Fixed must keep given as a text, number, bool or None"):
        post_processors_text(Fixed([1]))
    with pytest.raises(InvalidRequest, match="a post-processor must be a PostProcessor, not int"):
        post_processors_text([7])  # type: ignore[list-item]


@given(
    st.text(max_size=30) | st.from_regex(r"\A(FinalCheck|Fixed|x)\((max_llm_actions|given)=[-a-z0-9'\"(\[]{0,8}\)?,?\Z")
)
def test_any_text_makes_post_processors_or_a_named_error(text: str) -> None:
    try:
        made = parse_post_processors(text)
    except InvalidRequest as error:
        assert "POST_PROCESSORS" in str(error)  # noqa: PT017
    else:
        assert all(isinstance(one, PostProcessor) for one in made)


def test_argument_goes_before_metadata_and_is_frozen_with_the_job() -> None:
    agent = Agent("a", _metadata={"MODEL": "x/y", "POST_PROCESSORS": "FinalCheck(max_llm_actions=1)"})
    definition = agent.create_job_def()
    assert definition.post_processing == "FinalCheck(max_llm_actions=1)"
    assert JobDefinition.from_json(definition.to_json()) == definition
    assert agent.create_job_def(post_processing=FinalCheck(5)).post_processing == "FinalCheck(max_llm_actions=5)"
    assert agent.create_job_def(post_processing="").post_processing == ""
    broken = Agent("a", _metadata={"MODEL": "x/y", "POST_PROCESSORS": "FinalCheck(2)"})
    with pytest.raises(InvalidRequest, match=r"agent 'a': POST_PROCESSORS 'FinalCheck\(2\)': give the arguments"):
        broken.create_job_def()
