"""The one typed door to dbzero.

Importing it makes writes checked: see ``statek.durable.checked``.
"""

from __future__ import annotations

from statek.durable.adoption import application_root, is_initialised, let_go
from statek.durable.door import (
    StoreDoor,
    exists,
    fetch,
    find,
    find_page,
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
from statek.durable.past import PastState, past_state
from statek.durable.values import check_key, check_storable

__all__ = [
    "PastState",
    "StoreDoor",
    "application_root",
    "check_key",
    "check_storable",
    "exists",
    "fetch",
    "find",
    "find_page",
    "is_durable_dict",
    "is_durable_list",
    "is_durable_set",
    "is_initialised",
    "is_memo",
    "let_go",
    "memo",
    "past_state",
    "state_number",
    "tag",
    "to_plain",
    "untag",
    "uuid_of",
]
