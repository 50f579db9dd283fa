"""What an application sees of a job that ran in its own process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import statek
from orchestrator.embedded import Embedded
from sandbox_runner.wire import values
from statek import durable
from statek.executors.job import Job
from statek.job_status import JobStatus
from statek.pyenv import UnreadableValue
from statek.settings import StatekSettings
from statek.testing import ScriptedModel

from .model import Note, Pad

REPLIES = [
    "```python\nnote = pad.add('milk')\nboth = {note: [note, pad]}\nsquare = lambda n: n * n\n1 / 0\n```",
    "```python\nprint(square(4))\nexit(note.text)\n```",
]


def make_pad() -> Pad:
    pad = Pad()
    durable.tag(pad, "desk")
    return pad


def run(settings: StatekSettings, *, replies: Any = REPLIES) -> tuple[Embedded, Job]:
    service = statek.init(settings=settings)
    agent = statek.SupervisedAgent("writer", "Write notes.", _metadata={"MODEL": "scripted/test"})
    pad = service.store.commit_sync(make_pad)
    job = statek.StatekClientAPI().submit_new_job(agent, {"pad": pad, "count": 2}, message="Note milk.")
    assert job.status is JobStatus.READY
    statek.start_statek(agent, model=ScriptedModel(replies), until_idle=True)
    return service, job


def test_a_job_tells_what_happened(settings: StatekSettings) -> None:
    _, job = run(settings)
    env = job.py_env
    assert (job.status, job.reason, job.error) == (JobStatus.DONE, "", None)
    assert env.exit_status == "milk"
    assert env.console == ["ZeroDivisionError: division by zero", "(line 4: 1 / 0)", "16"]
    assert env.exceptions == {1: "ZeroDivisionError: division by zero"}
    assert [item.kind for item in job.chat_log] == ["user", "reply", "reply"]
    assert job.chat_log[1].calls[0].name == "add"
    assert env.local_state["count"] == 2
    assert isinstance(env.local_state["square"], UnreadableValue)


def test_the_exit_status_is_what_was_passed(settings: StatekSettings) -> None:
    service, _ = run(settings)
    passed = {
        "exit('1')": "1",
        "exit(1)": 1,
        "exit({'a': (1, 2.5), 'big': 2**70})": {"a": (1, 2.5), "big": 2**70},
        "exit()": None,
        "exit(list(range(1_000)))": list(range(1_000)),
    }
    agent = statek.SupervisedAgent("writer", "Write notes.", _metadata={"MODEL": "scripted/test"})
    for source, value in passed.items():
        job = statek.StatekClientAPI().submit_new_job(agent)
        assert job.py_env.exit_status is None
        statek.start_statek(agent, model=ScriptedModel([f"```python\n{source}\n```"]), until_idle=True)
        assert (job.status, job.py_env.exit_status) == (JobStatus.DONE, value)
    job = statek.StatekClientAPI().submit_new_job(agent, {"pad": service.store.commit_sync(make_pad)})
    statek.start_statek(agent, model=ScriptedModel(["```python\nexit(pad)\n```"]), until_idle=True)
    assert job.py_env.exit_status.notes is not None


def test_durable_objects_in_variables_can_be_read(settings: StatekSettings) -> None:
    _, job = run(settings)
    state = job.py_env.local_state
    assert isinstance(state["note"], Note)
    assert state["note"].text == "milk"
    assert [note.text for note in state["pad"].notes] == ["milk"]
    # The host reads past the ACL, which is about the job: this is the application's own object.
    assert state["pad"].hidden == 1
    [(key, held)] = state["both"].items()
    assert (key.text, held[0].text, held[1].hidden) == ("milk", "milk", 1)


def test_an_id_that_was_never_granted_stands_for_nothing(settings: StatekSettings) -> None:
    service, job = run(settings)
    forged = values.encode({"x": values.Handle(1, "a:B"), "y": values.Handle(999, "a:B")})

    found = values.decode(forged, from_handle=service.access.handle_proxy(job.id))
    assert isinstance(found, dict)
    assert found["x"].hidden == 1
    assert found["y"] == values.Handle(999, "a:B")
    assert job.py_env.local_state["pad"] == found["x"]


def test_more_jobs_can_be_run_later_in_the_same_process(settings: StatekSettings) -> None:
    _, first = run(settings)
    agent = statek.SupervisedAgent("writer", "Write notes.", _metadata={"MODEL": "scripted/test"})
    second = statek.StatekClientAPI().submit_new_job(agent, {"pad": first.py_env.local_state["pad"]})
    statek.start_statek(agent, model=ScriptedModel(REPLIES), until_idle=True)
    assert [note.text for note in second.py_env.local_state["pad"].notes] == ["milk", "milk"]


def test_a_job_that_fails_says_why(settings: StatekSettings) -> None:
    _, job = run(settings, replies=[])
    assert job.status is JobStatus.DONE
    assert job.error is not None
    assert (job.error.kind, job.error.error_message) == (
        "model",
        "the script has 0 replies (turns 0 to -1), turn 0 of job j1 needs another one",
    )


def test_files_in_work_can_be_read_and_copied(settings: StatekSettings, tmp_path: Path) -> None:
    script = ["```python\nimport os\nos.mkdir('out')\nopen('out/a.txt', 'w').write('kept')\nexit()\n```"]
    _, job = run(settings, replies=script)
    assert {path: file.size_bytes for path, file in job.files.items()} == {"out/a.txt": 4}
    assert job.files.read_bytes("out/a.txt") == b"kept"
    assert [path.read_text() for path in job.files.copy_to(tmp_path / "copy")] == ["kept"]
