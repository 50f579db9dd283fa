"""The door: export a job to bytes or a file, import one from bytes or a file."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from orchestrator.engine.jobs import JobRepository, job_id, job_number
from orchestrator.engine.porting.archive import MAX_ARCHIVE_BYTES
from orchestrator.engine.porting.archive_untrusted import check_archive
from orchestrator.engine.porting.definition import imported_definition
from orchestrator.engine.porting.job_export import export_job
from orchestrator.engine.porting.job_import import Arrival, import_job, remove_leftovers
from orchestrator.engine.porting.staging import StagedJobs
from orchestrator.store.store import Store
from statek.agents.agent import Agent
from statek.artifacts import copy_file, open_pieces
from statek.exceptions import LimitExceeded
from statek.executors.porting import Imported
from statek.inbox import MAX_REQUEST_ID_CHARS

__all__ = ["Porter"]

_importing = threading.Lock()
"""One import at a time: what another one has staged must not count as left over. A process has one store."""

_END = b""
_PIECE_BYTES = 256 << 10
"""Pieces of an archive that are handed on at once."""


class Porter:
    """Exports and imports the jobs of one store; one import at a time."""

    def __init__(
        self,
        store: Store,
        jobs: JobRepository,
        agents: Mapping[str, Agent],
        *,
        check_room: Callable[[int], None] = lambda more_bytes: None,
    ) -> None:
        """Args are the open store, its job records, the agents by role, and what refuses bytes that it may not keep."""
        self._check_room = check_room
        self._store = store
        self._jobs = jobs
        self._staged = StagedJobs()
        self._agents = agents

    # ------------------------------------------------------------------------------------- export

    async def export(self, id_: str) -> AsyncIterator[bytes]:
        """The archive of a job, in pieces.

        Raises:
            NotFound: there is no such job.
            LimitExceeded: it is larger than an archive may be.
        """
        pieces = self.export_sync(id_)
        while piece := await asyncio.to_thread(next, pieces, _END):
            yield piece

    def export_sync(self, id_: str) -> Iterator[bytes]:
        """``export`` for other threads than the event loop's."""
        held: list[bytes] = []
        size = 0
        for piece in export_job(self._store, self._jobs, job_number(id_)):
            held.append(piece)
            size += len(piece)
            if size >= _PIECE_BYTES:
                yield b"".join(held)
                held, size = [], 0
        if held:
            yield b"".join(held)

    def export_to_sync(self, id_: str, path: Path) -> int:
        """Write the archive of a job to a file, which has its name only when it is whole; gives its size in bytes.

        Raises:
            InvalidRequest: something of that name is there.
            NotFound: there is no such job, or no such folder.
        """
        return copy_file(path, self.export_sync(id_), private=True)

    # ------------------------------------------------------------------------------------- import

    async def import_job(self, pieces: AsyncIterator[bytes], *, principal: str = "", request_id: str = "") -> Imported:
        """Make a job of an archive; durable on return. The job rests until a message or a fork lets it go on.

        Args:
            pieces: the archive.
            principal: on whose behalf the job acts here; what the archive says of it is kept for the record.
            request_id: the same for a repeated import, which then gives the job that is there; empty for none.

        Raises:
            InvalidArchive: it is damaged, or says what cannot be; nothing was taken over.
            LimitExceeded: it is larger than is taken, or than the store may keep.
            StoreFull: the disk refused.
        """
        _check_request(request_id)
        with self._spooled() as file:
            size = 0
            async for piece in pieces:
                size = _check_size(size + len(piece))
                await asyncio.to_thread(file.write, piece)
            return await asyncio.to_thread(self._import, file, principal, request_id)

    def import_sync(self, pieces: Iterable[bytes], *, principal: str = "", request_id: str = "") -> Imported:
        """``import_job`` for other threads than the event loop's."""
        _check_request(request_id)
        with self._spooled() as file:
            size = 0
            for piece in pieces:
                size = _check_size(size + len(piece))
                file.write(piece)
            return self._import(file, principal, request_id)

    def import_from_sync(self, path: Path, *, principal: str = "", request_id: str = "") -> Imported:
        """``import_sync`` of a file.

        Raises:
            InvalidRequest: it cannot be read.
        """
        with open_pieces(path) as pieces:
            return self.import_sync(pieces, principal=principal, request_id=request_id)

    def remove_leftovers_sync(self) -> None:
        """Remove what imports of an earlier process have left."""
        with _importing:
            remove_leftovers(self._store, self._staged)

    @contextmanager
    def _spooled(self) -> Iterator[BinaryIO]:
        """A file without a name on the store's disk, so that it is read twice and gone after any death."""
        with tempfile.TemporaryFile(dir=self._store.root / "statek") as file:
            yield file

    def _import(self, file: BinaryIO, principal: str, request_id: str) -> Imported:
        with _importing:
            known = self._store.read_sync(lambda: self._number_of(request_id))
            if known is not None:
                return Imported(job_id(known), repeated=True)
            self._check_room(file.seek(0, os.SEEK_END))
            file.seek(0)
            index = check_archive(file)
            head = index.head
            definition = imported_definition(head.role, head.definition, self._agents.get(head.role))
            arrival = Arrival(principal, request_id, definition.to_json())
            remove_leftovers(self._store, self._staged)
            number = import_job(self._store, self._staged, file, index, arrival)
        return Imported(job_id(number), lost=tuple(sorted(index.lost)))

    def _number_of(self, request_id: str) -> int | None:
        found = self._staged.imported(request_id)
        return None if found is None else int(found.number)


def _check_request(request_id: str) -> None:
    if len(request_id) > MAX_REQUEST_ID_CHARS:
        raise LimitExceeded("request_id_chars", MAX_REQUEST_ID_CHARS, len(request_id))


def _check_size(size: int) -> int:
    if size > MAX_ARCHIVE_BYTES:
        raise LimitExceeded("archive_bytes", MAX_ARCHIVE_BYTES, size)
    return size
