from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.access import Policy
from statek.agents.list_of_documents import list_of_documents, show_document
from statek.documents import (
    Document,
    find_document,
    find_topic,
    forget_documents,
    load_documents,
    parse_document,
    topics_for,
)
from statek.exceptions import ConfigurationError, InvalidFormat, InvalidRequest

TEXT = """# ord_no: 2
# topic: Travel
# title: Booking trains
# audience: clerk, Chief

First.
# not: metadata

Last.
"""


def write(folder: Path, name: str, title: str, topic: str = "Travel", ord_no: int = 1, audience: str = "") -> None:
    more = f"# audience: {audience}\n" if audience else ""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# ord_no: {ord_no}\n# topic: {topic}\n# title: {title}\n{more}\nText of {title}\n")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    write(tmp_path, "b/two.md", "Booking trains", ord_no=2)
    write(tmp_path, "b/one.txt", "Booking hotels", ord_no=1)
    write(tmp_path, "a.md", "Pay", topic="Money")
    write(tmp_path, "c.md", "Secret rates", topic="Money", audience="chief")
    (tmp_path / "notes.rst").write_text("no document")
    forget_documents()
    return tmp_path


def test_a_document_is_read():
    assert parse_document(TEXT) == Document(
        "Booking trains", "Travel", 2, ("First.", "# not: metadata", "", "Last."), frozenset({"clerk", "Chief"})
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has no line '# ord_no: ...' at its beginning"),
        ("# ord_no: 1\n# title: x\nbody", "it has no line '# topic: ...' at its beginning"),
        ("# ord_no: 1\n# topic:\n# title: x", "it has no line '# topic: ...' at its beginning"),
        ("# ord_no: one\n# topic: t\n# title: x", "ord_no 'one' is no whole number"),
        ("# ord_no: 1\n# topic: t\n# title: _x", "a title cannot begin with an underscore: such names are private"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str):
    with pytest.raises(InvalidFormat) as caught:
        parse_document(text)
    assert str(caught.value) == message


def test_topics_are_numbered_as_met_and_documents_by_their_place(library: Path):
    topics = topics_for(load_documents(library), Policy(role="clerk"))
    assert [(topic.name, [document.title for document in topic.documents]) for topic in topics] == [
        ("Money", ["Pay"]),
        ("Travel", ["Booking hotels", "Booking trains"]),
    ]
    chief = topics_for(load_documents(library), Policy(role="chief"))
    assert [document.title for document in chief[0].documents] == ["Pay", "Secret rates"]


def test_documents_are_found_by_id_title_fragment_and_likeness(library: Path):
    topics = topics_for(load_documents(library), Policy())
    travel = find_topic(topics, "trav")
    assert travel is not None
    keys = [0, "1", "Booking trains", "booking TRAINS", "hotel", "Booking trians", 7, "9", "nothing", "", "x" * 600]
    assert [getattr(find_document(travel, key), "title", None) for key in keys] == [
        "Booking hotels",
        "Booking trains",
        "Booking trains",
        "Booking trains",
        "Booking hotels",
        "Booking trains",
        None,
        None,
        None,
        None,
        None,
    ]
    with pytest.raises(InvalidRequest) as caught:
        find_document(travel, "booking")
    assert str(caught.value) == "document 'booking' is ambiguous; it may be 0: Booking hotels, 1: Booking trains"
    with pytest.raises(InvalidRequest, match=r"^a topic is named by its id or its name, not by a bool$"):
        find_topic(topics, True)


def test_broken_files_are_named(library: Path):
    (library / "bad.md").write_text("nothing")
    with pytest.raises(ConfigurationError) as caught:
        load_documents(library)
    assert str(caught.value) == (f"document {library / 'bad.md'}: it has no line '# ord_no: ...' at its beginning")


def test_the_same_is_there_outside_of_a_job(library: Path):
    assert list_of_documents(library) == [(0, "Money"), (1, "Travel")]
    assert list_of_documents(library, "Money", agent_name="chief") == [(0, "Pay"), (1, "Secret rates")]
    assert list_of_documents(library, "Sports") == []
    assert show_document(library, "pay", "Money") == ("Text of Pay",)
    assert show_document(library, "rates", "Money") is None


@given(st.text(alphabet=st.sampled_from("#: \nord_notpiclex12\r\x00\ud800"), max_size=200) | st.text(max_size=200))
def test_any_text_is_a_document_or_a_named_error(text: str):
    try:
        parse_document(text)
        parse_document(f"# ord_no: 1\n# topic: t\n# title: x\n{text}")
    except InvalidFormat:
        pass


@given(st.text(max_size=60) | st.integers())
def test_any_key_gives_a_document_nothing_or_a_named_error(key: str | int):
    documents = tuple(Document(f"title {n}", "t", n, ()) for n in range(12))
    try:
        found = find_document(topics_for(documents, Policy())[0], key)
    except InvalidRequest:
        return
    assert found is None or found in documents
