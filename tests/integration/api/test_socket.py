from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.api.client import StatekClient
from orchestrator.api.server import ApiServer
from orchestrator.engine.service import Service
from statek.exceptions import ConfigurationError
from statek.settings import StatekSettings
from tests.integration.api.conftest import Serve


def bare(path: Path) -> ApiServer:
    """A server that is only listened to, so no service is behind it."""
    settings = StatekSettings.load({"data_dir": path.parent, "api_socket_path": path}, environ={})
    return ApiServer(cast("Service", None), settings)


async def test_the_socket_is_the_owners_alone_and_goes_away(serve: Serve, settings: StatekSettings) -> None:
    path = settings.data_dir / "api.sock"
    async with serve():
        assert oct(path.stat().st_mode & 0o777) == "0o600"
        assert [entry.name for entry in settings.data_dir.iterdir() if entry.name.startswith(".api-")] == []
    assert not path.exists()


async def test_a_dead_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    before = path.stat().st_ino
    async with bare(path):
        assert path.stat().st_ino != before


async def test_a_second_server_is_refused_and_the_first_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    async with bare(path):
        with pytest.raises(ConfigurationError) as raised:
            async with bare(path):
                pass
        assert str(raised.value) == f"another service answers at {path} already"
        assert path.exists()


async def test_a_path_that_no_socket_can_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 120)
    with pytest.raises(ConfigurationError) as raised:
        async with bare(path):
            pass
    assert str(raised.value) == (
        f"the path of the API socket has {len(bytes(path))} bytes, at most 93 are possible: {path}; "
        "use a shorter data directory"
    )


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none" / "api.sock"
    with pytest.raises(ConfigurationError) as raised:
        async with bare(path):
            pass
    assert str(raised.value) == f"the API socket cannot be made at {path}: No such file or directory"


@pytest.mark.parametrize("name", ["a b", "50%25", "q?x=1", "h#1", "ü"])
async def test_any_name_of_a_folder_works(tmp_path: Path, name: str) -> None:
    import asyncio

    class Quiet:
        def statistics(self) -> dict[str, Any]:
            return {"full": None}

    folder = tmp_path / name
    folder.mkdir()
    settings = StatekSettings.load({"data_dir": folder}, environ={})
    async with ApiServer(cast("Service", Quiet()), settings):
        with StatekClient(folder / "api.sock") as client:
            assert (await asyncio.to_thread(client.status)).statistics == {"full": None}
