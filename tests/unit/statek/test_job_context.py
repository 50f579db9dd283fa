from __future__ import annotations

from types import SimpleNamespace

import pytest

import statek
from statek import utils
from statek.exceptions import InvalidRequest
from statek.testing import statek_context
from statek.tools import ToolContext, tool_context


class Memory:
    agent = SimpleNamespace(role="helper")
    tasks = SimpleNamespace(job=lambda job_id: f"the job {job_id}")

    def __init__(self) -> None:
        self.kept: dict[str, object] = {}

    def memory_get(self, key, default=None):
        return self.kept.get(key, default)

    def memory_set(self, key, value):
        self.kept[key] = value


def test_outside_of_a_job_there_is_none():
    assert (statek.get_current_job(), statek.get_current_agent(), statek.get_current_agent_name()) == (None, None, None)
    for call in (lambda: utils.perm_ctx_get("k"), lambda: utils.statek_ctx_set("k", 1)):
        with pytest.raises(
            InvalidRequest, match=r"^no job is served here: this code was not called as a tool of a job$"
        ):
            call()


def test_a_test_names_job_and_agent():
    with statek_context(job="the job", agent=SimpleNamespace(role="tester")):
        utils.perm_ctx_set("seen", 3)
        assert (utils.perm_ctx_set_unique("seen", 4), utils.perm_ctx_set_unique("new", 5)) == (False, True)
        utils.statek_ctx_set("x", 1)
        assert (
            statek.get_current_job(),
            statek.get_current_agent_name(),
            utils.perm_ctx_get("seen"),
            utils.perm_ctx_get("new"),
            utils.statek_ctx_get("x"),
            utils.statek_ctx_get("y", 2),
        ) == ("the job", "tester", 3, 5, 1, 2)
    assert statek.get_current_job() is None


def test_a_tool_call_is_served_for_its_own_job():
    job = Memory()
    with tool_context(ToolContext("j1", job=job)):  # type: ignore[arg-type]
        utils.perm_ctx_set("k", 1)
        utils.statek_ctx_set("x", 1)
        assert (statek.get_current_job(), statek.get_current_agent_name(), utils.statek_ctx_get("x")) == (
            "the job j1",
            "helper",
            1,
        )
        with statek_context(agent=SimpleNamespace(role="other")):
            assert statek.get_current_agent_name() == "other"
    with tool_context(ToolContext("j2", job=job)):  # type: ignore[arg-type]
        assert (utils.perm_ctx_get("k"), utils.statek_ctx_get("x")) == (1, None)
