"""Settles expense claims: the agent works, the program asks for the approvals that it waits for, the agent goes on.

Between a question and its answer nothing has to run: started again, whatever ended it, the program goes on with the
same job at the same question.
"""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from examples.approval.agent import REQUEST, ROLE, make_agent
from examples.approval.agent import TRANSCRIPT as RECORDED
from examples.approval.claims import find_book, make_book
from examples.approval.tools import read_payments
from examples.recorded import default_model, example_model
from orchestrator.app import open_store, running_service
from orchestrator.engine.service import Service
from orchestrator.printable import printable
from orchestrator.store.store import Store
from statek.exceptions import FutureSettled, StatekError
from statek.executors.views import FutureView
from statek.future import FutureState, Settlement
from statek.job_status import JobStatus
from statek.settings import StatekSettings

__all__ = ["main"]

_EXIT_FAILED = 1
_EXIT_SETUP = 2
_EXIT_SUSPENDED = 3
_ANSWERS = {"y": "approve", "yes": "approve", "n": "refuse", "no": "refuse"}


@dataclass(frozen=True, slots=True)
class _Options:
    """The command line.

    Attributes:
        data_dir: folder of the store and of the payments.
        model: model string, ``provider/model``.
        decide: the answer to every question; empty asks, or leaves the questions open.
    """

    data_dir: Path
    model: str
    decide: str

    @property
    def payments(self) -> Path:
        """The file that stands for a bank."""
        return self.data_dir / "payments.jsonl"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Returns:
        0 when the claims are settled, 1 when the job failed, 2 when something has to be set up first, 3 when the job
        waits for an approval.
    """
    parser = argparse.ArgumentParser(
        prog="python -m examples.approval",
        description="Let an agent settle expense claims; you approve the large ones.",
        epilog="Run it again to go on where it was left, also after kill -9.",
        allow_abbrev=False,
    )
    parser.add_argument("--data-dir", type=Path, default=Path(".statek/approval"), help="default: %(default)s")
    parser.add_argument("--model", default=default_model(), help="provider/model (default: %(default)s)")
    parser.add_argument("--decide", choices=("approve", "refuse"), default="", help="answer every question like this")
    given = parser.parse_args(arguments)
    try:
        return asyncio.run(_run(_Options(given.data_dir, given.model, given.decide)))
    except StatekError as error:
        print(f"approval: error[{error.code}]: {error}", file=sys.stderr)
        return _EXIT_SETUP
    except KeyboardInterrupt:
        print("\napproval: left; the job waits, run the same command to go on", file=sys.stderr)
        return _EXIT_SUSPENDED


async def _run(options: _Options) -> int:
    # People take their time: a job that waits for one gives its sandbox up soon, and gets another one for the answer.
    settings = StatekSettings.load({"data_dir": options.data_dir, "pool_size": 1, "idle_hold_seconds": 0.5})
    async with example_model(RECORDED, options.model) as model:
        print(f"Model: {model.reason}", flush=True)
        store = await asyncio.to_thread(open_store, settings)
        try:
            agent = make_agent(options.payments, model.name)
            async with running_service(settings, store, [agent], model=model.gateway, progress=_progress) as service:
                return await _settle(options, service, store)
        finally:
            await asyncio.to_thread(store.close)


async def _settle(options: _Options, service: Service, store: Store) -> int:
    """Drive the job through its questions."""
    job = await _unfinished(service) or await _submit(service, store)
    while True:
        summary = await service.wait(job)
        questions = [future for future in await service.futures() if future.job == job]
        if summary.status != JobStatus.SUSPENDED.value or not questions:
            break
        question = questions[0]
        answer = await _ask(question, options)
        if not answer:
            return _EXIT_SUSPENDED
        try:
            await service.settle_future(question.id, Settlement(FutureState.RESOLVED, answer))
            print(f"  {answer}")
        except FutureSettled:
            print("  somebody else has decided meanwhile")
    return await _report(options, service, store, job)


async def _unfinished(service: Service) -> str | None:
    """The job that an earlier run of this program left."""
    for summary in await service.jobs():
        if summary.role == ROLE and summary.status != JobStatus.DONE.value:
            _progress(f"going on with job {summary.id}, which an earlier run left")
            return summary.id
    return None


async def _submit(service: Service, store: Store) -> str:
    """Make the claims and the job."""
    book = await store.commit(make_book)
    job = await service.submit(ROLE, shared_vars={"book": book}, message=REQUEST)
    _progress(f"submitted job {job}: {REQUEST}")
    return job


async def _ask(question: FutureView, options: _Options) -> str:
    """Show a question and give its answer; empty leaves it open, where nobody is there to answer."""
    print(f"\njob {question.job} waits for: {printable(question.what)}")
    print(f"  details: {printable(question.details)}", flush=True)
    if options.decide:
        return options.decide
    if not sys.stdin.isatty():
        command = ["statek", "--data-dir", str(options.data_dir), "futures"]
        print("  left open; it is in the list of  " + shlex.join([*command, "list"]))
        print("  decide with  " + shlex.join([*command, "resolve", question.id, '"approve"']) + '  (or "refuse"),')
        print("  then run this command again; or run it with --decide approve", flush=True)
        return ""
    while True:
        typed = await asyncio.to_thread(input, "  approve? [y/n] (Ctrl-C leaves it open) ")
        if typed.strip().lower() in _ANSWERS:
            return _ANSWERS[typed.strip().lower()]


async def _report(options: _Options, service: Service, store: Store, job: str) -> int:
    """Print how the job ended and what was paid."""
    summary = await service.job(job)
    print(f"\njob {job} {summary.summary.status}: {printable(summary.summary.exit_status)}")
    book = await store.read(find_book)
    for line in await store.read(lambda: [str(claim) for claim in book.claims] if book is not None else []):
        print(f"  {line}")
    paid = [payment for payment in read_payments(options.payments) if f".{job}." in payment["key"]]
    print(f"payments made for this job: {len(paid)}")
    failure = summary.summary.failure
    if failure is not None:
        print(f"approval: job {job} failed: {failure['kind']}: {printable(failure['message'])}", file=sys.stderr)
        return _EXIT_FAILED
    return 0


def _progress(text: str) -> None:
    """A line about what is going on, apart from the result."""
    print(f"· {text}", file=sys.stderr, flush=True)
