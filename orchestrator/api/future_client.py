"""The blocking client's verbs on futures."""

from __future__ import annotations

from orchestrator.api.connection import Connection, graph_value, plain_text
from orchestrator.api.joining import read_future
from orchestrator.api.texts import to_wire
from orchestrator.api.v1 import service_pb2 as pb
from statek.executors.views import FutureView

__all__ = ["FutureVerbs"]


class FutureVerbs(Connection):
    """What a client does with futures."""

    def futures(self) -> list[FutureView]:
        """Every open future, oldest first."""
        pages = self._pages(self._stub.ListFutures, pb.ListFuturesRequest())
        return [read_future(future) for page in pages for future in page.futures]

    def future(self, id_: str) -> FutureView:
        """One future, an ended one too.

        Raises:
            NotFound: there is none of that id.
        """
        return read_future(self._unary(self._stub.GetFuture, pb.GetFutureRequest(id=plain_text("id", id_))).future)

    def resolve_future(self, id_: str, value: object = None) -> FutureView:
        """Give a future its value, once; the jobs that wait for it go on.

        Raises:
            NotFound: there is none of that id.
            FutureSettled: it has come to an end before.
            InvalidRequest: the value has no form that can be sent or kept.
        """
        request = pb.SettleFutureRequest(id=plain_text("id", id_))
        request.value.CopyFrom(pb.NamedValue(graph=graph_value("value", value)))
        return self._settle_future(request)

    def fail_future(self, id_: str, message: str) -> FutureView:
        """Let a future end without a value: the code gets a FutureFailed. Raises as ``resolve_future``."""
        return self._settle_future(pb.SettleFutureRequest(id=plain_text("id", id_), failed_text=to_wire(message)))

    def cancel_future(self, id_: str, reason: str = "") -> FutureView:
        """Call a future off: the code gets a FutureCancelled. Raises as ``resolve_future``."""
        return self._settle_future(pb.SettleFutureRequest(id=plain_text("id", id_), cancelled_text=to_wire(reason)))

    def _settle_future(self, request: pb.SettleFutureRequest) -> FutureView:
        return read_future(self._unary(self._stub.SettleFuture, request).future)
