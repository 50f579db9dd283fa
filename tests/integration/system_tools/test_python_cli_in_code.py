"""``python_cli`` as a name of executed code: it runs text in the workspace, where the call stands."""

from __future__ import annotations

import pytest

from tests.integration.engine.conftest import Open, code, console, open_with, steps

__all__ = ["open_with"]

TEXT = "b = a + 1\nprint(b)\nb * 2\ndef twice(n): return n * b"

pytestmark = pytest.mark.timeout(60)


async def test_text_runs_in_the_workspace_at_its_place_and_later_steps_have_what_it_made(open_with: Open) -> None:
    replies = [
        code(f"a = 1\nprint('before')\npython_cli({TEXT!r})\nprint('after')"),
        code("kept = python_cli\nprint(b, twice(4))"),
        code("kept('c = twice(b)')\nexit(c)"),
    ]
    async with open_with(replies) as service:
        id_ = await service.submit("helper")
        summary = await service.wait(id_)
        job = await service.job(id_)
    assert [console(item) for item in steps(job)] == [["before", "2", "4", "None", "after"], ["2 8"], ["None"]]
    assert (summary.failure, summary.exit_status) == (None, "4")


async def test_errors_and_exit_are_those_of_the_text(open_with: Open) -> None:
    replies = [
        code("try:\n    python_cli('x = 1\\n1 / 0\\nx = 2')\nexcept ZeroDivisionError as error:\n    print(x, error)"),
        code("try:\n    python_cli('y = 1\\n(')\nexcept SyntaxError:\n    print('y' in globals())"),
        code("python_cli(3)"),
        code("python_cli('exit(7)')\nprint('never')"),
    ]
    async with open_with(replies) as service:
        id_ = await service.submit("helper")
        summary = await service.wait(id_)
        job = await service.job(id_)
    assert [console(item) for item in steps(job)] == [
        ["1 division by zero"],
        ["False"],
        ["TypeError: python_cli() takes one argument: code, a string", "(line 1: python_cli(3))"],
        [],
    ]
    assert summary.exit_status == "7"
