from __future__ import annotations

import enum
import logging
from typing import Any

import pytest

from sandbox_runner.executor.enums import EnumNames, context_enums
from sandbox_runner.wire.values import EnumValue, decode, encode
from statek.agents.agent import Agent
from statek.context_enums import encoded_enums
from statek.exceptions import InvalidRequest


class Colour(enum.Enum):
    RED = 1
    CRIMSON = RED
    BLUE = 2


class Painter(Agent):
    def init_context(self) -> dict[str, Any]:
        class Local(enum.Enum):
            A = 1

        return {"Colour": Colour, "_Colour": Colour, "no name": Colour, "Local": Local, "client": object(), "int": int}


class Broken(Agent):
    def init_context(self) -> dict[str, Any]:
        raise OSError("no network")


def test_enums_of_modules_are_told_by_name_with_their_aliases() -> None:
    painter = Painter("painter")
    red, blue = EnumValue(__name__, "Colour", "RED"), EnumValue(__name__, "Colour", "BLUE")
    assert painter.has_context
    assert decode(encoded_enums(painter)) == {"Colour": {"RED": red, "CRIMSON": red, "BLUE": blue}}
    assert context_enums(encoded_enums(painter)) == {"Colour": Colour}


def test_an_agent_without_a_context_has_none() -> None:
    agent = Agent("plain")
    assert (agent.has_context, encoded_enums(agent), context_enums(b"")) == (False, b"", {})
    agent.context["Colour"] = Colour
    assert agent.has_context


def test_a_context_that_cannot_be_made_is_named_and_leaves_the_job_its_work(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert encoded_enums(Broken("painter")) == b""
    assert caplog.messages == ["the context of agent painter cannot be made: OSError: no network"]


def test_more_than_a_step_is_told_of_is_refused() -> None:
    agent = Agent("painter")
    many = enum.Enum("Many", {f"member_{'x' * 60}_{n}": n for n in range(3000)}, module=__name__)
    globals()["Many"] = many
    agent.context["Many"] = many
    with pytest.raises(
        InvalidRequest, match=r"^the enums in the context of agent 'painter' need more than 262144 bytes$"
    ):
        encoded_enums(agent)
    del globals()["Many"]


def test_names_without_a_class_behave_like_an_enum() -> None:
    away = [EnumValue("elsewhere_of_this_test", "Level", name) for name in ("LOW", "HIGH")]
    [(name, level)] = context_enums(encode({"Level": {"LOW": away[0], "HIGH": away[1], "TOP": away[1]}})).items()
    assert (name, type(level), level.TOP is level.HIGH, list(level), len(level)) == ("Level", EnumNames, True, away, 2)
    assert (level(level.LOW), level["TOP"], away[0] in level, isinstance(away[1], level)) == (
        away[0],
        away[1],
        True,
        True,
    )
    with pytest.raises(AttributeError, match=r"^Level has no member 'MEDIUM'; it has LOW, HIGH, TOP$"):
        _ = level.MEDIUM
