"""Durable futures for code on the host that looks at a job: read afresh at every access, from any thread."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.engine.future_store import FutureStore
from orchestrator.engine.objects.host_proxy import wrap
from orchestrator.store.store import Store
from sandbox_runner.wire.values import FutureRef
from statek.exceptions import AccessDenied, NotFound
from statek.future import FutureElement, FutureReading, FutureResult
from statek.future_records import FutureRecord

__all__ = ["StoredFutures"]


class StoredFutures:
    """The futures of a store (a ``FutureReader``); each read blocks for about a millisecond.

    Args:
        store: where they are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, id_: str) -> FutureReading:
        """A future as it is now; durable objects in its value are proxies.

        Raises:
            NotFound: there is none of that id.
        """

        def read() -> FutureReading:
            records = FutureStore()
            reading = records.reading(records.require(id_))
            return replace(reading, value=wrap(reading.value, self._store))

        return self._store.read_sync(read)

    def of_workspace(self, ref: FutureRef, job: int) -> FutureResult | FutureElement:
        """What stands for a future in the variables of a job; it is looked up when it is used.

        Args:
            ref: as the sandbox wrote it: a number that may mean nothing.
            job: whose variables they are; only its own futures are shown.
        """
        future = _OfWorkspace(ref, job, self._store, self)
        return future if ref.index < 0 else FutureElement(future, ref.index)


class _OfWorkspace(FutureResult):
    """A future by the number that a sandbox wrote."""

    def __init__(self, ref: FutureRef, job: int, store: Store, reader: StoredFutures) -> None:
        super().__init__(what=ref.what, door=reader)
        self._ref = ref
        self._job = job
        self._store = store
        self._reader = reader

    @property
    def id(self) -> str:
        """Its id.

        Raises:
            AccessDenied: it was never given to this job.
        """
        if not self._id:

            def find() -> str:
                records = FutureStore()
                record: FutureRecord | None
                try:
                    record = records.get(self._ref.id)
                except NotFound:
                    record = None
                if record is None or not records.of_job(record, self._job):
                    raise AccessDenied(f"future {self._ref.id} is not one of this job", rule="future")
                return str(record.id)

            self._id = self._store.read_sync(find)
        return self._id

    @property
    def size(self) -> int:
        """Length of the tuple that the value will be; 0 when that is not known."""
        return self._ref.size

    def _reading(self) -> FutureReading:
        return self._reader.read(self.id)
