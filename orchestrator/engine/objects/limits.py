"""Bounds of everything that durable objects send to, or take from, a sandbox."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox_runner.wire.values import GraphLimits

__all__ = ["ObjectLimits"]


@dataclass(frozen=True, slots=True)
class ObjectLimits:
    """Limits of one job's durable objects.

    Attributes:
        grants: objects that a job may reach, over its whole life.
        inline_items: elements of a collection that travel in its state; longer ones are paged.
        inline_bytes: encoded bytes of those elements.
        page_items: elements of one page.
        state_bytes: encoded bytes of one object's fields; what does not fit is read attribute by attribute.
        text_chars: characters of the text that an object prints as.
        bundle_bytes: encoded bytes of states that one answer carries beside the state of its target.
        result_bytes: encoded bytes of one result.
        result_items: elements drawn from an iterator that a method returned.
        start_states: full states that a step starts with; further handles are read when they are used.
        refreshed_states: states that are compared again after a call that ran application code; the
            other states that the sandbox holds are withdrawn and read anew when they are needed.
        sent_along: states of objects named by a result, and again of what belongs to them, that one answer carries.
        version_items: elements of a collection that its version covers; see ``snapshot``.
        arguments: what is accepted as arguments of a call.
    """

    grants: int = 10_000
    inline_items: int = 100
    inline_bytes: int = 64 << 10
    page_items: int = 1_000
    state_bytes: int = 256 << 10
    text_chars: int = 4_000
    bundle_bytes: int = 512 << 10
    result_bytes: int = 1 << 20
    result_items: int = 10_000
    start_states: int = 64
    refreshed_states: int = 8
    sent_along: int = 64
    version_items: int = 10_000
    arguments: GraphLimits = field(default_factory=lambda: GraphLimits(max_nodes=20_000, max_depth=60))
