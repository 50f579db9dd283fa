"""The static policy in a running service: a remark on the console, or a refusal by choice of the agent."""

from __future__ import annotations

from tests.integration.engine.conftest import Open, code, console, steps

NOTE = "note: line 1: import socket: there is no network in this workspace; use the tools of this job"


async def test_advice_is_a_note_and_the_code_runs(open_with: Open) -> None:
    async with open_with([code("import socket\nprint('ran')"), code("exit(1)")]) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        first, _ = steps(await service.job(id_))
    assert first.console == (("note", NOTE), ("print", "ran"))


async def test_off_says_nothing_and_warmup_is_never_looked_at(open_with: Open) -> None:
    replies = [code("import socket\nprint('ran')"), code("exit(1)")]
    async with open_with(replies, metadata={"STATIC_POLICY": "off"}, static_policy="enforce") as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        first, _ = steps(await service.job(id_))
    assert console(first) == ["ran"]


async def test_warmup_is_the_operators_own_and_not_looked_at(open_with: Open) -> None:
    async with open_with([code("exit(1)")], warmup="import socket", static_policy="enforce") as service:
        id_ = await service.submit("helper")
        assert (await service.wait(id_)).failure is None


async def test_enforce_refuses_before_anything_runs_and_the_job_goes_on(open_with: Open) -> None:
    replies = [code("print('before')\nimport socket\neval('1')"), code("d = {'a': 1}\nd['a'] += 1\nexit(d)")]
    async with open_with(replies, metadata={"STATIC_POLICY": "enforce"}) as service:
        id_ = await service.submit("helper")
        summary = await service.wait(id_)
        first, _ = steps(await service.job(id_))
    refusal = (
        "StaticPolicyViolation: line 2, rule network: import socket: there is no network in this workspace; use the "
        "tools of this job; line 3, rule dynamic_code: eval(...): write the code itself instead of running a text"
    )
    assert console(first) == [refusal]
    assert (summary.failure, summary.exit_status) == (None, '{"a":2}')
