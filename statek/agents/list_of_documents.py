"""Documents for code outside of a job: the same topics, of an explicit folder."""

from __future__ import annotations

from pathlib import Path

from statek.access import Policy
from statek.documents import Topic, find_document, find_topic, load_documents, topics_for

__all__ = ["list_of_documents", "show_document"]


def list_of_documents(
    documents_dir: Path | str, topic: str | int | None = None, *, agent_name: str = ""
) -> list[tuple[int, str]]:
    """Numbers and names of the topics, or of the documents of one topic.

    Args:
        documents_dir: the folder.
        topic: id, name or fragment; None for the topics.
        agent_name: role that reads; documents for other roles are left out.

    Raises:
        InvalidRequest: a fragment of several topics.
    """
    topics = _topics(documents_dir, agent_name)
    if topic is None:
        return [(index, found.name) for index, found in enumerate(topics)]
    chosen = find_topic(topics, topic)
    return [] if chosen is None else [(index, found.title) for index, found in enumerate(chosen.documents)]


def show_document(
    documents_dir: Path | str, key: str | int, topic: str | int, *, agent_name: str = ""
) -> tuple[str, ...] | None:
    """The lines of a document; None where there is none.

    Args:
        documents_dir: the folder.
        key: id, title, fragment of a title or one that is much alike.
        topic: its topic.
        agent_name: role that reads.

    Raises:
        InvalidRequest: several documents match.
    """
    chosen = find_topic(_topics(documents_dir, agent_name), topic)
    found = None if chosen is None else find_document(chosen, key)
    return None if found is None else found.lines


def _topics(documents_dir: Path | str, role: str) -> tuple[Topic, ...]:
    return topics_for(load_documents(documents_dir), Policy(role=role))
