"""A real store in the test's folder."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import dbzero as db0
import pytest


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Iterator[None]:
    folder = tmp_path / "db"
    folder.mkdir()
    db0.init(str(folder), autocommit=False, cache_size=64 << 20)
    db0.open("example")
    yield
    gc.collect()
    db0.close()
