"""Bounds of the API; both sides keep them."""

from __future__ import annotations

__all__ = [
    "DEFAULT_COMMITS",
    "DEFAULT_NEWEST",
    "MAX_COMMITS",
    "MAX_CONCURRENT_CALLS",
    "MAX_ERROR_TEXT_BYTES",
    "MAX_MESSAGE_BYTES",
    "MAX_NEWEST",
    "MAX_VALUES",
    "PAGE_BYTES",
    "PIECE_BYTES",
    "RESERVED_PARAMETERS",
]

MAX_MESSAGE_BYTES = 4 << 20
"""One message in either direction."""

PAGE_BYTES = 256 << 10
"""A page of a streamed answer is closed once it has this size."""

PIECE_BYTES = 64 << 10
"""Longer texts and values are cut into pieces of this size."""

MAX_CONCURRENT_CALLS = 512
"""Calls that the server works on at once, waiting ones (WaitJob, FollowJob, FollowEvents) included."""

MAX_VALUES = 1000
"""Variables, and as many parameters, of one submitted job."""

DEFAULT_NEWEST = 50
"""Jobs that ListJobs shows unless asked for more."""

MAX_NEWEST = 10_000
"""Jobs that ListJobs shows at most."""

DEFAULT_COMMITS = 1000
"""Commits that ListCommits shows unless asked for more."""

MAX_COMMITS = 100_000
"""Commits that ListCommits shows at most."""

MAX_ERROR_TEXT_BYTES = 2 << 10
"""Each text of an error; gRPC allows 8 KiB of metadata in all."""

RESERVED_PARAMETERS = frozenset(
    {"self", "role", "shared_vars", "message", "tenant", "principal", "mode"}
    | {"tools", "warmup_code", "locale", "chat_style", "provider_config", "post_processing"}
)
"""Names that a prompt parameter cannot have, because submitting gives them a meaning of its own.

The second set are arguments of ``Agent.create_job_def``: a client may fill a prompt, and has no say in the code that a
job starts with, hidden blocks and internal tools among it, or in what looks at its replies.
"""
