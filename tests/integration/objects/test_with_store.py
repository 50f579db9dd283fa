"""The same through the real store: its thread, its atomic blocks, its checked writes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from functools import partial

import dbzero
import pytest

from orchestrator.engine.objects import GrantTable, ObjectGateway
from orchestrator.sandboxes.step import CallKind
from orchestrator.store.store import Store
from sandbox_runner.wire.values import decode, encode
from statek.access import Policy
from statek.durable import tag

from . import calendar_model as model


class _Undo(Exception):
    pass


@pytest.fixture
def real_store(tmp_path):
    store = Store.open(tmp_path / "store")
    yield store
    gc.collect()
    store.close()


@pytest.fixture
async def setting(real_store):
    def create():
        calendar = model.Calendar()
        tag(calendar, "root")
        calendar.add("Review", model.at(11))
        table = GrantTable()
        tag(table, "table")
        gateway = ObjectGateway(table, policy=Policy())
        return gateway, gateway.grant(calendar), calendar

    return await real_store.commit(create)


async def perform(store, gateway, kind, handle, name, args):
    found = []

    def block():
        found.append(gateway.perform(kind, handle.id, name, encode(args)))
        if found[0].error_type:
            raise _Undo

    with contextlib.suppress(_Undo):
        await store.write(block)
    return found[0]


async def test_calls_through_the_store_s_atomic_blocks(real_store, setting):
    gateway, handle, calendar = setting
    call = partial(perform, real_store, gateway, CallKind.METHOD)
    meeting = decode((await call(handle, "find_meeting", [["Review"], {}])).value)
    assert (await call(meeting, "rename_then_fail", [["x"], {}])).error_type == "ValueError"
    assert await real_store.read(lambda: calendar.meetings[0].title) == "Review"
    assert (await call(meeting, "store", [["a\0b"], {}])).error_type == "UnstorableValue"
    assert (await call(meeting, "store", [[2**70], {}])).error_type == "UnstorableValue"
    assert (await call(meeting, "store", [["fine"], {}])).error_type == ""
    assert await real_store.read(lambda: calendar.meetings[0].notes) == "fine"


@dbzero.memo(id="test.objects.Meddler")
class Meddler:
    def __init__(self):
        self.value = 1

    def flush(self):
        self.value = 2
        dbzero.commit()


async def test_application_code_that_reaches_for_the_store_gets_an_error(real_store, setting):
    gateway, _, _ = setting

    def give():
        meddler = Meddler()
        tag(meddler, "meddler")
        return gateway.grant(meddler), meddler

    handle, meddler = await real_store.write(give)
    answer = await perform(real_store, gateway, CallKind.METHOD, handle, "flush", [[], {}])
    assert answer.error_type == "StoreError"
    assert "dbzero.commit is reserved" in answer.error_message
    assert await real_store.read(lambda: meddler.value) == 1


async def test_proxies_in_a_thread_and_grouped_changes(real_store, setting):
    gateway, _, calendar = setting
    proxy = await real_store.read(lambda: gateway.proxy(calendar, real_store))

    def tool():
        meeting = proxy.find_meeting("Review")
        meeting.title = "From a thread"
        meeting.attendees.append("Ann")

        def grouped():
            meeting.minutes = 5
            meeting.notes = "both"
            raise ValueError("neither")

        with pytest.raises(ValueError, match="neither"):
            real_store.write_sync(grouped)
        return meeting

    meeting = await asyncio.to_thread(tool)
    answer = await real_store.write(lambda: gateway.answer(meeting))
    state = {entry["id"]: entry for entry in decode(answer.handles)["states"]}[decode(answer.value).id]
    assert state["fields"]["title"] == "From a thread"
    assert (state["fields"]["minutes"], state["fields"]["notes"]) == (30, "")
    assert await real_store.read(lambda: list(calendar.meetings[0].attendees)) == ["Ann"]
