"""The recorded jobs: what their models reply, what their tools do, and what is true of them in the end.

A recording holds the journals of these very programs: none of it may be changed, only added to (a role of its own for
what is new). ``SILENT`` names the turns in which a recorded process was killed while the model thought.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dbzero

import statek
from orchestrator.engine.service import Service
from orchestrator.store.store import Store
from sandbox_runner.wire.values import Handle
from statek import tool
from statek.agents.agent import SupervisedAgent
from statek.executors.views import VariableView
from statek.model import ModelReply, ModelRequest
from tests.replay.objects import Account, Ledger

__all__ = ["ROLES", "Script", "Tools", "facts", "make_agents", "make_ledger"]

ROLES = {
    # A step with every kind of entry in its journal, killed in its last call; variables of both forms, and files.
    "worker": [
        """
import random
from datetime import date
from pathlib import Path
day = date(2026, 3, 2)
shared = [1, 2, 3]
alias = {"same": shared}
class Count:
    def __init__(self): self.value = 0
    def more(self, by=1):
        self.value += by
        return self.value
count = Count()
Path("notes.txt").write_text("first\\n")
def double(number):
    return 2 * number
print(double(21))
""",
        """
count.more(look("seven"))
shared.append(random.randint(1, 1000000) and 4)
first, second = ledger.accounts[0], ledger.accounts[1]
left = first.withdraw(30)
first.labels["paid"] = "yes"
second.balance = second.balance + 30
receipts = [send(f"paid {first.name}"), send("paid")]
try:
    second.withdraw(10_000)
except Exception as error:
    refused = f"{type(error).__name__}: {error}"
try:
    look("nothing")
except Exception as error:
    missing = f"{type(error).__name__}: {error}"
number = ledger.book(f"{left} left")
with open("notes.txt", "a") as notes:
    notes.write(f"{left}\\n")
drawn = [random.random() < 2 for _ in range(3)]
receipts.append(hold("worker"))
print(count.more(), left, number, receipts, refused, missing)
""",
        """
alias["same"].append(double(count.value))
print(shared is alias["same"], shared, Path("notes.txt").read_text().split(), day.isoformat())
exit([left, count.value, shared, drawn])
""",
    ],
    # Waits for a person, after a call that took effect.
    "asker": [
        "sent = send('question')\nanswer = ask('may I?')\nexit([sent, answer, look('two')])",
    ],
    # A call that is in doubt.
    "payer": [
        "before = {'a': (1, 2.5, None, True)}\nreceipt = pay(5)\nexit([receipt, before['a']])",
    ],
    # Killed while the model thought.
    "thinker": [
        "values = {n: n * n for n in range(4)}\nprint(sum(values.values()))",
        "values[10] = 100\nexit(sum(values.values()))",
    ],
    # Done before.
    "reader": [
        "text = 'zażółć \\x00 \\ud800'\nnumbers = {2**70, -1}\nprint(len(text))",
        "1 / 0",
        "exit(sorted(numbers))",
    ],
}
SILENT = {"thinker": 1}
_TAG = "replay"


class Tools:
    """The tools of all roles, and what they left outside of the store.

    Args:
        folder: where ``sent.jsonl`` is.
        recording: calls that are to be in flight in the recording never end.
    """

    def __init__(self, folder: Path, *, recording: bool) -> None:
        self._file = folder / "sent.jsonl"
        self._recording = recording
        self.held: set[str] = set()
        self.asked: list[str] = []

    def _deliver(self, text: str, key: str) -> None:
        with self._file.open("a") as file:
            file.write(json.dumps([text, key]) + "\n")

    def sent(self) -> list[list[str]]:
        """Texts and idempotency keys of what was delivered, in order."""
        return [json.loads(line) for line in self._file.read_text().splitlines()] if self._file.exists() else []

    def all(self) -> list[Callable[..., Any]]:
        """Every tool."""

        @tool(effect="none")
        def look(name: str, **kwargs: object) -> int:
            """A number by its name."""
            return {"seven": 7, "two": 2}[name]

        @tool(effect="external")
        def send(text: str, ctx: Any = None, **kwargs: object) -> str:
            """Deliver a text; whoever gets it does not look at keys."""
            self._deliver(text, "")
            return f"sent {text}"

        @tool(effect="external", idempotent=True)
        async def hold(who: str, ctx: Any = None, **kwargs: object) -> str:
            """Deliver under a key; never ends while it is recorded."""
            self._deliver(who, ctx.idempotency_key)
            self.held.add(who)
            if self._recording:
                await asyncio.Event().wait()
            return f"held {who}"

        @tool(effect="external")
        async def pay(amount: int, **kwargs: object) -> str:
            """Pay; never ends while it is recorded."""
            self._deliver(f"paid {amount}", "")
            self.held.add("payer")
            if self._recording:
                await asyncio.Event().wait()
            return f"paid {amount}"

        @tool
        def ask(question: str, **kwargs: object) -> statek.FutureResult:
            """Ask a person."""
            future = statek.suspend_for(question, details={"question": question})
            self.asked.append(future.id)
            return future

        return [look, send, hold, pay, ask]


class Script:
    """The model: the reply of a role for its turn; silent where the recording needs it to be.

    Args:
        recording: whether it is.
    """

    def __init__(self, *, recording: bool) -> None:
        self._recording = recording
        self.silent: set[str] = set()

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Answer one request."""
        role = str(request.messages[0]["content"]).removeprefix("I am ").partition(".")[0]
        if self._recording and SILENT.get(role) == request.turn:
            self.silent.add(role)
            await asyncio.Event().wait()
        return ModelReply(text=f"```python\n{ROLES[role][request.turn].strip()}\n```")


def make_agents(tools: Tools) -> list[SupervisedAgent]:
    """One agent for each role."""
    return [
        SupervisedAgent(
            role=role,
            _system_prompt=f"I am {role}.",
            _tools=tools.all(),
            _metadata={"MODEL": "scripted/replay"},
        )
        for role in ROLES
    ]


def make_ledger() -> Ledger:
    """The durable objects of the worker (store thread)."""
    ledger = Ledger()
    dbzero.tags(ledger).add(_TAG)
    ledger.accounts.append(Account("first", 100))
    ledger.accounts.append(Account("second", 0))
    return ledger


async def facts(service: Service, store: Store, tools: Tools) -> dict[str, Any]:
    """All that must be the same in the end, whatever version drove the jobs to it."""
    jobs: dict[str, Any] = {}
    for summary in await service.jobs():
        view = await service.job(summary.id)
        commits = await service.past.commits(summary.id)
        past = []
        for commit in sorted(commits, key=lambda one: one.number):
            variables = await service.variables(summary.id, commit.number)
            past.append(
                {
                    "kind": commit.kind,
                    "step": commit.step,
                    "changed": sorted(commit.changed),
                    "variables": {one.name: [one.form, _shown(one)] for one in variables},
                }
            )
        jobs[summary.role] = {
            "status": summary.status,
            "exit_status": summary.exit_status,
            "failure": summary.failure,
            "turns": summary.turns,
            "steps": [
                {"code": item.code, "state": item.state, "calls": [[call.name, call.state] for call in item.calls]}
                for item in view.items
                if item.step
            ],
            "printed": [[text for kind, text in item.console if kind == "print"] for item in view.items if item.step],
            "past": past,
        }

    def objects() -> dict[str, Any]:
        (found,) = dbzero.find(Ledger, _TAG)
        return {
            "accounts": [[one.name, one.balance, dict(one.labels)] for one in found.accounts],
            "lines": list(found.lines),
        }

    sent = tools.sent()
    return {
        "jobs": jobs,
        "objects": await store.read(objects),
        "sent": sorted(text for text, key in sent if not key),
        "sent_under_keys": sorted(text for text, _ in {tuple(one) for one in sent if one[1]}),
    }


def _shown(variable: VariableView) -> str:
    """What a variable is, in words that do not depend on how previews are made."""
    if variable.form != "graph":
        return ""
    return "durable" if isinstance(variable.value, Handle) else repr(variable.value)
