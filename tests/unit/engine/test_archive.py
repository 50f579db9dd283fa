"""The archive of a job against whoever writes one."""

from __future__ import annotations

import io
import json
import tracemalloc
import zlib
from contextlib import nullcontext, suppress
from dataclasses import replace

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.digests import content_digest
from orchestrator.engine.elements import (
    ChatItem,
    Commit,
    StepEnd,
    commit_hash,
    encode_commit,
    encode_end,
    encode_item,
)
from orchestrator.engine.manifest import BlockPlace, PlacedWorkspace, encode_manifest
from orchestrator.engine.porting import archive, archive_untrusted
from orchestrator.engine.porting.archive import ArchiveWriter, Kind, read_frames
from orchestrator.engine.porting.archive_untrusted import check_archive
from orchestrator.engine.porting.contents import COUNTERS
from orchestrator.engine.porting.fields import check_outcome, check_usage
from orchestrator.sandboxes.step import Component, Form, LostValue, WorkFile, Workspace
from statek.exceptions import InvalidArchive, LimitExceeded


def sealed(*frames: tuple[Kind, bytes]) -> io.BytesIO:
    writer = ArchiveWriter()
    body = [writer.begin(), *(writer.frame(kind, content) for kind, content in frames), writer.end()]
    return io.BytesIO(b"".join(body))


def head(**fields: object) -> tuple[Kind, bytes]:
    data: dict[str, object] = {
        "format": 1, "service": "0.1.0", "store": "s", "job": "j1", "exported_us": 1, "role": "helper",
        "definition": {}, "status": "DONE", "reason": "", "failure": {}, "principal": "", "tier": "",
        "created_us": 1, "changed_us": 1, "exit_status": None, "difficulty": "", "answered": False,
        "counters": dict.fromkeys(COUNTERS, 0), "tags": {}, "handles": 0, "items": 0,
        "ends": 0, "commits": 1, "blocks": 0,
    }  # fmt: skip
    return Kind.HEAD, json.dumps(data | fields).encode()


def commit(
    workspace: Workspace = Workspace(),  # noqa: B008 - frozen
    places: dict[str, BlockPlace] | None = None,
    held: tuple[int, ...] = (),
) -> tuple[Kind, bytes]:
    manifest = encode_manifest(PlacedWorkspace(workspace, places or {}, held))
    made = Commit(0, -1, "start", 0, 1, (), "", 1, {}, manifest)
    return Kind.COMMIT, encode_commit(replace(made, hash=commit_hash(made, "")))


def refusal(*frames: tuple[Kind, bytes]) -> str:
    with pytest.raises((InvalidArchive, LimitExceeded)) as caught:
        check_archive(sealed(*frames))
    return str(caught.value)


def test_frames_come_back() -> None:
    contents = [(Kind.HEAD, b"{}"), (Kind.BLOCK, b"x" * 5000), (Kind.ITEM, b""), (Kind.END, bytes(range(256)) * 3)]
    file = sealed(*contents)
    found = list(read_frames(file))
    assert [(frame.kind, frame.content) for frame in found] == contents
    assert [archive.read_frame_at(file, frame.offset) for frame in found] == [content for _, content in contents]


def test_the_smallest_archive_is_in_order() -> None:
    index = check_archive(sealed(head(), commit()))
    assert (index.head.role, index.blocks, index.lost) == ("helper", {}, {})


def dropped(**changes: object) -> tuple[Kind, bytes]:
    made = Commit(0, -1, "start", 0, 1, (), "", 1, {}, b"", (b"x" * 10,), "ab" * 32, 5)
    return Kind.COMMIT, encode_commit(replace(made, **changes))  # type: ignore[arg-type]


def test_dropped_commits_are_taken_with_the_blocks_that_others_name() -> None:
    digest = content_digest(b"x" * 10)
    workspace = Workspace((Component(("x",), Form.GRAPH, (digest,), 10, ("x",)),))
    manifest = encode_manifest(PlacedWorkspace(workspace, {digest: BlockPlace(0, 0)}))
    newest = Commit(1, 0, "step", 0, 1, ("x",), "", 1, {}, manifest)
    last = Kind.COMMIT, encode_commit(replace(newest, hash=commit_hash(newest, "ab" * 32)))
    assert check_archive(sealed(head(commits=2), dropped(), last)).head.commits == 2
    assert "names block" in refusal(head(commits=2), dropped(blocks=()), last)
    assert "does not have the hash" in refusal(head(commits=2), dropped(hash="cd" * 32), last)


def test_a_dropped_commit_says_nothing_else() -> None:
    assert refusal(head(), dropped()) == "the newest commit of the archive is dropped"
    for changes in ({"manifest": b"x"}, {"changed": ("x",)}):
        assert (
            refusal(head(), dropped(**changes)) == "commit 0 of the archive is dropped and names variables all the same"
        )


def test_a_bomb_is_not_unpacked() -> None:
    bomb = zlib.compress(bytes(200 << 20), 9)
    parts = archive.MAGIC + archive._HEAD.pack(Kind.BLOCK.value, 1, 1 << 20, len(bomb)) + bomb
    data = parts + archive._encode(Kind.SEAL, blake3(parts).digest())
    tracemalloc.start()
    try:
        with pytest.raises(InvalidArchive, match="something else than the 1048576 bytes"):
            list(read_frames(io.BytesIO(data)))
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    with pytest.raises(LimitExceeded, match="archive_frame_bytes"):
        list(read_frames(io.BytesIO(archive.MAGIC + archive._HEAD.pack(Kind.BLOCK.value, 1, 1 << 30, 9) + b"x" * 9)))


def test_the_whole_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = sealed(head(), commit())
    monkeypatch.setattr(archive, "MAX_ARCHIVE_BYTES", 100)
    with pytest.raises(LimitExceeded, match="archive_bytes"):
        check_archive(data)
    with pytest.raises(LimitExceeded, match="archive_bytes"):
        sealed(head(), commit())
    monkeypatch.setattr(archive, "MAX_ARCHIVE_BYTES", 1 << 30)
    monkeypatch.setattr(archive, "MAX_FRAMES", 1)
    data.seek(0)
    with pytest.raises(LimitExceeded, match="archive_frames"):
        check_archive(data)


HOSTILE_WORKSPACES = {
    "../up": Workspace(files=(WorkFile("../up", 0o644, 0, ()),)),
    "/etc/passwd": Workspace(files=(WorkFile("/etc/passwd", 0o644, 0, ()),)),
    "mode": Workspace(files=(WorkFile("a", 0o4755, 0, ()),)),
    "size": Workspace(files=(WorkFile("a", 0o644, 7, ()),)),
    "twice": Workspace(files=(WorkFile("a", 0o644, 0, ()), WorkFile("a", 0o644, 0, ()))),
    "name": Workspace(components=(Component(("a\x1b",), Form.GRAPH, (), 0, ("",)),)),
    "names": Workspace(components=(Component(("a", "b"), Form.GRAPH, (), 0, ("",)),)),
    "same": Workspace(components=(Component(("a", "a"), Form.GRAPH, (), 0, ("", "")),)),
    "length": Workspace(components=(Component(("a",), Form.GRAPH, (), -1, ("",)),)),
    "lost": Workspace(lost=(LostValue("a", "x" * 70_000),)),
}


@pytest.mark.parametrize("what", HOSTILE_WORKSPACES)
def test_a_workspace_that_no_runner_could_send_is_refused(what: str) -> None:
    assert "archive" in refusal(head(), commit(HOSTILE_WORKSPACES[what]))


def test_a_block_that_is_not_there_is_named() -> None:
    digest = "ab" * 32
    component = Component(("a",), Form.GRAPH, (digest,), 1, ("",))
    for place in (BlockPlace(-1, 0), BlockPlace(0, 0), BlockPlace(5, 0), BlockPlace(-1, 3), BlockPlace(-7, -7)):
        found = refusal(head(), commit(Workspace((component,)), {digest: place}))
        assert found == f"a commit of the archive names block {digest}, which is not in it at that place"


def test_one_block_that_is_named_again_and_again_costs_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    block = b"P" + bytes((1 << 20) - 1)
    digest = content_digest(block)
    component = Component(("a",), Form.OPAQUE, (digest,) * 200, 200 << 20, ("",))
    made = commit(Workspace((component,)), {digest: BlockPlace(-1, 0)}, held=(1,))
    file = sealed(head(blocks=1, handles=1), (Kind.BLOCK, block), made)
    tracemalloc.start()
    try:
        assert check_archive(file).lost == {}
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    monkeypatch.setattr(archive_untrusted, "_MAX_LOOKED_BYTES", 100 << 20)
    file.seek(0)
    with pytest.raises(LimitExceeded, match="archive_bytes"):
        check_archive(file)


@pytest.mark.parametrize("cut", [1, 20, 40, 60, 100])
def test_a_handle_is_found_wherever_its_name_is_cut(cut: int) -> None:
    whole = b"P" + bytes(20) + b"sandbox_runner.executor.pickling\x8c\x07_handle" + bytes(60)
    parts = [whole[:cut], whole[cut:]]
    digests = tuple(map(content_digest, parts))
    component = Component(("a",), Form.OPAQUE, digests, len(whole), ("",))
    made = commit(Workspace((component,)), dict.fromkeys(digests, BlockPlace(-1, 0)), held=(1,))
    blocks = [(Kind.BLOCK, part) for part in parts]
    assert set(check_archive(sealed(head(blocks=2, handles=1), *blocks, made)).lost) == {"a"}


@pytest.mark.parametrize(
    ("remark", "good"),
    [
        ({"traceback": ["Traceback", "  1 / 0"]}, True),
        ({"traceback": "Traceback"}, False),
        ({"traceback": [1]}, False),
        ({"model": {"seconds": 0.5, "output_tokens": 7, "cost": None}}, True),
        ({"model": 7}, False),
        ({"model": {"seconds": None}}, False),
        ({"difficulty": "H"}, True),
        ({"difficulty": "X"}, False),
    ],
)
def test_remarks_that_readers_rely_on(remark: dict[str, object], good: bool) -> None:
    with nullcontext() if good else pytest.raises(InvalidArchive, match="a remark"):
        check_usage(remark, "entry 0")


def test_entries_out_of_order_are_refused() -> None:
    item = Kind.ITEM, encode_item(ChatItem(0, "reply", 1, "t", 1, "x = 1", 0))
    end = Kind.END, encode_end(StepEnd("committed", 1, 0, 0, 0, {}, {}, 0, 0))
    check_archive(sealed(head(items=1, ends=1), commit(), item, end))
    for frames in ([end], [item], [item, item], [item, end, end], [end, item], [item, (Kind.JOURNAL, b""), end]):
        assert refusal(head(items=1, ends=1), commit(), *frames)
    assert refusal(commit(), head())
    assert refusal(head(), head())
    assert refusal(head(blocks=1), commit(), (Kind.BLOCK, b"late"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from(["calls", "tool_log", "hidden", "prose", "model", "x"]), json_values, max_size=4)
)
def test_remarks_are_taken_or_refused(usage: dict[str, object]) -> None:
    for check in (check_usage, check_outcome):
        with suppress(InvalidArchive):
            check(usage, "entry 0")


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.sampled_from([kind for kind in Kind if kind is not Kind.SEAL]),
            st.binary(max_size=300)
            | json_values.map(lambda value: json.dumps(value).encode())
            | st.sampled_from([head()[1], commit()[1]]),
        ),
        max_size=6,
    ),
    st.dictionaries(st.sampled_from(sorted(json.loads(head()[1]))), json_values, max_size=2),
)
def test_no_archive_of_random_frames_raises_anything_else(
    frames: list[tuple[Kind, bytes]], fields: dict[str, object]
) -> None:
    for tried in (frames, [head(), commit(), *frames], [head(**fields), commit()]):
        with suppress(InvalidArchive, LimitExceeded):
            check_archive(sealed(*tried))


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for tried in (data, archive.MAGIC + data):
        with pytest.raises((InvalidArchive, LimitExceeded)):
            check_archive(io.BytesIO(tried))
