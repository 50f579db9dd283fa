from __future__ import annotations

import gc

import dbzero
import pytest

from orchestrator.engine.objects import GrantTable, ObjectGateway, ObjectLimits
from orchestrator.sandboxes.step import CallKind
from sandbox_runner.wire.values import decode, encode
from statek.access import DefaultAcl, Policy

from . import calendar_model as model


class Sandbox:
    """What an executor would hold: handles, their newest states, and calls to the host."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.states = {}
        self.types = {}

    def take(self, bundle):
        taken = []
        if bundle:
            found = decode(bundle)
            self.types.update({entry["key"]: entry for entry in found["types"]})
            for state in found["states"]:
                self.states[state["id"]] = state
                assert state["type"] in self.types
                taken.append(state["id"])
        return taken

    def perform(self, kind, handle, name, args, version=b""):
        data = args if isinstance(args, bytes) else encode(args)
        with dbzero.atomic():
            answer = self.gateway.perform(kind, getattr(handle, "id", handle), name, data, version)
            self.answer = answer
            if answer.error_type:
                raise _Undo
        return answer

    def _call(self, *args):
        try:
            answer = self.perform(*args)
        except _Undo:
            self.taken = self.take(self.answer.handles)
            return (self.answer.error_type, self.answer.error_message)
        self.taken = self.take(answer.handles)
        return decode(answer.value)

    def call(self, handle, name, *args, **kwargs):
        return self._call(CallKind.METHOD, handle, name, [list(args), kwargs])

    def get(self, handle, name):
        return self._call(CallKind.GET_ATTRIBUTE, handle, name, [])

    def set(self, handle, name, value, version=None):
        seen = self.states.get(handle.id, {}).get("version", b"") if version is None else version
        return self._call(CallKind.SET_ATTRIBUTE, handle, name, [value], seen)

    def item(self, handle, name, *args, version=None):
        seen = self.states.get(handle.id, {}).get("version", b"") if version is None else version
        return self._call(CallKind.ITEM, handle, name, [list(args), {}], seen)

    def raw(self, kind, handle, name, args, version=b""):
        return self._call(kind, handle, name, args, version)

    def fields(self, handle):
        return self.states[handle.id]["fields"]


class _Undo(Exception):
    pass


class World:
    def __init__(self):
        self.calendar = model.Calendar()
        dbzero.tags(self.calendar).add("root")
        for hour, title in ((9, "Weekly planning"), (11, "Review"), (15, "Retro")):
            self.calendar.add(title, model.at(hour), 45)
        self.ann = model.Person("Ann")
        self.calendar.people.append(self.ann)
        self.calendar.meetings[0].attendees.append(self.ann)
        self.calendar.meetings[0].organizer = self.ann
        self.tables = []
        dbzero.commit()

    def job(self, **policy):
        """A new job that holds the calendar; gives its sandbox and the handle."""
        limits = policy.pop("limits", None) or ObjectLimits()
        policy.setdefault("default_acl", DefaultAcl.DENY)
        table = GrantTable()
        dbzero.tags(table).add("table")
        self.tables.append(table)
        gateway = ObjectGateway(table, policy=Policy(agent_class="Agent", role="helper", **policy), limits=limits)
        sandbox = Sandbox(gateway)
        with dbzero.atomic():
            handle = gateway.grant(self.calendar)
            sandbox.take(gateway.states([handle.id]))
        return sandbox, handle


@pytest.fixture
def store(tmp_path):
    root = tmp_path / "db"
    root.mkdir()
    dbzero.init(str(root), autocommit=False)
    dbzero.open("test")
    yield root
    gc.collect()
    dbzero.close()


@pytest.fixture
def world(store):
    return World()


@pytest.fixture
def job(world):
    return world.job()
