"""Backups of a store: a folder that is whole or is not there, and a store made of one.

A backup holds the prefix as of one flush and every block that was stored by then, wherever the store keeps its blocks,
so that whatever the prefix names is there. It is written to a folder of another name beside it, sealed, and renamed at
the very end.

Files: ``<prefix>.db0``, ``blocks.sqlite`` and ``backup.json``: which store, when, length and BLAKE3 of the other two,
and a digest over all of that.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from orchestrator.digests import content_digest
from orchestrator.store.block_calls import Blocks
from orchestrator.store.block_locations import BESIDE_THE_RECORDS, BlockLocation
from orchestrator.store.block_transfer import save_blocks, unpack_blocks
from orchestrator.store.files import copy_synced, file_digest, remove_durably, sync_directory, write_durably
from orchestrator.store.lock import FORMAT as FORMAT_OF_STORE
from orchestrator.store.probe import probe_prefix
from orchestrator.store.store import Store
from statek.exceptions import ConfigurationError, InvalidRequest, NotFound, StoreDamaged, StoreFull
from statek.records import RECORD_FORMAT

__all__ = ["Backup", "BackupSource", "back_up", "check_backup", "read_backup", "restore_backup", "write_backup"]

Progress = Callable[[str], None]

FORMAT = 1
_MANIFEST = "backup.json"
_BLOCKS = "blocks.sqlite"
_PREFIX = re.compile(r"[a-z0-9_-]{1,100}")
_STORE_ID = re.compile(r"[0-9a-f]{32}")
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup says of itself.

    Attributes:
        store_id, incarnation, prefix: of the store.
        record_format: form of its records.
        service: version of the service that wrote it.
        at_us: when, microseconds UTC.
        blocks: how many blocks it holds.
        damaged_blocks: digests of blocks that were damaged in the store; they are not in it.
        files: length in bytes and digest by name.
    """

    store_id: str
    incarnation: int
    prefix: str
    record_format: int
    service: str
    at_us: int
    blocks: int
    damaged_blocks: tuple[str, ...]
    files: dict[str, tuple[int, str]]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(size for size, _ in self.files.values())


@dataclass(frozen=True, slots=True)
class BackupSource:
    """What a backup is made of.

    Attributes:
        prefix: its name.
        store_id, incarnation: of the store.
        record_format: form of its records.
        copy_prefix: writes the prefix file, as of one flush, to a folder; gives the file.
        blocks: the block store, with everything that the prefix names.
    """

    prefix: str
    store_id: str
    incarnation: int
    record_format: int
    copy_prefix: Callable[[Path], Path]
    blocks: Blocks


def back_up(store: Store, folder: Path, progress: Progress) -> Backup:
    """Write a backup of an open store; blocking, on any thread but the store's and the event loop's.

    Args:
        store: in use or not.
        folder: must not exist, or be empty.
        progress: gets a line for whatever takes long.

    Raises:
        InvalidRequest: the folder is in use, or there is none to put it into; or the blocks are in memory.
        StoreFull: its disk is full.
        StoreError: the prefix cannot be copied, or the block store fails; nothing is left behind.
    """
    if store.blocks.is_volatile:
        raise InvalidRequest(
            f"this store keeps its blocks {store.blocks.description}; a backup would only seem to keep its jobs, "
            "`statek jobs export` writes one to a file"
        )
    source = BackupSource(
        prefix=store.prefix,
        store_id=store.store_id,
        incarnation=store.incarnation,
        record_format=RECORD_FORMAT,
        copy_prefix=store.copy_prefix_sync,
        blocks=store.blocks,
    )
    return write_backup(source, folder, progress)


def write_backup(source: BackupSource, folder: Path, progress: Progress) -> Backup:
    """Write a backup; raises as ``back_up``."""
    with source.blocks.kept, _growing(folder) as fresh:
        progress(f"copying prefix {source.prefix}")
        prefix = source.copy_prefix(fresh)
        probe_prefix(fresh, source.prefix, timeout=600)
        _remove_locks(fresh)
        blocks, damaged = save_blocks(source.blocks, fresh / _BLOCKS, progress)
        progress("sealing the backup")
        names = (prefix.name, _BLOCKS)
        backup = Backup(
            store_id=source.store_id,
            incarnation=source.incarnation,
            prefix=source.prefix,
            record_format=source.record_format,
            service=metadata.version("statek-sandbox"),
            at_us=time.time_ns() // 1000,
            blocks=blocks,
            damaged_blocks=tuple(damaged),
            files={name: ((fresh / name).stat().st_size, file_digest(fresh / name)) for name in names},
        )
        data = asdict(backup) | {"format": FORMAT}
        write_durably(fresh / _MANIFEST, json.dumps(data | {"seal": _seal(data)}, sort_keys=True).encode())
    return backup


def read_backup(folder: Path) -> Backup:
    """What a backup says of itself.

    Raises:
        NotFound: there is no whole backup.
        StoreDamaged: its description was changed.
        ConfigurationError: a later version of the service wrote it.
    """
    try:
        data: Any = json.loads((folder / _MANIFEST).read_bytes())
    except FileNotFoundError:
        raise NotFound(f"{folder} holds no backup: there is no {_MANIFEST} in it") from None
    except (OSError, ValueError, RecursionError) as error:
        raise StoreDamaged(f"{folder / _MANIFEST} does not read: {error}") from None
    if not isinstance(data, dict) or data.pop("seal", None) != _seal(data):
        raise StoreDamaged(f"{folder / _MANIFEST} was changed: it does not fit its seal")
    if data.pop("format", None) != FORMAT:
        raise ConfigurationError(f"{folder} was written by version {data.get('service')} of the service; use that one")
    try:
        files = {str(name): (int(size), str(digest)) for name, (size, digest) in data.pop("files").items()}
        backup = Backup(**data | {"damaged_blocks": tuple(map(str, data["damaged_blocks"])), "files": files})
        numbers = (backup.incarnation, backup.record_format, backup.at_us, backup.blocks)
        texts = (backup.store_id, backup.prefix, backup.service)
        typed = all(type(number) is int for number in numbers) and all(isinstance(text, str) for text in texts)
    except (KeyError, TypeError, ValueError, AttributeError):
        typed = False
    if not typed:
        raise StoreDamaged(f"{folder / _MANIFEST} does not say what a backup says of itself")
    if not _PREFIX.fullmatch(backup.prefix) or set(files) != {f"{backup.prefix}.db0", _BLOCKS}:
        raise StoreDamaged(f"{folder / _MANIFEST} names other files than a backup has")
    return backup


def check_backup(folder: Path, progress: Progress) -> list[str]:
    """Compare every file of a backup with what it says of it; gives what is wrong.

    Raises as ``read_backup``.
    """
    wrong = []
    for name, (size, digest) in read_backup(folder).files.items():
        progress(f"reading {name}, {size} bytes")
        path = folder / name
        if not path.is_file():
            wrong.append(f"{name} is missing")
        elif path.stat().st_size != size:
            wrong.append(f"{name} has {path.stat().st_size} bytes instead of {size}")
        elif file_digest(path) != digest:
            wrong.append(f"{name} was changed: its content has another digest")
    return wrong


def restore_backup(folder: Path, root: Path, progress: Progress, blocks: BlockLocation = BESIDE_THE_RECORDS) -> Backup:
    """Make a store of a backup. It is another store than the one that was backed up: it has an id of its own.

    Two stores of one id on a machine would end each other's runners, and a call that the restored one makes anew is not
    the one that the lost one made.

    Args:
        folder: the backup.
        root: folder of the new store; must not exist, or be empty.
        progress: gets a line for whatever takes long.
        blocks: where the new store keeps its blocks, whatever the old one did; it must be nobody else's.

    Raises:
        StoreDamaged: the backup is; nothing was made.
        InvalidRequest: there is a store already; or the blocks would be in memory.
        ConfigurationError: there is no such place for blocks, or they are another store's.
        StoreFull: the disk is full, or the block store.
        StoreError: the block store fails; given again, what it has already is not written again.
    """
    if blocks.is_volatile:
        raise InvalidRequest(f"blocks that are kept {blocks.description} cannot be restored; choose another place")
    wrong = check_backup(folder, progress)
    if wrong:
        raise StoreDamaged(f"the backup {folder} is damaged: {'; '.join(wrong)}")
    backup = read_backup(folder)
    with _growing(root) as fresh:
        own = fresh / "statek"
        own.mkdir(mode=0o700)
        progress(f"restoring prefix {backup.prefix}")
        copy_synced(folder / f"{backup.prefix}.db0", fresh / f"{backup.prefix}.db0")
        claim = root.absolute().with_name(f".{root.name}.claim")
        store_id = secrets.token_hex(16)
        if blocks.is_beside:
            progress("restoring blocks")
            copy_synced(folder / _BLOCKS, own / _BLOCKS)
        else:
            store_id = _claimed(claim, store_id)
            _unpack(folder / _BLOCKS, blocks, own, store_id, progress)
        identity = {
            "format": FORMAT_OF_STORE,
            "store_id": store_id,
            "incarnation": 0,
            "restored_from": {"store_id": backup.store_id, "at_us": backup.at_us},
        }
        write_durably(own / "store.json", json.dumps(identity).encode())
        for name, (_, digest) in backup.files.items():
            copied = (own if name == _BLOCKS else fresh) / name
            if (name != _BLOCKS or blocks.is_beside) and file_digest(copied) != digest:
                raise StoreDamaged(f"{name} was not copied as it is in the backup; check memory and disk")
        sync_directory(own)
        remove_durably(claim)  # from here on the id is the store's: never that of two of them
    return backup


def _claimed(claim: Path, store_id: str) -> str:
    """The id under which an attempt to restore that did not end has taken a block store, else the given one, noted.

    A block store is one data directory's. Without the note the next attempt would be another's.
    """
    try:
        noted = claim.read_text(encoding="ascii")
    except (FileNotFoundError, UnicodeDecodeError):
        noted = ""
    if _STORE_ID.fullmatch(noted):
        return noted
    write_durably(claim, store_id.encode())
    return store_id


def _unpack(path: Path, location: BlockLocation, own: Path, store_id: str, progress: Progress) -> None:
    """Put the blocks of a backup where they are to be."""
    target = replace(location, cache_bytes=0).open(own, store_id)
    try:
        unpack_blocks(path, target, progress)
    finally:
        target.close()


@contextmanager
def _growing(folder: Path) -> Iterator[Path]:
    """A folder beside the one that is asked for, which becomes it when the block ends well, and is gone otherwise.

    What a crash left of an earlier one is removed; one that another process fills is left alone.
    """
    folder = folder.absolute()
    if folder.is_symlink() or (folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))):
        raise InvalidRequest(f"{folder} is there already and not empty; it is left alone")
    if not folder.parent.is_dir():
        raise InvalidRequest(f"there is no folder {folder.parent} to make {folder.name} in")
    fresh = folder.with_name(f".{folder.name}.incomplete")
    lock = os.open(folder.with_name(f".{folder.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidRequest(f"another process is writing {folder}") from None
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            fresh.mkdir(mode=0o700)
            yield fresh
            sync_directory(fresh)
            fresh.replace(folder)
            sync_directory(folder.parent)
        except OSError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            if error.errno in _DISK_FULL:
                raise StoreFull(f"no space to write {folder}: {error.strerror}") from error
            raise InvalidRequest(f"{folder} cannot be written: {error}") from error
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        folder.with_name(f".{folder.name}.lock").unlink(missing_ok=True)
    finally:
        os.close(lock)


def _remove_locks(folder: Path) -> None:
    """Take away the lock files that dbzero leaves beside a prefix."""
    for path in folder.glob("*.lock"):
        path.unlink()


def _seal(data: dict[str, Any]) -> str:
    return content_digest(json.dumps(data, sort_keys=True).encode())
