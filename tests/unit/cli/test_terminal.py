from __future__ import annotations

import io
import sys
import unicodedata

from orchestrator.cli.progress import Progress
from orchestrator.cli.terminal import Terminal, split_lines
from orchestrator.printable import printable


def test_every_character_that_a_terminal_may_obey_is_spelt_out() -> None:
    unsafe = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    wrong = [
        hex(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in unsafe and chr(code) != "\t" and printable(chr(code)) == chr(code)
    ]
    assert wrong == []


def test_ordinary_text_stays_as_it_is() -> None:
    text = "tab\there, ümläut, 漢字, 😀 and \\ backslash"
    assert printable(text) == text


def test_escapes_are_readable() -> None:
    assert printable("a\x1b[2Jb\r\n\x00\x9b\u202e\ud800\U000e0041") == (
        "a\\x1b[2Jb\\r\\n\\x00\\x9b\\u202e\\ud800\\U000e0041"
    )


def test_lines_are_split_at_newlines_only() -> None:
    assert split_lines("a\u2028b\x0bc\nd\n\n") == ["a\u2028b\x0bc", "d", ""]
    assert split_lines("") == []


def test_what_is_printed_is_one_line_of_harmless_text() -> None:
    out, err = io.StringIO(), io.StringIO()
    terminal = Terminal(out, err)
    terminal.line("x\ny\x1b]0;owned\x07")
    terminal.note("a\rb")
    terminal.error("internal", "c\nd")
    assert out.getvalue() == "x\\ny\\x1b]0;owned\\x07\n"
    assert err.getvalue() == "statek: a\\rb\nstatek: error[internal]: c\\nd\n"


def test_json_is_ascii_on_one_line() -> None:
    out = io.StringIO()
    Terminal(out, io.StringIO()).value({"text": "\x1b\x7f\u202eü\n"})
    assert out.getvalue() == '{"text": "\\u001b\\u007f\\u202e\\u00fc\\n"}\n'


def test_output_that_the_stream_cannot_encode_is_spelt_out() -> None:
    raw = io.BytesIO()
    terminal = Terminal(io.TextIOWrapper(raw, encoding="ascii"), io.StringIO())
    terminal.line("ü漢")
    terminal.flush()
    assert raw.getvalue() == b"\\xfc\\u6f22\n"


class _Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_rewritten_in_place_on_a_terminal() -> None:
    stream = _Tty()
    progress = Progress(stream, "building\x1b")
    progress.draw_nowait(0.9)
    assert stream.getvalue() == ""
    progress.draw_nowait(1.2)
    progress.clear()
    line = "statek: building\\x1b (1 s)"
    assert stream.getvalue() == f"\r{line}\r{' ' * len(line)}\r"


def test_progress_gets_one_line_per_activity_elsewhere() -> None:
    stream = io.StringIO()
    progress = Progress(stream, "building", always=True)
    progress.draw_nowait(2)
    progress.draw_nowait(3)
    progress.say("starting")
    progress.draw_nowait(2)
    assert stream.getvalue() == "statek: building\nstatek: starting\n"


def test_progress_is_silent_where_nobody_asked_for_it() -> None:
    stream = io.StringIO()
    with Progress(stream, "building") as progress:
        assert not progress._thread.is_alive()
    assert stream.getvalue() == ""
