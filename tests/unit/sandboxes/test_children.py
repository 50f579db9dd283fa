from __future__ import annotations

import os
from pathlib import Path

from orchestrator.sandboxes.children import ChildRecord, Children, end_process, start_time, tree_of, usage_of_tree


def record(runner_id: str) -> ChildRecord:
    own = os.getpid()
    return ChildRecord(
        runner_id=runner_id,
        store_id="s",
        incarnation=3,
        pid=own,
        started=start_time(own),
        parent=own,
        parent_started=start_time(own),
        groups=("/sys/fs/cgroup/memory/x",),
    )


def test_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    children = Children(tmp_path / "runners")
    assert children.all() == []
    children.write(record("b"))
    children.write(record("a"))
    assert children.all() == [record("a"), record("b")]
    children.forget("a")
    children.forget("a")
    assert (children.read("a"), children.read("b")) == (None, record("b"))


def test_damaged_record_is_left_out(tmp_path: Path) -> None:
    children = Children(tmp_path)
    children.write(record("good"))
    for name, text in (("empty", ""), ("torn", '{"runner_id": "x"'), ("list", "[]"), ("other", '{"a": 1}')):
        (tmp_path / f"{name}.json").write_text(text)
    assert children.all() == [record("good")]


def test_start_time_of_this_process_is_stable_and_of_none_is_zero() -> None:
    assert start_time(os.getpid()) == start_time(os.getpid()) > 0
    assert start_time(2**22 + 1) == 0


def test_process_with_another_start_time_is_not_ended() -> None:
    end_process(os.getpid(), start_time(os.getpid()) + 1)
    end_process(0, 1)
    end_process(os.getpid(), 0)
    assert os.getpid() in tree_of(os.getpid())


def test_usage_of_this_process_is_counted() -> None:
    usage = usage_of_tree(os.getpid())
    assert (usage.memory_bytes > 1 << 20, usage.pids >= 1, usage.oom_kills) == (True, True, 0)
