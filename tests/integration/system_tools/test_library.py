"""Examples and documents in a job: lists, pages, what is remembered, and what a restart finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.engine.service import Service
from statek.documents import forget_documents
from statek.examples import forget_examples
from statek.exceptions import ConfigurationError

from .conftest import Open, code, printed, steps

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    forget_documents()
    forget_examples()
    role = tmp_path / "examples" / "helper"
    role.mkdir(parents=True)
    (role / "a.md").write_text("# name: Easy\n# seq_id: 1\n```python\nprint(1)\n```\n1\n")
    (role / "b.md").write_text("# name: Hard\n# seq_id: 2\n# difficulty: H\n```python\nexit()\n```\n")
    documents = tmp_path / "documents"
    documents.mkdir()
    for number, (topic, title) in enumerate([("Travel", "Trains"), ("Travel", "Train fares"), ("Money", "Pay")]):
        lines = "\n".join(f"line {index}" for index in range(120))
        (documents / f"{number}.md").write_text(f"# ord_no: {number}\n# topic: {topic}\n# title: {title}\n{lines}\n")
    return tmp_path


def settings(library: Path, **more: object) -> dict[str, object]:
    return {"examples_dir": library / "examples", "documents_dir": library / "documents", **more}


async def texts(service: Service, **given: object) -> list[str]:
    """What each step of one job prints, without the lines of expressions that give None."""
    id_ = await service.submit("helper", **given)  # type: ignore[arg-type]
    await service.wait(id_)
    return [
        "\n".join(line for line in printed(item).split("\n") if line != "None")
        for item in steps(await service.job(id_))
    ]


EASY = "# --- EXAMPLE: Easy ---\n```python\nprint(1)\n```\n1\n# --- END OF EXAMPLE ---"
HARD = "# --- EXAMPLE: Hard ---\n```python\nexit()\n```\n# --- END OF EXAMPLE ---"


async def test_examples_are_listed_and_shown_and_raise_the_difficulty(open_with: Open, library: Path) -> None:
    replies = [
        code("list_of_examples()\nlist_of_examples(1, 1)\nshow_example(9)"),
        code("show_example()\nshow_example(1)"),
        code("default_example_id = 1"),
        code("show_example()"),
        code("exit(1)"),
    ]
    async with open_with(replies, **settings(library)) as service:
        shown = await texts(service)
        record = service._jobs.get(1)
        assert await service._store.read(lambda: (record.difficulty, record.memory)) == (
            "H",
            '{"last_example_id":1}',
        )
    head = "# Example ID: Example name (2 total)"
    assert shown[:4] == [
        f"{head}\n0: Easy\n1: Hard\n{head}\n1: Hard\n# Example 9 not found (total: 2)",
        f"{EASY}\n{HARD}",
        "",
        HARD,
    ]


async def test_examples_have_the_style_and_box_of_the_settings(open_with: Open, library: Path) -> None:
    replies = [code("show_example()"), code("exit(1)")]
    chosen = settings(library, examples_style="CONSOLE", xml_box_example="example")
    async with open_with(replies, **chosen) as service:
        assert (await texts(service))[0] == "<example>\nprint(1)\n> 1\n</example>"


async def test_documents_are_listed_and_shown_and_the_topic_is_remembered(open_with: Open, library: Path) -> None:
    replies = [
        code("list_of_documents()\nlist_of_documents('Sports')\nshow_document('Trains', 'Sports')"),
        code("try:\n    show_document('Trains')\nexcept ValueError as e:\n    print(e)"),
        code("list_of_documents('Trav')"),
        code("show_document('Trains', limit=2)\nshow_document(1, start_from=118)\nshow_document('Ships')"),
        code("show_document('fares', start_from=200)\nshow_document('rain', 0)"),
        code("exit(1)"),
    ]
    async with open_with(replies, **settings(library)) as service:
        shown = await texts(service)
    assert shown[:5] == [
        "# Topic ID: Topic name (2 total)\n0: Travel\n1: Money\n# Topic 'Sports' not found\n# Topic 'Sports' not found",
        "no topic is known; give topic=..., or call list_of_documents(topic) first",
        "# Document ID: Document name (2 total)\n0: Trains\n1: Train fares",
        (
            "# Trains (lines 0-2/120)\nline 0\nline 1\n"
            "# Train fares (lines 118-120/120)\nline 118\nline 119\n# Document 'Ships' not found in topic 'Travel'"
        ),
        (
            "# Train fares (lines 120-120/120)\n"
            "ValueError: document 'rain' is ambiguous; it may be 0: Trains, 1: Train fares\n"
            "(line 2: show_document('rain', 0))"
        ),
    ]


async def test_without_folders_there_is_nothing(open_with: Open) -> None:
    replies = [code("list_of_examples()\nlist_of_documents()\nshow_document(1)\nshow_example()"), code("exit(1)")]
    async with open_with(replies) as service:
        assert (await texts(service))[0] == (
            "# No examples found\n# No documents found\n# No documents found\n# Example 0 not found (total: 0)"
        )


async def test_a_broken_file_is_found_at_the_start(open_with: Open, library: Path) -> None:
    (library / "documents" / "bad.txt").write_text("no metadata")
    with pytest.raises(ConfigurationError, match=r"bad\.txt: it has no line '# ord_no: \.\.\.' at its beginning$"):
        async with open_with([], **settings(library)):
            pass


async def test_a_warmup_shows_examples_as_framework_calls(open_with: Open, library: Path) -> None:
    warmup = "show_example(1) #STATEK: as tool"
    async with open_with([code("exit(1)")], warmup_def=warmup, **settings(library)) as service:
        await service.wait(await service.submit("helper"))
        [shown] = steps(await service.job("j1"))[0].usage["tool_log"]
    assert shown == [["print", HARD]]
