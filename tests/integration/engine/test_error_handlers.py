"""Error handlers over a real service: called once after a failure, in doubt after a crash, never after a good end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.engine.service import Service
from statek import FutureResult, error_handler, suspend_for, tool
from statek.error_handlers import ErrorHandler
from statek.exceptions import InvalidRequest
from statek.future import FutureState, Settlement

from .conftest import Open, code, crash


class Bookings:
    """A tool that books, and its handler that cancels."""

    def __init__(self) -> None:
        self.cancelled: list[tuple[Any, str]] = []
        self.entered = asyncio.Event()
        self.hang = False

        @error_handler
        async def _cancel(context: Any, error: BaseException | None = None) -> None:
            self.entered.set()
            if self.hang:
                await asyncio.Event().wait()
            self.cancelled.append((context, f"{type(error).__name__}: {error}"))
            if context == "room bad":
                raise ConnectionError("swallowed")

        @tool(error_handler=_cancel)
        def book(name: str, **kwargs: object) -> str:
            """Book something."""
            if name == "nothing":
                raise LookupError(name)
            return f"room {name}"

        self.tool = book


@pytest.fixture
def bookings() -> Bookings:
    return Bookings()


BOOKS = code("book('A')\ntry:\n    book('nothing')\nexcept LookupError:\n    pass\nbook('bad')")
LIMIT = "LLM_HarnessError: limit max_turns is 1, the job has used 1"


def states(service: Service, id_: str) -> list[tuple[str, str]]:
    return [(handler.tool, handler.state) for handler in service.access.error_handlers_sync(id_)]


async def test_failure_calls_the_handler_of_each_call_that_succeeded(open_with: Open, bookings: Bookings) -> None:
    async with open_with([BOOKS], tools=[bookings.tool], max_turns=1) as service:
        id_ = await service.submit("helper")
        await service.wait_idle()
        kept = await asyncio.to_thread(service.access.error_handlers_sync, id_)
        bookings.cancelled.sort()
    assert bookings.cancelled == [("room A", LIMIT), ("room bad", LIMIT)]
    assert kept == [ErrorHandler(1, "helper", 0, 1, "book", "done"), ErrorHandler(1, "helper", 0, 3, "book", "done")]


async def test_good_end_and_cancellation_call_none(open_with: Open, bookings: Bookings) -> None:
    async with open_with([BOOKS, code("exit('x')")], tools=[bookings.tool]) as service:
        id_ = await service.submit("helper")
        await service.wait_idle()
        assert await asyncio.to_thread(states, service, id_) == [("book", "kept")] * 2
    assert bookings.cancelled == []


async def test_failed_warmup_calls_them_too(open_with: Open, bookings: Bookings) -> None:
    async with open_with([], tools=[bookings.tool], warmup="book('A')\n1 / 0") as service:
        await service.submit("helper")
        await service.wait_idle()
    assert bookings.cancelled == [("room A", "JobFailed: ZeroDivisionError: division by zero")]


async def test_handler_in_flight_at_a_crash_is_in_doubt_and_the_others_are_called(
    open_with: Open, bookings: Bookings
) -> None:
    bookings.hang = True
    async with open_with([BOOKS], tools=[bookings.tool], max_turns=1) as service:
        id_ = await service.submit("helper")
        await bookings.entered.wait()
        await crash(service)
    bookings.hang = False
    async with open_with([BOOKS], tools=[bookings.tool], max_turns=1) as service:
        await service.wait_idle()
        assert await asyncio.to_thread(states, service, id_) == [("book", "in doubt"), ("book", "done")]
    assert bookings.cancelled == [("room bad", LIMIT)]
    async with open_with([BOOKS], tools=[bookings.tool], max_turns=1) as service:
        await service.wait_idle()
    assert len(bookings.cancelled) == 1


async def test_tool_that_is_gone_leaves_its_handler_failed(open_with: Open, bookings: Bookings) -> None:
    bookings.hang = True
    async with open_with([BOOKS], tools=[bookings.tool], max_turns=1) as service:
        id_ = await service.submit("helper")
        await bookings.entered.wait()
        await crash(service)
    async with open_with([], max_turns=1) as service:
        await service.wait_idle()
        assert await asyncio.to_thread(states, service, id_) == [("book", "in doubt"), ("book", "failed")]


async def test_a_future_is_handled_from_when_its_value_is_read(open_with: Open) -> None:
    undone: list[Any] = []
    asked: dict[str, str] = {}

    @error_handler
    def _undo(context: Any, error: BaseException | None = None) -> None:
        undone.append(context)

    @tool(error_handler=_undo)
    async def ask(name: str, **kwargs: object) -> FutureResult:
        """Ask somebody."""
        future = suspend_for(name)
        asked[name] = future.id
        return future

    @tool(effect="none")
    def take(what: dict, **kwargs: object) -> None:
        """Take a value."""

    replies = [code("a, b, c = ask('read'), ask('given'), ask('left')"), code("take(b)\nprint(a)")]
    async with open_with(replies, tools=[ask, take], max_turns=2, idle_hold_seconds=0.0) as service:
        id_ = await service.submit("helper")
        await service.wait_idle()
        assert await asyncio.to_thread(states, service, id_) == [("ask", "waiting")] * 3
        for name, future in asked.items():
            await service.settle_future(future, Settlement(FutureState.RESOLVED, {"answer": name}))
        await service.wait_idle()
        assert await asyncio.to_thread(states, service, id_) == [("ask", "done"), ("ask", "done"), ("ask", "waiting")]
    assert sorted(map(str, undone)) == ["{'answer': 'given'}", "{'answer': 'read'}"]


async def test_a_job_that_is_done_takes_over_no_handlers(open_with: Open, bookings: Bookings) -> None:
    replies = [code("book('A')"), code("book('B')")]
    async with open_with(replies, tools=[bookings.tool], max_turns=2) as service:
        await service.wait(await service.submit("helper"))
        await service.wait_idle()
        assert [context for context, _ in bookings.cancelled] == ["room A", "room B"]
        with pytest.raises(InvalidRequest, match="job j1 is done; its error handlers have been called if it failed"):
            await asyncio.to_thread(service.access.job(1).add_error_handlers_from, service.access.job(1))


async def test_handlers_that_were_taken_over_are_called_when_the_job_fails(open_with: Open, bookings: Bookings) -> None:
    async with open_with([code("book('A')\nbook('B')"), code("exit()")], tools=[bookings.tool]) as service:
        kept = service.access.job(int((await service.submit("helper"))[1:]))
        await service.wait(kept.id)
    assert bookings.cancelled == []
    async with open_with([], tools=[bookings.tool]) as service:
        await crash(service)
        await add_handlers_to_a_new_job(service, kept.id)
    async with open_with([], tools=[bookings.tool]) as service:
        assert (await service.wait("j2")).failure is not None
        await service.wait_idle()
        handlers = await asyncio.to_thread(lambda: service.access.job(2).error_handlers)
        assert [(one.job, one.tool, one.state) for one in handlers] == [(1, "book", "done"), (1, "book", "done")]
        assert states(service, kept.id) == [("book", "kept"), ("book", "kept")]
    assert [context for context, _ in bookings.cancelled] == ["room A", "room B"]


async def add_handlers_to_a_new_job(service: Service, kept: str) -> None:
    """A job that has not begun and takes over the handlers of another; one of them twice, which changes nothing."""
    source = service.access.job(int(kept[1:]))
    other = service.access.job(int((await service.submit("helper"))[1:]))

    def take() -> None:
        other.add_error_handler(source.error_handlers[0])
        other.add_error_handlers_from(source)
        with pytest.raises(InvalidRequest, match="job j1 does not keep this error handler of book, or it was called"):
            other.add_error_handler(replace(source.error_handlers[0], call=99))
        with pytest.raises(InvalidRequest, match=r"an error handler is one of job.error_handlers, not a str"):
            other.add_error_handler("book")  # type: ignore[arg-type]

    await asyncio.to_thread(take)
