"""The blocks of docs/static-policy.md print what they say."""

from __future__ import annotations

import contextlib
import io

from tests.documents.blocks import code_blocks


def test_the_blocks_print_what_their_last_line_says() -> None:
    blocks = code_blocks("docs/static-policy.md", "python")
    names: dict[str, object] = {}
    for block in blocks:
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            exec(compile(block, "static-policy.md", "exec"), names)
        assert shown.getvalue() == block.splitlines()[-1].removeprefix("# ") + "\n"
    assert len(blocks) == 2
