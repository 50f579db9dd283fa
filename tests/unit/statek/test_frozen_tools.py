"""What a job keeps of its tools, and what it gets in the place of those that have changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek import tool
from statek.agents.agent import SupervisedAgent
from statek.exceptions import InvalidRequest, ToolChanged
from statek.frozen_tools import FrozenTools
from statek.job_definition import JobDefinition
from statek.tools import ToolDef


class Unit:
    """A default whose representation has an address."""


@tool(effect="none")
def measure(what: str, unit: Any = Unit(), **kwargs: object) -> int:  # noqa: B008 -- what is tested
    """Measure.

    Args:
        what: the thing.
        unit: of the number.
    """
    return len(what)


@tool(hidden=True)
def watch(**kwargs: object) -> None:
    """Watch."""


def agent(*tools: Any, prompt: str = "{brief_tools}") -> SupervisedAgent:
    return SupervisedAgent("frozen", prompt, list(tools), _metadata={"MODEL": "m", "LLM_TOOLS_SCOPE": "+measure"})


def test_what_is_frozen_survives_json_and_changes_with_nothing() -> None:
    made = agent(measure, watch, prompt="{tools} {detailed_tools}").create_job_def()
    again = JobDefinition.from_json(made.to_json())
    assert again.tools == made.tools
    assert made.tools is not None
    assert (sorted(made.tools.signatures), made.tools.hidden) == (["measure", "watch"], ("watch",))
    assert " at 0x" not in made.to_json()
    assert sorted(made.tools.texts) == ["brief_tools", "detailed_tools"]
    assert list(made.tools.specs) == ["measure"]
    live = [ToolDef.of(measure), ToolDef.of(watch)]
    assert made.tools.checked(live) == live
    assert JobDefinition.from_json(made.to_json().replace('"tools": {', '"was": {')).tools is None


def test_only_the_texts_that_the_prompt_has_are_kept() -> None:
    for prompt, kept in (("Work.", []), ("{tools}", ["brief_tools"]), ("# {detailed_tools}", ["detailed_tools"])):
        made = agent(measure, prompt=prompt).create_job_def()
        assert made.tools is not None
        assert sorted(made.tools.texts) == kept


def test_the_prompt_says_what_it_said() -> None:
    before = agent(measure)
    made = before.create_job_def()

    @tool(effect="none")
    def measure_otherwise(what: str, unit: Any = Unit(), **kwargs: object) -> int:  # noqa: B008
        """Measure it another way."""
        return 0

    measure_otherwise.__name__ = "measure"
    after = agent(measure_otherwise)
    assert made.system_prompt(after) == made.system_prompt(before)
    assert "another way" in after.create_job_def().system_prompt(after)


def test_changed_and_missing_tools_say_so_when_they_are_called() -> None:
    made = agent(measure, watch).create_job_def()

    @tool(effect="external")
    def measure_more(what: str, **kwargs: object) -> int:
        """Measure."""
        raise AssertionError("nobody may call it")

    measure_more.__name__ = "measure"
    changed, gone = [one for one in made.resolve_tools(agent(measure_more)) if not one.system]
    assert (changed.name, changed.effect, changed.hidden) == ("measure", "none", False)
    assert (gone.name, gone.hidden, gone.internal) == ("watch", True, True)
    with pytest.raises(ToolChanged) as caught:
        changed.function("a", unit=1)
    assert caught.value.tool == "measure"
    assert str(caught.value) == (
        f"tool measure has changed since this job was made: it was {made.tools.signatures['measure']}, "  # type: ignore[union-attr]
        "it is (what: str) -> int"
    )
    with pytest.raises(ToolChanged, match="tool watch has changed since this job was made: it is not there any more"):
        gone.function()
    assert [one.name for one in made.provider_tools(agent(measure_more))] == ["measure"]
    assert made.provider_specs([changed]) == (made.tools.specs["measure"],)  # type: ignore[union-attr]


def test_tools_that_an_agent_gained_do_not_widen_a_job() -> None:
    made = agent(measure).create_job_def()
    assert [one.name for one in made.resolve_tools(agent(measure, watch)) if not one.system] == ["measure"]


LEAVES = st.none() | st.integers() | st.text()
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(JSON)
def test_anything_else_is_no_definition(data: Any) -> None:
    text = JobDefinition(role="r", agent_class="Agent", metadata={"MODEL": "m"}, prompt="").to_json()
    broken = json.dumps({**json.loads(text), "tools": {"signatures": data}})
    with pytest.raises(InvalidRequest, match="no job definition: "):
        JobDefinition.from_json(broken)


def test_frozen_tools_of_nothing() -> None:
    assert FrozenTools.of([], prompt="{tools}", offered=[]).checked([]) == []
