"""What the store keeps of an agent, and how a later process finds it again."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType

import pytest

from statek import tool
from statek.agents.agent import Agent, SupervisedAgent
from statek.agents.registry import agent_digest, agent_source, describe_agent, import_agent, made_agent, missing_agents
from statek.exceptions import ConfigurationError, InvalidRequest
from statek.executors.views import AgentView

MODEL = {"MODEL": "scripted/test"}


@tool(effect="none")
def look(what: str, **kwargs: object) -> str:
    """Look."""
    return what


class Custom(SupervisedAgent):
    """A class with a constructor of its own."""

    def __init__(self, role: str) -> None:
        super().__init__(role, "Work.", [look], _metadata=MODEL)


held = Custom("registry-held")
several = [Custom("registry-first"), Custom("registry-second")]


def view(agent: Agent) -> AgentView:
    return describe_agent(agent, None, 5)


def test_an_agent_is_found_under_the_name_that_its_module_gives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, held.made_in, sys.modules[__name__])
    assert held.made_in == __name__
    assert agent_source(held) == f"{__name__}:held"
    assert [agent_source(one) for one in several] == [f"{__name__}:several"] * 2
    assert [import_agent(view(one)) for one in (held, *several)] == [held, *several]


def test_what_is_kept_of_an_agent() -> None:
    first = describe_agent(held, None, 5)
    assert (first.role, first.agent_class, first.created_us, first.changed_us, first.seen_us) == (
        "registry-held",
        f"{__name__}:Custom",
        5,
        5,
        5,
    )
    same = describe_agent(held, first, 6)
    assert (same.created_us, same.changed_us, same.seen_us) == (5, 5, 6)
    other = describe_agent(held, replace(first, digest="other"), 7)
    assert (other.created_us, other.changed_us, other.seen_us) == (5, 7, 7)
    wordy = SupervisedAgent("registry-wordy", _description="x" * 10_000)
    assert len(view(wordy).description) == 500


def test_the_digest_is_of_everything_that_an_agent_says() -> None:
    def made(**changed: object) -> str:
        given: dict[str, object] = {"_system_prompt": "a", "_tools": [look], "_metadata": MODEL, "warmup_def": "x = 1"}
        return agent_digest(SupervisedAgent("registry-digest", **{**given, **changed}))

    @tool(effect="none")
    def renamed(what: str, **kwargs: object) -> str:
        """Look."""
        return what

    digests = {
        made(),
        made(_system_prompt="b"),
        made(_tools=[]),
        made(_tools=[renamed]),
        made(_metadata={}),
        made(warmup_def="x = 2"),
        made(_description="d"),
    }
    assert (len(digests), made()) == (7, made())


def test_what_cannot_be_found_again_is_named_with_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    local = Custom("registry-local")
    assert agent_source(local) == ""
    start = f"agent 'registry-local' of this store, a {__name__}:Custom, "
    with pytest.raises(ConfigurationError) as caught:
        import_agent(view(local))
    assert str(caught.value) == (
        f"{start}was made in {__name__} and is held there under no name; give it to start_statek, or keep it in a "
        "module's variable"
    )
    gone = replace(view(local), source="no_such_module_of_agents:held")
    with pytest.raises(ConfigurationError) as caught:
        import_agent(gone)
    assert str(caught.value) == (
        f"{start}is to be found at no_such_module_of_agents:held, which cannot be imported: ModuleNotFoundError: "
        "No module named 'no_such_module_of_agents'"
    )
    other = ModuleType("module_of_other_agents")
    other.held = several  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "module_of_other_agents", other)
    for attribute in ("held", "missing"):
        with pytest.raises(ConfigurationError, match=r"is not at module_of_other_agents:\w+ any more"):
            import_agent(replace(view(local), source=f"module_of_other_agents:{attribute}"))


def test_agents_of_a_script_are_held_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    script = ModuleType("__main__")
    script.held = held  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "__main__", script)
    monkeypatch.setattr(held, "_made_in", "__main__")
    assert agent_source(held) == ""
    script.__spec__ = sys.modules["json"].__spec__
    assert agent_source(held) == "json:held"


def test_the_only_agent_of_a_role_is_found_by_it() -> None:
    first = Custom("registry-twin")
    assert made_agent("registry-twin") is first
    second = Custom("registry-twin")
    with pytest.raises(InvalidRequest, match="2 agents of this process have the role 'registry-twin'"):
        made_agent("registry-twin")
    del second
    assert made_agent("registry-nobody") is None


def test_missing_agents_are_those_that_nobody_has() -> None:
    stored = {role: replace(view(held), role=role) for role in ("b", "a", "c")}
    assert [one.role for one in missing_agents(["b"], stored)] == ["a", "c"]
