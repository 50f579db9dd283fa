"""What the commits of a store name: which blocks are stored for them, and which of them travel in which commit.

Read in short visits to the store thread, manifests decoded beside it. A commit is read once; what has been added since
is read when the census is brought up to date.

Preconditions:
    everything here blocks, on any thread but the store's and the event loop's.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from orchestrator.engine.elements import Commit, encode_commit
from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.manifest import BlockPlace, decode_manifest
from orchestrator.engine.telling import Progress
from orchestrator.store.store import Store
from statek.packing import unpack

__all__ = ["Census", "JobFacts"]

_VISIT_SECONDS = 0.003
_VISIT_BYTES = 1 << 20
"""What one visit to the store thread reads at most, one commit excepted."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What decides which commits of a job may go.

    Attributes:
        base: number of the job that it was forked from; 0 for none.
        first: number of its first commit of its own.
        count: how many commits it has, those of its base included.
        tags: the record's tags, as they are kept.
        history_bytes: as counted for its limit.
    """

    base: int
    first: int
    count: int
    tags: str
    history_bytes: int

    @property
    def tagged(self) -> Collection[int]:
        """The commits that have a name."""
        return set((unpack(self.tags) or {}).values())


class Census:
    """What is known so far.

    Attributes:
        facts: by number of the job.
        named: digests of stored blocks that a commit which stays names.
        released: by number of the job, those that its commits which go name.
        own: by number of the job, of the jobs that lose commits: those that its commits which stay name.
        own_bytes: likewise, the length of the commits that stay.
        carried: by job and commit, indices of the blocks in it that commits which stay, or runners, name.
        emptied: by number of the job, the commits that were dropped before; with True where there are blocks in them.
    """

    def __init__(self, store: Store, jobs: JobRepository, progress: Progress) -> None:
        self._store = store
        self._jobs = jobs
        self._progress = progress
        self._read_to: dict[int, int] = {}
        self.facts: dict[int, JobFacts] = {}
        self.named: set[bytes] = set()
        self.released: defaultdict[int, set[bytes]] = defaultdict(set)
        self.own: defaultdict[int, set[bytes]] = defaultdict(set)
        self.own_bytes: defaultdict[int, int] = defaultdict(int)
        self.carried: defaultdict[int, defaultdict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
        self.emptied: defaultdict[int, dict[int, bool]] = defaultdict(dict)

    # --------------------------------------------------------------------------------------- facts

    def look(self, numbers: Collection[int] | None = None) -> None:
        """Read the facts of these jobs (None: of all) and of those that are new."""
        last = self._store.read_sync(self._last)
        known = len(self.facts)
        wanted = deque(range(1, known + 1) if numbers is None else sorted(numbers))
        wanted.extend(range(known + 1, last + 1))
        while wanted:
            self.facts.update(self._store.read_sync(partial(self._facts_page, wanted)))

    def _last(self) -> int:
        return self._jobs.next_number() - 1

    def _facts_page(self, wanted: deque[int]) -> dict[int, JobFacts]:
        found: dict[int, JobFacts] = {}
        begun = time.perf_counter()
        while wanted and (not found or time.perf_counter() - begun < _VISIT_SECONDS):
            number = wanted.popleft()
            found[number] = self.facts_of(number)
        return found

    def facts_of(self, number: int) -> JobFacts:
        """The facts of a job as they are now (store thread)."""
        record = self._jobs.get(number)
        return JobFacts(
            base=record.base.number if record.base is not None else 0,
            first=record.base_commits,
            count=self._jobs.commit_count(record),
            tags=record.tags,
            history_bytes=record.history_bytes,
        )

    def owner(self, number: int, seq: int) -> int:
        """The job whose list has a commit of a job's past."""
        while seq < self.facts[number].first:
            number = self.facts[number].base
        return number

    def forks(self, number: int) -> dict[int, int]:
        """The jobs whose past a job's is, each with the first commit number that is not its past any more."""
        children = defaultdict(list)
        for other, facts in self.facts.items():
            if facts.base:
                children[facts.base].append(other)
        found: dict[int, int] = {}
        below = [(other, self.facts[number].count) for other in children[number]]
        while below:
            other, limit = below.pop()
            found[other] = min(limit, self.facts[other].first)
            below += [(child, found[other]) for child in children[other]]
        return found

    # ------------------------------------------------------------------------------------- commits

    def read(self, going: Mapping[int, frozenset[int]], numbers: Iterable[int] | None = None) -> None:
        """Read the commits of these jobs (None: of all) that were not read yet.

        Args:
            going: by number of the job, the commits that are to go; all others stay.
            numbers: the jobs.

        Raises:
            StoreDamaged: a commit does not read; what it names is not known.
        """
        chosen = self.facts if numbers is None else numbers
        work = deque(
            (number, seq)
            for number in chosen
            for seq in range(self._read_to.get(number, self.facts[number].first), self.facts[number].count)
        )
        total = len(work)
        for done, (number, commit) in enumerate(self._commits(work), start=1):
            leaves = commit.seq in going.get(number, ())
            self._enter(number, commit, leaves=leaves, counts=bool(going.get(number)))
            if done % 500 == 0 or done == total:
                self._progress(f"reading commits, {done} of {total}")
        for number in chosen:
            self._read_to[number] = self.facts[number].count

    def stay(self, number: int, seqs: Iterable[int]) -> None:
        """Take commits that were to go for ones that stay."""
        for _, commit in self._commits(deque((number, seq) for seq in seqs)):
            self._enter(number, commit, leaves=False, counts=True)

    def _commits(self, work: deque[tuple[int, int]]) -> Iterator[tuple[int, Commit]]:
        while work:
            yield from self._store.read_sync(partial(self._commits_page, work))

    def _commits_page(self, work: deque[tuple[int, int]]) -> list[tuple[int, Commit]]:
        """Some commits (store thread)."""
        found: list[tuple[int, Commit]] = []
        begun, size = time.perf_counter(), 0
        while work and (not found or (time.perf_counter() - begun < _VISIT_SECONDS and size < _VISIT_BYTES)):
            number, seq = work.popleft()
            commit = self._jobs.commit(self._jobs.get(number), seq)
            found.append((number, commit))
            size += len(commit.manifest) + sum(map(len, commit.blocks))
        return found

    def _enter(self, number: int, commit: Commit, *, leaves: bool, counts: bool) -> None:
        if commit.dropped_us:
            holds = self.emptied[number][commit.seq] = any(commit.blocks)
            if counts and not holds:
                self.own_bytes[number] += len(encode_commit(commit))
            return
        places = decode_manifest(commit.manifest).places
        stored = {bytes.fromhex(digest) for digest, place in places.items() if place.commit < 0}
        if leaves:
            self.released[number] |= stored
            return
        self.named |= stored
        self.carry(number, places)
        if counts:
            self.own[number] |= stored
            self.own_bytes[number] += len(encode_commit(commit))

    def carry(self, number: int, places: Mapping[str, BlockPlace]) -> None:
        """Note which blocks in commits are named by a commit of a job, or by its runner."""
        for place in places.values():
            if place.commit >= 0:
                self.carried[self.owner(number, place.commit)][place.commit].add(place.index)

    def base_blocks(self, number: int) -> set[bytes]:
        """Stored blocks that the commit names which a job was forked from; empty for no fork."""
        facts = self.facts[number]
        if not facts.base:
            return set()
        owner = self.owner(number, facts.first - 1)
        [(_, commit)] = self._commits(deque([(owner, facts.first - 1)]))
        places = decode_manifest(commit.manifest).places
        return {bytes.fromhex(digest) for digest, place in places.items() if place.commit < 0}
