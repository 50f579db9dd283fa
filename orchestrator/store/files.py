"""File operations that survive a crash."""

from __future__ import annotations

import os
from pathlib import Path

from blake3 import blake3

__all__ = [
    "copy_synced",
    "create_file",
    "file_digest",
    "open_existing",
    "remove_durably",
    "sync_directory",
    "write_durably",
]

_CHUNK = 1 << 20


def sync_directory(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_file(path: Path) -> int:
    """Open an empty file for reading and writing; the name is durable after `sync_directory`."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)


def open_existing(path: Path) -> int:
    """Open a file that must exist for reading and writing."""
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def file_digest(path: Path) -> str:
    """BLAKE3-256 of a file's content, 64 hex digits; about a second for two gigabytes."""
    digest = blake3()
    digest.update_mmap(path)
    return str(digest.hexdigest())


def copy_synced(source: Path, target: Path, length: int | None = None) -> None:
    """Copy a file, or its first bytes, to a new one, and make the content durable (not the name)."""
    left = source.stat().st_size if length is None else length
    with source.open("rb") as reading, target.open("xb") as writing:
        os.fchmod(writing.fileno(), 0o600)
        while left and (data := reading.read(min(_CHUNK, left))):
            writing.write(data)
            left -= len(data)
        writing.flush()
        os.fsync(writing.fileno())


def write_durably(path: Path, data: bytes) -> None:
    """Replace a small file as a whole: new name, fsync, rename, fsync of the folder."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_directory(path.parent)


def remove_durably(path: Path) -> None:
    """Remove a file if it exists, for good."""
    path.unlink(missing_ok=True)
    sync_directory(path.parent)
