"""The entries of a chat log by their documented classes: what ``Job.chat_log`` gives.

Each is the plain view of the entry (``statek.executors.views.ItemView``) with the documented names of what it holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from statek.executors.views import ItemView

__all__ = [
    "ChatLogItem",
    "LLM_LogItem",
    "PostProcessedItem",
    "ReminderLogItem",
    "SubTaskLogItem",
    "ToolError",
    "UserLogItem",
    "WarmupLogItem",
    "chat_log_items",
    "printed",
]

_SHOWN_KINDS = frozenset({"print", "echo", "stream", "error", "note"})


@dataclass(frozen=True, slots=True)
class ToolError:
    """What a formal tool call gave that failed.

    Attributes:
        err_message: ``Type: message``.
    """

    err_message: str


@dataclass(frozen=True, slots=True)
class ChatLogItem(ItemView):
    """One entry of a chat log.

    Attributes:
        console_pos: elements of ``PyEnv.console`` before it; its own output is ``console[console_pos:]`` up to the
            position of the next entry.
    """

    console_pos: int = 0

    @property
    def timestamp(self) -> datetime:
        """When it became durable, UTC."""
        return datetime.fromtimestamp(self.at_us / 1e6, UTC)

    def get_tool_result(self, index: int) -> str | ToolError:
        """What one of its formal tool calls showed the model, or its error.

        Raises:
            KeyError: it made no formal tool call.
            IndexError: it made fewer.
        """
        log = self.tool_log
        if not log:
            raise KeyError("this entry of the chat log made no formal tool call")
        if not 0 <= index < len(log):
            raise IndexError(f"this entry of the chat log made {len(log)} formal tool calls, there is no {index}")
        failed = next((text for kind, text in log[index].console if kind == "error"), None)
        return log[index].output if failed is None else ToolError(failed)


class UserLogItem(ChatLogItem):
    """What the user said."""

    __slots__ = ()

    @property
    def message(self) -> str:
        """Its text."""
        return self.text


class WarmupLogItem(ChatLogItem):
    """A warmup block that was run."""

    __slots__ = ()


class LLM_LogItem(ChatLogItem):  # noqa: N801 -- the documented name
    """A reply of the model."""

    __slots__ = ()

    @property
    def llm_resp(self) -> str:
        """Its text as the model gave it."""
        return self.text


class ReminderLogItem(ChatLogItem):
    """A reminder that was given instead of the end."""

    __slots__ = ()

    @property
    def reminder(self) -> str:
        """Its text."""
        return self.text


class SubTaskLogItem(ChatLogItem):
    """The news of the end of a sub-task."""

    __slots__ = ()


class PostProcessedItem(ChatLogItem):
    """What a post-processor told the model."""

    __slots__ = ()

    @property
    def post_processor(self) -> str:
        """Name of its class."""
        return str(self.usage.get("post_processor", ""))

    @property
    def message(self) -> str:
        """Its text."""
        return self.text


_CLASSES: dict[str, type[ChatLogItem]] = {
    "notification": SubTaskLogItem,
    "post_processed": PostProcessedItem,
    "reminder": ReminderLogItem,
    "reply": LLM_LogItem,
    "user": UserLogItem,
    "warmup": WarmupLogItem,
}


def chat_log_items(items: Iterable[ItemView]) -> tuple[ChatLogItem, ...]:
    """The entries by their classes; what the service itself says is a plain ``ChatLogItem``."""
    found: list[ChatLogItem] = []
    position = 0
    for item in items:
        values = {info.name: getattr(item, info.name) for info in fields(ItemView)}
        found.append(_CLASSES.get(item.kind, ChatLogItem)(**values, console_pos=position))
        position += len(printed(item))
    return tuple(found)


def printed(item: ItemView) -> list[str]:
    """What an entry put on the console; the look-up of a notification is for the model only."""
    if item.kind == "notification":
        return []
    return [text for kind, text in item.console if kind in _SHOWN_KINDS]
