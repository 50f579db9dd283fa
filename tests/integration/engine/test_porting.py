"""Jobs carried from one store to another: equal past, a job that goes on, nothing half made."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.engine.porting import archive_untrusted, job_import
from orchestrator.engine.porting.archive import ArchiveWriter, Kind, read_frames
from orchestrator.engine.service import Service
from statek import tool
from statek.exceptions import InvalidArchive, LimitExceeded, NotFound
from statek.executors.porting import Imported

from .conftest import Open, RoleModel, agent, code, console, steps

pytestmark = pytest.mark.timeout(120)

REPLIES = [
    code("items = [1, 2]\nalias = items\nopen('a.txt', 'w').write('one')\nprint(note('x'))"),
    code("alias.append(3)\nsquare = lambda n: n * n\nopen('big.bin', 'wb').write(bytes(range(256)) * 1000)"),
    code("1 / 0"),
    code("del alias\nopen('a.txt', 'w').write('two \\ud83d')"),
    code("exit({'n': square(len(items))})"),
]


@tool
def note(text: str, **kwargs: object) -> str:
    """Note a text.

    Args:
        text: the text.
    """
    return f"noted {text}"


async def archive_of(service: Service, id_: str) -> bytes:
    return b"".join([piece async for piece in service.porter.export(id_)])


async def pieces(data: bytes, size: int = 70_000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def read_in(service: Service, data: bytes, **options: Any) -> Imported:
    return await service.porter.import_job(pieces(data), **options)


async def past_of(service: Service, id_: str, count: int) -> list[object]:
    """Everything that people see of the first ``count`` commits."""
    found: list[object] = []
    for commit in (await service.past.commits(id_))[:count]:
        state = await service.past.state(id_, commit.number)
        found.append((replace(commit, tags=()), state.variables, state.files))
    return found


async def ran(open_with: Open) -> tuple[str, bytes, Any, list[object]]:
    """A job that is done: its id, its archive, its view and its past."""
    async with open_with(REPLIES, tools=[note]) as service:
        id_ = await service.submit("helper", message="Do it.", shared_vars={"count": 41}, principal="ann")
        await service.wait(id_)
        await service.past.tag(id_, 2, "good")
        view = await service.job(id_)
        return id_, await archive_of(service, id_), view, await past_of(service, id_, view.commits)


async def test_an_imported_job_has_the_same_past_and_goes_on(open_with: Open, tmp_path: Path) -> None:
    _, data, view, past = await ran(open_with)
    by_turn = [code("exit(square(9) + sum(items))"), *["unused"] * 4, code("exit(len(open('big.bin', 'rb').read()))")]
    async with open_with(by_turn, tools=[note], data_dir=tmp_path / "other") as service:
        found = await read_in(service, data, principal="ben", request_id="r1")
        assert found == Imported("j1")
        here = await service.job("j1")
        assert here.items[: len(view.items)] == view.items
        assert [(item.kind, item.step) for item in here.items[len(view.items) :]] == [("system", 0)]
        assert here.items[-1].text == (
            "This job was imported; it was j1 of another store. Its variables and files came with it; durable objects, "
            "futures and what it waited for did not."
        )
        assert await past_of(service, "j1", view.commits) == past
        commits = await service.past.commits("j1")
        assert [(c.kind, c.tags) for c in commits][2:3] == [("step", ("good",))]
        assert (commits[-1].kind, commits[-1].changed, commits[-1].parent) == ("import", (), view.commits - 1)
        summary = here.summary
        assert (summary.status, summary.principal, summary.turns, summary.exit_status, summary.tier) == (
            "DONE",
            "ben",
            view.summary.turns,
            view.summary.exit_status,
            "",
        )
        assert summary.origin.startswith("j1 of store ")
        content = b"".join([piece async for piece in service.file("j1", "big.bin")])
        assert content == bytes(range(256)) * 1000
        await service.push("j1", "How long?")
        service.notice(1, "default")
        assert (await service.wait("j1")).exit_status == "256000"
        fork = await service.past.fork("j1", 2)
        service.notice(2, "default")
        assert (await service.wait(fork)).exit_status == "87"


async def test_a_repeated_import_gives_the_job_that_is_there(open_with: Open, tmp_path: Path) -> None:
    _, data, _, _ = await ran(open_with)
    async with open_with([], tools=[note], data_dir=tmp_path / "other") as service:
        first = await read_in(service, data, request_id="r1")
        again = await read_in(service, data, request_id="r1")
        other = await read_in(service, data, request_id="r2")
        nameless = await read_in(service, data)
        with pytest.raises(LimitExceeded, match="request_id_chars"):
            await read_in(service, data, request_id="r" * 201)
    async with open_with([], tools=[note], data_dir=tmp_path / "other") as service:
        later = await read_in(service, data, request_id="r2")
    assert (first, again, other) == (Imported("j1"), Imported("j1", repeated=True), Imported("j2"))
    assert (nameless, later) == (Imported("j3"), Imported("j2", repeated=True))


async def test_a_fork_takes_its_whole_past_along(open_with: Open, tmp_path: Path) -> None:
    replies = [code("a = [1]"), code("a.append(2)"), code("exit(a)"), code("b = a + [3]"), code("exit(b)")]
    async with open_with(replies) as service:
        await service.wait(await service.submit("helper"))
        fork = await service.past.fork("j1", 2)
        await service.wait(fork)
        view, past = await service.job(fork), await past_of(service, fork, 99)
        data = await archive_of(service, fork)
    async with open_with([], data_dir=tmp_path / "other") as service:
        await read_in(service, data)
        here = await service.job("j1")
        assert here.items[: len(view.items)] == view.items
        assert await past_of(service, "j1", len(past)) == past
        assert (await archive_of(service, "j1"))[:8] == data[:8]


async def test_a_job_at_work_is_exported_as_of_its_newest_commit(open_with: Open, tmp_path: Path) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    @tool(effect="none")
    async def stop_here(**kwargs: object) -> str:
        """Wait."""
        entered.set()
        await leave.wait()
        return "done"

    async with open_with([code("x = 1"), code("y = stop_here()\nexit(y)")], tools=[stop_here]) as service:
        id_ = await service.submit("helper", message="Begin.")
        await entered.wait()
        data = await archive_of(service, id_)
        leave.set()
        await service.wait(id_)
    async with open_with([code("exit(x + 1)")], tools=[stop_here], data_dir=tmp_path / "other") as service:
        await read_in(service, data)
        here = await service.job("j1")
        assert [item.kind for item in here.items] == ["user", "reply", "system"]
        assert (here.summary.status, here.summary.turns, here.summary.reason) == (
            "DONE",
            1,
            "imported while it was STARTED; a message or a fork lets it go on",
        )
        fork = await service.past.fork("j1")
        assert (await service.wait(fork)).exit_status == "2"


async def test_unknown_jobs_are_not_exported(open_with: Open) -> None:
    async with open_with([]) as service:
        with pytest.raises(NotFound):
            await archive_of(service, "j7")


# -------------------------------------------------------------------------------------- damaged, hostile


def resealed(frames: Iterable[tuple[Kind, bytes]]) -> bytes:
    """An archive of these frames whose seal fits: what a hostile writer sends."""
    writer = ArchiveWriter()
    parts = [writer.begin(), *(writer.frame(kind, content) for kind, content in frames)]
    return b"".join([*parts, writer.end()])


def frames_of(data: bytes) -> list[tuple[Kind, bytes]]:
    return [(frame.kind, frame.content) for frame in read_frames(io.BytesIO(data))]


def refusal(data: bytes) -> str:
    with pytest.raises((InvalidArchive, LimitExceeded)) as caught:
        archive_untrusted.check_archive(io.BytesIO(data))
    return str(caught.value)


async def test_damage_anywhere_is_found_before_anything_is_written(open_with: Open, tmp_path: Path) -> None:
    _, data, _, _ = await ran(open_with)
    for length in [*range(60), *range(60, len(data), 997), len(data) - 1]:
        assert refusal(data[:length])
    for at in [*range(60), *range(60, len(data), 499), len(data) - 1]:
        assert refusal(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
    assert refusal(data + b"x") == "the archive goes on behind its seal"
    async with open_with([], tools=[note], data_dir=tmp_path / "other") as service:
        before = await service._store.blocks.size()
        with pytest.raises(InvalidArchive):
            await read_in(service, data[:-1])
        with pytest.raises(InvalidArchive):
            await read_in(service, b"")
        assert (await service.jobs(), await service._store.blocks.size()) == ([], before)


async def test_a_resealed_lie_is_refused(open_with: Open) -> None:
    _, data, _, _ = await ran(open_with)
    frames = frames_of(data)
    archive_untrusted.check_archive(io.BytesIO(resealed(frames)))
    blocks = [at for at, (kind, _) in enumerate(frames) if kind is Kind.BLOCK]
    commits = [at for at, (kind, _) in enumerate(frames) if kind is Kind.COMMIT]
    ends = [at for at, (kind, _) in enumerate(frames) if kind is Kind.END]
    assert blocks
    assert commits
    for dropped in (0, blocks[0], commits[0], commits[-1], ends[0], len(frames) - 1):
        assert refusal(resealed(frames[:dropped] + frames[dropped + 1 :]))
    for twice in (0, blocks[0], commits[-1], ends[0]):
        assert refusal(resealed([*frames[:twice], frames[twice], *frames[twice:]]))
    head = frames[0][1]
    for old, new in (
        (b'"format": 1', b'"format": 2'),
        (b'"turns": 5', b'"turns": -5'),
        (b'"num_completions": 0', b'"num_completions": 9'),
        (b'"MODEL": "scripted/test"', b'"MODEL": "x/api_base=evil"'),
        (b'"MODEL": "scripted/test"', b'"MODEL": "a/b", "API_BASE": "evil"'),
        (b'"status": "DONE"', b'"status": "GONE"'),
        (b'"good": 2', b'"good": 99'),
        (b'"good": 2', b'"latest": 2'),
        (b'"handles": 0', b'"handles": 99999999'),
        (b'"role": "helper"', b'"role": 7'),
    ):
        assert old in head, old
        lie = resealed([(Kind.HEAD, head.replace(old, new)), *frames[1:]])
        if b"MODEL" in old:
            index = archive_untrusted.check_archive(io.BytesIO(lie))
            with pytest.raises(InvalidArchive):
                job_import_definition(index)
        else:
            assert refusal(lie)
    bit = bytearray(frames[blocks[0]][1])
    bit[5] ^= 1
    assert "which is not in it" in refusal(
        resealed([*frames[: blocks[0]], (Kind.BLOCK, bytes(bit)), *frames[blocks[0] + 1 :]])
    )


async def test_a_job_whose_warmup_failed_is_imported_with_its_traceback(open_with: Open, tmp_path: Path) -> None:
    async with open_with([], warmup="1 / 0") as service:
        await service.wait(await service.submit("helper"))
        before = (await service.job("j1")).items[0]
        data = await archive_of(service, "j1")
    assert before.traceback is not None
    async with open_with([], data_dir=tmp_path / "other") as service:
        await read_in(service, data)
        assert (await service.job("j1")).items[0] == before


def job_import_definition(index: Any) -> None:
    from orchestrator.engine.porting.definition import imported_definition

    imported_definition(index.head.role, index.head.definition, None)


async def test_what_acts_on_the_host_comes_from_the_agent_here(open_with: Open, tmp_path: Path) -> None:
    async with open_with([code("exit(1)")], warmup="w = 1", metadata={"API_KEY": "secret-of-there"}) as service:
        await service.wait(await service.submit("helper"))
        data = await archive_of(service, "j1")
    assert b"secret-of-there" not in b"".join(content for _, content in frames_of(data))
    async with open_with(["unused", code("exit(w)")], metadata={"API_KEY": "own"}, data_dir=tmp_path / "b") as service:
        await read_in(service, data)
        definition, _ = await asyncio.to_thread(service.access.definition_sync, "j1")
        assert (dict(definition.metadata), definition.warmup) == ({"MODEL": "scripted/test", "API_KEY": "own"}, ())
        await service.push("j1", "Go on.")
        service.notice(1, "default")
        assert (await service.wait("j1")).exit_status == "1"


async def test_an_archive_chooses_no_model_where_its_agent_is_not_known(
    open_with: Open, open_agents: Open, tmp_path: Path
) -> None:
    theirs = {"PROVIDER": "theirs", "TEMPERATURE": "1"}
    async with open_with([code("a = 1"), code("exit(a)")], prompt="I am clerk.", metadata=theirs) as service:
        await service.wait(await service.submit("helper"))
        frames = frames_of(await archive_of(service, "j1"))
    head = frames[0][1].replace(b'"role": "helper"', b'"role": "clerk"').replace(b"scripted/test", b"evil/model")
    model = RoleModel(clerk=["unused", code("exit(a + 1)"), code("exit(a + 2)")])
    ours, here = agent("clerk", TEMPERATURE="0.5"), {"data_dir": tmp_path / "other"}
    async with open_agents([agent("other")], model, **here) as service:
        await read_in(service, resealed([(Kind.HEAD, head), *frames[1:]]))
        definition, _ = await asyncio.to_thread(service.access.definition_sync, "j1")
        assert dict(definition.metadata) == {"MODEL": "imported/without-agent"}
        await service.past.fork("j1", 1)
        await service.push("j1", "Go on.")
        service.notice(1, "default")
        assert (await service.wait("j1")).reason == "agent 'clerk' is not registered here; registered: other"
    async with open_agents([ours], model, **here) as service:
        ended = [await service.wait(id_) for id_ in ("j1", "j2")]
        definition, _ = await asyncio.to_thread(service.access.definition_sync, "j2")
    assert [(one.failure, one.exit_status) for one in ended] == [(None, "3"), (None, "2")]
    assert dict(definition.metadata) == {"MODEL": "scripted/test", "TEMPERATURE": "0.5"}
    assert {(request.model, request.temperature) for request in model.requests} == {("scripted/test", 0.5)}


# --------------------------------------------------------------------------------------------- crashes


class Died(BaseException):
    """Stands for SIGKILL."""


async def test_a_crash_at_any_write_leaves_the_whole_job_or_none(
    open_with: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, data, view, _ = await ran(open_with)
    monkeypatch.setattr(job_import, "_PAGE_ENTRIES", 3)
    monkeypatch.setattr(job_import, "_BATCH_BYTES", 1)
    made = 0
    for crash_at in itertools.count(1):
        other = {"data_dir": tmp_path / "other"}
        async with open_with([], tools=[note], **other) as service:
            store, left = service._store, itertools.count(1)
            commit, put = store.commit_sync, store.blocks.put_many_sync

            def dying(real: Any, count: Any = left, at: int = crash_at) -> Any:
                def write(*args: Any) -> Any:
                    if next(count) == at:
                        raise Died
                    return real(*args)

                return write

            monkeypatch.setattr(store, "commit_sync", dying(commit))
            monkeypatch.setattr(store.blocks, "put_many_sync", dying(put))
            try:
                await asyncio.to_thread(import_whole, service, data, f"r{crash_at}")
                finished = True
            except Died:
                finished = False
            monkeypatch.setattr(store, "commit_sync", commit)
        async with open_with([], tools=[note], **other) as service:
            staged = await service._store.read(lambda s=service: s.porter._staged.remove_staged())  # type: ignore[misc]
            jobs = await service.jobs()
            assert not staged
            made += finished
            assert len(jobs) == made
            if finished:
                assert len((await service.job("j1")).items) == len(view.items) + 1
                break
    assert crash_at > 6


def import_whole(service: Service, data: bytes, request_id: str) -> Imported:
    return service.porter.import_sync([data], request_id=request_id)


async def test_imports_do_not_hold_the_store_for_long(open_with: Open, tmp_path: Path) -> None:
    replies = [code(f"x{n} = {n}\nprint('p' * 2000)") for n in range(40)] + [code("exit(1)")]
    async with open_with(replies) as service:
        await service.wait(await service.submit("helper"))
        data = await archive_of(service, "j1")
    async with open_with([code("exit(2)")], data_dir=tmp_path / "other") as service:
        found, job = await asyncio.gather(read_in(service, data), service.submit("helper"))
        await service.wait(job)
        here = await service.job(found.id)
        assert len(steps(here)) == 41
        assert console(steps(here)[7]) == ["p" * 2000]
