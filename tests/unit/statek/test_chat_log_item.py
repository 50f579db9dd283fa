"""Entries of a chat log by their documented classes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from statek.executors.chat_log_item import (
    ChatLogItem,
    LLM_LogItem,
    PostProcessedItem,
    ReminderLogItem,
    SubTaskLogItem,
    ToolError,
    UserLogItem,
    WarmupLogItem,
    chat_log_items,
)
from statek.executors.views import ItemView

ITEM = ItemView("user", 1_500_000, "text", 0, "", "none", 0, (), {}, (), (), 0, 0)


def test_each_kind_has_its_class_and_documented_names() -> None:
    kinds = ["user", "warmup", "reply", "notification", "reminder", "post_processed", "system"]
    found = chat_log_items([replace(ITEM, kind=kind, usage={"post_processor": "FinalCheck"}) for kind in kinds])
    assert [type(item) for item in found] == [
        UserLogItem,
        WarmupLogItem,
        LLM_LogItem,
        SubTaskLogItem,
        ReminderLogItem,
        PostProcessedItem,
        ChatLogItem,
    ]
    said, _, reply, _, reminder, processed, _ = found
    assert isinstance(said, UserLogItem)
    assert isinstance(reply, LLM_LogItem)
    assert isinstance(reminder, ReminderLogItem)
    assert isinstance(processed, PostProcessedItem)
    assert (said.message, reply.llm_resp, reminder.reminder) == ("text", "text", "text")
    assert (processed.post_processor, processed.message) == ("FinalCheck", "text")
    assert said.timestamp == datetime(1970, 1, 1, 0, 0, 1, 500_000, UTC)


def test_places_in_the_console_count_what_was_printed_there() -> None:
    shown = (("print", "a"), ("progress", "b"), ("error", "c"))
    kinds = ["warmup", "notification", "reply", "reply"]
    items = chat_log_items([replace(ITEM, kind=kind, console=shown) for kind in kinds])
    assert [item.console_pos for item in items] == [0, 2, 2, 4]


def test_results_of_formal_calls_by_number() -> None:
    calls = {"calls": [["c1", "add", "{}"], ["c2", "add", "{}"]], "tool_log": [[["print", "3"]], [["error", "E: no"]]]}
    item, other = chat_log_items([replace(ITEM, kind="reply", usage=calls), ITEM])
    assert (item.get_tool_result(0), item.get_tool_result(1)) == ("3", ToolError("E: no"))
    with pytest.raises(IndexError, match="made 2 formal tool calls, there is no 2"):
        item.get_tool_result(2)
    with pytest.raises(KeyError, match="made no formal tool call"):
        other.get_tool_result(0)
