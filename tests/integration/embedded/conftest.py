"""The service inside the test's own process; one at a time, because dbzero is one per process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dbzero
import pytest

import statek
from statek import durable
from statek.settings import StatekSettings, set_statek_settings


@pytest.fixture(autouse=True)
def fresh_process() -> Iterator[None]:
    """Leave nothing open behind and no settings in force."""
    yield
    statek.close()
    if durable.is_initialised():
        dbzero.close()
    set_statek_settings(None)


@pytest.fixture
def settings(tmp_path: Path) -> StatekSettings:
    """Settings of a service over this test's own folder."""
    return StatekSettings(data_dir=tmp_path / "data", driver="process", pool_size=1)
