from __future__ import annotations

import pytest

from statek.testing import TranscriptError, load_transcript, parse_transcript

GOOD = """# A talk

Prose before the first turn is for the reader.

## Turn 1: look around

I look.

```python
## Turn 7 is a comment here
print("hi")
```

## Turn 2

~~~~text
```
## not a heading
~~~~
done
"""


def test_a_transcript_is_read_word_for_word():
    transcript = parse_transcript(GOOD, "talk.md")
    assert transcript.name == "talk.md"
    assert transcript.titles == ("look around", "")
    assert transcript.replies == (
        'I look.\n\n```python\n## Turn 7 is a comment here\nprint("hi")\n```',
        "~~~~text\n```\n## not a heading\n~~~~\ndone",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t: no '## Turn 1' section"),
        ("# Title\nprose\n", "t: no '## Turn 1' section"),
        ("## Turn 2\nx\n", "t, line 1: expected turn 1, got turn 2"),
        ("## Turn 1\nx\n## Turn 1\ny\n", "t, line 3: expected turn 2, got turn 1"),
        ("## Turn 1\n\n## Turn 2\ny\n", "t, line 3: turn 1 has no reply"),
        ("## Turn 1\nx\n## Turn 2\n", "t, line 3: turn 2 has no reply"),
        ("## Turn 1\nx\n## Trun 2\ny\n", "t, line 3: expected '## Turn 2', got '## Trun 2'"),
        ("## Turn 1\nx\n```python\ny\n", "t, line 3: fenced code is not closed"),
    ],
)
def test_a_broken_transcript_is_refused_with_the_line(text, message):
    with pytest.raises(TranscriptError) as caught:
        parse_transcript(text, "t")
    assert str(caught.value) == message


def test_a_file_is_named(tmp_path):
    missing, binary, good = tmp_path / "no.md", tmp_path / "bin.md", tmp_path / "good.md"
    binary.write_bytes(b"ab\xff")
    good.write_text(GOOD, encoding="utf-8")
    for path, message in (
        (missing, f"{missing}: cannot be read: No such file or directory"),
        (binary, f"{binary}: not UTF-8 text at byte 2"),
    ):
        with pytest.raises(TranscriptError) as caught:
            load_transcript(path)
        assert str(caught.value) == message
    assert load_transcript(good).replies == parse_transcript(GOOD).replies
