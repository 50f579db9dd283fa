"""The host's bound on a step's console."""

from __future__ import annotations

from orchestrator.engine.console import MAX_ELEMENTS, Console
from orchestrator.sandboxes.step import OutputItem, OutputKind


def test_what_does_not_fit_is_counted_not_kept() -> None:
    console = Console(10)
    console.add(OutputItem(OutputKind.PRINT, "12345678"))
    console.add(OutputItem(OutputKind.PRINT, "ééé"))
    console.add(OutputItem(OutputKind.ECHO, "ab"))
    console.error("ValueError: x")
    assert console.elements() == [
        ("print", "12345678"),
        ("echo", "ab"),
        ("error", "ValueError: x"),
        ("note", "[6 more bytes of output were not kept]"),
    ]


def test_listener_sees_elements_as_they_come() -> None:
    seen: list[tuple[str, str]] = []
    console = Console(100, listener=lambda kind, text: seen.append((kind, text)))
    console.add(OutputItem(OutputKind.STREAM, "x"))
    console.progress("half way")
    assert seen == [("stream", "x"), ("progress", "half way")]


def test_empty_elements_are_bounded_too() -> None:
    console = Console(100)
    for _ in range(MAX_ELEMENTS + 5):
        console.add(OutputItem(OutputKind.PRINT, ""))
    assert len(console.elements()) == MAX_ELEMENTS + 1
    assert console.elements()[-1] == ("note", "[5 more bytes of output were not kept]")
