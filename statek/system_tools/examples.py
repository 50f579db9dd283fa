"""``list_of_examples`` and ``show_example``: what others did before, as the agent would write it."""

from __future__ import annotations

from typing import Any

from statek.examples import Example, format_example, load_examples
from statek.settings import StatekSettings, get_statek_settings
from statek.system import tool
from statek.tools import ToolContext

__all__ = ["list_of_examples", "show_example"]

DEFAULT_VARIABLE = "default_example_id"
"""A variable of the job that names the example which ``show_example()`` shows."""

MAX_LISTED = 500
"""Entries of one list."""


@tool(system=True, effect="none")
def list_of_examples(start_index: int = 0, limit: int = 10, ctx: Any = None, **kwargs: Any) -> None:
    """Print the examples that there are.

    Args:
        start_index: index of the first one listed
        limit: how many are listed
    """
    show = ctx.show if ctx is not None else print
    examples = _examples(ctx)
    if not examples:
        show("# No examples found")
        return
    first, last = _window(start_index, limit)
    show(f"# Example ID: Example name ({len(examples)} total)")
    for index, example in list(enumerate(examples))[first:last]:
        show(f"{index}: {example.name}")


# A store effect: what it remembers and the journal's entry stand or fall together.
@tool(system=True, effect="store")
def show_example(example_id: int | None = None, ctx: Any = None, **kwargs: Any) -> None:
    """Print an example of how to work.

    Args:
        example_id: from list_of_examples(); the default one without it
    """
    show = ctx.show if ctx is not None else print
    examples = _examples(ctx)
    job = ctx.job if ctx is not None else None
    chosen: Any = example_id
    if chosen is None:
        chosen = job.variable(DEFAULT_VARIABLE, 0) if job is not None else 0
    if type(chosen) is not int:
        raise TypeError(f"an example is named by its number, not by a {type(chosen).__name__}")
    if not 0 <= chosen < len(examples):
        show(f"# Example {chosen} not found (total: {len(examples)})")
        return
    example = examples[chosen]
    show(_shown(example, ctx))
    if job is not None:
        job.memory_set("last_example_id", chosen)
        if example.difficulty is not None:
            job.raise_difficulty(example.difficulty)


def _shown(example: Example, ctx: ToolContext | None) -> str:
    """The example in the style and box of the settings."""
    settings = _settings(ctx)
    job = ctx.job if ctx is not None else None
    style = settings.examples_style or (job.chat_style if job is not None else settings.chat_style)
    text = format_example(example, style, xml_box_console=settings.xml_box_console)
    if settings.xml_box_example:
        return f"<{settings.xml_box_example}>\n{text}\n</{settings.xml_box_example}>"
    return f"# --- EXAMPLE: {example.name} ---\n{text}\n# --- END OF EXAMPLE ---"


def _examples(ctx: ToolContext | None) -> tuple[Example, ...]:
    settings = _settings(ctx)
    role = ctx.job.policy.role if ctx is not None and ctx.job is not None else ""
    return load_examples(settings.examples_dir, role) if settings.examples_dir is not None and role else ()


def _settings(ctx: ToolContext | None) -> StatekSettings:
    return ctx.job.settings if ctx is not None and ctx.job is not None else get_statek_settings()


def _window(start: int, limit: int) -> tuple[int, int]:
    """First and last index of a list.

    Raises:
        ValueError: a negative number.
    """
    if start < 0 or limit < 0:
        raise ValueError("start and limit must not be negative")
    return start, start + min(limit, MAX_LISTED)
