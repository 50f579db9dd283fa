"""Difficulties and models by difficulty: any text is understood, or refused by one named error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.chat_style import ChatStyle
from statek.difficulty import TaskDifficulty, parse_difficulties, parse_model
from statek.exceptions import InvalidRequest
from statek.static_policy import StaticPolicy

MODELS = st.text(max_size=40) | st.lists(st.sampled_from(["L", "M", "H", ":", ",", " ", "m/x", "\n", "\0"])).map(
    "".join
)


@given(MODELS)
def test_any_text_names_a_model_for_each_difficulty_or_is_refused_by_name(text: str) -> None:
    try:
        models = parse_model(text)
    except InvalidRequest as error:
        assert str(error).startswith(("MODEL is empty", f"MODEL {text!r}"))  # noqa: PT017
    else:
        assert (set(models), [name for name in models.values() if not name.strip()]) == (set(TaskDifficulty), [])


@given(MODELS)
def test_any_text_is_a_difficulty_or_a_named_error(text: str) -> None:
    labels = parse_difficulties(text)
    assert labels is None or labels <= set(TaskDifficulty)
    for kind in (TaskDifficulty, ChatStyle, StaticPolicy):
        try:
            found = kind.parse(text)
        except InvalidRequest as error:
            assert repr(text) in str(error)  # noqa: PT017
        else:
            assert kind.parse(found) is found


@pytest.mark.parametrize("value", [None, 3, [], b"low"])
def test_what_is_no_text_is_refused_by_its_type(value: object) -> None:
    for kind in (TaskDifficulty, ChatStyle, StaticPolicy):
        with pytest.raises(InvalidRequest, match=rf"is given by its name, not as {type(value).__name__}$"):
            kind.parse(value)  # type: ignore[arg-type]
