from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Cause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAUSE_UNSPECIFIED: _ClassVar[Cause]
    CAUSE_FINISHED: _ClassVar[Cause]
    CAUSE_DEADLINE: _ClassVar[Cause]
    CAUSE_MEMORY: _ClassVar[Cause]
    CAUSE_CRASHED: _ClassVar[Cause]
    CAUSE_VIOLATION: _ClassVar[Cause]
    CAUSE_LOST: _ClassVar[Cause]

class OutputKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTPUT_KIND_UNSPECIFIED: _ClassVar[OutputKind]
    OUTPUT_KIND_PRINT: _ClassVar[OutputKind]
    OUTPUT_KIND_ECHO: _ClassVar[OutputKind]
    OUTPUT_KIND_ERROR: _ClassVar[OutputKind]
    OUTPUT_KIND_STREAM: _ClassVar[OutputKind]
    OUTPUT_KIND_NOTE: _ClassVar[OutputKind]

class CallKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CALL_KIND_UNSPECIFIED: _ClassVar[CallKind]
    CALL_KIND_TOOL: _ClassVar[CallKind]
    CALL_KIND_METHOD: _ClassVar[CallKind]
    CALL_KIND_GET_ATTRIBUTE: _ClassVar[CallKind]
    CALL_KIND_SET_ATTRIBUTE: _ClassVar[CallKind]
    CALL_KIND_ITEM: _ClassVar[CallKind]
    CALL_KIND_AWAIT: _ClassVar[CallKind]
    CALL_KIND_NAME: _ClassVar[CallKind]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_OK: _ClassVar[Outcome]
    OUTCOME_ERROR: _ClassVar[Outcome]
    OUTCOME_EXIT: _ClassVar[Outcome]

class Form(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FORM_UNSPECIFIED: _ClassVar[Form]
    FORM_GRAPH: _ClassVar[Form]
    FORM_OPAQUE: _ClassVar[Form]

class ActionKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTION_KIND_UNSPECIFIED: _ClassVar[ActionKind]
    ACTION_KIND_CODE: _ClassVar[ActionKind]
    ACTION_KIND_TOOL: _ClassVar[ActionKind]
    ACTION_KIND_REFUSED: _ClassVar[ActionKind]
CAUSE_UNSPECIFIED: Cause
CAUSE_FINISHED: Cause
CAUSE_DEADLINE: Cause
CAUSE_MEMORY: Cause
CAUSE_CRASHED: Cause
CAUSE_VIOLATION: Cause
CAUSE_LOST: Cause
OUTPUT_KIND_UNSPECIFIED: OutputKind
OUTPUT_KIND_PRINT: OutputKind
OUTPUT_KIND_ECHO: OutputKind
OUTPUT_KIND_ERROR: OutputKind
OUTPUT_KIND_STREAM: OutputKind
OUTPUT_KIND_NOTE: OutputKind
CALL_KIND_UNSPECIFIED: CallKind
CALL_KIND_TOOL: CallKind
CALL_KIND_METHOD: CallKind
CALL_KIND_GET_ATTRIBUTE: CallKind
CALL_KIND_SET_ATTRIBUTE: CallKind
CALL_KIND_ITEM: CallKind
CALL_KIND_AWAIT: CallKind
CALL_KIND_NAME: CallKind
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_OK: Outcome
OUTCOME_ERROR: Outcome
OUTCOME_EXIT: Outcome
FORM_UNSPECIFIED: Form
FORM_GRAPH: Form
FORM_OPAQUE: Form
ACTION_KIND_UNSPECIFIED: ActionKind
ACTION_KIND_CODE: ActionKind
ACTION_KIND_TOOL: ActionKind
ACTION_KIND_REFUSED: ActionKind

class FromRunner(_message.Message):
    __slots__ = ("seq", "hello", "pong", "ready", "executor", "death", "executors")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    DEATH_FIELD_NUMBER: _ClassVar[int]
    EXECUTORS_FIELD_NUMBER: _ClassVar[int]
    seq: int
    hello: Hello
    pong: Pong
    ready: Ready
    executor: bytes
    death: ExecutorDeath
    executors: ExecutorFrames
    def __init__(self, seq: _Optional[int] = ..., hello: _Optional[_Union[Hello, _Mapping]] = ..., pong: _Optional[_Union[Pong, _Mapping]] = ..., ready: _Optional[_Union[Ready, _Mapping]] = ..., executor: _Optional[bytes] = ..., death: _Optional[_Union[ExecutorDeath, _Mapping]] = ..., executors: _Optional[_Union[ExecutorFrames, _Mapping]] = ...) -> None: ...

class ExecutorFrames(_message.Message):
    __slots__ = ("frames",)
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, frames: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("protocol", "python_version", "image_digest", "landlock_abi", "seccomp", "separate_uids")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    PYTHON_VERSION_FIELD_NUMBER: _ClassVar[int]
    IMAGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    LANDLOCK_ABI_FIELD_NUMBER: _ClassVar[int]
    SECCOMP_FIELD_NUMBER: _ClassVar[int]
    SEPARATE_UIDS_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    python_version: str
    image_digest: str
    landlock_abi: int
    seccomp: bool
    separate_uids: bool
    def __init__(self, protocol: _Optional[int] = ..., python_version: _Optional[str] = ..., image_digest: _Optional[str] = ..., landlock_abi: _Optional[int] = ..., seccomp: _Optional[bool] = ..., separate_uids: _Optional[bool] = ...) -> None: ...

class Pong(_message.Message):
    __slots__ = ("nonce",)
    NONCE_FIELD_NUMBER: _ClassVar[int]
    nonce: int
    def __init__(self, nonce: _Optional[int] = ...) -> None: ...

class Ready(_message.Message):
    __slots__ = ("pid", "lockdown_ms")
    PID_FIELD_NUMBER: _ClassVar[int]
    LOCKDOWN_MS_FIELD_NUMBER: _ClassVar[int]
    pid: int
    lockdown_ms: float
    def __init__(self, pid: _Optional[int] = ..., lockdown_ms: _Optional[float] = ...) -> None: ...

class ExecutorDeath(_message.Message):
    __slots__ = ("cause", "exit_code", "signal", "max_rss_bytes", "cpu_seconds", "detail")
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    MAX_RSS_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    cause: Cause
    exit_code: int
    signal: int
    max_rss_bytes: int
    cpu_seconds: float
    detail: str
    def __init__(self, cause: _Optional[_Union[Cause, str]] = ..., exit_code: _Optional[int] = ..., signal: _Optional[int] = ..., max_rss_bytes: _Optional[int] = ..., cpu_seconds: _Optional[float] = ..., detail: _Optional[str] = ...) -> None: ...

class ToRunner(_message.Message):
    __slots__ = ("seq", "welcome", "ping", "claim", "executor")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    seq: int
    welcome: Welcome
    ping: Ping
    claim: Claim
    executor: HostFrame
    def __init__(self, seq: _Optional[int] = ..., welcome: _Optional[_Union[Welcome, _Mapping]] = ..., ping: _Optional[_Union[Ping, _Mapping]] = ..., claim: _Optional[_Union[Claim, _Mapping]] = ..., executor: _Optional[_Union[HostFrame, _Mapping]] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("protocol", "max_frame_bytes")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    MAX_FRAME_BYTES_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    max_frame_bytes: int
    def __init__(self, protocol: _Optional[int] = ..., max_frame_bytes: _Optional[int] = ...) -> None: ...

class Ping(_message.Message):
    __slots__ = ("nonce",)
    NONCE_FIELD_NUMBER: _ClassVar[int]
    nonce: int
    def __init__(self, nonce: _Optional[int] = ...) -> None: ...

class Claim(_message.Message):
    __slots__ = ("limits",)
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    limits: Limits
    def __init__(self, limits: _Optional[_Union[Limits, _Mapping]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("memory_bytes", "cpu_seconds", "open_files", "file_bytes", "threads", "output_head_bytes", "output_tail_bytes", "work_bytes", "work_files", "checkpoint_bytes", "frame_bytes")
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    OPEN_FILES_FIELD_NUMBER: _ClassVar[int]
    FILE_BYTES_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_HEAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TAIL_BYTES_FIELD_NUMBER: _ClassVar[int]
    WORK_BYTES_FIELD_NUMBER: _ClassVar[int]
    WORK_FILES_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_BYTES_FIELD_NUMBER: _ClassVar[int]
    FRAME_BYTES_FIELD_NUMBER: _ClassVar[int]
    memory_bytes: int
    cpu_seconds: int
    open_files: int
    file_bytes: int
    threads: int
    output_head_bytes: int
    output_tail_bytes: int
    work_bytes: int
    work_files: int
    checkpoint_bytes: int
    frame_bytes: int
    def __init__(self, memory_bytes: _Optional[int] = ..., cpu_seconds: _Optional[int] = ..., open_files: _Optional[int] = ..., file_bytes: _Optional[int] = ..., threads: _Optional[int] = ..., output_head_bytes: _Optional[int] = ..., output_tail_bytes: _Optional[int] = ..., work_bytes: _Optional[int] = ..., work_files: _Optional[int] = ..., checkpoint_bytes: _Optional[int] = ..., frame_bytes: _Optional[int] = ...) -> None: ...

class HostFrame(_message.Message):
    __slots__ = ("frame", "deadline_ms")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    frame: bytes
    deadline_ms: int
    def __init__(self, frame: _Optional[bytes] = ..., deadline_ms: _Optional[int] = ...) -> None: ...

class FromExecutor(_message.Message):
    __slots__ = ("restored", "started", "output", "call", "block", "finished")
    RESTORED_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    restored: Restored
    started: StepStarted
    output: Output
    call: HostCall
    block: Block
    finished: StepFinished
    def __init__(self, restored: _Optional[_Union[Restored, _Mapping]] = ..., started: _Optional[_Union[StepStarted, _Mapping]] = ..., output: _Optional[_Union[Output, _Mapping]] = ..., call: _Optional[_Union[HostCall, _Mapping]] = ..., block: _Optional[_Union[Block, _Mapping]] = ..., finished: _Optional[_Union[StepFinished, _Mapping]] = ...) -> None: ...

class Restored(_message.Message):
    __slots__ = ("lost",)
    LOST_FIELD_NUMBER: _ClassVar[int]
    lost: _containers.RepeatedCompositeFieldContainer[Lost]
    def __init__(self, lost: _Optional[_Iterable[_Union[Lost, _Mapping]]] = ...) -> None: ...

class StepStarted(_message.Message):
    __slots__ = ("step",)
    STEP_FIELD_NUMBER: _ClassVar[int]
    step: int
    def __init__(self, step: _Optional[int] = ...) -> None: ...

class Output(_message.Message):
    __slots__ = ("step", "kind", "text", "action")
    STEP_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    step: int
    kind: OutputKind
    text: str
    action: int
    def __init__(self, step: _Optional[int] = ..., kind: _Optional[_Union[OutputKind, str]] = ..., text: _Optional[str] = ..., action: _Optional[int] = ...) -> None: ...

class HostCall(_message.Message):
    __slots__ = ("step", "call", "kind", "handle", "name", "args", "version")
    STEP_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    step: int
    call: int
    kind: CallKind
    handle: int
    name: str
    args: bytes
    version: bytes
    def __init__(self, step: _Optional[int] = ..., call: _Optional[int] = ..., kind: _Optional[_Union[CallKind, str]] = ..., handle: _Optional[int] = ..., name: _Optional[str] = ..., args: _Optional[bytes] = ..., version: _Optional[bytes] = ...) -> None: ...

class Block(_message.Message):
    __slots__ = ("id", "data")
    ID_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    id: int
    data: bytes
    def __init__(self, id: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class Component(_message.Message):
    __slots__ = ("names", "form", "blocks", "size_bytes", "previews")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    FORM_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PREVIEWS_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    form: Form
    blocks: _containers.RepeatedScalarFieldContainer[int]
    size_bytes: int
    previews: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ..., form: _Optional[_Union[Form, str]] = ..., blocks: _Optional[_Iterable[int]] = ..., size_bytes: _Optional[int] = ..., previews: _Optional[_Iterable[str]] = ...) -> None: ...

class File(_message.Message):
    __slots__ = ("path", "mode", "size_bytes", "blocks")
    PATH_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    path: str
    mode: int
    size_bytes: int
    blocks: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, path: _Optional[str] = ..., mode: _Optional[int] = ..., size_bytes: _Optional[int] = ..., blocks: _Optional[_Iterable[int]] = ...) -> None: ...

class Lost(_message.Message):
    __slots__ = ("name", "reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    reason: str
    def __init__(self, name: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class StepFinished(_message.Message):
    __slots__ = ("step", "outcome", "error_type", "error_message", "exit_value", "components", "files", "lost", "held", "statement", "output_dropped_bytes", "usage", "error_traceback")
    STEP_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    ERROR_TYPE_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    EXIT_VALUE_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_DROPPED_BYTES_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_TRACEBACK_FIELD_NUMBER: _ClassVar[int]
    step: int
    outcome: Outcome
    error_type: str
    error_message: str
    exit_value: bytes
    components: _containers.RepeatedCompositeFieldContainer[Component]
    files: _containers.RepeatedCompositeFieldContainer[File]
    lost: _containers.RepeatedCompositeFieldContainer[Lost]
    held: _containers.RepeatedScalarFieldContainer[int]
    statement: int
    output_dropped_bytes: int
    usage: Usage
    error_traceback: str
    def __init__(self, step: _Optional[int] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., error_type: _Optional[str] = ..., error_message: _Optional[str] = ..., exit_value: _Optional[bytes] = ..., components: _Optional[_Iterable[_Union[Component, _Mapping]]] = ..., files: _Optional[_Iterable[_Union[File, _Mapping]]] = ..., lost: _Optional[_Iterable[_Union[Lost, _Mapping]]] = ..., held: _Optional[_Iterable[int]] = ..., statement: _Optional[int] = ..., output_dropped_bytes: _Optional[int] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., error_traceback: _Optional[str] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("wall_seconds", "cpu_seconds", "max_rss_bytes", "checkpoint_seconds")
    WALL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MAX_RSS_BYTES_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    wall_seconds: float
    cpu_seconds: float
    max_rss_bytes: int
    checkpoint_seconds: float
    def __init__(self, wall_seconds: _Optional[float] = ..., cpu_seconds: _Optional[float] = ..., max_rss_bytes: _Optional[int] = ..., checkpoint_seconds: _Optional[float] = ...) -> None: ...

class ToExecutor(_message.Message):
    __slots__ = ("block", "restore", "run", "result", "blocks")
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    RESTORE_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    block: Block
    restore: Restore
    run: RunStep
    result: CallResult
    blocks: Blocks
    def __init__(self, block: _Optional[_Union[Block, _Mapping]] = ..., restore: _Optional[_Union[Restore, _Mapping]] = ..., run: _Optional[_Union[RunStep, _Mapping]] = ..., result: _Optional[_Union[CallResult, _Mapping]] = ..., blocks: _Optional[_Union[Blocks, _Mapping]] = ...) -> None: ...

class Blocks(_message.Message):
    __slots__ = ("blocks",)
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    blocks: _containers.RepeatedCompositeFieldContainer[Block]
    def __init__(self, blocks: _Optional[_Iterable[_Union[Block, _Mapping]]] = ...) -> None: ...

class Restore(_message.Message):
    __slots__ = ("components", "files", "lost", "shared_context", "unsaved", "one_step")
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    SHARED_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    UNSAVED_FIELD_NUMBER: _ClassVar[int]
    ONE_STEP_FIELD_NUMBER: _ClassVar[int]
    components: _containers.RepeatedCompositeFieldContainer[Component]
    files: _containers.RepeatedCompositeFieldContainer[File]
    lost: _containers.RepeatedCompositeFieldContainer[Lost]
    shared_context: bool
    unsaved: bool
    one_step: bool
    def __init__(self, components: _Optional[_Iterable[_Union[Component, _Mapping]]] = ..., files: _Optional[_Iterable[_Union[File, _Mapping]]] = ..., lost: _Optional[_Iterable[_Union[Lost, _Mapping]]] = ..., shared_context: _Optional[bool] = ..., unsaved: _Optional[bool] = ..., one_step: _Optional[bool] = ...) -> None: ...

class ToolSpec(_message.Message):
    __slots__ = ("name", "signature", "doc", "objects", "subject")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    DOC_FIELD_NUMBER: _ClassVar[int]
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    name: str
    signature: str
    doc: str
    objects: _containers.RepeatedScalarFieldContainer[str]
    subject: str
    def __init__(self, name: _Optional[str] = ..., signature: _Optional[str] = ..., doc: _Optional[str] = ..., objects: _Optional[_Iterable[str]] = ..., subject: _Optional[str] = ...) -> None: ...

class Action(_message.Message):
    __slots__ = ("kind", "code", "tool", "args", "error_type", "error_message")
    KIND_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    ERROR_TYPE_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    kind: ActionKind
    code: str
    tool: str
    args: bytes
    error_type: str
    error_message: str
    def __init__(self, kind: _Optional[_Union[ActionKind, str]] = ..., code: _Optional[str] = ..., tool: _Optional[str] = ..., args: _Optional[bytes] = ..., error_type: _Optional[str] = ..., error_message: _Optional[str] = ...) -> None: ...

class RunStep(_message.Message):
    __slots__ = ("step", "code", "time_us", "seed", "tools", "handles", "echo", "max_calls", "actions", "shared_context", "shared_names", "enums")
    STEP_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    HANDLES_FIELD_NUMBER: _ClassVar[int]
    ECHO_FIELD_NUMBER: _ClassVar[int]
    MAX_CALLS_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    SHARED_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    SHARED_NAMES_FIELD_NUMBER: _ClassVar[int]
    ENUMS_FIELD_NUMBER: _ClassVar[int]
    step: int
    code: str
    time_us: int
    seed: int
    tools: _containers.RepeatedCompositeFieldContainer[ToolSpec]
    handles: bytes
    echo: bool
    max_calls: int
    actions: _containers.RepeatedCompositeFieldContainer[Action]
    shared_context: bool
    shared_names: _containers.RepeatedScalarFieldContainer[str]
    enums: bytes
    def __init__(self, step: _Optional[int] = ..., code: _Optional[str] = ..., time_us: _Optional[int] = ..., seed: _Optional[int] = ..., tools: _Optional[_Iterable[_Union[ToolSpec, _Mapping]]] = ..., handles: _Optional[bytes] = ..., echo: _Optional[bool] = ..., max_calls: _Optional[int] = ..., actions: _Optional[_Iterable[_Union[Action, _Mapping]]] = ..., shared_context: _Optional[bool] = ..., shared_names: _Optional[_Iterable[str]] = ..., enums: _Optional[bytes] = ...) -> None: ...

class CallResult(_message.Message):
    __slots__ = ("step", "call", "value", "error_type", "error_message", "handles", "shown")
    STEP_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    ERROR_TYPE_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    HANDLES_FIELD_NUMBER: _ClassVar[int]
    SHOWN_FIELD_NUMBER: _ClassVar[int]
    step: int
    call: int
    value: bytes
    error_type: str
    error_message: str
    handles: bytes
    shown: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, step: _Optional[int] = ..., call: _Optional[int] = ..., value: _Optional[bytes] = ..., error_type: _Optional[str] = ..., error_message: _Optional[str] = ..., handles: _Optional[bytes] = ..., shown: _Optional[_Iterable[str]] = ...) -> None: ...
