"""The future records, read and changed in one place.

Every method is a plain function that runs on the store thread, inside the store's atomic block where it changes
something. Nothing here wakes anybody: ``orchestrator.engine.futures`` does, with what ``settle`` gives.

Values are graph form with the durable objects beside it, so that they belong to no job: each job that waits gets its
own handles when it is answered.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from orchestrator.engine.job_reader import JobReader
from orchestrator.engine.objects.host_proxy import unwrap
from orchestrator.engine.objects.kinds import Kind
from orchestrator.engine.objects.outbound import Outbound, type_key
from sandbox_runner.wire import values
from statek import durable
from statek.event_feed import emit
from statek.exceptions import FutureSettled, InvalidRequest, LimitExceeded, NotFound
from statek.future import FutureReading, FutureState, Settlement
from statek.future_records import FutureRecord, FutureTable
from statek.packing import join_pieces, pack, packed_pieces, pieces_of, split_pieces, unpack
from statek.temporals import Temporal

__all__ = ["MAX_VALUE_BYTES", "FutureStore", "future_id"]

MAX_VALUE_BYTES = 512 << 10
"""Longest value, details or dependencies of a future in graph form: an answer with it must fit one message."""

MAX_PENDING_PER_JOB = 1000
"""Futures that one job may have open; each is shown to people and kept until somebody ends it."""

MAX_COMBINED_PARTS = 1000
"""Futures that a combined one is made of, those of its parts included, as often as they are used: ending and reading
it visits all of them."""

MAX_COMBINED_DEPTH = 16
"""Combined futures within each other."""

_ROOT_TAG = "statek-futures"
_PENDING_TAG = "statek-future-pending"
_DEADLINE_TAG = "statek-future-deadline"
_WATCHING_TAG = "statek-future-watching"
_ID = re.compile(r"f-[a-z2-7]{26}")
_OWN_LIMITS = values.GraphLimits(max_bytes=1 << 30, max_nodes=1 << 24, max_depth=1 << 20, max_text_bytes=1 << 30)
_MAX_ITEMS = 10_000


def future_id(secret: str, origin: str) -> str:
    """The id of the future of an origin; another call with the same origin gives the same id.

    Args:
        secret: of the store.
        origin: names the call and the future within it.
    """
    digest = hmac.new(secret.encode(), origin.encode(), hashlib.sha256).digest()
    bits, alphabet = int.from_bytes(digest[:17], "big") >> 6, "abcdefghijklmnopqrstuvwxyz234567"
    return "f-" + "".join(alphabet[bits >> 5 * place & 31] for place in range(26))


def _job_tag(number: int) -> str:
    return f"statek-future-of-j{number}"


class FutureStore:
    """The futures of one prefix.

    Preconditions:
        every method: on the store thread; changing ones inside its atomic block.
    """

    def __init__(self) -> None:
        self._table: FutureTable | None = None
        self._jobs = JobReader()

    # ------------------------------------------------------------------------------------ reading

    def table(self) -> FutureTable | None:
        """The table of the prefix; None before its first future."""
        if self._table is None:
            self._table = next(iter(durable.find(FutureTable, _ROOT_TAG)), None)
        return self._table

    def secret(self) -> str:
        """What ids are made from; makes the table."""
        if self.table() is None:
            made = FutureTable(secrets.token_hex(32))
            durable.tag(made, _ROOT_TAG)
        table = self.table()
        assert table is not None
        secret: str = table.secret
        return secret

    def forget(self) -> None:
        """Look for the table anew: the block that made it may have been undone."""
        self._table = None

    def get(self, number: int) -> FutureRecord:
        """The future of that number.

        Raises:
            NotFound: there is none.
        """
        table = self.table()
        if table is None or not 1 <= number <= len(table.by_number):
            raise NotFound("there is no such future")
        record: FutureRecord = table.by_number[number - 1]
        return record

    def find(self, id_: str) -> FutureRecord | None:
        """The future of that id, if there is one."""
        table = self.table()
        if table is None or not _ID.fullmatch(id_) or id_ not in table.by_id:
            return None
        record: FutureRecord = table.by_id[id_]
        return record

    def require(self, id_: str) -> FutureRecord:
        """The future of that id.

        Raises:
            NotFound: there is none.
        """
        record = self.find(id_)
        if record is None:
            raise NotFound(f"there is no future {id_!r:.80}; statek futures list shows the open ones")
        return record

    def of_job(self, record: FutureRecord, job: int) -> bool:
        """Whether a job may wait for a future."""
        return job in unpack(record.jobs)

    def pending(self) -> Iterator[FutureRecord]:
        """Every future that is open, in no particular order."""
        return durable.find(FutureRecord, _PENDING_TAG)

    def pending_of(self, job: int) -> list[FutureRecord]:
        """The open futures that a job made."""
        return list(durable.find(FutureRecord, _job_tag(job)))

    def deadlines(self, start: int, count: int) -> list[tuple[int, int]]:
        """Deadline and number of some of the open futures that expire, by place; empty past the last.

        One that ends between two calls moves others to earlier places.
        """
        found = durable.find_page(FutureRecord, _DEADLINE_TAG, start, start + count)
        return [(record.deadline_us, record.number) for record in found]

    def watching(self, start: int, count: int) -> list[int]:
        """Numbers of some of the open futures that depend on durable objects, by place; as ``deadlines``."""
        return [record.number for record in durable.find_page(FutureRecord, _WATCHING_TAG, start, start + count)]

    def reading(self, record: FutureRecord) -> FutureReading:
        """A future with its value."""
        state = FutureState(record.state)
        if state is not FutureState.RESOLVED:
            return FutureReading(state, message=unpack(record.message) or "")
        parts = unpack(record.parts)
        if record.kind == "all":
            return FutureReading(state, tuple(self.reading(self.get(part)).value for part in parts))
        if record.kind == "any":
            first = min((p for p in map(self.get, parts) if p.settled_us), key=lambda part: part.settled_us)
            return FutureReading(state, self.reading(first).value)
        return FutureReading(state, _decode(record.value, record.objects))

    def taken(self, mode: str, numbers: Sequence[int]) -> set[int]:
        """The futures whose values a wait has given out, parts of combined ones included.

        Args:
            mode: ``all``, or ``any`` for the first that came to an end.
            numbers: what was waited for.
        """
        if mode == "any":
            ended = [record for record in map(self.get, numbers) if record.settled_us]
            numbers = [min(ended, key=lambda record: record.settled_us).number] if ended else []
        found: set[int] = set()
        for record in map(self.get, numbers):
            if record.state == FutureState.RESOLVED.value and record.number not in found:
                found.add(record.number)
                found |= self.taken(record.kind, unpack(record.parts))
        return found

    def stored_bytes(self, record: FutureRecord) -> int:
        """Length of a future's value as it is kept, those of its parts included."""
        own = sum(map(len, pieces_of(record.value)))
        return own + sum(self.stored_bytes(self.get(part)) for part in unpack(record.parts))

    def deps(self, record: FutureRecord) -> Any:
        """What a temporal's complement and condition are called with."""
        return _decode(record.deps, record.dep_objects)

    # ----------------------------------------------------------------------------------- changing

    def create(
        self,
        *,
        id_: str,
        job: int,
        what: str,
        details: Any,
        deadline_us: int,
        now_us: int,
        temporal: Temporal | None = None,
        deps: Any = None,
        mode: str = "event",
        parts: Sequence[FutureRecord] = (),
        size: int = 0,
    ) -> FutureRecord:
        """Make a pending future.

        Raises:
            LimitExceeded: too large, made of too many others, or the job has too many open ones.
            InvalidRequest: details or deps have no form that can be kept.
        """
        self.secret()
        table = self.table()
        assert table is not None
        tag = _job_tag(job)
        open_now = self._open_of(table, job)
        if open_now >= MAX_PENDING_PER_JOB:
            raise LimitExceeded("pending_futures", MAX_PENDING_PER_JOB, open_now + 1, "wait for some of them first")
        self._check_parts(parts)
        shown = b"" if details is None else _encode(details, "details")[0]
        record = FutureRecord(len(table.by_number) + 1, id_, pack([job]), pack(what), now_us)
        record.details = packed_pieces(split_pieces(shown))
        record.kind = mode
        record.size = size
        tags = [_PENDING_TAG, tag]
        if deadline_us:
            record.deadline_us = deadline_us
            tags.append(_DEADLINE_TAG)
        if temporal is not None:
            data, objects = _encode(deps, "what the temporal function returned")
            record.kind, record.temporal = "temporal", temporal.name
            record.deps, record.dep_objects = packed_pieces(split_pieces(data)), objects or None
            tags.append(_WATCHING_TAG)
        if parts:
            record.parts = pack([part.number for part in parts])
            for part in parts:
                part.parents = pack([*unpack(part.parents), record.number])
        table.by_number.append(record)
        table.by_id[id_] = record
        durable.tag(record, *tags)
        table.open_by_job[job] = open_now + 1
        self._tell("future.made", record, what=what)
        return record

    def _open_of(self, table: FutureTable, job: int) -> int:
        """How many open futures a job has made; counted once where nobody has."""
        if table.open_by_job is None:
            table.open_by_job = {}
        known = table.open_by_job.get(job)
        if known is not None:
            return int(known)
        return 0 if table.counts_all else len(self.pending_of(job))

    def _note_end(self, job: int) -> None:
        """One open future of a job less."""
        table = self.table()
        known = table.open_by_job.get(job) if table is not None and table.open_by_job is not None else None
        if table is None or known is None:
            return
        if known > 1 or not table.counts_all:
            table.open_by_job[job] = known - 1
        else:
            del table.open_by_job[job]

    def _check_parts(self, parts: Sequence[FutureRecord]) -> None:
        """Refuse a combined future that would take long to end or to read: thirty doublings are a billion parts.

        Raises:
            LimitExceeded: too many parts, or too deep within each other.
        """
        waiting = [(part, 1) for part in parts]
        count = len(waiting)
        while waiting:
            part, depth = waiting.pop()
            below = unpack(part.parts)
            count += len(below)
            if count > MAX_COMBINED_PARTS:
                raise LimitExceeded("combined_futures", MAX_COMBINED_PARTS, count, "combine fewer futures")
            if below and depth >= MAX_COMBINED_DEPTH:
                advice = "combine the single futures instead of combined ones"
                raise LimitExceeded("combined_future_depth", MAX_COMBINED_DEPTH, depth + 1, advice)
            waiting += [(self.get(number), depth + 1) for number in below]

    def attach(self, record: FutureRecord, job: int) -> None:
        """Let another job wait for a future too."""
        jobs = unpack(record.jobs)
        if job not in jobs:
            record.jobs = pack([*jobs, job])

    def settle(self, record: FutureRecord, settlement: Settlement, now_us: int) -> list[FutureRecord]:
        """End a future, and the combined ones that this ends.

        Returns:
            Every future that has come to an end by this.

        Raises:
            FutureSettled: it had come to an end before.
            LimitExceeded: the value is too large.
            InvalidRequest: the value cannot be kept.
        """
        if record.state != FutureState.PENDING.value:
            raise FutureSettled(f"future {record.id} is {record.state} already; the first answer counts")
        if settlement.state is FutureState.RESOLVED and record.kind not in {"all", "any"}:
            data, objects = _encode(settlement.value, "the value")
            record.value, record.objects = packed_pieces(split_pieces(data)), objects or None
        record.message = pack(settlement.message[:4000]) if settlement.message else ""
        record.state = settlement.state.value
        record.settled_us = now_us
        maker = unpack(record.jobs)[0]
        self._note_end(maker)
        tags = [_PENDING_TAG, _job_tag(maker)]
        tags += [_DEADLINE_TAG] if record.deadline_us else []
        tags += [_WATCHING_TAG] if record.kind == "temporal" else []
        durable.untag(record, *tags)
        self._tell("future.settled", record, state=record.state, what=unpack(record.what))
        ended = [record]
        for parent in map(self.get, unpack(record.parents)):
            if parent.state == FutureState.PENDING.value:
                ended += self._settle_parent(parent, record, now_us)
        return ended

    def _tell(self, kind: str, record: FutureRecord, **payload: Any) -> None:
        """Write an event of a future into the feed of the job that made it; some tests have no jobs."""
        maker = unpack(record.jobs)[0]
        if self._jobs.has(maker):
            emit(self._jobs.get(maker), kind, record.id, **payload)

    def settle_combined(self, record: FutureRecord, now_us: int) -> list[FutureRecord]:
        """End a combined future whose parts have ended before it was made."""
        ended: list[FutureRecord] = []
        for number in unpack(record.parts):
            part = self.get(number)
            if part.state != FutureState.PENDING.value and record.state == FutureState.PENDING.value:
                ended += self._settle_parent(record, part, now_us)
        return ended

    def _settle_parent(self, parent: FutureRecord, part: FutureRecord, now_us: int) -> list[FutureRecord]:
        """End a combined future if this part ends it."""
        if part.state != FutureState.RESOLVED.value:
            return self.settle(parent, Settlement(FutureState(part.state), message=unpack(part.message) or ""), now_us)
        parts = [self.get(number) for number in unpack(parent.parts)]
        if parent.kind == "any" or all(one.state == FutureState.RESOLVED.value for one in parts):
            return self.settle(parent, Settlement(FutureState.RESOLVED), now_us)
        return []

    def cancel_of(self, job: int, reason: str, now_us: int) -> list[FutureRecord]:
        """Call off every open future that a job made and nobody else waits for."""
        ended: list[FutureRecord] = []
        for record in self.pending_of(job):
            if record.state == FutureState.PENDING.value and unpack(record.jobs) == [job]:
                ended += self.settle(record, Settlement(FutureState.CANCELLED, message=reason), now_us)
        return ended


def _encode(value: Any, what: str) -> tuple[bytes, list[Any]]:
    """Graph form of a value, and the durable objects in it by handle number from 1.

    Raises:
        InvalidRequest: it has no graph form; the message says where.
        LimitExceeded: it is too large.
    """
    objects: list[Any] = []
    places: dict[int, int] = {}  # by identity; the list keeps each alive

    def make_handle(target: Any, kind: Kind) -> values.Handle:
        if id(target) not in places:
            objects.append(target)
            places[id(target)] = len(objects)
        return values.Handle(places[id(target)], type_key(target, kind))

    outbound = Outbound(make_handle, max_items=_MAX_ITEMS)
    try:
        plain = outbound.convert(unwrap(value))
        return values.encode(plain, to_handle=outbound.to_handle, max_bytes=MAX_VALUE_BYTES), objects
    except values.UnsupportedValue as error:
        raise InvalidRequest(f"{what} cannot be kept: {error}") from None
    except values.GraphError:
        raise LimitExceeded(
            "future_value_bytes", MAX_VALUE_BYTES, MAX_VALUE_BYTES + 1, f"{what} is too large"
        ) from None
    except RecursionError:
        raise InvalidRequest(f"{what} cannot be kept: it is nested too deeply") from None


def _decode(field: Any, objects: Any) -> Any:
    data = join_pieces(pieces_of(field))
    return values.decode(data, from_handle=lambda handle: objects[handle.id - 1], limits=_OWN_LIMITS) if data else None
