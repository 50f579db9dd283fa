"""The one typed door to dbzero.

Importing it makes writes checked: see ``statek.durable.checked``.
"""

from __future__ import annotations

from statek.durable.door import (
    StoreDoor,
    exists,
    fetch,
    find,
    is_durable_dict,
    is_durable_list,
    is_durable_set,
    is_memo,
    memo,
    state_number,
    tag,
    to_plain,
    untag,
    uuid_of,
)
from statek.durable.values import check_key, check_storable

__all__ = [
    "StoreDoor",
    "check_key",
    "check_storable",
    "exists",
    "fetch",
    "find",
    "is_durable_dict",
    "is_durable_list",
    "is_durable_set",
    "is_memo",
    "memo",
    "state_number",
    "tag",
    "to_plain",
    "untag",
    "uuid_of",
]
