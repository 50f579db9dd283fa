"""Calls in doubt, cancellation and cost on the command line, against a real ``statek serve`` that is killed."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.models.provider_server import Answer, Provider, completion
from tests.support.command_line import CommandLine

APPLICATION = '''
import os
from pathlib import Path
from statek import tool
from statek.agents.agent import Agent

@tool(effect="external")
def pay(amount: int, **kwargs: object) -> str:
    """Pay an amount, and lose the service before it knows."""
    with Path("paid.txt").open("a") as ledger:
        ledger.write(f"{amount}\\n")
    if Path("killing").exists():
        Path("killing").unlink()
        os.kill(os.getpid(), 9)
    return f"paid {amount}"


agents = Agent("payer", _tools=[pay], _metadata={"MODEL": "openai/m", "API_BASE": os.environ["PROVIDER"]})
'''
PRICES = "PROVIDER,MODEL,MODEL_FAMILY,INPUT_PRICE_PER_M,INPUT_PRICE_PER_CACHED_M,OUTPUT_PRICE_PER_M\nopenai,m,,2,1,8\n"
ONE_REPLY_MICROUSD = 600 * 2 + 400 * 1 + 100 * 8

pytestmark = pytest.mark.timeout(300)


def reply(source: str) -> Answer:
    return Answer(body=completion(f"```python\n{source}\n```"))


class Machine:
    """A command line with the provider of its application."""

    def __init__(self, folder: Path, provider: Provider) -> None:
        self.folder = folder
        self.provider = provider
        variables = {"PROVIDER": provider.base, "STATEK_MODEL_INFO_DIR": str(folder / "prices")}
        self._line = CommandLine(folder, APPLICATION, "shop.py", **variables)
        self.serve = self._line.serve
        self.close = self._line.close
        (folder / "prices").mkdir()
        (folder / "prices" / "openai.csv").write_text(PRICES)

    def statek(self, *arguments: str) -> tuple[int, str, str]:
        """Status, output and errors of one command, which may start a sandbox or wait for one."""
        done = self._line.run(*arguments, timeout=120)
        return done.returncode, done.stdout, done.stderr

    def json(self, *arguments: str) -> Any:
        """The value that a command prints."""
        code, output, errors = self.statek(*arguments, "--json")
        assert code == 0, errors
        return json.loads(output)

    def follow(self, id_: str) -> None:
        """Wait until a job is done."""
        assert self.statek("logs", "-f", id_)[0] == 0

    def job_in_doubt(self, amount: int) -> str:
        """A job whose call the service did not outlive; the service is ended by it."""
        (self.folder / "killing").touch()
        service = self.serve()
        code, id_, errors = self.statek("submit", "--role", "payer")
        assert code == 0, errors
        assert service.wait(120) == -signal.SIGKILL
        assert (self.folder / "paid.txt").read_text().splitlines()[-1] == str(amount)
        return id_.strip()

    def call_in_doubt(self) -> Any:
        """The one call, as soon as the service has found it."""
        while not (found := self.json("calls", "list")):
            assert self._line.is_serving
        (call,) = found
        return call


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    made: list[Machine] = []

    def make(*answers: Answer) -> Machine:
        provider = Provider(list(answers))
        threading.Thread(target=provider.serve_forever, daemon=True).start()
        made.append(Machine(tmp_path, provider))
        return made[-1]

    yield make
    for one in made:
        one.close()
        one.provider.release.set()
        one.provider.shutdown()
        one.provider.server_close()


def the_row(output: str) -> list[str]:
    header, row = output.splitlines()
    assert header.split() == ["JOB", "STEP", "CALL", "NAME", "EFFECT", "IDEMPOTENCY", "KEY", "ARGUMENTS"]
    return row.split()


def test_a_call_in_doubt_is_listed_and_decided(machine: Callable[..., Machine]) -> None:
    here = machine(reply("receipt = pay(5)"), reply("print(receipt)"), reply("exit(receipt)"))
    assert here.job_in_doubt(5) == "j1"
    here.serve()
    listed = here.call_in_doubt()
    code, output, errors = here.statek("calls", "list")
    assert (code, errors) == (0, "")
    job, step, call, name, effect, key, arguments = the_row(output)
    assert (job, step, name, effect, arguments) == ("j1", "1", "pay", "external", "5")
    assert key.endswith(f".j1.1.{call}")
    assert (listed["job"], listed["step"], str(listed["number"]), listed["name"]) == ("j1", 1, call, "pay")
    (job_listed,) = here.json("jobs")
    assert (job_listed["status"], job_listed["failure"]) == ("SUSPENDED", None)

    refused = [
        (("j1", call), 2, "one of the arguments --happened --failed --retry is required"),
        (("j1", call, "--happened", "{"), 2, "--happened"),
        (("j1", "x", "--retry"), 2, "CALL"),
        (("j9", call, "--retry"), 1, "error[not_found]: job j9 does not exist"),
        (("j1", "99", "--retry"), 2, "error[invalid_request]: "),
    ]
    for arguments_given, status, text in refused:
        code, output, errors = here.statek("calls", "resolve", *arguments_given)
        assert (code, output) == (status, ""), errors
        assert text in errors
    assert (here.folder / "paid.txt").read_text() == "5\n"

    code, output, errors = here.statek("calls", "resolve", "j1", call, "--happened", '"receipt 77"')
    assert code == 0, errors
    assert re.search(r"^j1\s", output, re.MULTILINE)
    here.follow("j1")
    (done,) = here.json("jobs")
    assert (done["status"], done["exit_status"], done["failure"]) == ("DONE", "receipt 77", None)
    assert here.statek("calls", "list") == (0, "", "statek: no call is in doubt\n")
    assert here.json("calls", "list") == []
    code, output, errors = here.statek("calls", "resolve", "j1", call, "--retry")
    assert (code, output) == (2, "")
    assert errors == (
        "statek: error[invalid_request]: job j1 is DONE, not suspended; nothing of it is to be resolved\n"
    )
    assert (here.folder / "paid.txt").read_text() == "5\n"  # the decision was believed: it is not called again


@pytest.mark.parametrize(
    ("decision", "paid", "exit_status"),
    [(("--retry",), "5\n5\n", "paid 5"), (("--failed", "the bank says no"), "5\n", "the bank says no")],
)
def test_a_call_is_made_again_or_failed_as_decided_without_a_service(
    machine: Callable[..., Machine], decision: tuple[str, ...], paid: str, exit_status: str
) -> None:
    code = "try:\n    receipt = pay(5)\nexcept Exception as error:\n    receipt = str(error)"
    here = machine(reply(code), reply("exit(receipt)"))
    here.job_in_doubt(5)
    service = here.serve()
    listed = here.call_in_doubt()
    service.terminate()
    assert service.wait(120) in {0, 143}
    # The store's own word: no service answers now.
    assert [call["number"] for call in here.json("calls", "list")] == [listed["number"]]
    resolved = here.json("calls", "resolve", "j1", str(listed["number"]), *decision)
    assert resolved["id"] == "j1"
    here.serve()
    here.follow("j1")
    (done,) = here.json("jobs")
    assert (done["status"], done["failure"]) == ("DONE", None)
    assert exit_status in done["exit_status"]
    assert (here.folder / "paid.txt").read_text() == paid


def test_a_job_in_doubt_is_cancelled(machine: Callable[..., Machine]) -> None:
    here = machine(reply("receipt = pay(5)"), reply("exit(receipt)"))
    here.job_in_doubt(5)
    here.serve()
    here.call_in_doubt()
    code, output, errors = here.statek("cancel", "j1", "--reason", "not needed")
    assert code == 0, errors
    assert re.search(r"^j1\s+DONE\s+payer\s.*cancelled: not needed$", output, re.MULTILINE)
    (done,) = here.json("jobs")
    assert (done["status"], done["failure"]["kind"], done["failure"]["message"]) == ("DONE", "cancelled", "not needed")
    code, output, errors = here.statek("cancel", "j1")
    assert (code, output) == (2, "")
    assert errors.startswith("statek: error[invalid_request]: job j1 is done already")
    code, output, errors = here.statek("cancel", "j9", "--json")
    assert (code, output) == (1, "")
    assert errors.startswith("statek: error[not_found]: ")
    assert here.statek("cancel")[0] == 2


def test_a_job_is_cancelled_while_no_service_runs(machine: Callable[..., Machine]) -> None:
    here = machine(reply("receipt = pay(5)"), reply("exit(receipt)"))
    here.job_in_doubt(5)
    code, output, errors = here.statek("cancel", "j1", "--reason", "late")
    assert code == 0, errors
    assert "j1" in output
    here.serve()
    here.follow("j1")
    (done,) = here.json("jobs")
    assert (done["status"], done["failure"]["kind"]) == ("DONE", "cancelled")
    assert (here.folder / "paid.txt").read_text() == "5\n"


def test_the_cost_of_a_job_is_the_sum_of_its_replies_and_a_lost_one_is_told(machine: Callable[..., Machine]) -> None:
    held = reply("two = 2")
    held.hold = True
    here = machine(reply("one = 1"), held, reply("two = 2"), reply("exit(one + two)"))
    service = here.serve()
    assert here.statek("submit", "--role", "payer")[1] == "j1\n"
    while len(here.provider.requests) < 2:
        assert service.poll() is None
    service.kill()
    service.wait()
    here.provider.release.set()
    here.serve()
    here.follow("j1")
    assert len(here.provider.requests) == 4  # one of them for a reply that nobody heard
    (listed,) = here.json("jobs")
    used = (listed["input_tokens"], listed["cached_tokens"], listed["output_tokens"], listed["cost_microusd"])
    assert used == (3000, 1200, 300, 3 * ONE_REPLY_MICROUSD)
    assert (listed["turns"], listed["repeated_replies"], listed["exit_status"]) == (3, 1, "3")
    shown = here.json("show", "j1")
    assert (shown["cost_microusd"], shown["repeated_replies"]) == (3 * ONE_REPLY_MICROUSD, 1)
    code, output, _ = here.statek("show", "j1")
    assert code == 0
    assert "tokens 3000 in, 300 out  cost $0.0072" in output
    assert "model asked again after a restart: once; what that cost is not in the figures above" in output
    assert "$0.0072" in here.statek("jobs")[1]
