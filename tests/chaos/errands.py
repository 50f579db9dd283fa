"""The work that is done while processes are killed: jobs that deliver numbers in every way that a tool may have.

Number ``n`` of a job goes through ``WAYS[n % 4]``: an external tool that is not idempotent, one that is, one that can
be reconciled, one whose effect is in the store. One step of each job waits for a person; the others make console,
variables in both forms, blocks and a file. The model goes by what the conversation says, so it finds its way on after a
step that died: the console lists the calls that took effect, and the next step begins behind them; where it says of one
that it is in doubt, the model asks the receiver first.
"""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable
from typing import Any

from orchestrator.engine.operator_calls import Resolution, Verdict
from orchestrator.engine.service import Service
from statek import FutureResult, ToolContext, durable, suspend_for, tool
from statek.agents.agent import SupervisedAgent
from statek.exceptions import FutureSettled, InvalidRequest
from statek.future import FutureState, Settlement
from statek.model import ModelReply, ModelRequest
from statek.testing import ScriptedModel
from statek.tools import NotHappened
from tests.chaos.receiver import KEY_HEADER

__all__ = ["NUMBERS", "ROLE", "WAYS", "Errands", "Ledger", "answer_people", "noted", "settle_futures"]

ROLE = "courier"
WAYS = ("deliver", "post", "book", "note")
NUMBERS, PER_STEP = 16, 4
ASKED_AT = 8
"""The step that begins with this number asks a person first."""

_TAG = "chaos-ledger"
_RANGE = re.compile(r"range\((\d+), (\d+)\)")


@durable.memo(id="tests/chaos/ledger")
class Ledger:
    """What ``note`` wrote, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []


def ledger() -> Ledger:
    """The one ledger of a store, made if there is none (store thread, inside a write)."""
    found = next(iter(durable.find(Ledger, _TAG)), None)
    if found is None:
        found = Ledger()
        durable.tag(found, _TAG)
    return found


def noted() -> list[str]:
    """Its lines (store thread)."""
    found = next(iter(durable.find(Ledger, _TAG)), None)
    return [str(line) for line in found.lines] if found is not None else []


class Errands:
    """The agent, and the model that answers for it.

    Args:
        url: of the receiver.
        visit: is told the name of each point that a tool passes.
    """

    def __init__(self, url: str, visit: Callable[[str], None]) -> None:
        self._url = url
        self._visit = visit
        self.agent = SupervisedAgent(
            role=ROLE, _system_prompt="Deliver.", _tools=self._tools(), _metadata={"MODEL": "scripted/courier"}
        )
        self.model = ScriptedModel([self.reply] * 60)

    def ask(self, name: str, key: str | None = None) -> str:
        """One HTTP request to the receiver: a look, or a delivery with its key."""
        headers = {KEY_HEADER: key} if key else {}
        body = None if key is None else b""
        request = urllib.request.Request(f"{self._url}/{name}", data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(answer.read().decode())

    def _send(self, number: int, ctx: ToolContext) -> str:
        self._visit("tool.enter")
        receipt = self.ask(f"{ctx.job_id}.{number}", ctx.idempotency_key)
        self._visit("tool.sent")
        return receipt

    def _happened(self, key: str) -> str:
        if self.ask(key) == "0":
            raise NotHappened(key)
        return "receipt by key"

    def _tools(self) -> list[Any]:
        @tool
        def deliver(number: int, ctx: ToolContext, **kwargs: object) -> str:
            """Deliver a number; nobody deduplicates it."""
            return self._send(number, ctx)

        @tool(idempotent=True)
        def post(number: int, ctx: ToolContext, **kwargs: object) -> str:
            """Post a number under its key."""
            return self._send(number, ctx)

        @tool(reconcile=self._happened)
        def book(number: int, ctx: ToolContext, **kwargs: object) -> str:
            """Book a number; the receiver can be asked whether it came."""
            return self._send(number, ctx)

        @tool(effect="store")
        def note(number: int, ctx: ToolContext, **kwargs: object) -> str:
            """Note a number in the ledger."""
            self._visit("tool.enter")
            ledger().lines.append(f"{ctx.job_id}.{number}")
            self._visit("tool.sent")
            return f"noted {number}"

        @tool(effect="none")
        def ask(question: str, **kwargs: object) -> FutureResult:
            """Ask a person."""
            return suspend_for(question)

        return [deliver, post, book, note, ask]

    def reply(self, request: ModelRequest) -> ModelReply:
        """The next step after what the conversation tells."""
        begun = done = 0
        for message in request.messages:
            text = str(message.get("content") or "")
            if message["role"] == "assistant":
                found = _RANGE.search(text)
                begun, done = (int(found[1]), int(found[2])) if found else (done, done)
            elif "StepDied: " in text:
                done = begun + sum(text.count(f"{way}(...) succeeded") for way in WAYS)
                # Told that nobody knows, a careful model looks before it delivers again.
                done += "(...) is in doubt" in text and self.ask(f"{request.job_id}.{done}") != "0"
        if done >= NUMBERS:
            return ModelReply("```python\nexit('-'.join(map(str, trail)))\n```")
        end = min(done - done % PER_STEP + PER_STEP, NUMBERS)
        lines = ["import random", "trail = globals().get('trail', [])"]
        if begun < done == ASKED_AT:
            lines.append("print(ask('go on?'))")
        lines += [
            f"for number in range({done}, {end}):",
            f"    ({', '.join(WAYS)})[number % 4](number)",
            "    trail.append(number)",
            "    print(number)",
            "blob = random.randbytes(40_000)",
            "when = lambda: len(trail)",
            "with open('/work/trail.txt', 'a') as file:",
            "    file.write(f'{trail[-1]}\\n')",
        ]
        return ModelReply("```python\n" + "\n".join(lines) + "\n```")


async def answer_people(service: Service, errands: Errands, id_: str) -> list[bool]:
    """Settle what a suspended job waits for, as people would; of calls in doubt, whether each had arrived."""
    arrived = []
    for call in await service.calls():
        if call.job != id_ or call.state != "in doubt":
            continue
        number = call.arguments.strip("()")
        arrived.append(errands.ask(f"{id_}.{number}") != "0")
        verdict = Resolution(Verdict.HAPPENED, f"receipt {number}") if arrived[-1] else Resolution(Verdict.RETRY)
        await service.resolve(id_, call.number, verdict)
    await settle_futures(service, id_)
    return arrived


async def settle_futures(service: Service, id_: str) -> None:
    """Say yes to whatever a job asks."""
    for future in await service.futures():
        if future.job == id_ and future.state == "pending":
            try:
                await service.settle_future(future.id, Settlement(FutureState.RESOLVED, "yes"))
            except (FutureSettled, InvalidRequest):
                continue  # meanwhile
