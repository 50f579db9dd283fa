"""Bytes by key as files below any fsspec URL: a folder, S3, GCS, Azure, SFTP and what else has an fsspec driver.

A key becomes a path: bytes other than letters, digits, ``-`` and ``_`` as ``%xx``, and a long one cut into folders
whose names end with ``+``, so that no key is the folder of another. Drivers of object stores put a whole object or
nothing. A local file is written beside its place, synced and renamed, so that a crash leaves no half value.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

from orchestrator.store.files import sync_directory
from statek.exceptions import ConfigurationError, StoreError
from statek.kv_store import KVStore, check_key, without_credentials

__all__ = ["FsspecKV"]

_PART_CHARS = 120
_LOCK_SUFFIX = ".lock"  # no key has a dot in its path
_NEW_SUFFIX = ".new"
_LOCK_SECONDS = 30.0
_RETRY_SECONDS = 0.01


class FsspecKV(KVStore):
    """Values as files.

    ``compare_and_set`` takes a lock, which is a file beside the value. Where files are local the kernel holds it, and
    frees it however its owner ends. Elsewhere only one writer can create it, and one whose owner died is not taken
    over, because nobody can tell: it fails with the name of the file to remove.

    Args:
        url: as fsspec takes it, for example ``file:///srv/blocks`` or ``s3://bucket/blocks``.

    Raises:
        ConfigurationError: fsspec or the driver of this scheme is not installed, or takes no such URL.
    """

    def __init__(self, url: str) -> None:
        try:
            import fsspec
            from fsspec.implementations.local import LocalFileSystem
        except ImportError:
            raise ConfigurationError("blocks at a URL need fsspec; install statek-sandbox[blocks]") from None
        try:
            # Listings must be fresh: other processes write, too.
            self._fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError, TypeError) as error:
            said = without_credentials(str(error))
            raise ConfigurationError(f"fsspec has no place for blocks there: {said}") from error
        self._root = str(root).rstrip("/")
        self._local = isinstance(self._fs, LocalFileSystem)
        self._fs.makedirs(self._root, exist_ok=True)

    def get(self, key: str) -> bytes | None:
        """The value of a key."""
        path = self._path(key)
        try:
            return bytes(self._fs.cat_file(path))
        except FileNotFoundError:
            return None

    def set(self, key: str, value: bytes) -> None:
        """Give a key a value."""
        path = self._path(key)
        if self._local:
            _write_local(Path(path), value)
            return
        self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._fs.pipe_file(path, bytes(value))

    def delete(self, key: str) -> bool:
        """Take a key away."""
        path = self._path(key)
        if not self._fs.isfile(path):
            return False
        try:
            self._fs.rm_file(path)
        except FileNotFoundError:
            return False
        return True

    def exists(self, key: str) -> bool:
        """Whether a key has a value."""
        return bool(self._fs.isfile(self._path(key)))

    def size(self, key: str) -> int | None:
        """Length of the value of a key."""
        path = self._path(key)
        return int(self._fs.size(path)) if self._fs.isfile(path) else None

    def list(self, prefix: str = "") -> Iterator[str]:
        """Every key that begins so."""
        for path in self._fs.find(self._root):
            key = self._key(str(path))
            if key is not None and key.startswith(prefix):
                yield key

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bool:
        """Give a key a value if it has the expected one."""
        with self._locked(self._path(key) + _LOCK_SUFFIX):
            if self.get(key) != expected:
                return False
            self.set(key, value)
            return True

    @contextlib.contextmanager
    def _locked(self, lock: str) -> Iterator[None]:
        """Hold a lock file."""
        self._fs.makedirs(lock.rpartition("/")[0], exist_ok=True)
        if self._local:
            with _flocked(lock):
                yield
            return
        _wait_for(lambda: self._create(lock), f"{lock} is held; if its owner died, remove that file")
        try:
            yield
        finally:
            self._fs.rm_file(lock)

    def _create(self, path: str) -> bool:
        """Make an empty file; False where it is there."""
        try:
            self._fs.pipe_file(path, b"", mode="create")
        except FileExistsError:
            return False
        return True

    def _path(self, key: str) -> str:
        name = "".join(chr(byte) if _is_plain(byte) else f"%{byte:02x}" for byte in check_key(key))
        parts = [name[at : at + _PART_CHARS] for at in range(0, len(name), _PART_CHARS)]
        return "/".join([self._root, *(part + "+" for part in parts[:-1]), parts[-1]])

    def _key(self, path: str) -> str | None:
        """The key of a path; None for what is no value."""
        parts = path.removeprefix(self._root).strip("/").split("/")
        name = "".join([*(part.removesuffix("+") for part in parts[:-1]), parts[-1]])
        if "." in name:
            return None
        try:
            return urllib.parse.unquote_to_bytes(name).decode()
        except UnicodeDecodeError:
            return None


def _wait_for(attempt: Callable[[], bool], otherwise: str) -> None:
    """Try until it succeeds, for as long as a lock may be held.

    Raises:
        StoreError: it did not, with this text.
    """
    limit = time.monotonic() + _LOCK_SECONDS
    while not attempt():
        if time.monotonic() > limit:
            raise StoreError(otherwise)
        time.sleep(_RETRY_SECONDS)


@contextlib.contextmanager
def _flocked(path: str) -> Iterator[None]:
    """Hold the kernel's lock on a local file, which stays: one that is removed could be held twice."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def attempt() -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        _wait_for(attempt, f"{path} is held by another process")
        yield
    finally:
        os.close(file)


def _is_plain(byte: int) -> bool:
    """Whether a byte stands for itself in a path."""
    return byte < 128 and (chr(byte).isalnum() or byte in b"-_")


def _write_local(path: Path, value: bytes) -> None:
    """Write a file so that a crash leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{secrets.token_hex(8)}{_NEW_SUFFIX}")
    try:
        with new.open("xb") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)
