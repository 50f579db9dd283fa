"""The conversation of a job within its window."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.engine.conversation import NEWEST_WHOLE, Conversation, estimate_tokens
from orchestrator.engine.requests import HistoryItem, Message, shortened
from statek.chat_style import ChatStyle
from statek.exceptions import ModelError
from statek.model import ProviderToolCall
from statek.styles import style_for

STYLE = style_for(ChatStyle.MARKDOWN)


def step(number: int, output: str) -> HistoryItem:
    return HistoryItem("reply", "", f"print({number})", [("print", output)])


def filled(window: int | None, count: int, output_chars: int) -> Conversation:
    conversation = Conversation(STYLE, "system", ["first words"], window_tokens=window)
    for number in range(count):
        conversation.add(step(number, f"{number} " + "x" * output_chars))
    return conversation


def contents(conversation: Conversation) -> list[str]:
    return [message["content"] for message in conversation.messages()]


def test_everything_is_whole_within_the_window() -> None:
    conversation = filled(10_000, 5, 100)
    assert len(conversation.messages()) == 2 + 10
    assert contents(conversation)[3] == "0 " + "x" * 100
    assert contents(conversation) == contents(filled(None, 5, 100))


def test_older_output_is_shortened_first_and_says_so() -> None:
    conversation = filled(6000, 12, 2000)
    shown = contents(conversation)
    note = "characters are left out here to fit the model's window; print what you need again]"
    assert shown[:2] == ["system", "first words"]
    assert note in shown[3]
    assert shown[3].startswith("0 xxx")
    assert shown[3].count("x") + int(shown[3].split("[")[1].split(" ")[0]) == 2000
    assert shown[2] == "```python\nprint(0)\n```"
    newest = [output for output in shown[3::2] if note not in output]
    assert len(newest) >= NEWEST_WHOLE
    assert newest == shown[3::2][-len(newest) :]
    assert conversation.tokens <= 6000


def test_the_oldest_entries_are_left_out_when_shortening_is_not_enough() -> None:
    conversation = filled(2500, 100, 1000)
    shown = contents(conversation)
    assert shown[:2] == ["system", "first words"]
    left_out = int(shown[2].removeprefix("[").split(" ")[0])
    assert shown[2] == (
        f"[{left_out} earlier entries of this conversation are left out here to fit the model's window. "
        "Variables keep their values: print what you need.]"
    )
    assert left_out + len(shown[3:]) // 2 == 100
    assert shown[-1] == "99 " + "x" * 1000
    assert conversation.tokens <= 2500


def test_the_newest_are_shortened_only_when_nothing_else_is_left() -> None:
    conversation = filled(1500, 3, 30_000)
    assert all("left out here" in output for output in contents(conversation)[3::2])
    assert conversation.tokens <= 1500


def test_room_is_made_for_several_entries_at_once() -> None:
    """Otherwise each request would change the beginning of the conversation, and no provider could cache it."""
    conversation = Conversation(STYLE, "system", ["first"], window_tokens=5000)
    changes, prefix = 0, conversation.messages()
    for number in range(400):
        conversation.add(step(number, "y" * 300))
        now = conversation.messages()
        changes += now[: len(prefix)] != prefix
        prefix = now
    assert 1 <= changes <= 40


def test_work_per_entry_does_not_grow(monkeypatch: Any) -> None:
    from orchestrator.engine import conversation as module

    rendered = 0
    real = module.item_messages

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal rendered
        rendered += 1
        return real(*args, **kwargs)

    monkeypatch.setattr(module, "item_messages", counted)
    conversation = filled(5000, 2000, 500)
    assert rendered <= 2 * 2000
    assert len(conversation.messages()) < 200


def test_a_call_and_its_result_stay_together() -> None:
    conversation = Conversation(STYLE, "system", window_tokens=1500)
    for number in range(50):
        call = ProviderToolCall(f"c{number}", "add", '{"a": 1}')
        conversation.add(HistoryItem("reply", "", "", (), (call,), [[("echo", "z" * 800)]]))
    messages = conversation.messages()
    asked = [call["id"] for message in messages for call in message.get("tool_calls", ())]
    assert asked == [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    assert asked[-1] == "c49"
    assert conversation.call_ids == {f"c{number}" for number in range(50)}


def test_a_new_system_prompt_takes_the_place_of_the_old_one() -> None:
    conversation = filled(None, 1, 10)
    before = conversation.tokens
    conversation.set_system_prompt("system" * 100)
    assert contents(conversation)[0] == "system" * 100
    assert conversation.tokens - before == estimate_tokens("system" * 100) - estimate_tokens("system")


def test_hidden_entries_count_and_are_not_shown() -> None:
    conversation = Conversation(style_for(ChatStyle.DIRECT), "system")
    conversation.add(HistoryItem("warmup", "", "a = 1"), hidden=True)
    conversation.add(HistoryItem("warmup", "", "b = 1"))
    (asked, _) = conversation.messages()[2:]
    assert asked["tool_calls"][0]["id"] == "STATEK-WARMUP-001"


NOTE = re.compile(r"\n\[(\d+) characters are left out here to fit the model's window\]\n")


def whole_length(shown: str) -> int:
    """The length of a text of which this is shown."""
    (missing,) = NOTE.findall(shown)
    return len(NOTE.sub("", shown)) + int(missing)


def tokens_of(messages: tuple[Message, ...]) -> int:
    """What the texts of messages take, each rounded up."""
    texts = [message["content"] or "" for message in messages]
    for message in messages:
        for call in message.get("tool_calls", ()):
            texts += [call["id"], call["function"]["name"], call["function"]["arguments"]]
        texts.append(message.get("tool_call_id", ""))
    return sum(map(estimate_tokens, texts))


def test_a_long_message_is_shortened_and_says_so() -> None:
    conversation = Conversation(STYLE, "system", ["first words"], window_tokens=3000)
    text = "begin " + "m" * 100_000 + " end"
    conversation.add(HistoryItem("user", text))
    (_, opening, said) = contents(conversation)
    assert (opening, whole_length(said)) == ("first words", len(text))
    assert (said[:8], said[-6:]) == ("begin mm", "mm end")
    assert len(said) > 1000
    assert conversation.tokens <= 3000


def test_long_code_of_the_newest_reply_is_shortened() -> None:
    conversation = Conversation(STYLE, "system", ["first words"], window_tokens=3000)
    code = "\n".join(f"x{number} = {number}" for number in range(8000))
    conversation.add(HistoryItem("reply", code, code, [("print", "done")]))
    (_, _, asked, output) = contents(conversation)
    assert whole_length(asked) == len(f"```python\n{code}\n```")
    assert (asked.splitlines()[:2], asked.splitlines()[-2:]) == (["```python", "x0 = 0"], ["x7999 = 7999", "```"])
    assert output == "done"
    assert conversation.tokens <= 3000


def test_long_arguments_stay_a_json_object() -> None:
    conversation = Conversation(STYLE, "system", ["first words"], window_tokens=3000)
    long, many = {"text": "é" * 20_000, "count": 3}, {f"name{n}": n for n in range(9000)}
    deep = '{"a": ' + "[" * 900 + "]" * 900 + "}"
    arguments = [json.dumps(long), json.dumps(many), deep, '{"text": "\\ud800' + "\\u0000" * 5000 + '"}']
    calls = tuple(ProviderToolCall(f"c{n}", "look", text) for n, text in enumerate(arguments))
    conversation.add(HistoryItem("reply", "", "", (), calls, [[("echo", "1")]] * 4))
    shown = [json.loads(call["function"]["arguments"]) for call in conversation.messages()[2]["tool_calls"]]
    assert (whole_length(shown[0]["text"]), shown[0]["count"]) == (20_000, 3)
    assert whole_length(shown[1]["arguments"]) == len(arguments[1])
    assert all(isinstance(each, dict) for each in shown)
    assert conversation.tokens <= 3000


def test_a_long_first_message_is_shortened_before_anything_was_said() -> None:
    conversation = Conversation(STYLE, "system", ["begin " + "m" * 100_000])
    conversation.limit(3000)
    (_, opening) = contents(conversation)
    assert whole_length(opening) == 100_006
    assert conversation.tokens <= 3000


def test_the_newest_entry_is_shortened_last() -> None:
    conversation = Conversation(STYLE, "system", ["first words"], window_tokens=3000)
    for letter in "abc":
        conversation.add(HistoryItem("user", letter * 5000))
    shown = contents(conversation)
    assert shown[4] == "c" * 5000
    assert [whole_length(text) for text in shown[2:4]] == [5000, 5000]


def test_a_system_prompt_beyond_the_window_is_one_clear_error() -> None:
    conversation = Conversation(STYLE, "s" * 30_000, ["first words"], window_tokens=3000)
    conversation.add(step(1, "x"))
    with pytest.raises(ModelError) as caught:
        conversation.messages()
    assert str(caught.value) == (
        "the request does not fit the model's context window: the system prompt and what must stay with it are about "
        f"{conversation.tokens} tokens, and beside the tools and the reply there is room for 3000"
    )
    conversation.set_system_prompt("short")
    assert contents(conversation)[0] == "short"


TEXTS = st.builds(
    lambda unit, count: unit * count, st.sampled_from(["x", "é", "a b\n", "\0", '"\\', "```\n"]), st.integers(0, 9000)
)
CALLS = st.builds(
    lambda id_, key, text: ProviderToolCall(id_, "look" * 9, json.dumps({key: text})),
    st.sampled_from(["c1", "c" * 4096]),
    TEXTS,
    TEXTS,
)
ITEMS = st.builds(
    lambda kind, text, code, calls: HistoryItem(
        kind, text, code, [("print", text)], tuple(calls), [[("echo", code)]] * len(calls)
    ),
    st.sampled_from(["user", "system", "warmup", "reply", "notification", "reminder", "post_processed"]),
    TEXTS,
    TEXTS,
    st.lists(CALLS, max_size=3),
)


@settings(max_examples=60)
@given(st.sampled_from(ChatStyle), TEXTS, st.lists(ITEMS, max_size=8), st.integers(600, 20_000))
def test_no_request_is_above_the_window_whatever_is_in_it(
    style: ChatStyle, opening: str, items: list[HistoryItem], window: int
) -> None:
    conversation, asked_once = (Conversation(style_for(style), "system", [opening]) for _ in range(2))
    conversation.limit(window)
    asked_once.limit(window)
    assert tokens_of(conversation.messages()) <= window
    for item in items:
        conversation.add(item)
        asked_once.add(item)
        assert tokens_of(conversation.messages()) <= conversation.tokens <= window
    assert conversation.messages() == asked_once.messages()


@settings(max_examples=100)
@given(st.lists(st.integers(0, 4000), max_size=60), st.integers(600, 20_000))
def test_any_conversation_is_bounded_and_the_same_after_a_restart(sizes: list[int], window: int) -> None:
    conversation, again = (Conversation(STYLE, "s", ["u"], window_tokens=window) for _ in range(2))
    for number, size in enumerate(sizes):
        conversation.add(step(number, "é" * size if number % 3 == 0 else "x" * size))
        assert conversation.messages()[:2] == again.messages()[:2]
    for number, size in enumerate(sizes):
        again.add(step(number, "é" * size if number % 3 == 0 else "x" * size))
    assert conversation.messages() == again.messages()
    assert conversation.tokens <= window


@given(st.text(max_size=300), st.integers(5, 100))
def test_a_shortened_text_keeps_both_ends(text: str, limit: int) -> None:
    short = shortened(text, limit)
    if len(text) <= limit:
        assert short == text
    else:
        assert short.startswith(text[: limit * 3 // 5])
        assert short.endswith(text[-(limit * 2 // 5) :])
