"""What the engine gives a sandbox and gets back: one step, its calls, its end.

Everything here is decoded and bounded host data; raw frames end in ``inbound_untrusted``.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

__all__ = [
    "Action",
    "ActionKind",
    "CallAnswer",
    "CallHandler",
    "CallKind",
    "CallRequest",
    "Component",
    "Death",
    "DeathCause",
    "FetchBlocks",
    "Form",
    "LostValue",
    "Outcome",
    "OutputItem",
    "OutputKind",
    "RestoreOptions",
    "StepEnd",
    "StepInput",
    "StepLimits",
    "StepResult",
    "StepUsage",
    "ToolSpec",
    "WorkFile",
    "Workspace",
]

FetchBlocks = Callable[[Sequence[str]], Awaitable[Mapping[str, bytes]]]
"""Gives the data of blocks by digest, of all that it is asked for."""


class OutputKind(enum.Enum):
    """Where a console element came from."""

    PRINT = 1
    ECHO = 2
    ERROR = 3
    STREAM = 4
    NOTE = 5


class ActionKind(enum.Enum):
    """What an action of a step is; see the proto enum."""

    CODE = 1
    TOOL = 2
    REFUSED = 3


class CallKind(enum.Enum):
    """What the code asks of the host."""

    TOOL = 1
    METHOD = 2
    GET_ATTRIBUTE = 3
    SET_ATTRIBUTE = 4
    ITEM = 5
    AWAIT = 6
    NAME = 7


class Outcome(enum.Enum):
    """How a step that ended by itself ended."""

    OK = 1
    ERROR = 2
    EXIT = 3


class Form(enum.Enum):
    """How a component is serialized."""

    GRAPH = 1
    OPAQUE = 2


class DeathCause(enum.Enum):
    """The grammar of death. LOST is the environment's fault, every other the code's."""

    FINISHED = "finished"
    DEADLINE = "deadline"
    MEMORY = "memory"
    CRASHED = "crashed"
    VIOLATION = "violation"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class StepLimits:
    """What one executor may use; see the proto message Limits. Zero means no limit of this kind."""

    memory_bytes: int = 400 << 20
    cpu_seconds: int = 0
    open_files: int = 128
    file_bytes: int = 64 << 20
    threads: int = 32
    output_head_bytes: int = 32 << 10
    output_tail_bytes: int = 16 << 10
    work_bytes: int = 64 << 20
    work_files: int = 1024
    checkpoint_bytes: int = 256 << 20
    frame_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """How an executor treats the workspace that it is given; see the proto message Restore.

    Attributes:
        shared_context: the job uses, or will use, a shared context.
        unsaved: no step saves the workspace.
        one_step: the runner is ended after its first step.
    """

    shared_context: bool = False
    unsaved: bool = False
    one_step: bool = False


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A Python tool as the workspace sees it.

    Attributes:
        name, signature, doc: for help and errors.
        objects: parameters for which a text that is the name of a variable stands for the variable.
        subject: a parameter that takes code, which is sent as a description; empty for none.
    """

    name: str
    signature: str
    doc: str
    objects: tuple[str, ...] = ()
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that runs before the step's own code, with an output of its own.

    Attributes:
        kind: which of the rest is used.
        code: Python source.
        tool: name of a tool.
        args: graph form of its ``[positional list, keyword dict]``.
        error_type, error_message: why the host refused it.
    """

    kind: ActionKind
    code: str = ""
    tool: str = ""
    args: bytes = b""
    error_type: str = ""
    error_message: str = ""


@dataclass(frozen=True, slots=True)
class Component:
    """Variables that share mutable objects, serialized together.

    Attributes:
        names: the variables, sorted.
        form: whether the host can read it.
        blocks: digests of the blocks whose concatenation is the serialized component.
        size_bytes: length of that concatenation.
        previews: one bounded line per name.
    """

    names: tuple[str, ...]
    form: Form
    blocks: tuple[str, ...]
    size_bytes: int
    previews: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorkFile:
    """A file of /work: relative path, permission bits, size in bytes, block digests."""

    path: str
    mode: int
    size_bytes: int
    blocks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LostValue:
    """A variable or file that could not be kept, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Workspace:
    """Everything that a commit keeps of a sandbox."""

    components: tuple[Component, ...] = ()
    files: tuple[WorkFile, ...] = ()
    lost: tuple[LostValue, ...] = ()

    def digests(self) -> set[str]:
        """Of every block that it names."""
        parts = [*(component.blocks for component in self.components), *(file.blocks for file in self.files)]
        return {digest for blocks in parts for digest in blocks}


@dataclass(frozen=True, slots=True)
class StepInput:
    """One step to run.

    Attributes:
        step: number of the step within the job.
        code: Python source.
        time_us: microseconds since the epoch, the same for every re-run.
        seed: seeds ``random`` (and numpy where loaded), the same for every re-run.
        tools: the complete list of Python tools.
        handles: graph form of the states of the held handles (docs/handles.md).
        echo: whether expression statements echo their value.
        deadline_seconds: wall time of the step; time spent in host calls does not count.
        max_calls: host calls that the step may make.
        actions: run in order before the code.
        shared_context: whether names that the workspace does not have are asked of the host.
        shared_names: the names that the host has, which code may not assign to.
        enums: graph form of the enums of the agent's context, by name (``statek.context_enums``).
    """

    step: int
    code: str
    time_us: int
    seed: int
    tools: tuple[ToolSpec, ...] = ()
    handles: bytes = b""
    echo: bool = True
    deadline_seconds: float = 30.0
    max_calls: int = 10_000
    actions: tuple[Action, ...] = ()
    shared_context: bool = False
    shared_names: tuple[str, ...] = ()
    enums: bytes = b""


@dataclass(frozen=True, slots=True)
class OutputItem:
    """One console element; ``action`` 0 is the step's own code, n the n-th action."""

    kind: OutputKind
    text: str
    action: int = 0


@dataclass(frozen=True, slots=True)
class CallRequest:
    """One host call as the (hostile) code asked for it; ``args`` is still undecoded graph form."""

    step: int
    call: int
    kind: CallKind
    handle: int
    name: str
    args: bytes
    version: bytes


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """The host's answer: a value, or an error as data.

    Attributes:
        value: graph form of the value; empty when there is an error.
        error_type: exception type name to raise in the sandbox; empty on success.
        error_message: its text.
        handles: graph form of handle states that are new or changed.
        shown: texts that the sandbox prints before the call returns or raises.
    """

    value: bytes = b""
    error_type: str = ""
    error_message: str = ""
    handles: bytes = b""
    shown: tuple[str, ...] = ()


class CallHandler(Protocol):
    """The gateway, as the sandbox sees it."""

    async def call(self, request: CallRequest) -> CallAnswer:
        """Decide and carry out one host call. May raise StepAborted to end the step without an answer."""
        ...

    def output(self, item: OutputItem) -> None:
        """Take one console element of the running step (already bounded)."""
        ...


@dataclass(frozen=True, slots=True)
class StepUsage:
    """What a step took inside the runner; seconds and bytes, as the runner reports them."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    max_rss_bytes: int = 0
    checkpoint_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StepResult:
    """A step that ended by itself, with the whole workspace.

    Attributes:
        outcome: how it ended.
        error_type: exception type name for Outcome.ERROR.
        error_message: its text.
        exit_value: graph form of exit's argument for Outcome.EXIT.
        workspace: every component and file, changed or not.
        new_blocks: data by digest of the blocks that this step brought.
        held: handle ids still reachable from variables.
        statement: index of the last top-level statement begun.
        output_dropped_bytes: console bytes counted but not kept.
        usage: what it took.
        error_traceback: for Outcome.ERROR: where the exception came from, as the sandbox tells it.
    """

    outcome: Outcome
    error_type: str
    error_message: str
    exit_value: bytes
    workspace: Workspace
    new_blocks: Mapping[str, bytes]
    held: tuple[int, ...]
    statement: int
    output_dropped_bytes: int
    usage: StepUsage = field(default_factory=StepUsage)
    error_traceback: str = ""


@dataclass(frozen=True, slots=True)
class Death:
    """A step that was ended.

    Attributes:
        cause: which kind of death.
        detail: one sentence for the console and the audit.
        usage: what is known of it.
    """

    cause: DeathCause
    detail: str
    usage: StepUsage = field(default_factory=StepUsage)


StepEnd = StepResult | Death
