from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from statek.agents import Agent, SupervisedAgent
from statek.chat_style import ChatStyle
from statek.difficulty import TaskDifficulty
from statek.exceptions import ConfigurationError, InvalidRequest
from statek.job_definition import JobDefinition
from statek.prompt_config import make_system_prompt
from statek.settings import StatekSettings, set_statek_settings
from statek.system import tool
from statek.warmup import WarmupBlock


@tool
def reserve_room(meeting, room, **kwargs):
    """Reserve it."""
    return meeting


@tool(hidden=True)
def plumbing(**kwargs):
    """Never shown."""


def _internal(**kwargs):
    """Never shown."""


def plain(day):
    """Plain."""


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    """Settings of the test alone: neither a file nor the environment."""
    set_statek_settings(StatekSettings())
    yield
    set_statek_settings(None)


def make(cls: type[Agent] = Agent, **changes: Any) -> Agent:
    fields: dict[str, Any] = {
        "role": "calendar_assistant",
        "_system_prompt": make_system_prompt("You see {shared_var_names} on {day}.\n{brief_tools}"),
        "_tools": [reserve_room, _internal, plumbing, plain],
        "_metadata": {"MODEL": "openai/gpt-5-mini"},
    }
    return cls(**{**fields, **changes})


def test_tools_with_an_underscore_become_internal() -> None:
    agent = make()
    assert agent.all_tools == [reserve_room, plumbing, plain, _internal]
    flags = [(found.name, found.hidden, found.internal) for found in agent.tool_defs() if not found.system]
    assert flags == [
        ("reserve_room", False, False),
        ("plumbing", True, False),
        ("plain", False, False),
        ("_internal", False, True),
    ]
    assert repr(agent) == "Agent(role='calendar_assistant')"


def test_whatever_is_given_as_internal_is_internal_and_hidden() -> None:
    agent = make(_tools=[], _internal_tools=[plain])
    flags = [(found.name, found.internal, found.hidden) for found in agent.tool_defs() if not found.system]
    assert flags == [("plain", True, True)]


def test_tools_by_name_come_from_the_context() -> None:
    class Dynamic(Agent):
        def init_context(self) -> dict[str, Any]:
            return {"find": plain, "_send": _internal}

    agent = make(Dynamic, _tools=[], _tools_by_name=["find", "_send"])
    assert agent.all_tools == [plain, _internal]
    assert [found.name for found in agent.tool_defs() if not found.system] == ["find", "_send"]
    with pytest.raises(InvalidRequest, match=r"^agent 'calendar_assistant': tool 'find' is not in its context$"):
        make(_tools_by_name=["find"]).tool_defs()


def test_adapters_are_found_by_their_key_variants() -> None:
    agent = make()
    agent.context.update({"_calendar_adapter": 1, "calendar_adapter": None, "__other": 2})
    assert tuple(agent.get_adapter(name) for name in ("calendar_adapter", "other", "none")) == (1, 2, None)


def test_updates_say_whether_they_changed_anything() -> None:
    agent = make()
    metadata = {"MODEL": "m"}
    assert (agent.update_metadata(metadata), agent.update_metadata(metadata)) == (True, False)
    metadata["MODEL"] = "changed later"
    assert agent.metadata == {"MODEL": "m"}
    assert (agent.update_system_prompt("x"), agent.update_system_prompt(make_system_prompt("x"))) == (True, False)
    assert (agent.update_description("d"), agent.update_description("d"), agent.description) == (True, False, "d")


def test_the_system_prompt() -> None:
    agent = make(_system_prompt="{day} {shared_var_names}\n{brief_tools}\n## H: HARD\nthink")
    expected = "monday a, b\nreserve_room(meeting, room)\n    Reserve it.\n\nplain(day)\n    Plain."
    assert agent.system_prompt("M", {"shared_vars": ["a", "b"]}, day="monday") == expected
    assert agent.system_prompt(TaskDifficulty.HIGH, {"shared_vars": ["a", "b"]}, day="monday") == (
        f"{expected}\n\n--- HARD ---\nthink"
    )
    assert make(_system_prompt=None).system_prompt() == ""


def test_a_job_definition_is_a_copy() -> None:
    agent = make(
        _metadata={"model": "L:a/b,MH:c", "PROVIDER": "OPENROUTER", "TEMPERATURE": "0.5", "api_base": "http://x"}
    )
    days = ["monday"]
    definition = agent.create_job_def(warmup_code="x = 1", shared_vars={"user": object()}, locale="EN-US", day=days)
    agent.update_metadata({"MODEL": "other"})
    agent.update_system_prompt("other")
    days.append("tuesday")
    assert definition.system_prompt(agent).split("\n")[0] == "You see user on ['monday']."
    assert dict(definition.metadata) == {
        "MODEL": "L:a/b,MH:c",
        "PROVIDER": "OPENROUTER",
        "TEMPERATURE": "0.5",
        "API_BASE": "http://x",
    }
    models = [definition.model_for(difficulty) for difficulty in TaskDifficulty]
    assert models == ["openrouter/a/b", "openrouter/c", "openrouter/c"]
    assert (definition.model, definition.temperature, definition.model_options) == (
        "L:openrouter/a/b,M:openrouter/c,H:openrouter/c",
        0.5,
        {"api_base": "http://x"},
    )
    assert ("Agent", "EN-US", (WarmupBlock("x = 1"),)) == (definition.agent_class, definition.locale, definition.warmup)
    with pytest.raises(dataclasses.FrozenInstanceError):
        definition.role = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        definition.metadata["MODEL"] = "x"  # type: ignore[index]


def test_a_job_definition_survives_json() -> None:
    agent = make(SupervisedAgent, warmup_def="f(1, a=None) #STATEK: as tool\n#STATEK: hidden = True\ny = 2")
    definition = agent.create_job_def(warmup_code="x = 1", shared_vars=["user"], day={"a": [1, None, "é\ud800"]})
    again = JobDefinition.from_json(definition.to_json())
    assert definition == again
    assert definition.to_json() == again.to_json()
    assert [block.hidden for block in again.warmup] == [False, True]


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"role": 1}'])
def test_what_is_no_job_definition(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^no job definition: "):
        JobDefinition.from_json(text)


def test_the_jobs_warmup_runs_before_the_agents() -> None:
    agent = make(SupervisedAgent, warmup_def="mine = 1")
    assert isinstance(agent, SupervisedAgent)
    assert [block.code for block in agent.create_job_def(warmup_code="job = 1").warmup] == ["job = 1", "mine = 1"]
    assert (agent.update_warmup_def("mine = 1"), agent.update_warmup_def("mine = 2")) == (False, True)
    with pytest.raises(InvalidRequest):
        agent.update_warmup_def("(")
    assert agent.warmup_def == (WarmupBlock("mine = 2"),)


def test_chat_style_and_difficulty_by_precedence() -> None:
    agent = make(_metadata={"MODEL": "m", "chat_style": "direct", "default_difficulty": "high"})
    assert ChatStyle.CONSOLE is agent.create_job_def(chat_style="console").chat_style
    assert (
        agent.create_job_def().chat_style,
        agent.create_job_def().difficulty,
    ) == (ChatStyle.DIRECT, TaskDifficulty.HIGH)
    set_statek_settings(StatekSettings(chat_style=ChatStyle.MD_DIALOG, default_difficulty=TaskDifficulty.LOW))
    assert (
        make().create_job_def().chat_style,
        make().create_job_def().difficulty,
    ) == (ChatStyle.MD_DIALOG, TaskDifficulty.LOW)


def test_a_job_uses_tools_of_its_agent_only() -> None:
    agent = make()
    definition = agent.create_job_def(tools=[plain])
    agent.append_tool(make_other_tool())
    assert [found.name for found in definition.resolve_tools(agent) if not found.system] == ["plain"]
    with pytest.raises(InvalidRequest) as caught:
        make().create_job_def(tools=[make_other_tool()])
    assert str(caught.value) == "agent 'calendar_assistant' has no tool other; a job can only use its agent's tools"


def make_other_tool() -> Any:
    def other(**kwargs: object) -> None:
        """Other."""

    return other


@pytest.mark.parametrize(
    ("metadata", "params", "message"),
    [
        (None, {}, "agent 'calendar_assistant' has no MODEL in its metadata"),
        ({"MODEL": " "}, {}, "agent 'calendar_assistant': MODEL is empty"),
        (
            {"MODEL": "m", "TEMPERATURE": "2"},
            {},
            "agent 'calendar_assistant': TEMPERATURE '2' must be a number from 0 to 1",
        ),
        ({"MODEL": 5}, {}, "agent 'calendar_assistant': metadata MODEL must be text, not int"),
        (
            {"MODEL": "m"},
            {"day": object},
            (
                "job parameter 'day' is no JSON value: Object of type type is not JSON serializable; "
                "pass objects in shared_vars"
            ),
        ),
        ({"MODEL": "m"}, {"day": (1,)}, "job parameter 'day' does not survive JSON unchanged; pass it in shared_vars"),
    ],
)
def test_broken_setups_are_refused(metadata: Any, params: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        make(_metadata=metadata).create_job_def(**params)
    assert str(caught.value) == message


def test_broken_agents_are_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"^an agent needs a role, not ' '$"):
        Agent(" ")
    with pytest.raises(InvalidRequest, match=r"^agent 'calendar_assistant' has two tools named plain$"):
        make(_tools=[plain], _internal_tools=[plain])


def test_a_prompt_file_replaces_prompt_and_metadata(tmp_path: Path) -> None:
    (tmp_path / "calendar_assistant.md").write_text(
        "# MODEL: file/model\n# DESCRIPTION: d\n# System Prompt\nFrom file."
    )
    set_statek_settings(StatekSettings(prompt_files_dir=tmp_path))
    agent = make()
    assert (agent.system_prompt(), agent.metadata["MODEL"], agent.description) == ("From file.", "file/model", "d")
    assert make(role="other").metadata["MODEL"] == "openai/gpt-5-mini"
    (tmp_path / "calendar_assistant.md").write_text("nothing")
    with pytest.raises(ConfigurationError):
        make()


def test_errors_of_a_definition_are_asked_of_the_service() -> None:
    with pytest.raises(ConfigurationError, match=r"call statek\.init first"):
        make().create_job_def().get_errors()


def test_resources_of_other_agents_are_refused_and_not_forgotten() -> None:
    lent = Agent("lent", _metadata={"MODEL": "m", "EXTRA_RESOURCES": "LM:assistant,H:helpdesk"})
    with pytest.raises(
        InvalidRequest, match=r"^agent 'lent': EXTRA_RESOURCES is not taken: what an agent may reach is "
    ):
        lent.create_job_def()


def test_reasoning_is_refused_and_jobs_that_have_it_stay_readable() -> None:
    with pytest.raises(
        InvalidRequest,
        match=r"^agent 'r': REASONING is not taken: use rl= in MODEL, for example openai/gpt-5-mini/rl=60$",
    ):
        Agent("r", _metadata={"MODEL": "m", "reasoning": "high"}).create_job_def()
    kept = json.loads(Agent("r", _metadata={"MODEL": "m"}).create_job_def().to_json())
    kept["metadata"]["REASONING"] = "high"
    old = JobDefinition.from_json(json.dumps(kept))
    assert (old.metadata["REASONING"], old.model_options) == ("high", {})
    assert json.loads(old.to_json()) == kept
