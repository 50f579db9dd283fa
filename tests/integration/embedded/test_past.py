"""The past of a job, as the application sees it: commits, views, diffs, tags, going back, forking."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

import statek
from orchestrator.embedded import Embedded
from statek import durable
from statek.exceptions import InvalidRequest, NotFound
from statek.executors.history import PastObject
from statek.executors.job import Job
from statek.job_status import JobStatus
from statek.pyenv import UnreadableValue
from statek.settings import StatekSettings
from statek.testing import ScriptedModel

from .model import Pad

REPLIES = [
    "```python\nitems = [1, 2]\nalias = items\nopen('a.txt', 'w').write('one')\npad.add('milk')\n```",
    "```python\nitems.append(3)\nalias.append(4)\nsquare = lambda n: n * n\npad.add('tea')\n```",
    "```python\ndel square\nopen('a.txt', 'w').write('two')\nwhat = None\n```",
    "```python\nprint(items)\n```",
    "```python\nexit('done')\n```",
]


def code(source: str) -> str:
    return f"```python\n{source}\n```"


def make_pad() -> Pad:
    pad = Pad()
    durable.tag(pad, "desk")
    return pad


def agent() -> statek.SupervisedAgent:
    return statek.SupervisedAgent("writer", "Write notes.", _metadata={"MODEL": "scripted/test"})


def drive(*replies: str) -> None:
    statek.start_statek(agent(), model=ScriptedModel(replies), until_idle=True)


@pytest.fixture
def ran(settings: StatekSettings) -> tuple[Embedded, Job]:
    service = statek.init(settings=settings)
    pad = service.store.commit_sync(make_pad)
    job = statek.StatekClientAPI().submit_new_job(agent(), {"pad": pad}, message="Note it.")
    drive(*REPLIES)
    assert job.status is JobStatus.DONE
    return service, job


def test_commits_are_numbered_and_chained(ran: tuple[Embedded, Job]) -> None:
    _, job = ran
    commits = job.commits
    assert [(c.number, c.parent, c.kind, c.step) for c in commits] == [
        (0, -1, "start", 0),
        (1, 0, "step", 1),
        (2, 1, "step", 2),
        (3, 2, "step", 3),
        (4, 3, "step", 4),
        (5, 4, "step", 5),
    ]
    assert [c.changed for c in commits] == [
        ("pad",),
        ("/work/a.txt", "alias", "items"),
        ("alias", "items", "square"),
        ("/work/a.txt", "square", "what"),
        (),
        (),
    ]
    assert len({c.hash for c in commits}) == len(commits)
    assert all(len(c.hash) == 64 for c in commits)


def test_a_view_shows_what_was_then_backwards_and_forwards(ran: tuple[Embedded, Job]) -> None:
    _, job = ran
    first, second, last = job.view(1), job.view(2), job.view()
    assert (first["items"], second["items"], last["items"]) == ([1, 2], [1, 2, 3, 4], [1, 2, 3, 4])
    assert first["alias"] == [1, 2]
    assert set(first) == {"alias", "items", "pad"}
    assert isinstance(second["square"], UnreadableValue)
    assert "square" not in last
    assert last["what"] is None
    assert job.view(first.commit.hash[:9])["items"] == [1, 2]
    assert job.view("latest").commit.number == 5
    assert [file.path for file in first.files] == ["a.txt"]


def test_durable_objects_are_as_they_were(ran: tuple[Embedded, Job]) -> None:
    _, job = ran
    counts = []
    for at in (0, 1, 2, 5):
        pad = job.view(at)["pad"]
        assert isinstance(pad, PastObject)
        counts.append((pad.type_name, len(pad.fields["notes"])))
    assert counts == [("Pad", 0), ("Pad", 1), ("Pad", 2), ("Pad", 2)]


def test_recent_shows_what_the_commit_changed(ran: tuple[Embedded, Job]) -> None:
    _, job = ran
    view = job.view(3, focus="recent")
    assert (list(view), [file.path for file in view.files]) == (["what"], ["a.txt"])
    assert list(job.view(4, focus="recent")) == []
    with pytest.raises(InvalidRequest, match="focus"):
        job.view(3, focus="half")


def test_a_view_cannot_be_written(ran: tuple[Embedded, Job]) -> None:
    _, job = ran
    view: Any = job.view(1)
    with pytest.raises(TypeError):
        view["items"] = 1
    view["items"].append(99)
    assert (view["items"], job.view(1)["items"]) == ([1, 2], [1, 2])


@pytest.mark.parametrize("reference", [6, -1, "0123456789abcdef", "999999"])
def test_a_commit_that_is_not_there_is_said_so(ran: tuple[Embedded, Job], reference: int | str) -> None:
    _, job = ran
    with pytest.raises(NotFound):
        job.view(reference)


@pytest.mark.parametrize("reference", ["nothing", "", "a b", True, "j1"])
def test_what_names_no_commit_is_said_so(ran: tuple[Embedded, Job], reference: Any) -> None:
    _, job = ran
    with pytest.raises(InvalidRequest, match="names no commit"):
        job.view(reference)


def test_a_diff_names_what_differs(ran: tuple[Embedded, Job]) -> None:
    _, job = ran
    diff = job.diff(1, 3)
    assert (diff.before.number, diff.after.number) == (1, 3)
    assert [(c.name, c.before and c.before.value, c.after and c.after.value) for c in diff.variables] == [
        ("alias", [1, 2], [1, 2, 3, 4]),
        ("items", [1, 2], [1, 2, 3, 4]),
        ("what", None, None),
    ]
    assert [(c.path, c.before and c.before.size_bytes) for c in diff.files] == [("a.txt", 3)]
    assert job.diff(2, 2).variables == ()
    assert [c.name for c in job.diff(3, 2).variables] == ["square", "what"]


def test_a_tag_is_a_name_that_moves(ran: tuple[Embedded, Job]) -> None:
    _, job = ran
    assert job.tag("good", 1).tags == ("good",)
    assert job.view("good").commit.number == 1
    job.tag("good", 2)
    assert [c.number for c in job.commits if "good" in c.tags] == [2]
    for name in ("latest", "1abc", "deadbeef", "a b", ""):
        with pytest.raises(InvalidRequest, match="tag"):
            job.tag(name)


def test_going_back_is_a_commit_and_can_be_undone(ran: tuple[Embedded, Job]) -> None:
    _, job = ran
    made = job.rollback(1)
    assert (made.number, made.kind, made.changed) == (6, "rollback", ("/work/a.txt", "alias", "items", "what"))
    assert job.py_env.local_state["items"] == [1, 2]
    assert b"".join([job.files.read_bytes("a.txt")]) == b"one"
    assert "add(...) in step 2" in job.chat_log[-1].text
    assert "step 1" not in job.chat_log[-1].text
    job.push_user_message("Go on.")
    drive(*REPLIES, code("items += [5]; print(items, alias is items, pad.add('salt').text)\nexit('again')"))
    assert job.status is JobStatus.DONE
    assert job.chat_log[-1].console[0] == ("print", "[1,2,5] True salt")
    job.rollback(5)
    assert job.py_env.local_state["items"] == [1, 2, 3, 4]
    assert [c.kind for c in job.commits[6:]] == ["rollback", "step", "rollback"]


def test_a_job_at_work_is_not_put_back(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    refused: list[str] = []

    @statek.tool(effect="none")
    def try_it(**_: object) -> None:
        """Go back from inside."""
        try:
            job.rollback(0)
        except InvalidRequest as error:
            refused.append(str(error))

    worker = statek.SupervisedAgent("writer", "Work.", _tools=[try_it], _metadata={"MODEL": "scripted/test"})
    job = statek.StatekClientAPI().submit_new_job(worker, {"x": 1})
    statek.start_statek(worker, model=ScriptedModel([code("x = 2\ntry_it()"), code("exit(x)")]), until_idle=True)
    assert refused == ["job j1 is STARTED: go back when it is done, cancel it first, or fork it"]
    assert job.py_env.exit_status == 2


def test_a_fork_goes_on_from_its_commit_and_leaves_the_job_alone(ran: tuple[Embedded, Job]) -> None:
    _, job = ran
    before = [c.hash for c in job.commits]
    fork = job.fork(2, message="Try another way.")
    assert [c.hash for c in fork.commits] == before[:3]
    drive(code("print(items, square(3), len(pad.notes)); items += ['fork']"), code("exit(alias)"))
    assert fork.status is JobStatus.DONE
    assert fork.py_env.local_state["items"] == [1, 2, 3, 4, "fork"]
    assert [(item.kind, item.step) for item in fork.chat_log] == [
        ("user", 0),
        ("reply", 1),
        ("reply", 2),
        ("user", 0),
        ("reply", 3),
        ("reply", 4),
    ]
    assert fork.chat_log[4].console == (("print", "[1,2,3,4] 9 2"),)
    assert [call.name for call in fork.chat_log[1].calls] == ["add"]
    assert [c.number for c in fork.commits] == [0, 1, 2, 3, 4]
    assert [c.hash for c in job.commits] == before
    assert job.py_env.local_state["items"] == [1, 2, 3, 4]
    assert job.view(1)["items"] == fork.view(1)["items"]


def test_a_fork_of_a_fork_at_the_start_has_the_whole_job_before_it(ran: tuple[Embedded, Job]) -> None:
    _, job = ran
    middle = job.fork(3)
    drive(code("items = 'middle'"), code("exit(1)"))
    last = middle.fork(4, message="Once more.")
    drive(code("print(items)"), code("exit(2)"))
    assert [c.number for c in last.commits] == [0, 1, 2, 3, 4, 5, 6]
    assert (last.view(1)["items"], last.view(4)["items"]) == ([1, 2], "middle")
    assert last.chat_log[-2].console == (("print", "middle"),)
    fresh = last.fork(0)
    drive(code("print(sorted(n for n in globals() if not n.startswith('_')))"), code("exit(3)"))
    assert [item.text for item in fresh.chat_log if item.kind == "user"] == ["Note it."]
    assert fresh.chat_log[1].console == (("print", '["pad"]'),)


def test_a_fork_survives_the_process(ran: tuple[Embedded, Job], settings: StatekSettings, tmp_path: Path) -> None:
    service, job = ran
    fork = job.fork(2)
    service.close()
    statek.close()
    service = statek.init(settings=settings)
    again = Job(fork.id, service.access)
    drive(code("exit(items)"))
    assert (again.status, again.py_env.exit_status) == (JobStatus.DONE, [1, 2, 3, 4])


def own_entries(service: Embedded, id_: str) -> tuple[int, int, int]:
    record = service.access.record(id_)
    return len(record.chat), len(record.ends), len(record.commits)


def test_a_fork_copies_nothing_of_what_came_before(settings: StatekSettings) -> None:
    service = statek.init(settings=settings)
    job = statek.StatekClientAPI().submit_new_job(agent(), {"x": 0})
    drive(*[code("x = x + 1")] * 60, code("exit(x)"))
    for at in (2, 60):
        fork = job.fork(at)
        assert (len(fork.commits), len(fork.chat_log)) == (at + 1, at)
        own = service.store.read_sync(partial(own_entries, service, fork.id))
        assert own == (0, 0, 0)
