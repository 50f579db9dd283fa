"""The feed of events over the socket and on the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.event_lines import event_lines
from statek.events import MAX_PATTERN_CHARS, Event, StateChange
from statek.exceptions import InvalidRequest, LimitExceeded
from tests.integration.api.conftest import Serve, code
from tests.support.command_line import CommandLine

pytestmark = pytest.mark.timeout(180)


async def test_client_reads_and_follows_what_the_service_tells(serve: Serve) -> None:
    async with serve([code("total = 1"), code("total = 2; exit(total)")]) as served:
        client, service = served.client, served.service
        first = await served.ask(client.submit, "helper", message="go \ud800")
        following = client.events(match=f"job.done commit.* job={first}", follow=True)
        begun = await served.ask(next, following)
        await served.ask(client.wait, first)
        told = await served.ask(lambda: list(client.events()))
        assert told == [event async for event in service.events(follow=False)]
        assert [event.payload["text"] for event in told if event.kind == "message.added"] == ["go \ud800"]
        rest = await served.ask(_until, following, "job.done")
        assert [begun, *rest] == [event for event in told if event.kind in {"commit.made", "job.done"}]
        named = await served.ask(lambda: list(client.events(match="name=total")))
        assert [event.changes for event in named] == [
            (StateChange("total", None, "int 1"),),
            (StateChange("total", "int 1", "int 2"),),
        ]
        assert await served.ask(lambda: list(client.events(after=told[4].seq))) == told[5:]
        assert await served.ask(lambda: list(client.events(tenant="nobody"))) == []


def _until(events: Iterator[Event], kind: str) -> list[Event]:
    found = [next(events)]
    while found[-1].kind != kind:
        found.append(next(events))
    events.close()  # type: ignore[attr-defined]
    return found


async def test_client_pages_through_more_events_than_a_page_has(serve: Serve) -> None:
    async with serve([code("exit()")] * 40) as served:
        ids = [await served.ask(served.client.submit, "helper") for _ in range(40)]
        await asyncio.gather(*map(served.service.wait, ids))
        told = await served.ask(lambda: list(served.client.events()))
    assert len(told) > 200
    assert [event.seq for event in told] == list(range(1, len(told) + 1))


@pytest.mark.parametrize("follow", [False, True])
async def test_what_makes_no_sense_is_refused_by_name(serve: Serve, follow: bool) -> None:
    async with serve() as served:

        def ask(**asked: object) -> list[Event]:
            return list(served.client.events(follow=follow, **asked))  # type: ignore[arg-type]

        with pytest.raises(InvalidRequest, match=r"^event pattern 'who=x': 'who=x' is not kind="):
            await served.ask(ask, match="who=x")
        with pytest.raises(LimitExceeded, match=r"^limit event_pattern_chars is 300, "):
            await served.ask(ask, match="x" * (MAX_PATTERN_CHARS + 1))
        with pytest.raises(InvalidRequest, match=r"^the feed has not come to event 7; it ends at 0$"):
            await served.ask(ask, after=7)
        with pytest.raises(InvalidRequest, match=r"^tenant must be a printable text"):
            await served.ask(ask, tenant="a\x1bb")


def test_lines_of_an_event_stay_on_their_lines() -> None:
    hostile = "a\n\x1b[2J\u202e"
    told = Event(
        3,
        1_000_000,
        "default",
        "j1",
        "commit.made",
        hostile,
        2,
        1,
        {"kind": hostile, "changes": [[hostile, None, hostile]], "more": 4},
    )
    spelt = "a\\n\\x1b[2J\\u202e"
    assert list(event_lines(told)) == [
        f"3  1970-01-01 00:00:01  j1  commit.made  {spelt}  step 1  commit 2  kind={spelt}",
        f"    {spelt}: - -> {spelt}",
        "    and 4 more",
    ]


APPLICATION = '''
from statek.agents.agent import Agent
from statek.testing import RecordedProvider, parse_transcript

TALK = """## Turn 1

```python
total = 1
```

## Turn 2

```python
exit(total)
```
"""
provider = RecordedProvider(parse_transcript(TALK, "talk.md"))


def agents():
    provider.start()
    return Agent("counter", _metadata={"MODEL": "openai/recorded", "API_BASE": provider.api_base})
'''


def test_command_prints_events_of_a_store_that_no_service_has_open(tmp_path: Path) -> None:
    statek = CommandLine(tmp_path, APPLICATION).ask
    assert statek("run", "demo.py")[0] == 0
    status, out, _ = statek("events", "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert (events[0]["kind"], events[-1]["kind"]) == ("job.submitted", "job.done")
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    after = str(events[-3]["seq"])
    assert [json.loads(line) for line in statek("events", "--after", after, "--json")[1].splitlines()] == events[-2:]
    status, out, said = statek("events", "-f", "--job", "j1", "--match", "commit.* name=total")
    (line, change) = out.splitlines()
    made = next(event for event in events if event["payload"].get("changes"))
    assert line.split("  ")[0] == str(made["seq"])
    assert line.split("  ")[2:] == ["j1", "commit.made", "step 1", "commit 1", "kind=step"]
    assert change == "    total: - -> int 1"
    assert (status, said) == (
        0,
        "statek: no service is running, so nothing more will come; statek serve goes on with the jobs\n",
    )
    assert statek("events", "--job", "j2") == (0, "", "")
    status, _, said = statek("events", "--match", "who=x")
    assert (status, said.startswith("statek: error[invalid_request]: event pattern 'who=x")) == (2, True)
