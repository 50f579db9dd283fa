"""What a rival's process says is read or refused; what is stored is weighed."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.rivals.contender import stored_bytes
from benchmarks.rivals.environment import ENVIRONMENTS
from benchmarks.rivals.process import RivalFailed, read_answer

pytestmark = pytest.mark.timeout(30)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text().filter(lambda key: key != "error"), JSON, max_size=4))
def test_an_answer_is_read_as_it_was_said(said: dict[str, object]) -> None:
    assert read_answer(json.dumps(said).encode() + b"\n") == said


@given(st.binary() | JSON.map(lambda said: json.dumps(said).encode()))
def test_whatever_a_process_says_is_an_answer_or_one_named_error(line: bytes) -> None:
    with contextlib.suppress(RivalFailed):
        assert isinstance(read_answer(line), dict)


def test_deep_nesting_is_no_answer() -> None:
    with pytest.raises(RivalFailed, match=r"^not an answer: b'\[\[\["):
        read_answer(b"[" * 200_000)


def test_an_error_is_said_on() -> None:
    with pytest.raises(RivalFailed, match=r"^KeyError: 'x'$"):
        read_answer(b'{"error": "KeyError: \'x\'"}')


def test_a_file_with_two_names_is_weighed_once(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "file").write_bytes(os.urandom(100_000))
    alone = stored_bytes(tmp_path)
    os.link(tmp_path / "file", tmp_path / "inner" / "again")
    (tmp_path / "link").symlink_to("file")
    assert (100_000 <= alone < 120_000, stored_bytes(tmp_path)) == (True, alone)


@pytest.mark.parametrize("name", sorted(ENVIRONMENTS))
def test_a_lock_holds_the_rival_with_hashes(name: str) -> None:
    environment = ENVIRONMENTS[name]
    text = environment.lock.read_text(encoding="utf-8")
    assert [each for each in environment.packages if each.startswith(f"{name}==")]
    assert text.count("--hash=sha256:") >= len(environment.packages)
    assert environment.folder.parts[-3:] == (".cache", "rivals", name)
