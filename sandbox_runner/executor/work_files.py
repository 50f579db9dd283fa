"""The regular files of the work directory, as part of a checkpoint.

Links and special files are reported and never followed. A large file whose inode, size and times are those of the
last look is not read again, unless it was written so shortly before that look that the clock could not tell.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sandbox_runner.executor.blocks import BlockTable
from sandbox_runner.wire.frames import File, Lost

__all__ = ["WorkFiles"]

CHEAP_BYTES = 64 << 10
_SETTLED_NS = 2_000_000_000


@dataclass(slots=True)
class _Seen:
    stamp: tuple[int, int, int, int]
    looked_ns: int
    blocks: list[int]
    size: int


class WorkFiles:
    """Saves and restores the work directory.

    Args:
        root: the directory.
        blocks: what the host has.
        work_bytes: limit of all files together; 0 for none.
        work_files: limit of their number; 0 for none.
    """

    def __init__(self, root: str, blocks: BlockTable, work_bytes: int, work_files: int) -> None:
        self._root = root
        self._blocks = blocks
        self._work_bytes = work_bytes
        self._work_files = work_files
        self._seen: dict[str, _Seen] = {}

    def save(self) -> tuple[list[File], list[Lost]]:
        """Give the files, sending the blocks that are new, and what could not be kept."""
        files: list[File] = []
        lost: list[Lost] = []
        used = 0
        seen: dict[str, _Seen] = {}
        for path in self._walk("", lost):
            if self._work_files and len(files) >= self._work_files:
                lost.append(Lost(_shown(path), f"limit work_files is {self._work_files}"))
                continue
            try:
                file, entry = self._file(path, self._work_bytes - used if self._work_bytes else None)
            except OSError as error:
                lost.append(Lost(_shown(path), f"cannot be read: {error.strerror}"))
                continue
            except ValueError as error:
                lost.append(Lost(_shown(path), str(error)))
                continue
            used += file.size_bytes
            files.append(file)
            seen[path] = entry
        self._seen = seen
        return files, lost

    def _walk(self, folder: str, lost: list[Lost]) -> Iterator[str]:
        pending = [folder]
        while pending:
            folder = pending.pop()
            try:
                with os.scandir(os.path.join(self._root, folder)) as found:  # noqa: PTH118 -- hot, and names may be odd
                    entries = sorted(found, key=lambda entry: entry.name, reverse=True)
            except OSError as error:
                if folder:
                    lost.append(Lost(_shown(folder), f"cannot be read: {error.strerror}"))
                continue
            folders: list[str] = []
            names: list[str] = []
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_symlink():
                    lost.append(Lost(_shown(path), "a symbolic link is not kept"))
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif entry.is_file(follow_symlinks=False):
                    names.append(path)
                else:
                    lost.append(Lost(_shown(path), "a special file is not kept"))
            yield from reversed(names)
            pending += folders

    def _file(self, path: str, room: int | None) -> tuple[File, _Seen]:
        path.encode()  # a name that is not UTF-8 raises UnicodeEncodeError, which is a ValueError
        looked = time.time_ns()
        number = os.open(os.path.join(self._root, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)  # noqa: PTH118
        with open(number, "rb", buffering=0) as file:  # noqa: PTH123 -- opened without following links
            info = os.fstat(number)
            if not stat.S_ISREG(info.st_mode):
                raise ValueError("a special file is not kept")
            if room is not None and info.st_size > room:
                raise ValueError(f"limit work_bytes is {self._work_bytes}, it needs {info.st_size} more")
            stamp = (info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
            entry = self._seen.get(path)
            settled = entry is not None and entry.looked_ns - max(info.st_mtime_ns, info.st_ctime_ns) > _SETTLED_NS
            if entry is None or entry.stamp != stamp or not settled or info.st_size <= CHEAP_BYTES:
                blocks: list[int] = []
                size = 0
                while data := file.read(self._blocks.fixed_bytes):
                    size += len(data)
                    if room is not None and size > room:
                        raise ValueError(f"limit work_bytes is {self._work_bytes}, it grows while it is read")
                    blocks += self._blocks.buffer(memoryview(data))
                entry = _Seen(stamp, looked, blocks, size)
        return File(path, stat.S_IMODE(info.st_mode) & 0o777, entry.size, entry.blocks), entry

    def restore(self, files: list[File], data: Mapping[int, bytes]) -> list[Lost]:
        """Write files back; what cannot be written is given back as lost."""
        lost: list[Lost] = []
        for file in files:
            try:
                self._write(file, data)
            except (OSError, ValueError, KeyError) as error:
                lost.append(Lost(file.path, f"cannot be restored: {error}"))
        return lost

    def _write(self, file: File, data: Mapping[int, bytes]) -> None:
        parts = file.path.split("/")
        if not all(part and part not in {".", ".."} and "\0" not in part for part in parts):
            raise ValueError("its path is not a plain relative path")
        at = self._root
        for part in parts[:-1]:
            at = f"{at}/{part}"
            try:
                os.mkdir(at)  # noqa: PTH102 -- fails on anything that is there, links included
            except FileExistsError:
                if not stat.S_ISDIR(os.lstat(at).st_mode):
                    raise
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        number = os.open(f"{at}/{parts[-1]}", flags, 0o600)
        with open(number, "wb", buffering=0) as target:  # noqa: PTH123 -- opened without following links
            for block in file.blocks:
                target.write(data[block])
            os.fchmod(number, file.mode & 0o777)


def _shown(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()
