from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.dialog import DialogItem, MessageSegment, dialog_items, message_segments
from statek.executors.views import CallView, ItemView
from statek.styles.prose import prose_of


@pytest.mark.parametrize(
    ("prose", "segments"),
    [
        ("", []),
        (" \n\t\n", []),
        ("Hello  there.\n\n\n\n- one\n-  two ", [("Hello there.\n\n- one\n- two", None)]),
        (
            "Here is report docs/files/report.pdf attached",
            [("Here is report", "docs/files/report.pdf"), ("attached", None)],
        ),
        ("docs/a.png", [("", "docs/a.png")]),
        ("See docs/a.png and /work/b.csv.", [("See", "docs/a.png"), ("and", "/work/b.csv"), (".", None)]),
        ("No folder: report.pdf, no ending: a/b, long one: a/b.jpeg", None),
        ("A ratio of 1/2.500 is a path by its form", None),
        ("See [the plan](docs/plan.pdf) in docs/x.pdf", None),
        ("![p](sandbox:/private/plot.png)", [("![p](private/plot.png)", None)]),
        ("https://example.org/a/b.pdf", None),
    ],
)
def test_prose_becomes_messages(prose: str, segments: list[tuple[str, str | None]] | None) -> None:
    expected = [(prose, None)] if segments is None else segments
    if "1/2.500" in prose:
        expected = [("A ratio of", "1/2.500"), ("is a path by its form", None)]
    assert message_segments(prose) == [MessageSegment(*segment) for segment in expected]


def test_paths_stay_in_the_text_where_no_media_are_taken() -> None:
    assert message_segments("See docs/a.png now", with_media=False) == [MessageSegment("See docs/a.png now")]


_LINK = re.compile(r"!?\[[^\]\n]*\]\([^)\s]+\)")
"""What a link is; trying it takes a time that grows with the square of the text's length."""


@given(st.text(alphabet=st.sampled_from("a []()!\n"), max_size=40))
def test_a_link_keeps_paths_in_the_text_and_nothing_else_does(text: str) -> None:
    segments = message_segments(f"{text}\n\nSee docs/a.png")
    assert (segments[-1].media is None) == (_LINK.search(text) is not None)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("part", ["[", "[](a", "![a](", "](", "](a) ", "[]( ", "a/", "(a/a.", "a."])
def test_prose_of_any_form_is_read_in_a_time_of_its_length(part: str) -> None:
    prose = part * (300_000 // len(part))
    said = "".join(segment.body + (segment.media or "") for segment in message_segments(prose))
    assert said.replace(" ", "") == prose.replace(" ", "")


@given(st.text(alphabet=st.sampled_from("ab /.-\n\0[]()!\ud800"), max_size=60))
def test_every_text_becomes_messages_and_loses_no_letter(text: str) -> None:
    segments = message_segments(text)
    assert all(segment.body or segment.media for segment in segments)
    said = "".join(segment.body + (segment.media or "") for segment in segments)
    assert sorted(said.replace("\n", "").replace(" ", "")) == sorted(
        text.replace("\0", " ").replace("\n", "").replace(" ", "")
    )


def item(kind: str, **changes: object) -> ItemView:
    fields: dict[str, object] = {
        "kind": kind, "at_us": 1, "text": "", "step": 0, "code": "", "state": "none", "attempts": 0, "console": (),
        "outcome": {}, "changed": (), "calls": (), "start_commit": 0, "end_commit": 0, "usage": {},
    }  # fmt: skip
    return ItemView(**{**fields, **changes})  # type: ignore[arg-type]


def call(name: str, state: str) -> CallView:
    return CallView("j1", 1, 1, name, "tool", 0, "", "external", state, "", "key")


def test_dialog_is_what_both_sides_said() -> None:
    logged = (("print", "log: answer(body='It\\'s done.', media=None)"),)
    items = [
        item("user", text="hi"),
        item("warmup", console=logged),
        item("reply", usage={"prose": "I will  check."}, console=logged),
        item("reply", usage={"prose": "never sent"}, calls=(call("_send_message", "failed"),)),
        item("reply", calls=(call("answer", "done"),), console=logged),
        item("reply", calls=(call("answer", "failed"),), console=logged),
        item("system", text="no"),
    ]
    assert dialog_items(items) == [
        DialogItem("user", "hi"),
        DialogItem("assistant", "I will check."),
        DialogItem("assistant", "It's done."),
    ]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("Looking ```python\nbad()\n```\nDone.", "Looking\nDone."),
        ("Looking ```py\nbad()\n```", "Looking"),
        ("Looking ```python bad()``` now", "Looking now"),
        ("In ```json\n{}\n```", "In ```json\n{}\n```"),
    ],
)
def test_a_draft_that_begins_in_a_line_of_prose_is_not_said(reply: str, said: str) -> None:
    assert prose_of(reply) == said
