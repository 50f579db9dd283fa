"""Models without latency, as the benchmarks need them."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Callable

from statek.model import ModelReply, ModelRequest

__all__ = ["ClockedModel", "python"]


def python(code: str) -> str:
    """A reply that runs this code."""
    return f"```python\n{code}\n```"


class ClockedModel:
    """Answers at once with a function of the turn and notes when it was asked.

    The time between two questions of one job is one whole turn: reply made durable, step run, step made durable.

    Args:
        reply: text by turn.
        count: gives a count that is noted at each question, such as the fsyncs so far.

    Attributes:
        asked: per job id, the times (seconds) of its questions.
        counts: per job id, the counts at its questions.
        spent: per job id, the CPU time of this process (seconds) at its questions.
    """

    def __init__(self, reply: Callable[[int], str], count: Callable[[], int] = int) -> None:
        self._reply = reply
        self._count = count
        self.asked: defaultdict[str, list[float]] = defaultdict(list)
        self.counts: defaultdict[str, list[int]] = defaultdict(list)
        self.spent: defaultdict[str, list[float]] = defaultdict(list)

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Answer the request's turn."""
        self.asked[request.job_id].append(time.perf_counter())
        self.counts[request.job_id].append(self._count())
        self.spent[request.job_id].append(time.process_time())
        return ModelReply(self._reply(request.turn))

    def turns_ms(self, job_id: str) -> list[float]:
        """Milliseconds of each whole turn of a job."""
        return _differences_ms(self.asked[job_id])

    def cpu_ms(self, job_id: str) -> list[float]:
        """Milliseconds of CPU time that this process, without its runners, took for each whole turn of a job."""
        return _differences_ms(self.spent[job_id])

    def counted(self, job_id: str) -> list[int]:
        """What was counted in each whole turn of a job."""
        return [later - earlier for earlier, later in itertools.pairwise(self.counts[job_id])]


def _differences_ms(seconds: list[float]) -> list[float]:
    return [(later - earlier) * 1000 for earlier, later in itertools.pairwise(seconds)]
