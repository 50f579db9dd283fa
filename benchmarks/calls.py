"""Round trips from user code: tools without effect, handle calls, external tools."""

from __future__ import annotations

import json

from benchmarks.bench import Bench, make_agent
from benchmarks.fsyncs import per_operation
from benchmarks.measurement import median, percentile
from benchmarks.models import ClockedModel, python
from statek import durable, tool

__all__ = ["measure_calls"]

_TIMED = """import json, time
def timed(call, times):
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        taken.append((time.perf_counter() - begun) * 1000)
    print(json.dumps(taken))
"""


@durable.memo(id="benchmarks.Meter")
class Meter:
    """A durable object with one method."""

    def __init__(self) -> None:
        self.count = 0

    def bump(self) -> int:
        """Count one."""
        self.count += 1
        return self.count


@tool(effect="none")
def add(a: int, b: int, **kwargs: object) -> int:
    """Add two numbers.

    Args:
        a (int): one.
        b (int): the other.
        **kwargs: unused.
    """
    return a + b


@tool(idempotent=True)
def send(text: str, **kwargs: object) -> int:
    """Send nothing.

    Args:
        text (str): what.
        **kwargs: unused.
    """
    return len(text)


async def measure_calls(bench: Bench) -> None:
    """Three steps of one job, each timing its calls inside the sandbox."""
    times = bench.times(500, 50)
    replies = [
        _TIMED + "timed(lambda: add(1, 2), 20)",
        f"timed(lambda: add(1, 2), {times})",
        f"timed(meter.bump, {times})",
        f"timed(lambda: send('x'), {times})",
        "exit(0)",
    ]
    model = ClockedModel(lambda turn: python(replies[turn]), bench.fsyncs.count)
    async with bench.service([make_agent(tools=[add, send])], model) as (service, store):
        meter = await store.commit(_tagged_meter)
        job = await service.submit("bench", shared_vars={"meter": meter}, message="go")
        await service.wait(job)
        items = [item for item in await service.items(job) if item.step]
    plain, handle, external = (json.loads(_printed(items[step].console)) for step in (1, 2, 3))
    # Of each step the two flushes that it makes itself are counted with its calls.
    notes = [per_operation(count, times) for count in model.counted(job)]
    bench.add("tool_call_p50", median(plain), "ms", 1, "target-1ms", notes=notes[1])
    bench.add("tool_call_p99", percentile(plain, 99), "ms", median(plain), "tool_call_p50", notes=notes[1])
    bench.add("handle_call_p50", median(handle), "ms", median(plain), "tool_call_p50", notes=notes[2])
    bench.add("external_call_p50", median(external), "ms", median(plain), "tool_call_p50", notes=notes[3])


def _tagged_meter() -> Meter:
    meter = Meter()
    durable.tag(meter, "benchmarks-meter")
    return meter


def _printed(console: tuple[tuple[str, str], ...]) -> str:
    """The text that a step printed.

    Raises:
        RuntimeError: it ended with an error.
    """
    for kind, text in console:
        if kind == "error":
            raise RuntimeError(f"a benchmark's step failed: {text}")
    return "".join(text for kind, text in console if kind == "print")
