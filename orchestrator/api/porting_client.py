"""The blocking client's verbs that carry jobs between stores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import grpc

from orchestrator.api.connection import Connection, plain_text
from orchestrator.api.texts import from_wire
from orchestrator.api.v1 import service_pb2 as pb
from statek.artifacts import copy_file, open_pieces
from statek.executors.porting import Imported

__all__ = ["PortingVerbs"]


class PortingVerbs(Connection):
    """What a client does with archives of jobs (docs/porting.md)."""

    def export(self, id_: str) -> Iterator[bytes]:
        """The archive of a job in pieces, as of its newest commit.

        Raises:
            NotFound: there is no such job.
            LimitExceeded: it is larger than an archive may be.
        """
        request = pb.ExportJobRequest(id=plain_text("id", id_))
        for page in self._pages(self._stub.ExportJob, request, timeout=None):
            yield page.data

    def export_to(self, id_: str, path: Path) -> int:
        """Write the archive of a job to a new file; gives its size in bytes. Raises as ``export``.

        Raises:
            InvalidRequest: something of that name is there.
        """
        return copy_file(path, self.export(id_), private=True)

    def import_job(self, pieces: Iterable[bytes], *, principal: str = "", request_id: str = "") -> Imported:
        """Make a job of an archive; durable on return. It rests until a message or a fork lets it go on.

        Args:
            pieces: the archive, each at most a few hundred KiB.
            principal: on whose behalf the job acts there.
            request_id: the same for a repeated import, so that the job is not made twice.

        Raises:
            InvalidArchive: it is damaged, or says what cannot be; nothing was taken over.
            LimitExceeded: it is larger than is taken.
            StoreFull: the disk refused.
        """
        head = pb.ImportHead(
            principal=plain_text("principal", principal), request_id=plain_text("request_id", request_id)
        )

        def requests() -> Iterator[pb.ImportJobRequest]:
            yield pb.ImportJobRequest(head=head)
            for piece in pieces:
                yield pb.ImportJobRequest(data=piece)

        try:
            answer = self._stub.ImportJob(requests(), timeout=None)
        except grpc.RpcError as error:
            raise self._translated(error, None) from None
        return Imported(answer.id, answer.repeated, tuple(map(from_wire, answer.lost_texts)))

    def import_from(self, path: Path, *, principal: str = "", request_id: str = "") -> Imported:
        """``import_job`` of a file.

        Raises:
            InvalidRequest: it cannot be read.
        """
        with open_pieces(path) as pieces:
            return self.import_job(pieces, principal=principal, request_id=request_id)
