"""Long jobs are read in pages, so that they hold the store thread for moments only."""

from __future__ import annotations

import asyncio

import pytest

from statek.executors.views import JobView

from .conftest import Open, code, console, crash, steps

pytestmark = pytest.mark.timeout(60)


async def test_job_reads_the_same_in_pages_of_one_item(open_with: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    replies = [*(code(f"print({n})") for n in range(5)), code("exit('end')")]
    async with open_with(replies) as service:
        id_ = await service.submit("helper", message="go")
        await service.wait(id_)
        whole = await service.job(id_)
        for owner in ("active_job", "views"):
            monkeypatch.setattr(f"orchestrator.engine.{owner}.PAGE_SECONDS", -1.0)
        paged: JobView = await service.job(id_)
        blocking = await asyncio.to_thread(service.job_sync, id_)
        items = await service.items(id_, start=2)
    assert [console(step) for step in steps(whole)] == [["0"], ["1"], ["2"], ["3"], ["4"], []]
    assert paged == whole
    assert blocking == whole
    assert tuple(items) == whole.items[2:]


async def test_conversation_is_complete_after_a_restart_in_pages_of_one_item(
    open_with: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.engine.active_job.PAGE_SECONDS", -1.0)
    replies = [*(code(f"print({n})") for n in range(3)), code("exit('end')")]
    asked: list[list[str]] = []
    reached = asyncio.Event()
    hang = True

    async def complete(request: object) -> object:
        asked.append([message["content"] for message in request.messages])  # type: ignore[attr-defined]
        if hang and len(asked) == 4:
            reached.set()
            await asyncio.Event().wait()
        return await answer(request)

    async with open_with(replies) as service:
        answer = service._model.complete
        service._model.complete = complete  # type: ignore[method-assign,assignment]
        id_ = await service.submit("helper", message="go")
        await reached.wait()
        await crash(service)
    hang = False
    async with open_with(replies) as service:
        answer = service._model.complete
        service._model.complete = complete  # type: ignore[method-assign,assignment]
        summary = await service.wait(id_)
    assert summary.exit_status == "end"
    assert asked[-1] == asked[3]
