"""Export and import as an application does them: what durable objects leave behind is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import statek
from statek import durable
from statek.exceptions import InvalidArchive, InvalidRequest, NotFound
from statek.job_status import JobStatus
from statek.pyenv import UnreadableValue
from statek.settings import StatekSettings
from statek.testing import ScriptedModel

from .model import Pad

pytestmark = pytest.mark.timeout(120)

FIRST = """```python
pads = [pad, pad]
read = lambda: pads[0]
class Box:
    pass
box = Box()
box.pad = pad
plain = 5
```"""
REPLIES = [FIRST, "```python\n_handle_count = lambda: 7\nexit('done')\n```"]
FORK = ["```python\nexit(plain + _handle_count())\n```"]
LOST = "a durable object stays in the store that it belongs to; it did not come with the imported job"


def agent() -> statek.SupervisedAgent:
    return statek.SupervisedAgent("writer", "Write notes.", _metadata={"MODEL": "scripted/test"})


def drive(*replies: str) -> None:
    statek.start_statek(agent(), model=ScriptedModel(replies), until_idle=True)


def test_variables_that_reach_durable_objects_are_named_as_lost(settings: StatekSettings, tmp_path: Path) -> None:
    service = statek.init(settings=settings)

    def make_pad() -> Pad:
        pad = Pad()
        durable.tag(pad, "desk")
        return pad

    pad = service.store.commit_sync(make_pad)
    job = statek.StatekClientAPI().submit_new_job(agent(), {"pad": pad})
    drive(*REPLIES)
    target = tmp_path / "job.statek"
    size = job.export(target)
    assert (target.stat().st_size, target.stat().st_mode & 0o777) == (size, 0o600)
    with pytest.raises(InvalidRequest, match="is there already"):
        job.export(target)
    with pytest.raises(NotFound):
        job.export(tmp_path / "nowhere" / "job.statek")
    statek.close()

    statek.init(settings=replace(settings, data_dir=tmp_path / "other"))
    client = statek.StatekClientAPI()
    (tmp_path / "none.statek").write_bytes(b"none")
    with pytest.raises(InvalidArchive):
        client.import_job(tmp_path / "none.statek")
    with pytest.raises(InvalidRequest, match="cannot be read"):
        client.import_job(tmp_path / "missing.statek")
    here = client.import_job(target, request_id="once")
    assert client.import_job(target, request_id="once").id == here.id
    assert here.status is JobStatus.DONE
    variables = here.py_env.local_state
    lost = {name: value for name, value in variables.items() if getattr(value, "form", "") == "lost"}
    assert lost == dict.fromkeys(["Box", "box", "pad", "pads"], UnreadableValue(LOST, "lost"))
    assert variables["plain"] == 5
    assert here.chat_log[-1].text.endswith(" Lost with that: Box, box, pad, pads.")
    early = here.view(1)  # history is as it was; what it holds cannot be reached from here
    assert sorted(early) == ["Box", "box", "pad", "pads", "plain", "read"]
    fork = here.fork()
    drive(*FORK)
    assert fork.py_env.exit_status == 12
