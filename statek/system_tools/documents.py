"""``list_of_documents`` and ``show_document``: the texts that an agent may look up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from statek.access import Policy
from statek.documents import Topic, find_document, find_topic, load_documents, topics_for
from statek.exceptions import InvalidRequest
from statek.settings import get_statek_settings
from statek.system import tool
from statek.tools import ToolContext

__all__ = ["list_of_documents", "show_document"]

T = TypeVar("T")
W = TypeVar("W")

MAX_LISTED = 500
"""Entries of one list, lines of one page."""

_LAST_TOPIC = "last_topic_id"


# Store effects: what they remember and the journal's entry stand or fall together.
@tool(system=True, effect="store")
def list_of_documents(
    topic: str | int | None = None, start_index: int = 0, limit: int = 25, ctx: Any = None, **kwargs: Any
) -> None:
    """Print the topics of documents, or the documents of one topic.

    Args:
        topic: id, name or a fragment of the name of a topic; without it the topics are listed
        start_index: index of the first entry listed
        limit: how many are listed
    """
    show = ctx.show if ctx is not None else print
    first, last = _window(start_index, limit)
    topics = _topics(ctx)
    if not topics:
        show("# No documents found")
        return
    if topic is None:
        show(f"# Topic ID: Topic name ({len(topics)} total)")
        for index, found in list(enumerate(topics))[first:last]:
            show(f"{index}: {found.name}")
        return
    chosen = _one(find_topic, topics, topic)
    if chosen is None:
        show(f"# Topic '{topic}' not found")
        return
    _remember(ctx, topics.index(chosen))
    show(f"# Document ID: Document name ({len(chosen.documents)} total)")
    for index, document in list(enumerate(chosen.documents))[first:last]:
        show(f"{index}: {document.title}")


@tool(system=True, effect="store")
def show_document(
    key: str | int,
    topic: str | int | None = None,
    start_from: int = 0,
    limit: int = 50,
    ctx: Any = None,
    **kwargs: Any,
) -> None:
    """Print lines of a document.

    Args:
        key: its id, its title or a part of the title
        topic: the topic that it is in; the one listed last by default
        start_from: index of the first line
        limit: how many lines
    """
    show = ctx.show if ctx is not None else print
    first, last = _window(start_from, limit)
    topics = _topics(ctx)
    if not topics:
        show("# No documents found")
        return
    chosen = _chosen_topic(topics, topic, ctx)
    if chosen is None:
        show(f"# Topic '{topic}' not found")
        return
    document = _one(find_document, chosen, key)
    if document is None:
        show(f"# Document '{key}' not found in topic '{chosen.name}'")
        return
    if topic is not None:
        _remember(ctx, topics.index(chosen))
    total = len(document.lines)
    first, last = min(first, total), min(last, total)
    show("\n".join([f"# {document.title} (lines {first}-{last}/{total})", *document.lines[first:last]]))


def _chosen_topic(topics: tuple[Topic, ...], topic: str | int | None, ctx: ToolContext | None) -> Topic | None:
    """The topic that was asked for, the one listed last, or the only one.

    Raises:
        ValueError: no topic is known, or several have that name.
    """
    if topic is not None:
        return _one(find_topic, topics, topic)
    last = ctx.job.memory_get(_LAST_TOPIC) if ctx is not None and ctx.job is not None else None
    if isinstance(last, int) and 0 <= last < len(topics):
        return topics[last]
    if len(topics) == 1:
        return topics[0]
    raise ValueError("no topic is known; give topic=..., or call list_of_documents(topic) first")


def _one(find: Callable[[W, str | int], T | None], where: W, key: str | int) -> T | None:
    """What a search finds.

    Raises:
        ValueError: several match; lists them.
    """
    try:
        return find(where, key)
    except InvalidRequest as error:
        raise ValueError(str(error)) from None  # the type that code in the sandbox knows


def _topics(ctx: ToolContext | None) -> tuple[Topic, ...]:
    job = ctx.job if ctx is not None else None
    settings = job.settings if job is not None else get_statek_settings()
    if settings.documents_dir is None:
        return ()
    return topics_for(load_documents(settings.documents_dir), job.policy if job is not None else Policy())


def _remember(ctx: ToolContext | None, topic: int) -> None:
    if ctx is not None and ctx.job is not None:
        ctx.job.memory_set(_LAST_TOPIC, topic)


def _window(start: int, limit: int) -> tuple[int, int]:
    """First and last index.

    Raises:
        ValueError: a negative number.
    """
    if start < 0 or limit < 0:
        raise ValueError("start and limit must not be negative")
    return start, start + min(limit, MAX_LISTED)
