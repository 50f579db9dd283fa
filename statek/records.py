"""The durable records of jobs: what a restart finds.

Plain dbzero memo classes without behaviour. They are created, read and changed on the store thread
only (design: one store thread); ``statek.executors.job`` gives applications a view of them, the
orchestrator's engine drives them.

What a job collects as it works (chat log, ends of steps, commits, journals) is kept as packed bytes elements in lists
of the job, and no memo object is made for it: each flush of dbzero writes more pages, and each write of an attribute
takes longer, the more memo objects a prefix has (measured: docs/performance.md). ``orchestrator.engine.jobs`` alone
reads and writes these lists; ``orchestrator.engine.elements`` says what an element holds.

Texts that come from models, users or sandboxes may hold NUL or lone surrogates, which dbzero cuts or
refuses; they are kept as ASCII JSON or as bytes (``statek.packing``). Bytes longer than dbzero's 64 KB element
limit are kept as several pieces. Every field is set in ``__init__``; fields added later get a class
attribute as default, so old objects still read.
"""

from __future__ import annotations

from typing import Any

from statek.durable import memo

__all__ = ["RECORD_FORMAT", "JobRecord", "ServiceRecord"]

RECORD_FORMAT = 2
"""Form of the records below. 1 kept chat items and commits as memo objects; a store of another form is refused."""


@memo(id="statek.ServiceRecord")
class ServiceRecord:
    """The root of a prefix: every job, by number and by id.

    Attributes:
        record_format: the form in which this store's jobs are kept.
        jobs: JobRecords in order of creation; number n is at index n - 1.
        application: the application's own named roots (for example its calendar).
        reminders: JSON of the stored forms of reminders by role (statek.reminders); empty before the first.
        agents: JSON of what is known of each agent by role (statek.agents.registry); empty before the first.
        definition_errors: stored forms of ``statek.definition_errors`` by digest of the definition; None before the
            first.
        definition_errors_us: by the same digests, when the newest error came (microseconds UTC); those of before this
            field are not in it.
    """

    record_format = 1
    reminders = ""
    agents = ""
    definition_errors: Any = None
    definition_errors_us: Any = None

    def __init__(self) -> None:
        self.record_format = RECORD_FORMAT
        self.jobs: Any = []
        self.application: Any = {}
        self.reminders = ""
        self.agents = ""
        self.definition_errors = None
        self.definition_errors_us: Any = None


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
        chat: packed chat items in order, as they were when they were added.
        ends: packed ends of steps; that of step n is at index n - 1.
        commits: packed commits; commit n is at index n.
        journal: pieces of the journals that were written while their steps ran, one after the other; None while there
            are none. An end of a step, or ``flight``, says which are its.
        overflow: pieces of elements that are too long for one; None while there are none.
        flight: the step in flight (its code is durable, its end is not) as a packed text; empty while there is none.
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
        awaited: JSON of the futures that its step waits for (orchestrator.engine.futures), empty for none.
        waiting_console: JSON list of what a waiting step has printed, for people; empty for nothing.
        tier, image_digest: of the last runner that ran a step.
        answered: its newest reply was a text that ends the job.
        dialog_length: messages of its dialog, of both sides.
        error_handlers: what is called if it fails (statek.error_handlers); empty for nothing.
        difficulty: letter of the TaskDifficulty that it was raised to; empty while it has its first one.
        num_completions: how often a user message made it go on after it was done.
        inbox: entries that wait for a safe moment (statek.inbox), or None before the first.
        request_ids: JSON list of the newest request ids that pushed something.
        parent: the JobRecord that gave it its work, or None.
        depth: how many jobs are above it.
        detached: it goes on when its parent is cancelled.
        muted: what it says is kept for whoever gave it its work, and not sent to a user.
        handler: the SubTaskHandler that says what becomes of its work, or None.
        newest_handler: the handler of a sub-task of its own that it was told of last, or None.
        origin: of a job that was imported, JSON of where it came from (orchestrator.engine.porting); else empty.
        shared_binding: JSON list of the specifiers of its shared context (statek.shared_context); empty for none.
        shared_read_only: whether it may not write to it.
        mode: value of its JobMode, as in its definition; empty for durable.
        runner_held: a runner has, or had, the variables of this live job.
        memory: JSON object of what its tools remember (``ToolContext.job.memory_set``); empty while there is nothing.
        tags: JSON object of the names that people gave to commits: number by name; empty while there are none.
        base: the job that this one was forked from, or None. What came before the fork is read there.
        history_bytes: length of its own commits and of the blocks that they brought, without what was dropped.
        base_items, base_steps, base_commits: how much of its chat log, steps and commits is this job's past too; the
            lists of this job go on from there.
        feed: the statek.event_feed.EventFeed of its tenant; None before its first event.
    """

    difficulty = ""
    inbox: Any = None
    request_ids = ""
    num_completions = 0
    memory = ""
    parent: Any = None
    depth = 0
    detached = False
    muted = False
    handler: Any = None
    newest_handler: Any = None
    tags = ""
    base: Any = None
    base_items = 0
    base_steps = 0
    base_commits = 0
    history_bytes = 0
    shared_binding = ""
    shared_read_only = False
    mode = ""
    runner_held = False
    awaited = ""
    waiting_console = ""
    origin = ""
    feed: Any = None

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
        self.ends: Any = []
        self.commits: Any = []
        self.journal: Any = None
        self.overflow: Any = None
        self.flight = ""
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
        self.awaited = ""
        self.waiting_console = ""
        self.tier = ""
        self.image_digest = ""
        self.answered = False
        self.error_handlers = ""
        self.dialog_length = 0
        self.difficulty = ""
        self.inbox = None
        self.request_ids = ""
        self.num_completions = 0
        self.memory = ""
        self.parent = None
        self.depth = 0
        self.detached = False
        self.muted = False
        self.handler = None
        self.newest_handler = None
        self.tags = ""
        self.base = None
        self.base_items = 0
        self.base_steps = 0
        self.base_commits = 0
        self.history_bytes = 0
        self.origin = ""
        self.shared_binding = ""
        self.shared_read_only = False
        self.mode = ""
        self.runner_held = False
        self.feed = None
