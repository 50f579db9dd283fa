"""Documents: texts that agents may look up, by topic.

``<documents_dir>/**/*.{txt,md}``. A file begins with lines ``# key: value``: ``ord_no``, ``topic`` and ``title`` are
required, ``audience: roleA, roleB`` keeps it from other roles. Topics are numbered as they are met, the files being
read in sorted order, the documents of a topic by ``ord_no``.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from statek.access import AccessRequest, Policy, ResourceKind, decide
from statek.exceptions import ConfigurationError, InvalidFormat, InvalidRequest
from statek.text_files import find_text_files, read_text_file

__all__ = [
    "Document",
    "Topic",
    "find_document",
    "find_topic",
    "forget_documents",
    "load_documents",
    "parse_document",
    "topics_for",
]

FUZZY_RATIO = 0.9
"""How alike a key and a title must be where nothing matches exactly (behaviour reference, section 33)."""

MAX_KEY_CHARS = 500
"""Longest key that is looked for."""

MAX_NAMED_MATCHES = 20
"""Titles that the error of an ambiguous key lists."""

_METADATA = re.compile(r"#[ \t]*(?P<key>[A-Za-z_]\w*):[ \t]*(?P<value>.*?)[ \t]*")


@dataclass(frozen=True, slots=True)
class Document:
    """One document.

    Attributes:
        title: unique within its topic or not; the key that agents use most.
        topic: name of its topic.
        ord_no: place among the documents of its topic.
        lines: the text without its metadata.
        audience: roles that may read it; empty for every role.
    """

    title: str
    topic: str
    ord_no: int
    lines: tuple[str, ...]
    audience: frozenset[str] = frozenset()

    def is_for(self, policy: Policy) -> bool:
        """Whether an agent may read it."""
        offered = not self.audience or bool(self.audience & policy.agent_names)
        return decide(AccessRequest(ResourceKind.DOCUMENT, self.title, offered=offered), policy).allowed


@dataclass(frozen=True, slots=True)
class Topic:
    """The documents of one topic that one agent may read.

    Attributes:
        name: of the topic.
        documents: by ``ord_no``; a document's id is its index.
    """

    name: str
    documents: tuple[Document, ...]


def parse_document(text: str) -> Document:
    """Read a document.

    Raises:
        InvalidFormat: a required line is missing, ``ord_no`` is no whole number, or a title that nobody could ask for.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    metadata: dict[str, str] = {}
    at = 0
    while at < len(lines):
        match = _METADATA.fullmatch(lines[at].strip())
        if match is None and (lines[at].strip() or metadata):
            break
        if match is not None:
            metadata[match["key"].lower()] = match["value"]
        at += 1
    for key in ("ord_no", "topic", "title"):
        if not metadata.get(key, ""):
            raise InvalidFormat(f"it has no line '# {key}: ...' at its beginning")
    if metadata["title"].startswith("_"):
        raise InvalidFormat("a title cannot begin with an underscore: such names are private")
    try:
        ord_no = int(metadata["ord_no"])
    except ValueError:
        raise InvalidFormat(f"ord_no {metadata['ord_no'][:80]!r} is no whole number") from None
    body = "\n".join(lines[at:]).strip("\n")
    audience = frozenset(part.strip() for part in metadata.get("audience", "").split(",") if part.strip())
    return Document(metadata["title"], metadata["topic"], ord_no, tuple(body.split("\n")) if body else (), audience)


def load_documents(directory: Path | str) -> tuple[Document, ...]:
    """Every document of a folder, in sorted order of the files; read once per process.

    Raises:
        ConfigurationError: a file cannot be read or is no document; names it.
    """
    return _load(Path(directory))


@functools.lru_cache(maxsize=64)
def _load(directory: Path) -> tuple[Document, ...]:
    found: list[Document] = []
    for path in find_text_files(directory, frozenset({".md", ".txt"})):
        try:
            found.append(parse_document(read_text_file(path, "document")))
        except InvalidFormat as error:
            raise ConfigurationError(f"document {path}: {error}") from error
    return tuple(found)


def forget_documents() -> None:
    """Read the files again at the next use."""
    _load.cache_clear()
    topics_for.cache_clear()


@functools.lru_cache(maxsize=256)
def topics_for(documents: tuple[Document, ...], policy: Policy) -> tuple[Topic, ...]:
    """The topics that an agent may read, numbered by their index."""
    grouped: dict[str, list[Document]] = {}
    for document in documents:
        if document.is_for(policy):
            grouped.setdefault(document.topic, []).append(document)
    return tuple(
        Topic(name, tuple(sorted(found, key=lambda document: document.ord_no))) for name, found in grouped.items()
    )


def find_topic(topics: Sequence[Topic], key: str | int) -> Topic | None:
    """The topic of an id, a name or a fragment of a name; None without one.

    Raises:
        InvalidRequest: a fragment of several names.
    """
    index = _find(key, [topic.name for topic in topics], "topic", fuzzy=False)
    return None if index is None else topics[index]


def find_document(topic: Topic, key: str | int) -> Document | None:
    """The document of an id, a title, a fragment of a title, or a title that is much alike; None without one.

    Raises:
        InvalidRequest: several titles match; lists them.
    """
    index = _find(key, [document.title for document in topic.documents], "document", fuzzy=True)
    return None if index is None else topic.documents[index]


def _find(key: str | int, names: Sequence[str], what: str, *, fuzzy: bool) -> int | None:
    """The index of the one name that a key means."""
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise InvalidRequest(f"a {what} is named by its id or its name, not by a {type(key).__name__}")
    text = str(key).strip()
    if isinstance(key, int) or text.isdecimal():
        number = int(text) if len(text) < 10 else -1
        if 0 <= number < len(names):
            return number
        if isinstance(key, int):
            return None
    if not text or len(text) > MAX_KEY_CHARS:
        return None
    wanted = text.casefold()
    folded = [name.casefold() for name in names]
    for matches in (
        [index for index, name in enumerate(names) if name == text],
        [index for index, name in enumerate(folded) if name == wanted],
        [index for index, name in enumerate(folded) if wanted in name],
        _alike(wanted, folded) if fuzzy else [],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            listed = ", ".join(f"{index}: {names[index]}" for index in matches[:MAX_NAMED_MATCHES])
            more = f" and {len(matches) - MAX_NAMED_MATCHES} more" if len(matches) > MAX_NAMED_MATCHES else ""
            raise InvalidRequest(f"{what} {text!r} is ambiguous; it may be {listed}{more}")
    return None


def _alike(wanted: str, names: Sequence[str]) -> list[int]:
    matcher = difflib.SequenceMatcher(b=wanted, autojunk=False)
    found: list[int] = []
    for index, name in enumerate(names):
        # A ratio of 0.9 bounds the lengths: most names are ruled out without a comparison.
        if abs(len(name) - len(wanted)) * (2 - FUZZY_RATIO) > len(wanted) * 2 * (1 - FUZZY_RATIO) + 1:
            continue
        matcher.set_seq1(name)
        if matcher.quick_ratio() >= FUZZY_RATIO and matcher.ratio() >= FUZZY_RATIO:
            found.append(index)
    return found
