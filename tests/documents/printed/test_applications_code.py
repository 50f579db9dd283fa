"""Blocks that are the application's code or configuration: they run on the host, read by the real parsers."""

from __future__ import annotations

import importlib
import sys
import textwrap
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dbzero
import pytest

import statek
from statek.agents.agent import Agent
from statek.chat_style import ChatStyle
from statek.prompt_config import make_system_prompt, parse_prompt_file
from statek.settings import StatekSettings
from statek.tools import ToolDef
from tests.documents.printed import application as app
from tests.documents.printed.conftest import Application
from tests.documents.printed.printed import block, covers

pytestmark = pytest.mark.timeout(120)
EXIT = "```python\nexit()\n```"


def run(name: str, **names: Any) -> dict[str, Any]:
    """Run a block as printed, with the names that the application has by then."""
    exec(compile(block(name), name, "exec", dont_inherit=True), names)
    return names


def worker(*tools: Any) -> statek.SupervisedAgent:
    return statek.SupervisedAgent("helper", "Work.", _tools=list(tools), _metadata={"MODEL": "scripted/test"})


@covers("core-concepts 5", "agents 7")
@pytest.mark.parametrize("name", ["core-concepts 5", "agents 7"])
def test_functions_become_tools(application: Application, name: str) -> None:
    found = run(name, datetime=datetime)
    tools = [found[tool] for tool in ("current_time", "reserve_room") if tool in found]
    replies = ["```python\nnow = current_time()\nprint(now.year > 2000)\n```", EXIT]
    if len(tools) > 1:
        replies.insert(1, "```python\nmeeting = calendar.events_for(today)[0]\nreserve_room(meeting, 'A12')\n```")
    job = application.work(worker(*tools), replies)
    assert (job.py_env.exceptions, job.py_env.console[0]) == ({}, "True")
    if len(tools) > 1:
        assert job.py_env.local_state["meeting"].room == "A12"


def test_the_docstring_of_a_tool_is_what_the_model_reads() -> None:
    definition = ToolDef.of(run("agents 7", datetime=datetime)["current_time"])
    prompt = Agent("a", "{brief_tools}", _tools=[definition.function]).system_prompt()
    assert (definition.name, "Return the current local time." in prompt) == ("current_time", True)


@covers("core-concepts 6")
def test_the_application_prepares_startup_variables(application: Application) -> None:
    message = application.message
    user = application.store.read_sync(lambda: message.sender)
    names = application.store.read_sync(
        lambda: run("core-concepts 6", current_user=user, queued_message=message, request_date=app.DAY)
    )
    variables = {name: names[name] for name in ("user", "message", "calendar", "today", "timestamp")}
    job = application.work(worker(), ["```python\nexit(len(calendar.events_for(today)))\n```"], variables)
    assert job.py_env.exit_status == 2


@covers("core-concepts 10")
def test_a_durable_class(application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "printed_calendar.py").write_text(block("core-concepts 10"), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    calendar_class = importlib.import_module("printed_calendar").Calendar  # noqa: TID251 - the module of this test
    monkeypatch.delitem(sys.modules, "printed_calendar")

    def make() -> Any:
        calendar = calendar_class()
        calendar.events.append(app.Meeting("Lunch", app.on_the_day(12), 30))
        dbzero.tags(calendar).add("printed")
        return calendar

    variables = {"calendar": application.store.commit_sync(make), "today": date(2026, 3, 16)}
    replies = [f"```python\n{block('core-concepts 11')}print(events[0].title)\n```", EXIT]
    job = application.work(worker(), replies, variables)
    assert (job.py_env.exceptions, job.py_env.console) == ({}, ["Lunch"])


@covers("agents 3")
def test_the_minimal_agent(application: Application) -> None:
    agent = run("agents 3")["agent"]
    assert (agent.role, agent.description) == ("calendar_assistant", "Moves meetings and explains schedule changes.")
    prompt = textwrap.dedent(agent.system_prompt(shared_vars=["user", "calendar"]))
    assert "Available variables: user, calendar" in prompt
    assert "reserve_room" in prompt
    replies = ["```python\nmeeting = reserve_room(calendar.events_for(today)[0], 'A12')\nexit(meeting.room)\n```"]
    assert application.work(agent, replies).py_env.exit_status == "A12"


@covers("agents 11")
def test_an_agent_needs_a_model(application: Application) -> None:
    agent = run("agents 11", Agent=Agent, make_system_prompt=make_system_prompt)["agent"]
    assert agent.system_prompt() == "Analyze the objects in context."
    frozen = agent.create_job_def()
    assert frozen.metadata == {"MODEL": "openai/gpt-5-mini"}
    agent.update_metadata({"MODEL": "openai/other"})
    assert (frozen.metadata["MODEL"], agent.metadata["MODEL"]) == ("openai/gpt-5-mini", "openai/other")
    assert application.work(agent, [EXIT]).status.name == "DONE"


@covers("agents 9")
def test_the_context_of_an_agent(application: Application) -> None:
    agent = Agent("helper", _tools_by_name=["find_available_room"], _metadata={"MODEL": "scripted/test"})
    adapter = object()

    @statek.tool(effect="none")
    def find_available_room(**kwargs: Any) -> str:
        """Find a room."""
        return "A12"

    run(
        "agents 9",
        agent=agent,
        calendar_adapter=adapter,
        Calendar=app.Calendar,
        find_available_room=find_available_room,
    )
    assert agent.get_adapter("calendar_adapter") is adapter
    assert agent.context["Calendar"] is app.Calendar
    job = application.work(agent, ["```python\nexit(find_available_room())\n```"])
    assert job.py_env.exit_status == "A12"


def prompt_file(folder: Path, text: str) -> Path:
    path = folder / "calendar_assistant.md"
    path.write_text(text, encoding="utf-8")
    return path


@covers("agents 6", "chat-styles 1")
def test_prompt_definition_files(tmp_path: Path) -> None:
    found = parse_prompt_file(prompt_file(tmp_path, block("agents 6")))
    description = "Helps users inspect and update their calendar"
    assert found.metadata == {
        "MODEL": "openai/gpt-5-mini", "TEMPERATURE": "0.2", "CHAT_STYLE": "DIRECT", "DESCRIPTION": description
    }  # fmt: skip
    agent = Agent("calendar_assistant", _tools=[app.find_empty_slot])
    agent.apply_prompt_def(found)
    assert agent.description == description
    prompt = agent.system_prompt(shared_vars=["user", "today"])
    assert prompt.startswith("ROLE: Calendar assistant and Python workspace operator.")
    assert "- Available variables: user, today\n\n--- AVAILABLE FUNCTIONS ---\n" in prompt
    assert "find_empty_slot" in prompt

    found = parse_prompt_file(prompt_file(tmp_path, block("chat-styles 1")))
    assert found.metadata == {"MODEL": "openrouter/deepseek/deepseek-chat", "CHAT_STYLE": "MARKDOWN"}
    text = Agent("calendar_assistant", found.system_prompt).system_prompt()
    assert text.startswith("You inspect the durable Python workspace by writing Python in fenced code blocks.\n")


@covers("chat-styles 3", "chat-styles 6", "chat-styles 12")
@pytest.mark.parametrize(
    ("name", "style", "scope"),
    [
        ("chat-styles 3", ChatStyle.MARKDOWN, None),
        ("chat-styles 6", ChatStyle.DIRECT, "SYSTEM"),
        ("chat-styles 12", ChatStyle.DIRECT, "SYSTEM"),
    ],
)
def test_metadata_of_a_chat_style(tmp_path: Path, name: str, style: ChatStyle, scope: str | None) -> None:
    found = parse_prompt_file(prompt_file(tmp_path, f"# MODEL: m/x\n{block(name)}\n# System Prompt\nWork.\n"))
    assert (found.metadata["CHAT_STYLE"], found.metadata.get("LLM_TOOLS_SCOPE")) == (style.name, scope)
    agent = Agent("calendar_assistant")
    agent.apply_prompt_def(found)
    assert agent.create_job_def().chat_style is style


@covers("chat-styles 2", "chat-styles 13", "chat-styles 14")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chat-styles 2", {"chat_style": ChatStyle.MARKDOWN, "examples_style": ChatStyle.MARKDOWN}),
        ("chat-styles 13", {"chat_style": ChatStyle.DIRECT, "examples_style": ChatStyle.MARKDOWN}),
        ("chat-styles 14", {"xml_box_console": "console_output", "xml_box_example": "example"}),
    ],
)
def test_environment_variables(name: str, expected: dict[str, Any]) -> None:
    environ = dict(line.split("=", 1) for line in block(name).splitlines())
    settings = StatekSettings.load(environ=environ)
    assert {setting: getattr(settings, setting) for setting in expected} == expected
