"""What is left on the event loop of calls once the servers have stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from orchestrator.grpc_calls import find_call_tasks, wait_calls_ended

pytestmark = pytest.mark.timeout(60)


class Endless(grpc.GenericRpcHandler):
    """Answers every call without an end."""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        async def answer(_request: bytes, _context: Any) -> AsyncIterator[bytes]:
            while True:
                yield b"x"
                await asyncio.sleep(0)

        return grpc.unary_stream_rpc_method_handler(answer)


async def test_no_task_of_a_call_is_left_once_they_were_waited_for(tmp_path: Path) -> None:
    left = 0
    for number in range(10):
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((Endless(),))
        server.add_insecure_port(f"unix:{tmp_path}/{number}")
        await server.start()
        async with grpc.aio.insecure_channel(f"unix:{tmp_path}/{number}") as channel:
            calls = [channel.unary_stream("/a/b")(b"") for _ in range(4)]
            for call in calls:
                assert await call.read() == b"x"
            assert len(find_call_tasks()) == 8
            await server.stop(None)
            left += len(find_call_tasks())
            await wait_calls_ended()
            assert find_call_tasks() == set()
    assert left  # else grpcio waits for them itself by now, and nobody else needs to
