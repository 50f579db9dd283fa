from __future__ import annotations

import re

import pytest

from statek.exceptions import ModelError
from statek.model import ModelReply, ModelRequest, ModelUsage
from statek.testing import ScriptedModel


def request(turn: int, job_id: str = "j1") -> ModelRequest:
    return ModelRequest("test/model", ({"role": "user", "content": "12345678"},), job_id=job_id, turn=turn)


async def test_the_turn_chooses_the_reply():
    model = ScriptedModel(["zero", lambda asked: f"turn {asked.turn} of {asked.job_id}"])
    replies = [await model.complete(request(turn)) for turn in (1, 0, 1)]
    assert [reply.text for reply in replies] == ["turn 1 of j1", "zero", "turn 1 of j1"]
    assert [asked.turn for asked in model.requests] == [1, 0, 1]
    assert replies[1] == ModelReply("zero", (), ModelUsage(input_tokens=2, output_tokens=1))


async def test_the_end_of_the_script_is_named():
    model = ScriptedModel(["a", "b"])
    text = "the script has 2 replies (turns 0 to 1), turn 2 of job j1 needs another one"
    with pytest.raises(ModelError, match=f"^{re.escape(text)}$") as caught:
        await model.complete(request(2))
    assert not caught.value.retryable
    assert len(model.requests) == 1


async def test_a_delay_is_taken():
    assert (await ScriptedModel(["a"], delay_seconds=0.001).complete(request(0))).text == "a"


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("abc",), TypeError, "replies must be a sequence of replies, got a single str"),
        ((["a", 1],), TypeError, "reply 1 must be a str or a callable, got int"),
        ((["a"], -1), ValueError, "delay_seconds must not be negative, got -1"),
    ],
)
def test_a_script_that_makes_no_sense_is_refused(arguments, error, text):
    with pytest.raises(error) as caught:
        ScriptedModel(*arguments)
    assert str(caught.value) == text
