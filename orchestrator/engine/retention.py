"""Drops the variables and files of commits that nobody wants to keep, and the blocks that no commit names any more.

The order is: mark commits as dropped, durably, then remove blocks. A crash leaves commits of which each is either whole
or says that it was dropped; blocks that it left behind go with the next compaction. Nothing of it is asked of a step:
jobs go on meanwhile.

A commit stays if it is the newest of its job, one of the newest that are to be kept, tagged (unless tags are not to
count), or the commit that a fork was made from. What the commits that stay name in others stays in those. All this is
looked at again in the very block that marks, so that a tag or a fork that came meanwhile counts.

A block is removed if no commit that stays names it, no runner may name it, nobody is about to name it
(``Blocks.naming``) and nobody has put it since the collection began: whoever puts it later stores it anew.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass
from functools import partial

from orchestrator.engine.block_holders import held_places, say_room_was_made
from orchestrator.engine.clock import now_us
from orchestrator.engine.jobs import job_id, job_number
from orchestrator.engine.retention_census import Census
from orchestrator.engine.retention_records import CompactedJobs
from orchestrator.engine.telling import Progress, told
from orchestrator.store.store import Store
from statek.event_feed import emit
from statek.exceptions import InvalidRequest, NotFound, StoreError, StoreFull
from statek.upkeep import Compacted, CompactedJob, number_ranges

__all__ = ["Choice", "Retention"]

_VISIT_SECONDS = 0.003
_VISIT_COMMITS = 100
"""Commits that one visit to the store thread, and one flush, drops at most."""

_ATTEMPTS = 1000
"""How often a job may change under the compaction before it gives up on it."""

_DIGESTS = 500
_SHOWN_RANGES = 40

_COUNTED = frozenset({-1})
"""Commits of a job of which some go, all of those that are read now staying."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to stay.

    Attributes:
        id_: of the job; None for all.
        keep_last: how many of the newest commits of each job; None for all, so that only blocks go that nobody names.
        keep_tagged: whether those with a name stay too.
        dry_run: only say what would go.
    """

    id_: str | None = None
    keep_last: int | None = None
    keep_tagged: bool = True
    dry_run: bool = False


class Retention:
    """Compacts one store."""

    def __init__(self, store: Store) -> None:
        """Args are the open store."""
        self._store = store

    def compact(self, choice: Choice) -> AsyncIterator[str | Compacted]:
        """Drop commits, and remove blocks; gives lines about the progress, then the result.

        Raises:
            NotFound: there is no such job.
            InvalidRequest: no commit would stay.
            StoreDamaged: a commit does not read, so that nobody knows what it names; nothing was removed.
            StoreFull: the disk refused; what was dropped is dropped, the rest goes another time.
        """
        return told(lambda progress: self.run_sync(choice, progress))

    def compact_sync(
        self, id_: str, *, keep_last: int | None = None, keep_tagged: bool = True, dry_run: bool = False
    ) -> Compacted:
        """``compact`` of one job, for other threads than the event loop's."""
        return self.run_sync(Choice(id_, keep_last, keep_tagged, dry_run), _silent)

    def run_sync(self, choice: Choice, progress: Progress) -> Compacted:
        """``compact`` for other threads than the event loop's."""
        if choice.keep_last is not None and choice.keep_last < 1:
            raise InvalidRequest(f"keep_last must be at least 1, not {choice.keep_last}: the newest commit stays")
        blocks = self._store.blocks
        if not blocks.kept.acquire(blocking=False):
            progress("waiting for the end of a backup, a verification or another compaction")
            blocks.kept.acquire()
        try:
            done = _Compaction(self._store, choice, progress).run()
        finally:
            blocks.kept.release()
        if not choice.dry_run:
            say_room_was_made()
        return done


class _Compaction:
    """One run."""

    def __init__(self, store: Store, choice: Choice, progress: Progress) -> None:
        self._store = store
        self._choice = choice
        self._progress = progress
        self._jobs = CompactedJobs()
        self._census = Census(store, self._jobs, progress)
        self._now_us = now_us()

    def run(self) -> Compacted:
        census, progress = self._census, self._progress
        progress("looking at the jobs")
        census.look()
        selected = self._selected()
        going = {number: self._candidates(number, selected) for number in selected}
        census.read({number: frozenset(seqs) for number, seqs in going.items()})
        for number, gone in census.emptied.items():
            if number in going:
                going[number] = [seq for seq in going[number] if seq not in gone]
        self._carry_held()
        if not self._choice.dry_run:
            for number in selected:
                going[number] = self._drop(number, going[number], selected)
        jobs = self._report(going)
        freed = self._count_unnamed() if self._choice.dry_run else self._sweep()
        return Compacted(jobs, *freed, self._choice.dry_run)

    # ------------------------------------------------------------------------------ what may go

    def _selected(self) -> list[int]:
        """The jobs of which commits may go."""
        if self._choice.id_ is None:
            return sorted(self._census.facts)
        number = job_number(self._choice.id_)
        if number not in self._census.facts:
            raise NotFound(f"job {job_id(number)} does not exist; this store has {len(self._census.facts)} job(s)")
        return [number]

    def _candidates(self, number: int, selected: Collection[int]) -> list[int]:
        """The commits of a job's own that nothing protects, oldest first."""
        if self._choice.keep_last is None:
            return []
        facts = self._census.facts[number]
        protected = self._protected(number, selected)
        return [seq for seq in range(facts.first, self._first_kept(number)) if seq not in protected]

    def _first_kept(self, number: int) -> int:
        """The oldest of the newest commits of a job that stay."""
        assert self._choice.keep_last is not None
        return max(self._census.facts[number].count - self._choice.keep_last, 0)

    def _protected(self, number: int, selected: Collection[int]) -> set[int]:
        """Commits that stay whatever their age; some are of other jobs."""
        facts = self._census.facts
        found = set(facts[number].tagged) if self._choice.keep_tagged else set()
        for fork, limit in self._census.forks(number).items():
            shared = {facts[fork].first - 1, limit - 1}
            if self._choice.keep_tagged:
                shared.update(facts[fork].tagged)
            found.update(seq for seq in shared if seq < limit)
            if fork in selected and self._choice.keep_last is not None:
                found.update(range(self._first_kept(fork), limit))
        return found

    def _carry_held(self) -> None:
        """What runners may name stays in the commits that it is in."""
        for number, places in held_places().items():
            if number in self._census.facts:
                self._census.carry(number, places)

    # ------------------------------------------------------------------------------------ marking

    def _drop(self, number: int, seqs: list[int], selected: Collection[int]) -> list[int]:
        """Mark commits as dropped, durably; gives those that were."""
        trimmed = [seq for seq, holds in self._census.emptied[number].items() if holds]
        left = sorted([*seqs, *trimmed]) if self._choice.keep_last is not None else []
        if not left:
            return []
        family = [number, *self._census.forks(number)]
        dropped: list[int] = []
        left_bytes, attempts = 0, 0
        while left:
            expected = self._signature(family)
            done, size = self._store.commit_sync(partial(self._drop_page, number, left, family, expected))
            if not done:
                attempts += 1
                if attempts > _ATTEMPTS:
                    raise StoreError(f"job {job_id(number)} changes faster than it is compacted; try again later")
                family, left = self._renewed(number, left, selected)
                continue
            dropped += left[:done]
            left = left[done:]
            left_bytes += size
            self._progress(f"job {job_id(number)}: {len(dropped)} commits dropped, {len(left)} left")
        if seqs:
            self._recount(number, left_bytes)
        return [seq for seq in dropped if seq not in self._census.emptied[number]]

    def _signature(self, family: Iterable[int]) -> tuple[object, ...]:
        """What must not have changed when commits are marked, as it was read."""
        facts = self._census.facts
        return len(facts), [(facts[number].tags, facts[number].count) for number in family]

    def _drop_page(
        self, number: int, seqs: list[int], family: Iterable[int], expected: tuple[object, ...]
    ) -> tuple[int, int]:
        """Drop some commits (store thread); gives how many, 0 where something has changed, and what is left of them."""
        now = [(record.tags, self._jobs.commit_count(record)) for record in map(self._jobs.get, family)]
        if (self._jobs.next_number() - 1, now) != expected:
            return 0, 0
        record, carried, begun, size = self._jobs.get(number), self._census.carried[number], time.perf_counter(), 0
        done = 0
        for seq in seqs[:_VISIT_COMMITS]:
            size += self._jobs.drop_commit(record, seq, carried.get(seq, ()), self._now_us)
            done += 1
            if time.perf_counter() - begun > _VISIT_SECONDS:
                break
        if new := [seq for seq in seqs[:done] if seq not in self._census.emptied[number]]:
            emit(record, "commit.dropped", commits=number_ranges(new, _SHOWN_RANGES), count=len(new))
        return done, size

    def _renewed(self, number: int, left: list[int], selected: Collection[int]) -> tuple[list[int], list[int]]:
        """Read what has changed; gives the job with its forks, and what may still go."""
        census = self._census
        census.look([number, *census.forks(number)])
        family = [number, *census.forks(number)]
        protected = self._protected(number, selected)
        still = [seq for seq in left if seq not in protected or seq in census.emptied[number]]
        census.stay(number, set(left) - set(still))
        census.read({number: _COUNTED}, family)
        return family, still

    def _recount(self, number: int, left_bytes: int) -> None:
        """Set what the commits of a job take, for its limit."""
        census, facts = self._census, self._census.facts[number]
        stored = _sizes(self._store, census.own[number] - census.base_blocks(number))
        counted = census.own_bytes[number] + left_bytes + sum(stored.values())

        def write() -> None:
            record = self._jobs.get(number)
            record.history_bytes = max(record.history_bytes - facts.history_bytes, 0) + counted

        self._store.commit_sync(write)

    # ------------------------------------------------------------------------------------- blocks

    def _report(self, going: dict[int, list[int]]) -> tuple[CompactedJob, ...]:
        """What goes of each job; a block that several of them name counts for the first."""
        counted: set[bytes] = set()
        found = []
        for number, seqs in going.items():
            if not seqs:
                continue
            alone = self._census.released[number] - self._census.named - counted
            counted |= alone
            sizes = _sizes(self._store, alone)
            facts = self._census.facts[number]
            kept = facts.count - facts.first - len(seqs) - len(self._census.emptied[number])
            found.append(CompactedJob(job_id(number), tuple(seqs), kept, len(sizes), sum(sizes.values())))
        return tuple(found)

    def _count_unnamed(self) -> tuple[int, int]:
        """How many blocks would go, and their bytes."""
        blocks = size = 0
        for unnamed in self._unnamed():
            sizes = self._store.blocks.sizes_sync(unnamed)
            blocks, size = blocks + len(sizes), size + sum(sizes.values())
        return blocks, size

    def _sweep(self) -> tuple[int, int]:
        """Remove the blocks that nobody names; gives how many, and their bytes."""
        store, census = self._store, self._census
        blocks = size = 0
        with store.blocks.collecting():
            for places in held_places().values():
                census.named |= {bytes.fromhex(digest) for digest, place in places.items() if place.commit < 0}
            census.look()
            census.read({})
            for unnamed in self._unnamed():
                removed = store.blocks.remove_unnamed_sync(unnamed)
                blocks, size = blocks + removed[0], size + removed[1]
                self._progress(f"{blocks} blocks removed, {size} bytes")
        try:
            store.blocks.shrink_sync(self._progress)
        except StoreFull as error:
            self._progress(f"the space stays with the file of the blocks: {error}")
        return blocks, size

    def _unnamed(self) -> Iterable[list[str]]:
        """The blocks that no commit which stays names, in pages."""
        for page in self._store.blocks.digest_pages_sync():
            unnamed = [digest for digest in page if bytes.fromhex(digest) not in self._census.named]
            if unnamed:
                yield unnamed


def _sizes(store: Store, digests: Collection[bytes]) -> dict[str, int]:
    """Bytes of those of the blocks that are stored."""
    found: dict[str, int] = {}
    texts = (digest.hex() for digest in digests)
    while page := list(itertools.islice(texts, _DIGESTS)):
        found |= store.blocks.sizes_sync(page)
    return found


def _silent(_line: str) -> None:
    """Progress that nobody reads."""
