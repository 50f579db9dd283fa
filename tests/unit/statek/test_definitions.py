from __future__ import annotations

from pathlib import Path

import pytest

from statek import update_prompt_config, update_warmup_defs
from statek.agents.agent import Agent, SupervisedAgent
from statek.exceptions import ConfigurationError
from statek.prompt_config import load_prompt_files

META = {"MODEL": "scripted/test"}


def test_prompts_reach_the_agents_of_their_role_and_no_job_made_before(tmp_path: Path):
    (tmp_path / "helper.md").write_text("# MODEL: other/model\n# DESCRIPTION: helps\n# System Prompt\nNew words.")
    helper, other = Agent("helper", "Old words.", _metadata=META), Agent("other", "Mine.", _metadata=META)
    before = helper.create_job_def()
    definitions = load_prompt_files(tmp_path)
    assert update_prompt_config(definitions, [helper, other]) == ["helper"]
    assert update_prompt_config(definitions, [helper, other]) == []
    assert (helper.system_prompt(), helper.description, other.system_prompt()) == ("New words.", "helps", "Mine.")
    assert (before.prompt, before.metadata["MODEL"], helper.create_job_def().prompt) == (
        "Old words.",
        "scripted/test",
        "New words.",
    )


def test_every_agent_of_the_process_is_meant_where_none_is_named(tmp_path: Path):
    (tmp_path / "only-here.md").write_text("# System Prompt\nFound.")
    agent = Agent("only-here", "Old.")
    assert (update_prompt_config(load_prompt_files(tmp_path)), agent.system_prompt()) == (["only-here"], "Found.")


def test_warmups_reach_supervised_agents(tmp_path: Path):
    (tmp_path / "helper.py").write_text("x = 1\n# ----------\ny = 2\n")
    (tmp_path / "plain.py").write_text("x = 1\n")
    (tmp_path / "helper.txt").write_text("nothing")
    agents = [SupervisedAgent("helper"), Agent("plain"), SupervisedAgent("../helper"), SupervisedAgent("third")]
    assert (update_warmup_defs(tmp_path, agents), update_warmup_defs(tmp_path, agents)) == (["helper"], [])
    assert [block.code for block in agents[0].warmup_def] == ["x = 1", "y = 2"]  # type: ignore[attr-defined]
    (tmp_path / "helper.py").write_text("x = (\n")
    with pytest.raises(ConfigurationError) as caught:
        update_warmup_defs(tmp_path, agents)
    assert (
        str(caught.value) == f"warmup file {tmp_path / 'helper.py'}: warmup block 1, code line 1: '(' was never closed"
    )
    with pytest.raises(ConfigurationError, match=r"^warmup_defs_dir .*/nowhere is no directory$"):
        update_warmup_defs(tmp_path / "nowhere", agents)
