"""The language of a job's user, from submission to the model's request."""

from __future__ import annotations

import pytest

from statek.exceptions import InvalidRequest
from statek.locale import get_language_rule
from statek.model import ModelRequest

from .conftest import Open, code


async def test_model_is_told_the_language_of_the_user(open_with: Open) -> None:
    requests: list[ModelRequest] = []

    def reply(request: ModelRequest) -> str:
        requests.append(request)
        return code("exit('x')")

    async with open_with([reply]) as service:
        id_ = await service.submit("helper", message="Hej!", locale="pl-PL")
        await service.wait(id_)
        said = [item.text for item in (await service.job(id_)).items if item.kind == "user"]
    [request] = requests
    assert [message["content"] for message in request.messages] == [
        f"Work.\n\n{get_language_rule('PL-PL')}",
        "Hej! (odpowiedz po polsku)",
    ]
    assert said == ["Hej!"]


async def test_unknown_locale_is_refused_at_submission(open_with: Open) -> None:
    async with open_with([]) as service:
        with pytest.raises(InvalidRequest, match="locale 'moon' must be a language and a country, for example EN-US"):
            await service.submit("helper", locale="moon")
