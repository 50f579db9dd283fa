"""What the store thread hands back must not end the loop of whoever asked."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.store.thread import Answer


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), StopIteration()])
async def test_error_that_would_end_the_loop_arrives_as_an_ordinary_one(error: BaseException) -> None:
    answer = Answer(asyncio.get_running_loop())
    answer.settle(None, error)
    with pytest.raises(RuntimeError, match=f"^{type(error).__name__} raised by a store function"):
        await answer.future
