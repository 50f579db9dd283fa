"""The outside world of the example: a file with one JSON line per message that was sent."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from statek.exceptions import StatekError

__all__ = ["Outbox", "OutboxDamaged", "SentMessage"]


class OutboxDamaged(StatekError):
    """A line of the outbox file, other than a torn last one, is not a message."""

    code = "outbox_damaged"


@dataclass(frozen=True, slots=True)
class SentMessage:
    """One line of the outbox.

    Attributes:
        key: idempotency key of the call that sent it.
        to: to whom.
        text: what.
    """

    key: str
    to: str
    text: str


class Outbox:
    """Appends messages so that each key is in the file at most once, whatever was killed when.

    A line is complete when it ends in a newline. A last line without one is what a crash left of a write that nobody
    was told to be done; it is cut off before the next one is written.
    """

    def __init__(self, path: Path) -> None:
        """Name the file; it is made, with its folder, by the first message."""
        self.path = path

    def append(self, message: SentMessage) -> bool:
        """Write a message unless its key is there already; durable on return.

        Returns:
            Whether it was written now.

        Raises:
            OutboxDamaged: the file holds something else.
            OSError: it cannot be written.
            ValueError: the key is empty.
        """
        if not message.key:
            raise ValueError("a message needs an idempotency key")
        with self._locked():
            new = not self.path.exists()
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "r+b") as file:
                data = file.read()
                complete = data.rfind(b"\n") + 1
                if any(sent.key == message.key for sent in self._decode(data[:complete])):
                    # It may have been written by a process that died before it could make it durable.
                    os.fsync(file.fileno())
                    return False
                if complete != len(data):
                    file.truncate(complete)
                file.seek(complete)
                line = json.dumps({"key": message.key, "to": message.to, "text": message.text}, ensure_ascii=True)
                file.write(line.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            if new:
                self._sync_folder()
        return True

    def messages(self) -> list[SentMessage]:
        """What was sent so far, in order.

        Raises:
            OutboxDamaged: the file holds something else.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        return list(self._decode(data[: data.rfind(b"\n") + 1]))

    def _decode(self, data: bytes) -> Iterator[SentMessage]:
        for number, line in enumerate(data.splitlines(), start=1):
            try:
                record = json.loads(line)
                yield SentMessage(record["key"], record["to"], record["text"])
            except (ValueError, TypeError, KeyError) as error:
                raise OutboxDamaged(f"{self.path}, line {number}: not a message; move the file away") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone with the file, among threads and processes."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _sync_folder(self) -> None:
        descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
