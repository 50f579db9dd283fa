"""Files of a job, copied to the host's file system.

The sandbox chose their names and wrote their content, so nothing is taken from it on trust: a name must be a plain
relative path, no link on the way below the folder is followed, nothing that exists is overwritten unless asked for,
and a copy is never executable. A copy appears under its name when it is complete.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Protocol

from statek.exceptions import InvalidRequest, NotFound
from statek.executors.views import FileView

__all__ = ["FileSource", "JobFiles", "copy_file", "copy_files", "open_pieces"]

_MODE = 0o644
_PRIVATE_MODE = 0o600
_PIECE_BYTES = 256 << 10


class FileSource(Protocol):
    """Where files are read from: the service of this process."""

    def files_sync(self, id_: str) -> list[FileView]:
        """The files of a job."""
        ...

    def file_sync(self, id_: str, path: str) -> Iterator[bytes]:
        """The content of one of them, in pieces."""
        ...


class JobFiles(Mapping[str, FileView]):
    """The files below ``/work`` of a job, by path, as of its newest commit when this was made.

    Reading a file or copying it reads the newest commit again.
    """

    def __init__(self, id_: str, source: FileSource) -> None:
        """Args are the job's id and where to read; blocks for one read."""
        self._id = id_
        self._source = source
        self._files = {file.path: file for file in source.files_sync(id_)}

    def __getitem__(self, path: str) -> FileView:
        return self._files[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __repr__(self) -> str:
        return f"JobFiles({list(self._files)!r})"

    def read_bytes(self, path: str) -> bytes:
        """The content of a file; at most the setting ``work_bytes``.

        Raises:
            NotFound: there is no such file.
        """
        return b"".join(self._source.file_sync(self._id, path))

    def copy_to(self, folder: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Copy all files below a folder, which is made where it does not exist; gives the copies.

        Args:
            folder: on the host.
            overwrite: replace files that are there.

        Raises:
            InvalidRequest: a copy would overwrite something or go through a link; names it.
        """
        return copy_files(folder, self._files, lambda path: self._source.file_sync(self._id, path), overwrite=overwrite)


class _Read(Protocol):
    def __call__(self, path: str, /) -> Iterable[bytes]: ...


def copy_files(folder: str | Path, paths: Iterable[str], read: _Read, *, overwrite: bool = False) -> list[Path]:
    """Copy files below a folder.

    Args:
        folder: made where it does not exist.
        paths: relative, as the sandbox named them.
        read: gives the content of one.
        overwrite: replace files that are there.

    Raises:
        InvalidRequest: a name is not a plain relative path, or a copy would overwrite something or follow a link.
        NotFound: a file is gone meanwhile.
    """
    top = Path(folder)
    copies = []
    for path in paths:
        parent = _folder_below(top, path)
        target = parent / PurePosixPath(path).name
        copy_file(target, read(path), overwrite=overwrite)
        copies.append(target)
    return copies


@contextlib.contextmanager
def open_pieces(path: Path) -> Iterator[Iterator[bytes]]:
    """A file that somebody named, as an iterator over its pieces.

    Raises:
        InvalidRequest: it cannot be opened.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from None
    with file:
        yield iter(lambda: file.read(_PIECE_BYTES), b"")


def copy_file(target: Path, pieces: Iterable[bytes], *, overwrite: bool = False, private: bool = False) -> int:
    """Write one file; gives its size in bytes.

    Args:
        target: the file.
        pieces: its content.
        overwrite: whether it may replace a plain file.
        private: whether nobody but its owner may read it.

    Raises:
        InvalidRequest: something of that name is there (with ``overwrite``: something that is no plain file).
        NotFound: its folder does not exist, or the content does not.
    """
    if not target.parent.is_dir():
        raise NotFound(f"there is no folder {target.parent} to write {target.name} into")
    _check_free(target, overwrite=overwrite)
    number, name = tempfile.mkstemp(prefix=".statek-", dir=target.parent)
    written = 0
    try:
        with open(number, "wb") as file:  # noqa: PTH123 - a descriptor
            for piece in pieces:
                written += file.write(piece)
            os.fchmod(number, _PRIVATE_MODE if private else _MODE)
        if overwrite:
            Path(name).replace(target)
        else:
            # Unlike a rename, a link refuses a name that somebody else has taken meanwhile.
            try:
                os.link(name, target)
            except FileExistsError:
                raise _taken(target) from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
    return written


def _check_free(target: Path, *, overwrite: bool) -> None:
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise InvalidRequest(f"{target} cannot be written: {error.strerror}") from None
    if not overwrite:
        raise _taken(target)
    if not stat.S_ISREG(mode):
        raise InvalidRequest(f"{target} is there and is not a plain file; it is left alone")


def _taken(target: Path) -> InvalidRequest:
    return InvalidRequest(f"{target} is there already; it is not overwritten")


def _folder_below(top: Path, path: str) -> Path:
    """The folder that a file goes into, made where it does not exist; never through a link.

    Raises:
        InvalidRequest: not a plain relative path, or a link or a file is in the way.
    """
    parts = path.split("/")
    if "\0" in path or any(part in {"", ".", ".."} for part in parts):
        raise InvalidRequest(f"{path!r} is not a plain relative path")
    top.mkdir(parents=True, exist_ok=True)
    at = top
    for part in parts[:-1]:
        at /= part
        with contextlib.suppress(FileExistsError):
            at.mkdir()
        if not stat.S_ISDIR(at.lstat().st_mode):
            raise InvalidRequest(f"{at} is there and is not a folder; {path!r} is not copied")
    return at
