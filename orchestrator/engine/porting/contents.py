"""What an archive of a job says, once it is decoded and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["COUNTERS", "FORMAT", "ArchiveHead", "ArchiveIndex"]

FORMAT = 1
"""Version of what the frames say; a reader refuses a later one by name."""


@dataclass(frozen=True, slots=True)
class ArchiveHead:
    """The job as a whole.

    Attributes:
        store, job, exported_us, service: where the archive comes from: id of the store, id of the job, when
            (microseconds UTC), version of the service that wrote it.
        role: of its agent.
        definition: the portable part of its definition, a JSON-able mapping (``definition.portable``).
        status, reason: as they were; ``failure`` is ``{"kind", "message"}`` or empty.
        principal, tier: on whose behalf it acted, and the isolation that it had: for the record.
        created_us, changed_us: microseconds UTC.
        exit_status: graph form of what was passed to exit(...), None while it did not.
        difficulty: letter that it was raised to; empty for none.
        answered: whether its newest reply was a text that ends it.
        counters: its counters by name (``COUNTERS``).
        tags: commit by name.
        handles: how many handle ids it was given; what they stood for stays where it is.
        items, ends, commits, blocks: how many of each follow.
    """

    store: str
    job: str
    exported_us: int
    service: str
    role: str
    definition: Mapping[str, object]
    status: str
    reason: str
    failure: Mapping[str, str]
    principal: str
    tier: str
    created_us: int
    changed_us: int
    exit_status: bytes | None
    difficulty: str
    answered: bool
    counters: Mapping[str, int]
    tags: Mapping[str, int]
    handles: int
    items: int
    ends: int
    commits: int
    blocks: int


COUNTERS = (
    "turns",
    "exceptions",
    "consecutive_exceptions",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "cost_microusd",
    "repeated_replies",
    "cpu_us",
    "dialog_length",
    "num_completions",
    "warmup_next",  # archives of format 1 have it; an import leaves it out, because an imported job has no warmup
)
"""Fields of a JobRecord that an archive carries as they are."""


@dataclass(slots=True)
class ArchiveIndex:
    """Where the frames of a checked archive are.

    Attributes:
        head: the job as a whole.
        blocks: offset by digest.
        lost: reason by name of the variables of the newest commit that reach durable objects.
    """

    head: ArchiveHead
    blocks: dict[str, int] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
