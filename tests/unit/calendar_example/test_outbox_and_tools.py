from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from examples.calendar_assistant.outbox import Outbox, OutboxDamaged, SentMessage
from examples.calendar_assistant.tools import current_time, make_send_message, time_zone_of
from statek.tools import ToolContext, ToolDef, tool_context


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "deep" / "outbox.jsonl")


def test_a_key_is_written_once(outbox):
    first, second = SentMessage("k1", "Ada", "zażółć\n\u2028 ok"), SentMessage("k2", "Jun", "x")
    assert [outbox.append(one) for one in (first, second, first, SentMessage("k1", "Eve", "other"))] == [
        True,
        True,
        False,
        False,
    ]
    assert Outbox(outbox.path).messages() == [first, second]
    assert len(outbox.path.read_bytes().splitlines()) == 2


def test_every_torn_last_line_is_repaired(outbox):
    first, second = SentMessage("k1", "Ada", "one"), SentMessage("k2", "Ada", "two")
    outbox.append(first)
    start = outbox.path.stat().st_size
    outbox.append(second)
    whole = outbox.path.read_bytes()
    for length in range(start, len(whole)):
        outbox.path.write_bytes(whole[:length])
        assert outbox.messages() == [first]
        assert outbox.append(second)
        assert outbox.path.read_bytes() == whole


def test_another_files_content_is_refused(outbox):
    outbox.append(SentMessage("k1", "a", "b"))
    with outbox.path.open("a") as file:
        file.write("not json\n")
    for action in (outbox.messages, lambda: outbox.append(SentMessage("k2", "a", "b"))):
        with pytest.raises(OutboxDamaged) as caught:
            action()
        assert str(caught.value) == f"{outbox.path}, line 2: not a message; move the file away"


def test_threads_do_not_mix_their_lines(outbox):
    def send(worker: int) -> None:
        for number in range(5):
            outbox.append(SentMessage(f"{number}", f"{worker}", "x" * 500))

    threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.key for one in outbox.messages()) == ["0", "1", "2", "3", "4"]


def test_a_message_without_a_key_is_refused(outbox):
    with pytest.raises(ValueError, match=r"^a message needs an idempotency key$"):
        outbox.append(SentMessage("", "a", "b"))
    assert outbox.messages() == []


def test_sending_uses_the_key_of_the_call(outbox):
    tool = ToolDef.of(make_send_message(outbox))
    assert tool.signature_text == "(to: str, text: str) -> str"
    for key in ("j/1", "j/1", "j/2"):
        with tool_context(ToolContext("j", idempotency_key=key)):
            assert tool.function(to=" Ada ", text="hi") == "sent to Ada"
    assert outbox.messages() == [SentMessage("j/1", "Ada", "hi"), SentMessage("j/2", "Ada", "hi")]
    with tool_context(ToolContext("j", idempotency_key="j/3")):
        with pytest.raises(ValueError, match=r"^a message needs somebody to go to and a text$"):
            tool.function(to="Ada", text=" ")
        with pytest.raises(ValueError, match=r"^a message may have 10000 characters, this one has 10001$"):
            tool.function(to="A", text="x" * 10_000)


@pytest.mark.parametrize(
    ("city", "zone"),
    [
        ("Tokyo", "Asia/Tokyo"),
        ("new york", "America/New_York"),
        ("São Paulo", "America/Sao_Paulo"),
        ("Buenos Aires", "America/Argentina/Buenos_Aires"),
    ],
)
def test_cities(city, zone):
    assert time_zone_of(city) == zone


@pytest.mark.parametrize(
    ("city", "text"),
    [
        ("", "no time zone is named after ''"),
        ("Atlantis City", "no time zone is named after 'Atlantis City'; similar: America/Atikokan"),
        ("UTC", "no time zone is named after 'UTC'"),
    ],
)
def test_an_unknown_city(city, text):
    with pytest.raises(LookupError) as caught:
        time_zone_of(city)
    assert str(caught.value).startswith(text[:40])


def test_the_current_time():
    before = datetime.now(ZoneInfo("Asia/Tokyo"))
    now = current_time("Asia/Tokyo")
    assert before <= now
    assert now.tzinfo == ZoneInfo("Asia/Tokyo")
    with pytest.raises(ValueError, match=r"^no time zone named '\.\./etc/passwd'"):
        current_time("../etc/passwd")
