from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.models.masking import MASK, safe_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Incorrect API key provided: sk-proj-abc123DEF.", f"Incorrect API key provided: {MASK}"),
        ("Authorization: Bearer abcdef1234", f"Authorization: {MASK} {MASK}"),
        ("header bearer abcdef1234 refused", f"header bearer {MASK} refused"),
        ('{"api_key": "hush12"}', f'{{"api_key": "{MASK}"}}'),
        ("https://user:pass@host/v1", f"https://{MASK}@host/v1"),
        ("key AIzaSyA1234567 is bad", f"key {MASK} is bad"),
        ("gsk_abcdefgh1 and xai-abcdefgh1", f"{MASK} and {MASK}"),
        ("token 0123456789abcdef0123456789abcdef", f"token {MASK}"),
        ("model claude-sonnet-4-5-20250929 not found", "model claude-sonnet-4-5-20250929 not found"),
        ("limit 100000 tokens, got 200000", "limit 100000 tokens, got 200000"),
        ("a\nb\x00c\u2028d", "a b c d"),
    ],
)
def test_keys_are_masked_and_other_words_kept(text, expected):
    assert safe_text(text) == expected


def test_exact_secrets_are_masked():
    assert safe_text("got tr0ub4dor and tr0ub4dor&3", ["tr0ub4dor", "tr0ub4dor&3", "g"]) == f"got {MASK} and {MASK}"


def test_the_result_is_bounded():
    text = safe_text("word " * 100_000)
    assert len(text) == 600
    assert text.endswith("…")


KEY_TAIL = st.text(string.ascii_letters + string.digits, min_size=12, max_size=60)


@given(
    st.sampled_from(["sk-", "sk-proj-", "AIza", "gsk_", "hf_", "ghp_", "xai-"]),
    KEY_TAIL,
    st.text(" .,:;'\"é\n", max_size=40),
)
def test_a_known_key_never_comes_through(prefix, tail, around):
    assert tail not in safe_text(f"{around} {prefix}{tail} {around}")


@given(st.text(max_size=2000))
def test_any_text_gives_one_bounded_line(text):
    result = safe_text(text)
    assert len(result) <= 600
    assert len(result.splitlines()) <= 1
