"""A flush that dbzero could not finish: what is durable stays as it was, and a new start has the last good flush."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.store import store as store_module
from orchestrator.store.store import Store
from statek.exceptions import StoreDamaged, StoreFull


def test_a_flush_is_not_begun_without_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(tmp_path)
    monkeypatch.setattr(store_module, "_RESERVE_BYTES", 1 << 62)
    with pytest.raises(StoreFull, match="of free space left, a flush needs"):
        store.commit_sync(lambda: None)
    monkeypatch.undo()
    store.commit_sync(lambda: None)
    store.close()


def test_after_a_lost_write_nothing_is_acknowledged_and_the_next_start_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(tmp_path)
    store.commit_sync(lambda: None)
    call = store_module.control.call

    def refusing(name: str, *args: object, **kwargs: object) -> object:
        if name == "commit":
            raise RuntimeError("CFile::flush: failed to flush file x.db0")
        return call(name, *args, **kwargs)

    monkeypatch.setattr(store_module.control, "call", refusing)
    with pytest.raises(StoreDamaged, match="the service must be started again"):
        store.commit_sync(lambda: None)
    monkeypatch.undo()
    with pytest.raises(StoreDamaged, match="the service must be started again"):
        store.commit_sync(lambda: None)
    with pytest.raises(StoreDamaged):
        store.close()
    again = Store.open(tmp_path)
    again.close()
