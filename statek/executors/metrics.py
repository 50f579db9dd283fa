"""Numbers about a job, computed from its chat log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from statek.executors.views import ItemView

__all__ = [
    "JobMetrics",
    "count_exceptions",
    "count_llm_actions",
    "llm_response_seconds",
    "longest_exception_streak",
    "response_seconds",
    "step_sizes",
    "tokens_per_second",
]

_FAILED = frozenset({"error", "died"})
_CHARS_PER_TOKEN = 4


def _replies(items: Iterable[ItemView]) -> list[ItemView]:
    return [item for item in items if item.kind == "reply"]


def count_llm_actions(items: Iterable[ItemView]) -> int:
    """What the model did: each reply's code, each of its formal tool calls and each text for the user counts one."""
    total = 0
    for item in _replies(items):
        code = any(line.strip() and not line.lstrip().startswith("#") for line in item.code.split("\n"))
        total += code + len(item.usage.get("calls") or ()) + bool(item.usage.get("prose"))
    return total


def count_exceptions(items: Iterable[ItemView]) -> int:
    """Replies whose step ended with an error."""
    return sum(item.outcome.get("outcome") in _FAILED for item in _replies(items))


def longest_exception_streak(items: Iterable[ItemView]) -> int:
    """The longest run of such replies."""
    failed = [item.outcome.get("outcome") in _FAILED for item in _replies(items)]
    return max((len(list(run)) for is_failed, run in groupby(failed) if is_failed), default=0)


def llm_response_seconds(items: Iterable[ItemView]) -> list[float]:
    """How long each reply of the model took, retries included."""
    return [float(item.usage.get("model", {}).get("seconds", 0.0)) for item in _replies(items)]


def response_seconds(items: Sequence[ItemView]) -> list[float]:
    """How long a user waited for the first reply that said something, per message that got one."""
    waits: list[float] = []
    asked_us: int | None = None
    for item in items:
        if item.kind == "user" and asked_us is None:
            asked_us = item.at_us
        elif item.kind == "reply" and asked_us is not None and _speaks(item):
            waits.append((item.at_us - asked_us) / 1e6)
            asked_us = None
    return waits


def _speaks(item: ItemView) -> bool:
    return bool(item.usage.get("prose")) or item.outcome.get("outcome") == "exit"


def step_sizes(items: Iterable[ItemView]) -> list[int]:
    """Size of each reply in tokens, about four characters each."""
    return [len(item.text) // _CHARS_PER_TOKEN for item in _replies(items)]


def tokens_per_second(items: Sequence[ItemView]) -> float:
    """Completion tokens per second of waiting for the model; 0.0 where no time was measured."""
    tokens = sum(item.usage.get("model", {}).get("output_tokens", 0) for item in _replies(items))
    seconds = sum(llm_response_seconds(items))
    return tokens / seconds if seconds > 0 else 0.0


class JobMetrics:
    """The part of a ``Job`` that counts; every number is read from its chat log."""

    @property
    def chat_log(self) -> Sequence[ItemView]:
        """The entries of the job."""
        raise NotImplementedError

    @property
    def exception_count(self) -> int:
        """Replies whose step ended with an error."""
        return count_exceptions(self.chat_log)

    @property
    def max_consecutive_exceptions(self) -> int:
        """The longest run of such replies."""
        return longest_exception_streak(self.chat_log)

    def count_llm_actions(self) -> int:
        """What the model did: code, formal tool calls and texts for the user count one each."""
        return count_llm_actions(self.chat_log)

    def get_response_times(self) -> list[float]:
        """Seconds that the user waited, per message that was answered."""
        return response_seconds(self.chat_log)

    def get_llm_response_times(self) -> list[float]:
        """Seconds that each reply of the model took."""
        return llm_response_seconds(self.chat_log)

    def get_llm_step_sizes(self) -> list[int]:
        """Size of each reply in tokens, about four characters each."""
        return step_sizes(self.chat_log)

    def get_llm_initial_step_size(self) -> int:
        """Size of the first reply; 0 before it."""
        return next(iter(self.get_llm_step_sizes()), 0)

    def tokens_per_sec(self) -> float:
        """Completion tokens per second of waiting for the model."""
        return tokens_per_second(self.chat_log)
