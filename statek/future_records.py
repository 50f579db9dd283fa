"""The durable records of futures: what is waited for, by whom, and what became of it.

Plain dbzero memo classes without behaviour, used on the store thread only (``orchestrator.engine.future_store``).
Texts are packed (``statek.packing``), values are in graph form; durable objects in them are kept as references beside
the graph, so that what is waited for stays alive.
"""

from __future__ import annotations

from typing import Any

from statek.durable import memo

__all__ = ["FutureRecord", "FutureTable"]


@memo(id="statek.FutureTable")
class FutureTable:
    """Every future of a prefix, by number and by id.

    Attributes:
        secret: key from which the unguessable part of ids is made; never leaves the service.
        by_number: FutureRecords in order of creation; number n is at index n - 1.
        by_id: the same by id.
        open_by_job: how many open ones a job has made, by its number; a job that is not there has none, or was counted
            by nobody yet (``counts_all``).
        counts_all: whether every job that has open ones is in it; not so for a table that was made before.
    """

    open_by_job: Any = None
    counts_all = False

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.by_number: Any = []
        self.by_id: Any = {}
        self.open_by_job = {}
        self.counts_all = True


@memo(id="statek.FutureRecord")
class FutureRecord:
    """One future.

    Attributes:
        number: 1, 2, 3 ... in the prefix; all that a sandbox knows of the future.
        id: unguessable name for callbacks.
        jobs: JSON list of the numbers of the jobs that may wait for it; the first one made it.
        what: JSON text: what is waited for.
        details: graph form of what people are shown: bytes, or a list of pieces; empty for nothing.
        created_us, settled_us: microseconds UTC; 0 while it is pending.
        deadline_us: when it expires, microseconds UTC; 0 for never.
        state: ``pending`` | ``resolved`` | ``failed`` | ``cancelled`` | ``expired``.
        value: graph form of the value: bytes, or a list of pieces.
        objects: durable objects in the value, by handle number from 1; None for none.
        message: JSON text: why it has no value.
        kind: ``event`` (somebody resolves it), ``temporal`` (its condition does), ``all`` or ``any`` (its parts do).
        temporal: registered name of the function whose complement gives the value.
        deps: graph form of what complement and condition are called with.
        dep_objects: durable objects in deps; None for none.
        parts, parents: JSON lists of numbers of futures that this one is made of, or is a part of.
        size: length of the tuple that its value will be; 0 when that is not known.
    """

    def __init__(self, number: int, id_: str, jobs: str, what: str, created_us: int) -> None:
        self.number = number
        self.id = id_
        self.jobs = jobs
        self.what = what
        self.details: Any = b""
        self.created_us = created_us
        self.settled_us = 0
        self.deadline_us = 0
        self.state = "pending"
        self.value: Any = b""
        self.objects: Any = None
        self.message = ""
        self.kind = "event"
        self.temporal = ""
        self.deps: Any = b""
        self.dep_objects: Any = None
        self.parts = "[]"
        self.parents = "[]"
        self.size = 0
