"""What a job is given when it is made: a definition made before, a chat style, names of owners."""

from __future__ import annotations

import pytest

from orchestrator.engine.service import Service
from orchestrator.engine.submission import MAX_IDENTITY_CHARS
from statek import tool
from statek.chat_style import ChatStyle
from statek.exceptions import InvalidRequest, LimitExceeded
from statek.job_definition import JobDefinition

from .conftest import Open, code, console, steps

pytestmark = pytest.mark.timeout(60)


async def defined(service: Service) -> JobDefinition:
    """The definition of the first job."""
    return await service._store.read(lambda: JobDefinition.from_json(service._jobs.get(1).definition))


@tool(effect="none")
def first(**kwargs: object) -> str:
    """Give one."""
    return "one"


@tool(effect="none")
def second(**kwargs: object) -> str:
    """Give two."""
    return "two"


async def test_a_definition_made_before_is_what_the_job_runs_on(open_with: Open) -> None:
    replies = [code("print(first(), ready, x)\nsecond()"), code("exit(1)")]
    async with open_with(replies, tools=[first, second], prompt="{shared_var_names}; {unit}") as service:
        agent = service._agents["helper"]
        setup = agent.create_job_def(tools=[first], warmup_code="ready = True", unit="metre", shared_vars=["x"])
        agent.update_metadata({"MODEL": "scripted/other"})
        agent.update_system_prompt("Something else.")
        id_ = await service.submit("helper", shared_vars={"x": 1, "y": 2}, message="go", job_def=setup)
        await service.wait(id_)
        job = await service.job(id_)
        definition = await defined(service)
    assert console(steps(job)[1]) == ["one True 1", "NameError: name 'second' is not defined", "(line 2: second())"]
    assert (definition.model, definition.tool_names, definition.shared_var_names) == (
        "scripted/test",
        ("first",),
        ("x", "y"),
    )


async def test_what_a_definition_fixes_cannot_be_given_beside_it(open_with: Open) -> None:
    async with open_with([]) as service:
        setup = service._agents["helper"].create_job_def(shared_vars=["x"])
        refusals = [
            ({"locale": "PL-PL"}, "locale is fixed by the job definition; give it to create_job_def"),
            ({"chat_style": "DIRECT"}, "chat_style is fixed by the job definition; give it to create_job_def"),
            ({"unit": "metre"}, "unit is fixed by the job definition; give it to create_job_def"),
            ({}, "the job definition names the variable 'x'; give it in shared_vars"),
        ]
        for given, refusal in refusals:
            with pytest.raises(InvalidRequest) as caught:
                await service.submit("helper", job_def=setup, **given)
            assert str(caught.value) == refusal
        foreign = JobDefinition(role="other", agent_class="Agent", metadata={"MODEL": "m"}, prompt="")
        with pytest.raises(InvalidRequest, match="the job definition is for agent 'other', not for 'helper'"):
            await service.submit("helper", job_def=foreign)
        with pytest.raises(InvalidRequest, match="job_def must be a JobDef, not str"):
            await service.submit("helper", job_def="helper")  # type: ignore[arg-type]
        assert await service.jobs() == []


async def test_the_chat_style_of_one_job_goes_before_the_agents(open_with: Open) -> None:
    replies = ["print('ran')", "exit(1)"]
    async with open_with(replies, metadata={"CHAT_STYLE": "MD_DIALOG"}) as service:
        id_ = await service.submit("helper", chat_style="console")
        await service.wait(id_)
        definition = await defined(service)
        job = await service.job(id_)
        with pytest.raises(InvalidRequest, match="chat style 'LOUD' is unknown"):
            await service.submit("helper", chat_style="LOUD")
    assert (definition.chat_style, console(steps(job)[0])) == (ChatStyle.CONSOLE, ["ran"])


@pytest.mark.parametrize("name", ["tools", "warmup_code", "provider_config"])
async def test_a_parameter_cannot_stand_for_an_argument_of_the_definition(open_with: Open, name: str) -> None:
    async with open_with([]) as service:
        with pytest.raises(InvalidRequest, match=f"a job parameter cannot be called '{name}'"):
            await service.submit("helper", **{name: "x"})


@pytest.mark.parametrize("name", ["tenant", "principal"])
async def test_names_of_owners_are_short_and_printable(open_with: Open, name: str) -> None:
    async with open_with([code("exit(1)")]) as service:
        with pytest.raises(LimitExceeded, match=f"limit {name}_chars is 200, "):
            await service.submit("helper", **{name: "x" * (MAX_IDENTITY_CHARS + 1)})
        for text in ("a\nb", "a\0", "\ud800", "\x1b[31m"):
            with pytest.raises(InvalidRequest, match=f"{name} must be a printable text"):
                await service.submit("helper", **{name: text})
        id_ = await service.submit("helper", **{name: "x" * MAX_IDENTITY_CHARS})
        await service.wait(id_)
        with pytest.raises(LimitExceeded, match="principal_chars"):
            await service.past.fork(id_, principal="x" * 1000)
        with pytest.raises(InvalidRequest, match="principal must be"):
            await service.past.roll_back(id_, 0, by="a\rb")
        assert [job.id for job in await service.jobs()] == [id_]
