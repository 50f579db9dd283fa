"""The durable records of jobs: what a restart finds.

Plain dbzero memo classes without behaviour. They are created, read and changed on the store thread
only (design: one store thread); ``statek.executors.job`` gives applications a view of them, the
orchestrator's engine drives them.

Texts that come from models, users or sandboxes may hold NUL or lone surrogates, which dbzero cuts or
refuses; they are kept as ASCII JSON (``statek.packing``). Bytes longer than dbzero's 64 KB element
limit are kept as lists of pieces. Every field is set in ``__init__``; fields added later get a class
attribute as default, so old objects still read.
"""

from __future__ import annotations

from typing import Any

from statek.durable import memo

__all__ = ["ChatItemRecord", "CommitRecord", "JobRecord", "ServiceRecord"]


@memo(id="statek.ServiceRecord")
class ServiceRecord:
    """The root of a prefix: every job, by number and by id.

    Attributes:
        jobs: JobRecords in order of creation; number n is at index n - 1.
        application: the application's own named roots (for example its calendar).
    """

    def __init__(self) -> None:
        self.jobs: Any = []
        self.application: Any = {}


@memo(id="statek.JobRecord")
class JobRecord:
    """One job.

    Attributes:
        number: 1, 2, 3 ... in the prefix; the id is ``j<number>``.
        tenant, role, principal: owner, agent role, on whose behalf.
        definition: JSON of the frozen JobDefinition.
        status: name of a JobStatus.
        reason: why it waits or how it ended; empty while all is well.
        failure: JSON ``{"kind", "type", "message"}`` of a job that ended by failure, else empty.
        created_us, changed_us: microseconds UTC.
        chat: ChatItemRecords in order.
        current: the chat item whose code is in flight (begun, not committed), or None.
        commits: CommitRecords; commit n is at index n.
        grants: what the job's handles stand for (orchestrator.engine.objects).
        warmup_next: index of the next warmup block.
        next_step: number of the next step, from 1.
        turns, exceptions, consecutive_exceptions: harness counters.
        input_tokens, cached_tokens, output_tokens, cost_microusd: model usage.
        repeated_replies: starts of the service that may have lost a reply before it was durable, so that the model
            was asked, and paid, again.
        cpu_us: CPU time inside the sandbox.
        exit_status: graph form of what was passed to exit(...), None while there is none.
        cancel_requested: reason given by whoever cancelled, empty otherwise.
        tier, image_digest: of the last runner that ran a step.
        difficulty: letter of the TaskDifficulty that it was raised to; empty while it has its first one.
        num_completions: how often a user message made it go on after it was done.
        inbox: entries that wait for a safe moment (statek.inbox), or None before the first.
        request_ids: JSON list of the newest request ids that pushed something.
        memory: JSON object of what its tools remember (``ToolContext.job.memory_set``); empty while there is nothing.
    """

    difficulty = ""
    inbox: Any = None
    request_ids = ""
    num_completions = 0
    memory = ""

    def __init__(
        self, number: int, tenant: str, role: str, principal: str, definition: str, created_us: int, grants: Any
    ) -> None:
        self.number = number
        self.tenant = tenant
        self.role = role
        self.principal = principal
        self.definition = definition
        self.status = "READY"
        self.reason = ""
        self.failure = ""
        self.created_us = created_us
        self.changed_us = created_us
        self.chat: Any = []
        self.current: Any = None
        self.commits: Any = []
        self.grants = grants
        self.warmup_next = 0
        self.next_step = 1
        self.turns = 0
        self.exceptions = 0
        self.consecutive_exceptions = 0
        self.input_tokens = 0
        self.cached_tokens = 0
        self.output_tokens = 0
        self.cost_microusd = 0
        self.repeated_replies = 0
        self.cpu_us = 0
        self.exit_status: Any = None
        self.cancel_requested = ""
        self.tier = ""
        self.image_digest = ""
        self.difficulty = ""
        self.inbox = None
        self.request_ids = ""
        self.num_completions = 0
        self.memory = ""


@memo(id="statek.ChatItemRecord")
class ChatItemRecord:
    """One entry of the chat log; for a warmup block or a model reply also the step that ran it.

    Attributes:
        kind: ``user``, ``warmup``, ``reply``, ``system`` or ``notification``.
        at_us: when it became durable, microseconds UTC.
        text: JSON text: the message, or the reply as stored for history.
        step: number of its step; 0 where nothing is to be run.
        code: JSON text of the Python source.
        state: ``none`` | ``waiting`` (not begun) | ``begun`` | ``committed`` | ``died``.
        attempts: how often the step was begun.
        crashes: orchestrator starts that found it begun.
        put_downs: runs that were ended in good order without an end of the step (a planned stop, a call in doubt).
        start_commit, end_commit: number of the commit it saw and of the one it made (-1: none yet).
        journal: pieces of the journal, in order: bytes while there is one, then a list (orchestrator.engine.journal).
        console: JSON list of ``[kind, text]``.
        outcome: JSON ``{"outcome", "type", "message", "detail"}`` once the step ended.
        usage: JSON of model usage (replies) and sandbox usage (steps).
    """

    put_downs = 0

    def __init__(self, kind: str, at_us: int, text: str, step: int, code: str, state: str, start_commit: int) -> None:
        self.kind = kind
        self.at_us = at_us
        self.text = text
        self.step = step
        self.code = code
        self.state = state
        self.attempts = 0
        self.crashes = 0
        self.put_downs = 0
        self.start_commit = start_commit
        self.end_commit = -1
        self.journal: Any = b""
        self.console = "[]"
        self.outcome = ""
        self.usage = "{}"


@memo(id="statek.CommitRecord")
class CommitRecord:
    """The durable end of a step: the whole workspace as references.

    Attributes:
        seq: index in the job's commits.
        parent: seq it was made from; -1 for the first.
        kind: ``start`` or ``step``.
        step: the step that made it; 0 for the start.
        at_us: microseconds UTC.
        changed: JSON list of the names of variables and files that differ from the parent.
        manifest: graph form of the workspace: bytes, or a list of pieces (orchestrator.engine.manifest).
        inline: small blocks that travel in the commit: graph form of their list, or the list itself where they are more
            than an element holds (the start commit).
        image_digest: of the runner that made it; empty for the start.
        state_num: number of the prefix state it was written in.
        usage: JSON of the step's sandbox usage.
    """

    def __init__(
        self,
        seq: int,
        parent: int,
        kind: str,
        step: int,
        at_us: int,
        changed: str,
        manifest: Any,
        inline: Any,
        image_digest: str,
        state_num: int,
        usage: str,
    ) -> None:
        self.seq = seq
        self.parent = parent
        self.kind = kind
        self.step = step
        self.at_us = at_us
        self.changed = changed
        self.manifest = manifest
        self.inline = inline
        self.image_digest = image_digest
        self.state_num = state_num
        self.usage = usage
