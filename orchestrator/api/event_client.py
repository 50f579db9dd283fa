"""The blocking client's verb on the feed of events."""

from __future__ import annotations

import json
from collections.abc import Iterator

from orchestrator.api.connection import Connection, plain_text
from orchestrator.api.texts import from_wire
from orchestrator.api.v1 import service_pb2 as pb
from statek.events import Event

__all__ = ["EventVerbs"]


class EventVerbs(Connection):
    """What a client does with the events of a store's jobs (docs/events.md)."""

    def events(self, *, after: int = 0, match: str = "", tenant: str = "", follow: bool = False) -> Iterator[Event]:
        """What happened to the jobs of a tenant, in order; read page by page while it is asked for.

        Args:
            after: number of the last event that is known; 0 for the first one that is kept.
            match: which events are wanted (``statek.events.EventPattern``).
            tenant: whose; empty for the default one.
            follow: go on with what is still to come; closing the iterator ends it.

        Raises:
            NotFound: what comes behind ``after`` is not kept any more.
            InvalidRequest: the pattern makes no sense, or the feed has not come to that number.
            LimitExceeded: the pattern is too long.
        """
        match, tenant = plain_text("match", match), plain_text("tenant", tenant)
        if follow:
            asked = pb.FollowEventsRequest(after=after, match=match, tenant=tenant)
            for page in self._pages(self._stub.FollowEvents, asked, timeout=None):
                yield from map(_read_event, page.events)
            return
        last = after + 1
        while after < last:
            request = pb.ListEventsRequest(after=after, match=match, tenant=tenant)
            found = self._unary(self._stub.ListEvents, request)
            yield from map(_read_event, found.events)
            after, last = found.cursor, found.last


def _read_event(message: pb.Event) -> Event:
    """Something that happened to a job."""
    return Event(
        message.seq,
        message.at_us,
        message.tenant,
        message.job,
        message.kind,
        from_wire(message.name_text),
        message.commit,
        message.step,
        json.loads(message.payload_json),
    )
