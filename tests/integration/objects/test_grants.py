from __future__ import annotations

import gc

import dbzero
import pytest

from orchestrator.engine.objects import GrantTable, ObjectGateway, ObjectLimits
from orchestrator.engine.objects.grants import Grants
from orchestrator.sandboxes.step import CallKind
from sandbox_runner.wire.values import Handle, encode
from statek.access import Policy
from statek.exceptions import AccessDenied, InvalidRequest, LimitExceeded

from . import calendar_model as model


@pytest.fixture
def table(store):
    table = GrantTable()
    dbzero.tags(table).add("table")
    return table


def person(name="x"):
    found = model.Person(name)
    dbzero.tags(found).add("person")
    return found


@pytest.mark.parametrize("forged", [0, -1, 99, 2**62, 2**63, 2**64])
@pytest.mark.parametrize("kind", [CallKind.METHOD, CallKind.GET_ATTRIBUTE, CallKind.SET_ATTRIBUTE, CallKind.ITEM])
def test_forged_ids_reach_nothing(job, kind, forged):
    sandbox, _ = job
    error = sandbox.raw(kind, forged, "page", encode([[0, 1], {}]))
    assert error == ("AccessDenied", f"this job has no handle {forged}")


def test_forged_ids_in_arguments_reach_nothing(job):
    sandbox, calendar = job
    expected = ("AccessDenied", "this job has no handle 99")
    assert sandbox.call(calendar, "contains", Handle(99, "any")) == expected
    assert sandbox.call(calendar, "contains", {"a": [Handle(99, "any")]}) == expected
    assert sandbox.set(calendar, "names", [Handle(99, "any")]) == expected


def test_ids_of_another_job_mean_this_job_s_own_object_or_nothing(world):
    first, calendar = world.job()
    second, _ = world.job()
    meeting = first.call(calendar, "find_meeting", "Review")
    beyond = Handle(len(world.tables[1].objects) + 1, meeting.type_name)
    assert second.get(beyond, "title")[0] == "AccessDenied"
    stranger = person("Eve")
    with dbzero.atomic():
        theirs = first.gateway.grant(stranger)
    assert first.get(theirs, "name") == "Eve"
    assert second.get(theirs, "name")[0] == "AccessDenied"


def test_grants_are_bounded(table):
    grants = Grants(table, max_grants=2)
    with dbzero.atomic():
        one = person()
        assert grants.grant(one) == 1
        assert grants.grant(person()) == 2
        assert grants.grant(one) == 1
        with pytest.raises(LimitExceeded) as caught:
            grants.grant(person())
    assert (caught.value.limit, caught.value.value, caught.value.usage) == ("grants", 2, 3)
    assert len(table.objects) == 2


def test_grant_limit_is_an_answer(world):
    sandbox, calendar = world.job(limits=ObjectLimits(grants=9))
    created = [
        sandbox.call(calendar, "add", "x", sandbox_time) for sandbox_time in [world.calendar.meetings[0].starts_at] * 9
    ]
    assert created[-1][0] == "LimitExceeded"
    assert created[-1][1].startswith("limit grants is 9, this needs 10")


def test_ids_survive_a_restart(table, tmp_path):
    calendar = model.Calendar()
    dbzero.tags(calendar).add("root")
    with dbzero.atomic():
        grants = Grants(table, max_grants=100)
        ids = [grants.grant(x) for x in (calendar, calendar.meetings, calendar.names)]
    assert ids == [1, 2, 3]
    uuid = dbzero.uuid(table)
    dbzero.commit()
    del table, calendar, grants
    gc.collect()
    dbzero.close()
    dbzero.init(str(tmp_path / "db"), autocommit=False)
    dbzero.open("test", "rw")
    table = dbzero.fetch(uuid)
    grants = Grants(table, max_grants=100)
    calendar = grants.resolve(1).target
    assert grants.grant(calendar.names) == 3
    assert grants.grant(calendar.meetings) == 2
    assert grants.grant(calendar) == 1
    assert grants.grant(calendar.people) == 4


def test_rolled_back_grants_leave_no_trace(table):
    grants = Grants(table, max_grants=100)
    kept = person("kept")
    with dbzero.atomic():
        assert grants.grant(kept) == 1
    lost = []

    def lose():
        with dbzero.atomic():
            lost.append(model.Calendar())
            assert [grants.grant(lost[0]), grants.grant(lost[0].meetings)] == [2, 3]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lose()
    lost.clear()
    gc.collect()
    with pytest.raises(AccessDenied):
        grants.resolve(2)
    other = person("other")
    with dbzero.atomic():
        assert grants.grant(other) == 2
        assert grants.grant(kept) == 1
    assert grants.resolve(2).target is other


def test_an_index_that_another_instance_overtook_never_names_a_wrong_object(table):
    first, second = Grants(table, max_grants=100), Grants(table, max_grants=100)
    a, b = person("a"), person("b")

    def lose():
        with dbzero.atomic():
            assert first.grant(a) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lose()
    with dbzero.atomic():
        assert second.grant(b) == 1
        assert first.find(a) is None
        assert first.grant(a) == 2


def test_closed_table_grants_nothing_and_keeps_nothing_alive(table):
    gateway = ObjectGateway(table, policy=Policy())
    target = model.Person("gone")
    uuid = dbzero.uuid(target)
    with dbzero.atomic():
        gateway.grant(target)
    dbzero.commit()
    with dbzero.atomic():
        gateway.close()
    del target
    gc.collect()
    dbzero.commit()
    assert not dbzero.exists(uuid)
    with dbzero.atomic(), pytest.raises(AccessDenied, match="the job has ended"):
        gateway.grant(person())


def test_plain_values_need_no_grant(table):
    with pytest.raises(InvalidRequest, match="a int is not a durable object"):
        ObjectGateway(table, policy=Policy()).grant(3)


def test_held_ids_from_a_runner_are_filtered(job):
    sandbox, calendar = job
    with dbzero.atomic():
        taken = sandbox.take(sandbox.gateway.states([calendar.id, 0, -3, 10**9, calendar.id, True, "x"]))
    assert taken[0] == calendar.id
    assert len(taken) == len(set(taken))
