"""Serves the API on its Unix socket while a block runs."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

from orchestrator.api.limits import MAX_CONCURRENT_CALLS, MAX_MESSAGE_BYTES
from orchestrator.api.servicer import Servicer
from orchestrator.api.socket_file import api_socket, check_path, grpc_address, is_answering
from orchestrator.api.v1 import service_pb2_grpc as pb_grpc
from orchestrator.engine.service import Service
from statek.exceptions import ConfigurationError
from statek.settings import StatekSettings

__all__ = ["ApiServer"]

_GRACE_SECONDS = 1.0
"""Calls that are being answered at the end get this long; waiting ones are ended."""


class ApiServer:
    """An async context manager: the socket answers inside the block."""

    def __init__(self, service: Service, settings: StatekSettings) -> None:
        """Args are the service to speak for and the settings that name the socket."""
        self._service = service
        self._path = api_socket(settings).absolute()
        self._server: grpc.aio.Server | None = None
        self._inode = 0

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            ConfigurationError: the path cannot be used, or somebody answers there already.
        """
        check_path(self._path)
        if await asyncio.to_thread(is_answering, self._path):
            raise ConfigurationError(f"another service answers at {self._path} already")
        server = grpc.aio.server(
            options=(
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),
            ),
            maximum_concurrent_rpcs=MAX_CONCURRENT_CALLS,
        )
        pb_grpc.add_StatekServiceServicer_to_server(  # type: ignore[no-untyped-call]  # generated
            Servicer(self._service), server
        )
        try:
            folder = Path(tempfile.mkdtemp(prefix=".api-", dir=self._path.parent))
        except OSError as error:
            raise ConfigurationError(f"the API socket cannot be made at {self._path}: {error.strerror}") from error
        try:
            staged = folder / self._path.name
            server.add_insecure_port(grpc_address(staged))
            await server.start()
            staged.chmod(0o600)
            self._inode = staged.stat().st_ino
            staged.rename(self._path)
        except (OSError, RuntimeError) as error:
            await server.stop(None)
            raise ConfigurationError(f"the API socket cannot be made at {self._path}: {error}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self._server = server
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop listening, end the calls and take the socket away, unless it is somebody else's by now."""
        if self._server is None:
            return
        try:
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()
        except FileNotFoundError:
            pass
        await self._server.stop(_GRACE_SECONDS)
        self._server = None
