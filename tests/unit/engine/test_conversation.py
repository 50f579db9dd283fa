"""The conversation of a job within its window."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.engine.conversation import NEWEST_WHOLE, Conversation, estimate_tokens
from orchestrator.engine.requests import HistoryItem, shortened
from statek.chat_style import ChatStyle
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


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 4000), max_size=60), st.integers(600, 20_000))
def test_any_conversation_is_bounded_and_the_same_after_a_restart(sizes: list[int], window: int) -> None:
    conversation, again = (Conversation(STYLE, "s", ["u"], window_tokens=window) for _ in range(2))
    for number, size in enumerate(sizes):
        conversation.add(step(number, "é" * size if number % 3 == 0 else "x" * size))
        assert conversation.messages()[:2] == again.messages()[:2]
    for number, size in enumerate(sizes):
        again.add(step(number, "é" * size if number % 3 == 0 else "x" * size))
    assert conversation.messages() == again.messages()
    # Four entries at the end stay, shortened: they are what is left when a window is smaller than they are.
    assert conversation.tokens <= max(window, NEWEST_WHOLE * 900 + 200)


@given(st.text(max_size=300), st.integers(5, 100))
def test_a_shortened_text_keeps_both_ends(text: str, limit: int) -> None:
    short = shortened(text, limit)
    if len(text) <= limit:
        assert short == text
    else:
        assert short.startswith(text[: limit * 3 // 5])
        assert short.endswith(text[-(limit * 2 // 5) :])
