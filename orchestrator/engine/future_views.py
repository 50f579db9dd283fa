"""Plain-data views of futures (on the store thread)."""

from __future__ import annotations

from orchestrator.engine.future_store import FutureStore
from orchestrator.engine.futures import Awaited
from orchestrator.engine.jobs import job_id
from orchestrator.engine.views import short
from statek.executors.views import AwaitedView, FutureView
from statek.future import FutureState
from statek.future_records import FutureRecord
from statek.packing import join_pieces, pieces_of, unpack
from statek.records import JobRecord

__all__ = ["awaited_view", "future_view"]

_MAX_DETAILS_CHARS = 4000


def future_view(record: FutureRecord) -> FutureView:
    """One future."""
    if record.state == FutureState.RESOLVED.value:
        result = short(join_pieces(pieces_of(record.value)), _MAX_DETAILS_CHARS)
    else:
        result = unpack(record.message) or ""
    return FutureView(
        id=record.id,
        job=job_id(unpack(record.jobs)[0]),
        what=unpack(record.what),
        kind=record.kind,
        state=record.state,
        details=short(join_pieces(pieces_of(record.details)), _MAX_DETAILS_CHARS),
        result=result,
        created_us=record.created_us,
        deadline_us=record.deadline_us,
        settled_us=record.settled_us,
    )


def awaited_view(store: FutureStore, record: JobRecord) -> AwaitedView | None:
    """What a job waits for."""
    awaited = Awaited.of(record)
    if awaited is None:
        return None
    found = [store.get(number) for number in awaited.futures]
    ids, whats = tuple(one.id for one in found), tuple(unpack(one.what) for one in found)
    return AwaitedView(awaited.mode, ids, whats, awaited.statement)
