"""The documents' name of an entry of the chat log: what ``Job.chat_log`` gives; ``kind`` says what it is."""

from __future__ import annotations

from statek.executors.views import ItemView as ChatLogItem

__all__ = ["ChatLogItem"]
