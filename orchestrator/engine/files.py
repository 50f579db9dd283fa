"""The files of a job as the host gives them out: those below ``/work`` in its newest commit.

Names and contents are the sandbox's. A name is a plain relative path and a content is as long as it says (both
checked where they arrived, in ``orchestrator.sandboxes``); links and special files never become part of a commit.
Nothing here touches the file system of the host.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass

from orchestrator.engine.jobs import JobRepository, job_id
from orchestrator.sandboxes.step import WorkFile
from orchestrator.store.store import Store
from statek.exceptions import NotFound
from statek.executors.views import FileView

__all__ = ["list_files", "list_files_sync", "read_file", "read_file_sync"]

_WORK = "/work/"


@dataclass(frozen=True, slots=True)
class _Content:
    """What a file is made of, in order.

    Attributes:
        digests: of its blocks.
        inline: data of the blocks that travel in a commit.
    """

    digests: tuple[str, ...]
    inline: Mapping[str, bytes]


async def list_files(store: Store, jobs: JobRepository, number: int, *, at: int | None = None) -> list[FileView]:
    """The files of a job as of commit ``at`` (None: the newest), sorted by path.

    Raises:
        NotFound: there is no such job.
    """
    return await store.read(lambda: _list(jobs, number, at))


def list_files_sync(store: Store, jobs: JobRepository, number: int, *, at: int | None = None) -> list[FileView]:
    """``list_files`` for other threads than the event loop's."""
    return store.read_sync(lambda: _list(jobs, number, at))


async def read_file(store: Store, jobs: JobRepository, number: int, path: str) -> AsyncIterator[bytes]:
    """The content of one file in pieces (each at most a block), all of one commit.

    Args:
        store: where the job is.
        jobs: its records.
        number: which job.
        path: as listed; ``/work/`` in front of it is taken off.

    Raises:
        NotFound: there is no such job, or it has no such file.
    """
    content = await store.read(lambda: _find(jobs, number, path))
    for digest in content.digests:
        inline = content.inline.get(digest)
        yield inline if inline is not None else await store.blocks.get(digest)


def read_file_sync(store: Store, jobs: JobRepository, number: int, path: str) -> Iterator[bytes]:
    """``read_file`` for other threads than the event loop's."""
    content = store.read_sync(lambda: _find(jobs, number, path))
    for digest in content.digests:
        inline = content.inline.get(digest)
        yield inline if inline is not None else store.blocks.get_sync(digest)


def _list(jobs: JobRepository, number: int, at: int | None) -> list[FileView]:
    """The files (store thread)."""
    record = jobs.get(number)
    files = jobs.kept_workspace(record, jobs.commit_count(record) - 1 if at is None else at).workspace.files
    return sorted((FileView(file.path, file.size_bytes, file.mode) for file in files), key=lambda file: file.path)


def _find(jobs: JobRepository, number: int, path: str) -> _Content:
    """The blocks of a file (store thread)."""
    record = jobs.get(number)
    placed = jobs.kept_workspace(record, jobs.commit_count(record) - 1)
    wanted = path.removeprefix(_WORK)
    file = next((file for file in placed.workspace.files if file.path == wanted), None)
    if file is None:
        raise NotFound(f"job {job_id(number)} has no file {wanted!r}; {_known(placed.workspace.files)}")
    places = {digest: placed.places[digest] for digest in file.blocks}
    return _Content(file.blocks, jobs.inline_blocks(record, places))


def _known(files: tuple[WorkFile, ...]) -> str:
    """What there is instead, for an error."""
    shown = 5
    names = ", ".join(repr(path) for path in sorted(file.path for file in files)[:shown])
    more = f" and {len(files) - shown} more" if len(files) > shown else ""
    return f"it has {names}{more}" if files else "nothing was kept in /work"
