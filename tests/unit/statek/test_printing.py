"""Prints of tools go to their own call, all others where they always went."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
import threading

import pytest

from statek.printing import prints_as_usual, prints_taken


def test_a_print_is_one_text_as_the_workspace_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    taken: list[str] = []
    with prints_taken(taken.append):
        print("a", 1, [True, "x"], sep="-")
        print("b", end="\n\n")
        print()
        print("c", sep=None, end=None)
    print("outside")
    assert taken == ['a-1-[True,"x"]', "b", "", "c"]
    assert capsys.readouterr().out == "outside\n"


def test_what_is_printed_elsewhere_goes_there(capsys: pytest.CaptureFixture[str]) -> None:
    taken: list[str] = []
    given, redirected = io.StringIO(), io.StringIO()
    with prints_taken(taken.append):
        print("to a file", file=given)
        print("to the operator", file=sys.stderr)
        with contextlib.redirect_stdout(redirected):
            print("redirected")
        with prints_as_usual():
            print("as usual", flush=True)
        thread = threading.Thread(target=print, args=("by a thread of its own",))
        thread.start()
        thread.join()
    assert taken == []
    assert (given.getvalue(), redirected.getvalue()) == ("to a file\n", "redirected\n")
    assert capsys.readouterr() == ("as usual\nby a thread of its own\n", "to the operator\n")


@pytest.mark.parametrize("name", ["sep", "end"])
def test_a_separator_that_is_no_text_is_refused_as_python_does(name: str) -> None:
    with prints_taken(lambda _: None), pytest.raises(TypeError, match=f"{name} must be None or a string, not int"):
        print("a", **{name: 1})  # type: ignore[call-overload]


async def test_calls_that_run_at_once_do_not_see_each_other() -> None:
    async def call(name: str, mine: list[str], theirs: asyncio.Event, own: asyncio.Event) -> None:
        with prints_taken(mine.append):
            print(name, 1)
            own.set()
            await theirs.wait()
            print(name, 2)

    first, second = asyncio.Event(), asyncio.Event()
    one: list[str] = []
    two: list[str] = []
    await asyncio.gather(call("one", one, second, first), call("two", two, first, second))
    assert (one, two) == (["one 1", "one 2"], ["two 1", "two 2"])
