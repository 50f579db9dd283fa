"""The system tools as formal calls of a DIRECT job, in OpenAI's, Anthropic's and Gemini's form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from statek import system, tool
from statek.agents.agent import SupervisedAgent
from statek.documents import forget_documents
from statek.examples import forget_examples
from statek.testing import scripted_call, scripted_reply
from tests.integration.models.conftest import Ask
from tests.integration.models.shapes import SHAPES, said

pytestmark = pytest.mark.timeout(90)

SYSTEM_TOOLS = {
    "brief",
    "docstr",
    "find_sub_task_handler",
    "list_of_documents",
    "list_of_examples",
    "panic",
    "print_locals",
    "python_cli",
    "shared_context_set_var",
    "show_document",
    "show_example",
}


@tool(effect="none")
def reserve(room: str, seats: int = 2, **kwargs: object) -> str:
    """Reserve a room.

    It must be free.

    Args:
        room: its name
        seats: how many

    Returns:
        str: number of the reservation
    """
    return f"{room}/{seats}"


@pytest.fixture
def library(tmp_path: Path) -> dict[str, Path]:
    """A folder of examples and one of documents, as settings."""
    forget_documents()
    forget_examples()
    role, documents = tmp_path / "examples" / "helper", tmp_path / "documents"
    role.mkdir(parents=True)
    documents.mkdir()
    (role / "a.md").write_text("# name: Sum\n# seq_id: 1\n```python\nprint(1 + 1)\n```\n2\n")
    (documents / "a.md").write_text("# ord_no: 1\n# topic: Travel\n# title: Trains\nline 0\nline 1\n")
    return {"examples_dir": tmp_path / "examples", "documents_dir": documents}


def offered(shape: str, body: Any) -> dict[str, dict[str, Any]]:
    """The parameters of each tool of a request, by its name."""
    if shape == "openai":
        return {one["function"]["name"]: one["function"]["parameters"] for one in body["tools"]}
    if shape == "anthropic":
        return {one["name"]: one["input_schema"] for one in body["tools"]}
    declared = [one for group in body["tools"] for one in group.get("function_declarations", ())]
    return {one["name"]: one.get("parameters", {}) for one in declared}


def results(shape: str, body: Any) -> list[str]:
    """What the calls of a request answered, in order."""
    return [text.removeprefix("-> ") for _, text in said(shape, body) if text.startswith("-> ")]


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_system_tool_is_called_by_the_provider(ask: Ask, library: dict[str, Path], shape: str) -> None:
    agent = SupervisedAgent(
        "helper",
        "Work.",
        [reserve],
        _metadata={"MODEL": "set later", "CHAT_STYLE": "DIRECT", "LLM_TOOLS_SCOPE": "SYSTEM"},
    )
    calls = [
        scripted_call("brief", "c1", what="reserve"),
        scripted_call("docstr", "c2", what="reserve"),
        scripted_call("list_of_examples", "c3"),
        scripted_call("show_example", "c4", example_id=0),
        scripted_call("list_of_documents", "c5"),
        scripted_call("list_of_documents", "c6", topic="Travel"),
        scripted_call("show_document", "c7", key="Trains", limit=1),
        scripted_call("panic", "c8"),
        scripted_call("panic", "c9"),
        scripted_call("python_cli", "d1", code="x = reserve('blue')\nx"),
        scripted_call("docstr", "d2", what="nothing"),
        scripted_call("find_sub_task_handler", "d3", id="t9"),
    ]
    replies = [scripted_reply("", *calls), scripted_reply("", scripted_call("python_cli", "e1", code="x")), "Done."]
    ready = [scripted_reply(one) if isinstance(one, str) else one for one in replies]
    bodies, job = await ask(shape, agent, ready, **library)
    assert set(offered(shape, bodies[0])) == SYSTEM_TOOLS
    assert set(offered(shape, bodies[0])["show_document"]["properties"]) == {"key", "topic", "start_from", "limit"}
    answers = results(shape, bodies[1])
    assert answers[0] == "reserve(room, seats=2)\n    Reserve a room.\n    Returns: number of the reservation"
    assert answers[1].startswith("def reserve(room: str, seats: int = 2) -> str:\n")
    assert answers[2:] == [
        "# Example ID: Example name (1 total)\n0: Sum",
        '# --- EXAMPLE: Sum ---\npython_cli(code="""\nprint(1 + 1)\n""")\n2\n# --- END OF EXAMPLE ---',
        "# Topic ID: Topic name (1 total)\n0: Travel",
        "# Document ID: Document name (1 total)\n0: Trains",
        "# Trains (lines 0-1/2)\nline 0",
        "# Difficulty increased to high. Continue with the harder task.",
        "RuntimeError: Job is already at high difficulty: high",
        "blue/2",
        "NameError: name 'nothing' is not defined",
        "RuntimeError: this job has no sub-task with id=t9",
    ]
    assert results(shape, bodies[2])[-1] == "blue/2"
    assert job.summary.turns == 3


@pytest.fixture
def town_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system tool of the application; gone after the test."""
    monkeypatch.setattr(system, "_system_tools", dict(system._system_tools))

    @tool(system=True, effect="none")
    def town_clock(town: str, **kwargs: object) -> str:
        """Tell the time of a town."""
        return f"noon in {town}"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.usefixtures("town_clock")
async def test_a_system_tool_of_the_application_is_in_every_job(ask: Ask, shape: str) -> None:
    """No agent lists it: it is formal within SYSTEM, and a name of the workspace."""
    agent = SupervisedAgent(
        "helper", "Work.", _metadata={"MODEL": "set later", "CHAT_STYLE": "DIRECT", "LLM_TOOLS_SCOPE": "SYSTEM"}
    )
    replies = [
        scripted_reply("", scripted_call("town_clock", "c1", town="Ulm")),
        scripted_reply("", scripted_call("python_cli", "c2", code="print(town_clock('Bonn'))")),
        scripted_reply("", scripted_call("python_cli", "c3", code="exit(town_clock('Rome'))")),
    ]
    bodies, job = await ask(shape, agent, replies)
    assert offered(shape, bodies[0]).keys() == SYSTEM_TOOLS | {"town_clock"}
    assert results(shape, bodies[2]) == ["noon in Ulm", "noon in Bonn"]
    assert job.summary.exit_status == "noon in Rome"
