"""Examples of a role for code outside of a job: the same texts, under an explicit agent name."""

from __future__ import annotations

from statek.chat_style import ChatStyle
from statek.examples import Example, format_example, load_examples
from statek.settings import get_statek_settings

__all__ = ["list_of_examples", "show_example"]


def list_of_examples(agent_name: str, start_index: int = 0, limit: int = 10) -> list[tuple[int, str]]:
    """Numbers and names of the examples of a role.

    Args:
        agent_name: the role.
        start_index: index of the first one.
        limit: how many.
    """
    return [(index, example.name) for index, example in enumerate(_examples(agent_name))][start_index:][:limit]


def show_example(agent_name: str, example_id: int = 0, style: ChatStyle | None = None) -> str | None:
    """The text of an example; None where there is no such number.

    Args:
        agent_name: the role.
        example_id: its number.
        style: how it looks; None for the settings' examples style.
    """
    examples = _examples(agent_name)
    if not 0 <= example_id < len(examples):
        return None
    settings = get_statek_settings()
    chosen = style or settings.examples_style or settings.chat_style
    return format_example(examples[example_id], chosen, xml_box_console=settings.xml_box_console)


def _examples(role: str) -> tuple[Example, ...]:
    directory = get_statek_settings().examples_dir
    return load_examples(directory, role) if directory is not None else ()
