"""What a request to the model costs before it is sent, by the number of turns before it."""

from __future__ import annotations

import time

from benchmarks.bench import Bench
from benchmarks.measurement import median
from orchestrator.engine.conversation import Conversation
from orchestrator.engine.requests import HistoryItem
from orchestrator.models.messages import provider_messages
from statek.chat_style import ChatStyle
from statek.styles import style_for

__all__ = ["measure_requests"]

_WINDOW_TOKENS = 119_808
"""Of a model with 128,000 tokens, beside the usual room for the reply."""

_OUTPUT = "x" * 1000


async def measure_requests(bench: Bench) -> None:
    """A conversation in which every turn prints 1,000 characters, rendered for a provider with a form of its own.

    A request holds the whole conversation, so its cost grows until the window is full; from there it must not.
    """
    late = bench.times(1000, 100)
    window = bench.times(_WINDOW_TOKENS, _WINDOW_TOKENS // 10)
    conversation = Conversation(style_for(ChatStyle.MARKDOWN), "x", ["go"], window_tokens=window)
    times = []
    for turn in range(2 * late + late // 10):
        begun = time.perf_counter()
        conversation.add(HistoryItem("reply", "", f"x = x + {turn}", [("print", _OUTPUT)]))
        provider_messages("anthropic", conversation.messages(), has_tools=False)
        times.append((time.perf_counter() - begun) * 1000)
    early_ms, late_ms, later_ms = (
        median(times[turn - around : turn + around])
        for turn, around in ((10, 5), (late, late // 10), (2 * late, late // 10))
    )
    notes = {"fsyncs/op": "0.00"}
    bench.add("request_render", late_ms, "ms", early_ms, "turn_10", notes=notes)
    bench.add("request_growth", late_ms / early_ms, f"x(turn_{late}/turn_10)", 1.2, "target-1.2x", notes=notes)
    bench.add("request_bound", later_ms / late_ms, f"x(turn_{2 * late}/turn_{late})", 1.2, "target-1.2x", notes=notes)
