"""The journal of one step: every value the host gave it, in order.

Entries are buffered here and written together: an effect's durable record carries all earlier
entries of its step, so a re-run is answered up to the last effect that left the service, and what
comes after it may differ because nobody has seen it. ``drain`` gives what has to be written; the
caller writes it in the same atomic block as the effect (store effects) or before the effect
(intents of external effects).

Entry forms (lists, in graph form, tag first):

``["start", time_us, seed, handles]``
    what the step was started with; always the first. A fifth element, where there is one, lists the names of the
    shared context.
``["call", n, kind, handle, name, digest, target, args, value, error_type, error_message, handles, effect]``
    a call with its answer; arguments over 4 KB are left out.
``["intent", n, kind, handle, name, digest, key, args]``
    an external call that is about to be made, with all of its arguments.
``["outcome", n, value, error_type, error_message, handles]``
    its answer; an intent without one is in doubt.
    Answers that show texts have them as one more element at the end: a list of strings.
``["void", n]``
    an operator found that the call of intent n did not happen and lets it be made again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from orchestrator.sandboxes.step import CallAnswer, CallKind
from sandbox_runner.wire import values
from statek.exceptions import JobExit, StoreDamaged

__all__ = ["EXIT_TYPE", "CallKey", "Journal", "JournalMark", "RecordedCall", "StartEntry", "outcome_blob", "void_blob"]


EXIT_TYPE = JobExit.__name__
"""Error type of an answer that ends the job; its value is the status. The executor ends the step at it."""

MAX_KEPT_ARGUMENT_BYTES = 4 << 10
"""Longest encoded arguments that are kept of a call that needs no intent."""

PIECE_BYTES = 256 << 10
"""Buffered answers beyond this are written without waiting for an effect: no piece takes long to write or read."""

_OWN_LIMITS = values.GraphLimits(max_bytes=1 << 30, max_nodes=1 << 24, max_text_bytes=1 << 30)
"""The journal is our own writing: the limits for bytes from a runner would refuse a long one."""


@dataclass(frozen=True, slots=True)
class StartEntry:
    """What a step was started with.

    Attributes:
        time_us: microseconds since the epoch, UTC.
        seed: of ``random`` and numpy.
        handles: graph form of the handle states.
        shared_names: names of the shared context; None for a job that is bound to none.
    """

    time_us: int
    seed: int
    handles: bytes
    shared_names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class CallKey:
    """What a call is matched by, together with its occurrence.

    Attributes:
        kind, handle, name: what was asked of whom.
        digest: digest of the encoded arguments.
    """

    kind: CallKind
    handle: int
    name: str
    digest: str

    def __str__(self) -> str:
        """The call for a message."""
        target = f"handle {self.handle}." if self.handle else ""
        return f"{target}{self.name} (arguments {self.digest[:12]})"


@dataclass(slots=True)
class RecordedCall:
    """One call of the step.

    Attributes:
        number: 1, 2, 3 ... in the order of the first run.
        key: what it is matched by.
        effect: ``none``, ``store`` or ``external``.
        idempotency_key: given to an external tool; empty otherwise.
        args: encoded arguments; empty where they were too long to keep. Those of an intent are always kept,
            an operator or a re-run needs them.
        target: class of the object that was called, for people; empty for a tool.
        answer: None while it is in doubt.
    """

    number: int
    key: CallKey
    effect: str
    idempotency_key: str = ""
    args: bytes = b""
    target: str = ""
    answer: CallAnswer | None = None

    @property
    def in_doubt(self) -> bool:
        """Whether its intent is recorded and its outcome is not."""
        return self.answer is None


@dataclass(frozen=True, slots=True)
class JournalMark:
    """A point that a journal can go back to."""

    calls: int
    last_number: int
    size_bytes: int
    buffered_bytes: int
    buffer: tuple[list[object], ...]


@dataclass(slots=True)
class Journal:
    """The journal of one step, loaded from its pieces or empty.

    ``match`` is asked for every call; what it does not find is a new call. All methods are plain
    and touch no store.

    Attributes:
        start: what the step was started with; None until it is.
        calls: every call of the step, in order of the first run.
        size_bytes: what this run has added; the gateway bounds it.
        buffered_bytes: what of it the next ``drain`` gives.
    """

    start: StartEntry | None = None
    calls: list[RecordedCall] = field(default_factory=list)
    _unmatched: dict[CallKey, deque[RecordedCall]] = field(default_factory=dict)
    _unmatched_effects: int = 0
    _last_number: int = 0
    size_bytes: int = 0
    buffered_bytes: int = 0
    _buffer: list[list[object]] = field(default_factory=list)

    @classmethod
    def load(cls, pieces: Iterable[bytes]) -> Journal:
        """Read a journal back for a re-run.

        Args:
            pieces: the blobs that ``drain`` gave, in order.

        Raises:
            StoreDamaged: a blob is not a journal.
        """
        journal = cls()
        by_number: dict[int, RecordedCall] = {}
        for entry in _entries(pieces):
            journal._take(entry, by_number)
        for call in journal.calls:
            journal._unmatched.setdefault(call.key, deque()).append(call)
            journal._unmatched_effects += call.effect != "none"
        return journal

    def _take(self, entry: list[object], by_number: dict[int, RecordedCall]) -> None:
        """Fold one stored entry into the state."""
        if entry[0] in {"call", "intent"} and isinstance(entry[1], int):
            self._last_number = max(self._last_number, entry[1])
        match entry:
            case ["start", int(time_us), int(seed), bytes(handles), *names]:
                self.start = StartEntry(time_us, seed, handles, _texts(names) if names else None)
            case ["call", int(n), int(kind), int(handle), str(name), str(digest), *rest]:
                target, args, value, error_type, error_message, states, effect, *shown = rest
                key = CallKey(CallKind(kind), handle, name, digest)
                answer = CallAnswer(_b(value), str(error_type), str(error_message), _b(states), _texts(shown))
                self.calls.append(RecordedCall(n, key, str(effect), "", _b(args), str(target), answer))
            case ["intent", int(n), int(kind), int(handle), str(name), str(digest), str(idem), bytes(args)]:
                call = RecordedCall(n, CallKey(CallKind(kind), handle, name, digest), "external", idem, args)
                by_number[n] = call
                self.calls.append(call)
            case ["outcome", int(n), bytes(value), str(error_type), str(error_message), bytes(handles), *shown]:
                if n not in by_number:
                    raise StoreDamaged(f"a journal has an outcome of call {n} without its intent")
                by_number[n].answer = CallAnswer(value, error_type, error_message, handles, _texts(shown))
            case ["void", int(n)] if n in by_number:
                self.calls.remove(by_number.pop(n))
            case _:
                raise StoreDamaged(f"unknown journal entry {entry[:1]!r}")

    # -------------------------------------------------------------------------------- matching

    def match(self, key: CallKey) -> RecordedCall | None:
        """Give the recorded call that this call is, in order of occurrence; None for a new one."""
        queue = self._unmatched.get(key)
        if not queue:
            return None
        call = queue.popleft()
        if not queue:
            del self._unmatched[key]
        self._unmatched_effects -= call.effect != "none"
        return call

    def unmatched_effect(self) -> RecordedCall | None:
        """The first recorded effect that the re-run has not asked for (yet)."""
        if not self._unmatched_effects:
            return None
        waiting = [call for queue in self._unmatched.values() for call in queue if call.effect != "none"]
        return min(waiting, key=lambda call: call.number)

    # ------------------------------------------------------------------------------- recording

    def record_start(self, start: StartEntry) -> None:
        """Note what the step is started with."""
        self.start = start
        self.buffered_bytes += len(start.handles)
        names = [] if start.shared_names is None else [list(start.shared_names)]
        self._buffer.append(["start", start.time_us, start.seed, start.handles, *names])

    def _next_number(self) -> int:
        """Numbers are never used again, not even that of a voided call."""
        self._last_number += 1
        return self._last_number

    def record_call(
        self, key: CallKey, answer: CallAnswer, effect: str, *, args: bytes = b"", target: str = ""
    ) -> RecordedCall:
        """Note a call whose answer is known."""
        self._add_size(_size(answer))
        kept = args if len(args) <= MAX_KEPT_ARGUMENT_BYTES else b""
        call = RecordedCall(self._next_number(), key, effect, "", kept, target, answer)
        self.calls.append(call)
        row: list[object] = ["call", call.number, key.kind.value, key.handle, key.name, key.digest, target, kept]
        row += [answer.value, answer.error_type, answer.error_message, answer.handles, effect, *_shown(answer)]
        self._buffer.append(row)
        return call

    def record_intent(self, key: CallKey, key_of: Callable[[int], str], args: bytes) -> RecordedCall:
        """Note an external call that is about to be made; ``key_of`` gives a number's idempotency key."""
        number = self._next_number()
        self._add_size(len(args))
        call = RecordedCall(number, key, "external", key_of(number), args)
        self.calls.append(call)
        row: list[object] = ["intent", call.number, key.kind.value, key.handle, key.name, key.digest]
        self._buffer.append([*row, call.idempotency_key, args])
        return call

    def record_outcome(self, call: RecordedCall, answer: CallAnswer) -> None:
        """Note the answer of a call whose intent was noted."""
        call.answer = answer
        self._add_size(_size(answer))
        self._buffer.append(_outcome_entry(call, answer))

    def _add_size(self, size: int) -> None:
        self.size_bytes += size
        self.buffered_bytes += size

    def mark(self) -> JournalMark:
        """The journal as it is now, for ``go_back``."""
        return JournalMark(
            len(self.calls), self._last_number, self.size_bytes, self.buffered_bytes, tuple(self._buffer)
        )

    def go_back(self, mark: JournalMark) -> None:
        """Forget the calls recorded and the drains made since a mark: the block that was to keep them did not."""
        del self.calls[mark.calls :]
        self._last_number, self.size_bytes = mark.last_number, mark.size_bytes
        self.buffered_bytes, self._buffer = mark.buffered_bytes, list(mark.buffer)

    def drain(self) -> bytes:
        """Take everything noted since the last drain, as one blob; empty when there is nothing.

        The caller must make it durable: in the atomic block of the effect, or with the next flush.
        """
        if not self._buffer:
            return b""
        blob = values.encode(self._buffer)
        self._buffer = []
        self.buffered_bytes = 0
        return blob


def outcome_blob(call: RecordedCall, answer: CallAnswer) -> bytes:
    """A journal piece that settles a call in doubt from outside the step."""
    return values.encode([_outcome_entry(call, answer)])


def void_blob(call: RecordedCall) -> bytes:
    """A journal piece that says a call in doubt did not happen."""
    return values.encode([["void", call.number]])


def _outcome_entry(call: RecordedCall, answer: CallAnswer) -> list[object]:
    row: list[object] = ["outcome", call.number, answer.value, answer.error_type, answer.error_message]
    return [*row, answer.handles, *_shown(answer)]


def _size(answer: CallAnswer) -> int:
    return len(answer.value) + len(answer.handles) + sum(map(len, answer.shown))


def _shown(answer: CallAnswer) -> list[object]:
    """The texts that an answer shows as the last element of its entry; nothing where it shows none."""
    return [list(answer.shown)] if answer.shown else []


def _texts(rest: list[object]) -> tuple[str, ...]:
    """Undo ``_shown``."""
    texts = rest[0] if rest else []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts) or len(rest) > 1:
        raise StoreDamaged("a journal entry shows something that is no text")
    return tuple(texts)


def _entries(pieces: Iterable[bytes]) -> Iterator[list[object]]:
    """The stored entries in order."""
    for blob in pieces:
        try:
            entries = values.decode(blob, limits=_OWN_LIMITS)
        except values.GraphError as error:
            raise StoreDamaged(f"a journal blob does not read: {error}") from error
        if not isinstance(entries, list):
            raise StoreDamaged("a journal blob is not a list")
        yield from entries


def _b(value: object) -> bytes:
    """Narrow to bytes."""
    if not isinstance(value, bytes):
        raise StoreDamaged("a journal entry holds no bytes where an answer is expected")
    return value
