from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SubmitJobRequest(_message.Message):
    __slots__ = ("role", "variables", "message_text", "principal", "params", "locale", "chat_style", "mode")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_TEXT_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    CHAT_STYLE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    role: str
    variables: _containers.RepeatedCompositeFieldContainer[NamedValue]
    message_text: bytes
    principal: str
    params: _containers.RepeatedCompositeFieldContainer[NamedValue]
    locale: str
    chat_style: str
    mode: str
    def __init__(self, role: _Optional[str] = ..., variables: _Optional[_Iterable[_Union[NamedValue, _Mapping]]] = ..., message_text: _Optional[bytes] = ..., principal: _Optional[str] = ..., params: _Optional[_Iterable[_Union[NamedValue, _Mapping]]] = ..., locale: _Optional[str] = ..., chat_style: _Optional[str] = ..., mode: _Optional[str] = ...) -> None: ...

class NamedValue(_message.Message):
    __slots__ = ("name", "json", "graph")
    NAME_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    GRAPH_FIELD_NUMBER: _ClassVar[int]
    name: str
    json: bytes
    graph: bytes
    def __init__(self, name: _Optional[str] = ..., json: _Optional[bytes] = ..., graph: _Optional[bytes] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("newest", "before")
    NEWEST_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    newest: int
    before: str
    def __init__(self, newest: _Optional[int] = ..., before: _Optional[str] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetVariablesRequest(_message.Message):
    __slots__ = ("id", "at")
    ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    at: str
    def __init__(self, id: _Optional[str] = ..., at: _Optional[str] = ...) -> None: ...

class ListFilesRequest(_message.Message):
    __slots__ = ("id", "at")
    ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    at: str
    def __init__(self, id: _Optional[str] = ..., at: _Optional[str] = ...) -> None: ...

class ListCommitsRequest(_message.Message):
    __slots__ = ("id", "newest")
    ID_FIELD_NUMBER: _ClassVar[int]
    NEWEST_FIELD_NUMBER: _ClassVar[int]
    id: str
    newest: int
    def __init__(self, id: _Optional[str] = ..., newest: _Optional[int] = ...) -> None: ...

class GetCommitRequest(_message.Message):
    __slots__ = ("id", "at")
    ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    at: str
    def __init__(self, id: _Optional[str] = ..., at: _Optional[str] = ...) -> None: ...

class DiffCommitsRequest(_message.Message):
    __slots__ = ("id", "before", "after")
    ID_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    id: str
    before: str
    after: str
    def __init__(self, id: _Optional[str] = ..., before: _Optional[str] = ..., after: _Optional[str] = ...) -> None: ...

class TagCommitRequest(_message.Message):
    __slots__ = ("id", "at", "name", "delete")
    ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    id: str
    at: str
    name: str
    delete: bool
    def __init__(self, id: _Optional[str] = ..., at: _Optional[str] = ..., name: _Optional[str] = ..., delete: _Optional[bool] = ...) -> None: ...

class RollbackJobRequest(_message.Message):
    __slots__ = ("id", "at", "principal")
    ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    id: str
    at: str
    principal: str
    def __init__(self, id: _Optional[str] = ..., at: _Optional[str] = ..., principal: _Optional[str] = ...) -> None: ...

class ForkJobRequest(_message.Message):
    __slots__ = ("id", "at", "message_text", "principal")
    ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_TEXT_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    id: str
    at: str
    message_text: bytes
    principal: str
    def __init__(self, id: _Optional[str] = ..., at: _Optional[str] = ..., message_text: _Optional[bytes] = ..., principal: _Optional[str] = ...) -> None: ...

class ExportJobRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ImportJobRequest(_message.Message):
    __slots__ = ("head", "data")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    head: ImportHead
    data: bytes
    def __init__(self, head: _Optional[_Union[ImportHead, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class ImportHead(_message.Message):
    __slots__ = ("request_id", "principal")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    principal: str
    def __init__(self, request_id: _Optional[str] = ..., principal: _Optional[str] = ...) -> None: ...

class MigrateJobRequest(_message.Message):
    __slots__ = ("id", "image", "dry_run")
    ID_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    id: str
    image: str
    dry_run: bool
    def __init__(self, id: _Optional[str] = ..., image: _Optional[str] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class ReadFileRequest(_message.Message):
    __slots__ = ("id", "path_text")
    ID_FIELD_NUMBER: _ClassVar[int]
    PATH_TEXT_FIELD_NUMBER: _ClassVar[int]
    id: str
    path_text: bytes
    def __init__(self, id: _Optional[str] = ..., path_text: _Optional[bytes] = ...) -> None: ...

class FollowJobRequest(_message.Message):
    __slots__ = ("id", "start")
    ID_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    id: str
    start: int
    def __init__(self, id: _Optional[str] = ..., start: _Optional[int] = ...) -> None: ...

class ListEventsRequest(_message.Message):
    __slots__ = ("after", "match", "tenant", "count")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    after: int
    match: str
    tenant: str
    count: int
    def __init__(self, after: _Optional[int] = ..., match: _Optional[str] = ..., tenant: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class FollowEventsRequest(_message.Message):
    __slots__ = ("after", "match", "tenant")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    after: int
    match: str
    tenant: str
    def __init__(self, after: _Optional[int] = ..., match: _Optional[str] = ..., tenant: _Optional[str] = ...) -> None: ...

class WaitJobRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("id", "reason_text")
    ID_FIELD_NUMBER: _ClassVar[int]
    REASON_TEXT_FIELD_NUMBER: _ClassVar[int]
    id: str
    reason_text: bytes
    def __init__(self, id: _Optional[str] = ..., reason_text: _Optional[bytes] = ...) -> None: ...

class PushMessageRequest(_message.Message):
    __slots__ = ("id", "message_text", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_TEXT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    message_text: bytes
    request_id: str
    def __init__(self, id: _Optional[str] = ..., message_text: _Optional[bytes] = ..., request_id: _Optional[str] = ...) -> None: ...

class ListAgentsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListQueuesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCallsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResolveCallRequest(_message.Message):
    __slots__ = ("id", "call", "happened", "failed_text", "retry")
    ID_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    HAPPENED_FIELD_NUMBER: _ClassVar[int]
    FAILED_TEXT_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    id: str
    call: int
    happened: NamedValue
    failed_text: bytes
    retry: RetryCall
    def __init__(self, id: _Optional[str] = ..., call: _Optional[int] = ..., happened: _Optional[_Union[NamedValue, _Mapping]] = ..., failed_text: _Optional[bytes] = ..., retry: _Optional[_Union[RetryCall, _Mapping]] = ...) -> None: ...

class RetryCall(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListFuturesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetFutureRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class SettleFutureRequest(_message.Message):
    __slots__ = ("id", "value", "failed_text", "cancelled_text")
    ID_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    FAILED_TEXT_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_TEXT_FIELD_NUMBER: _ClassVar[int]
    id: str
    value: NamedValue
    failed_text: bytes
    cancelled_text: bytes
    def __init__(self, id: _Optional[str] = ..., value: _Optional[_Union[NamedValue, _Mapping]] = ..., failed_text: _Optional[bytes] = ..., cancelled_text: _Optional[bytes] = ...) -> None: ...

class BackupStoreRequest(_message.Message):
    __slots__ = ("folder_text",)
    FOLDER_TEXT_FIELD_NUMBER: _ClassVar[int]
    folder_text: bytes
    def __init__(self, folder_text: _Optional[bytes] = ...) -> None: ...

class VerifyStoreRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CompactStoreRequest(_message.Message):
    __slots__ = ("id", "keep_last", "drop_tagged", "dry_run")
    ID_FIELD_NUMBER: _ClassVar[int]
    KEEP_LAST_FIELD_NUMBER: _ClassVar[int]
    DROP_TAGGED_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    id: str
    keep_last: int
    drop_tagged: bool
    dry_run: bool
    def __init__(self, id: _Optional[str] = ..., keep_last: _Optional[int] = ..., drop_tagged: _Optional[bool] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SubmitJobResponse(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("jobs",)
    JOBS_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[JobSummary]
    def __init__(self, jobs: _Optional[_Iterable[_Union[JobSummary, _Mapping]]] = ...) -> None: ...

class GetJobResponse(_message.Message):
    __slots__ = ("head", "items")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    head: JobHead
    items: _containers.RepeatedCompositeFieldContainer[ItemPart]
    def __init__(self, head: _Optional[_Union[JobHead, _Mapping]] = ..., items: _Optional[_Iterable[_Union[ItemPart, _Mapping]]] = ...) -> None: ...

class JobHead(_message.Message):
    __slots__ = ("summary", "commits", "image_digest", "inbox", "awaited", "blocks_text")
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    INBOX_FIELD_NUMBER: _ClassVar[int]
    AWAITED_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_TEXT_FIELD_NUMBER: _ClassVar[int]
    summary: JobSummary
    commits: int
    image_digest: str
    inbox: _containers.RepeatedCompositeFieldContainer[InboxEntry]
    awaited: Awaited
    blocks_text: bytes
    def __init__(self, summary: _Optional[_Union[JobSummary, _Mapping]] = ..., commits: _Optional[int] = ..., image_digest: _Optional[str] = ..., inbox: _Optional[_Iterable[_Union[InboxEntry, _Mapping]]] = ..., awaited: _Optional[_Union[Awaited, _Mapping]] = ..., blocks_text: _Optional[bytes] = ...) -> None: ...

class Awaited(_message.Message):
    __slots__ = ("mode", "futures", "statement")
    MODE_FIELD_NUMBER: _ClassVar[int]
    FUTURES_FIELD_NUMBER: _ClassVar[int]
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    mode: str
    futures: _containers.RepeatedCompositeFieldContainer[AwaitedFuture]
    statement: int
    def __init__(self, mode: _Optional[str] = ..., futures: _Optional[_Iterable[_Union[AwaitedFuture, _Mapping]]] = ..., statement: _Optional[int] = ...) -> None: ...

class AwaitedFuture(_message.Message):
    __slots__ = ("id", "what_text")
    ID_FIELD_NUMBER: _ClassVar[int]
    WHAT_TEXT_FIELD_NUMBER: _ClassVar[int]
    id: str
    what_text: bytes
    def __init__(self, id: _Optional[str] = ..., what_text: _Optional[bytes] = ...) -> None: ...

class InboxEntry(_message.Message):
    __slots__ = ("kind", "text", "at_us")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    kind: str
    text: bytes
    at_us: int
    def __init__(self, kind: _Optional[str] = ..., text: _Optional[bytes] = ..., at_us: _Optional[int] = ...) -> None: ...

class GetVariablesResponse(_message.Message):
    __slots__ = ("variables",)
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    variables: _containers.RepeatedCompositeFieldContainer[VariablePart]
    def __init__(self, variables: _Optional[_Iterable[_Union[VariablePart, _Mapping]]] = ...) -> None: ...

class ListFilesResponse(_message.Message):
    __slots__ = ("files",)
    FILES_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[WorkFile]
    def __init__(self, files: _Optional[_Iterable[_Union[WorkFile, _Mapping]]] = ...) -> None: ...

class ListCommitsResponse(_message.Message):
    __slots__ = ("commits",)
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    commits: _containers.RepeatedCompositeFieldContainer[Commit]
    def __init__(self, commits: _Optional[_Iterable[_Union[Commit, _Mapping]]] = ...) -> None: ...

class GetCommitResponse(_message.Message):
    __slots__ = ("commit",)
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    commit: Commit
    def __init__(self, commit: _Optional[_Union[Commit, _Mapping]] = ...) -> None: ...

class DiffCommitsResponse(_message.Message):
    __slots__ = ("before", "after", "name_texts")
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    NAME_TEXTS_FIELD_NUMBER: _ClassVar[int]
    before: Commit
    after: Commit
    name_texts: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, before: _Optional[_Union[Commit, _Mapping]] = ..., after: _Optional[_Union[Commit, _Mapping]] = ..., name_texts: _Optional[_Iterable[bytes]] = ...) -> None: ...

class TagCommitResponse(_message.Message):
    __slots__ = ("commit",)
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    commit: Commit
    def __init__(self, commit: _Optional[_Union[Commit, _Mapping]] = ...) -> None: ...

class RollbackJobResponse(_message.Message):
    __slots__ = ("commit",)
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    commit: Commit
    def __init__(self, commit: _Optional[_Union[Commit, _Mapping]] = ...) -> None: ...

class ForkJobResponse(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ExportJobResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class MigrateJobResponse(_message.Message):
    __slots__ = ("saved_on", "image", "commit", "names")
    SAVED_ON_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    saved_on: str
    image: str
    commit: int
    names: _containers.RepeatedCompositeFieldContainer[MigratedName]
    def __init__(self, saved_on: _Optional[str] = ..., image: _Optional[str] = ..., commit: _Optional[int] = ..., names: _Optional[_Iterable[_Union[MigratedName, _Mapping]]] = ...) -> None: ...

class MigratedName(_message.Message):
    __slots__ = ("name_text", "state", "reason_text")
    NAME_TEXT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_TEXT_FIELD_NUMBER: _ClassVar[int]
    name_text: bytes
    state: str
    reason_text: bytes
    def __init__(self, name_text: _Optional[bytes] = ..., state: _Optional[str] = ..., reason_text: _Optional[bytes] = ...) -> None: ...

class BackupStoreResponse(_message.Message):
    __slots__ = ("progress", "backup")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    BACKUP_FIELD_NUMBER: _ClassVar[int]
    progress: str
    backup: Backup
    def __init__(self, progress: _Optional[str] = ..., backup: _Optional[_Union[Backup, _Mapping]] = ...) -> None: ...

class Backup(_message.Message):
    __slots__ = ("store_id", "prefix", "at_us", "blocks", "size_bytes", "damaged_blocks")
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    store_id: str
    prefix: str
    at_us: int
    blocks: int
    size_bytes: int
    damaged_blocks: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, store_id: _Optional[str] = ..., prefix: _Optional[str] = ..., at_us: _Optional[int] = ..., blocks: _Optional[int] = ..., size_bytes: _Optional[int] = ..., damaged_blocks: _Optional[_Iterable[str]] = ...) -> None: ...

class VerifyStoreResponse(_message.Message):
    __slots__ = ("progress", "findings", "counts")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    progress: str
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    counts: VerifiedCounts
    def __init__(self, progress: _Optional[str] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ..., counts: _Optional[_Union[VerifiedCounts, _Mapping]] = ...) -> None: ...

class CompactStoreResponse(_message.Message):
    __slots__ = ("progress", "jobs", "counts")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    progress: str
    jobs: _containers.RepeatedCompositeFieldContainer[CompactedJob]
    counts: CompactedCounts
    def __init__(self, progress: _Optional[str] = ..., jobs: _Optional[_Iterable[_Union[CompactedJob, _Mapping]]] = ..., counts: _Optional[_Union[CompactedCounts, _Mapping]] = ...) -> None: ...

class CompactedJob(_message.Message):
    __slots__ = ("id", "dropped", "kept", "freed_blocks", "freed_bytes")
    ID_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    FREED_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    FREED_BYTES_FIELD_NUMBER: _ClassVar[int]
    id: str
    dropped: _containers.RepeatedScalarFieldContainer[int]
    kept: int
    freed_blocks: int
    freed_bytes: int
    def __init__(self, id: _Optional[str] = ..., dropped: _Optional[_Iterable[int]] = ..., kept: _Optional[int] = ..., freed_blocks: _Optional[int] = ..., freed_bytes: _Optional[int] = ...) -> None: ...

class CompactedCounts(_message.Message):
    __slots__ = ("freed_blocks", "freed_bytes")
    FREED_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    FREED_BYTES_FIELD_NUMBER: _ClassVar[int]
    freed_blocks: int
    freed_bytes: int
    def __init__(self, freed_blocks: _Optional[int] = ..., freed_bytes: _Optional[int] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("problem_text", "job", "commit", "done_text")
    PROBLEM_TEXT_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    DONE_TEXT_FIELD_NUMBER: _ClassVar[int]
    problem_text: bytes
    job: str
    commit: int
    done_text: bytes
    def __init__(self, problem_text: _Optional[bytes] = ..., job: _Optional[str] = ..., commit: _Optional[int] = ..., done_text: _Optional[bytes] = ...) -> None: ...

class VerifiedCounts(_message.Message):
    __slots__ = ("jobs", "entries", "commits", "blocks")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    jobs: int
    entries: int
    commits: int
    blocks: int
    def __init__(self, jobs: _Optional[int] = ..., entries: _Optional[int] = ..., commits: _Optional[int] = ..., blocks: _Optional[int] = ...) -> None: ...

class ImportJobResponse(_message.Message):
    __slots__ = ("id", "repeated", "lost_texts")
    ID_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    LOST_TEXTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    repeated: bool
    lost_texts: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, id: _Optional[str] = ..., repeated: _Optional[bool] = ..., lost_texts: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Commit(_message.Message):
    __slots__ = ("number", "hash", "parent", "kind", "step", "at_us", "changed_texts", "image_digest", "tags", "mode", "dropped_us")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    CHANGED_TEXTS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    DROPPED_US_FIELD_NUMBER: _ClassVar[int]
    number: int
    hash: str
    parent: int
    kind: str
    step: int
    at_us: int
    changed_texts: _containers.RepeatedScalarFieldContainer[bytes]
    image_digest: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    mode: str
    dropped_us: int
    def __init__(self, number: _Optional[int] = ..., hash: _Optional[str] = ..., parent: _Optional[int] = ..., kind: _Optional[str] = ..., step: _Optional[int] = ..., at_us: _Optional[int] = ..., changed_texts: _Optional[_Iterable[bytes]] = ..., image_digest: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., mode: _Optional[str] = ..., dropped_us: _Optional[int] = ...) -> None: ...

class ReadFileResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class FollowJobResponse(_message.Message):
    __slots__ = ("items", "next_index")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_INDEX_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[ItemPart]
    next_index: int
    def __init__(self, items: _Optional[_Iterable[_Union[ItemPart, _Mapping]]] = ..., next_index: _Optional[int] = ...) -> None: ...

class ListEventsResponse(_message.Message):
    __slots__ = ("events", "cursor", "last")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    cursor: int
    last: int
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., cursor: _Optional[int] = ..., last: _Optional[int] = ...) -> None: ...

class FollowEventsResponse(_message.Message):
    __slots__ = ("events", "cursor")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    cursor: int
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., cursor: _Optional[int] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("seq", "at_us", "tenant", "job", "kind", "name_text", "commit", "step", "payload_json")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_TEXT_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_JSON_FIELD_NUMBER: _ClassVar[int]
    seq: int
    at_us: int
    tenant: str
    job: str
    kind: str
    name_text: bytes
    commit: int
    step: int
    payload_json: bytes
    def __init__(self, seq: _Optional[int] = ..., at_us: _Optional[int] = ..., tenant: _Optional[str] = ..., job: _Optional[str] = ..., kind: _Optional[str] = ..., name_text: _Optional[bytes] = ..., commit: _Optional[int] = ..., step: _Optional[int] = ..., payload_json: _Optional[bytes] = ...) -> None: ...

class WaitJobResponse(_message.Message):
    __slots__ = ("summary",)
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    summary: JobSummary
    def __init__(self, summary: _Optional[_Union[JobSummary, _Mapping]] = ...) -> None: ...

class CancelJobResponse(_message.Message):
    __slots__ = ("summary",)
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    summary: JobSummary
    def __init__(self, summary: _Optional[_Union[JobSummary, _Mapping]] = ...) -> None: ...

class PushMessageResponse(_message.Message):
    __slots__ = ("delivered", "repeated")
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    delivered: bool
    repeated: bool
    def __init__(self, delivered: _Optional[bool] = ..., repeated: _Optional[bool] = ...) -> None: ...

class ListAgentsResponse(_message.Message):
    __slots__ = ("agents",)
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    agents: _containers.RepeatedCompositeFieldContainer[Agent]
    def __init__(self, agents: _Optional[_Iterable[_Union[Agent, _Mapping]]] = ...) -> None: ...

class Agent(_message.Message):
    __slots__ = ("role_text", "class_text", "source_text", "made_in_text", "digest", "description_text", "created_us", "changed_us", "seen_us", "running")
    ROLE_TEXT_FIELD_NUMBER: _ClassVar[int]
    CLASS_TEXT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_TEXT_FIELD_NUMBER: _ClassVar[int]
    MADE_IN_TEXT_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_TEXT_FIELD_NUMBER: _ClassVar[int]
    CREATED_US_FIELD_NUMBER: _ClassVar[int]
    CHANGED_US_FIELD_NUMBER: _ClassVar[int]
    SEEN_US_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    role_text: bytes
    class_text: bytes
    source_text: bytes
    made_in_text: bytes
    digest: str
    description_text: bytes
    created_us: int
    changed_us: int
    seen_us: int
    running: bool
    def __init__(self, role_text: _Optional[bytes] = ..., class_text: _Optional[bytes] = ..., source_text: _Optional[bytes] = ..., made_in_text: _Optional[bytes] = ..., digest: _Optional[str] = ..., description_text: _Optional[bytes] = ..., created_us: _Optional[int] = ..., changed_us: _Optional[int] = ..., seen_us: _Optional[int] = ..., running: _Optional[bool] = ...) -> None: ...

class ListQueuesResponse(_message.Message):
    __slots__ = ("queues",)
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    queues: _containers.RepeatedCompositeFieldContainer[Queue]
    def __init__(self, queues: _Optional[_Iterable[_Union[Queue, _Mapping]]] = ...) -> None: ...

class ListCallsResponse(_message.Message):
    __slots__ = ("calls",)
    CALLS_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedCompositeFieldContainer[Call]
    def __init__(self, calls: _Optional[_Iterable[_Union[Call, _Mapping]]] = ...) -> None: ...

class ResolveCallResponse(_message.Message):
    __slots__ = ("summary",)
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    summary: JobSummary
    def __init__(self, summary: _Optional[_Union[JobSummary, _Mapping]] = ...) -> None: ...

class ListFuturesResponse(_message.Message):
    __slots__ = ("futures",)
    FUTURES_FIELD_NUMBER: _ClassVar[int]
    futures: _containers.RepeatedCompositeFieldContainer[Future]
    def __init__(self, futures: _Optional[_Iterable[_Union[Future, _Mapping]]] = ...) -> None: ...

class GetFutureResponse(_message.Message):
    __slots__ = ("future",)
    FUTURE_FIELD_NUMBER: _ClassVar[int]
    future: Future
    def __init__(self, future: _Optional[_Union[Future, _Mapping]] = ...) -> None: ...

class SettleFutureResponse(_message.Message):
    __slots__ = ("future",)
    FUTURE_FIELD_NUMBER: _ClassVar[int]
    future: Future
    def __init__(self, future: _Optional[_Union[Future, _Mapping]] = ...) -> None: ...

class Future(_message.Message):
    __slots__ = ("id", "job", "what_text", "kind", "state", "details_text", "result_text", "created_us", "deadline_us", "settled_us")
    ID_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    WHAT_TEXT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_TEXT_FIELD_NUMBER: _ClassVar[int]
    RESULT_TEXT_FIELD_NUMBER: _ClassVar[int]
    CREATED_US_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_US_FIELD_NUMBER: _ClassVar[int]
    SETTLED_US_FIELD_NUMBER: _ClassVar[int]
    id: str
    job: str
    what_text: bytes
    kind: str
    state: str
    details_text: bytes
    result_text: bytes
    created_us: int
    deadline_us: int
    settled_us: int
    def __init__(self, id: _Optional[str] = ..., job: _Optional[str] = ..., what_text: _Optional[bytes] = ..., kind: _Optional[str] = ..., state: _Optional[str] = ..., details_text: _Optional[bytes] = ..., result_text: _Optional[bytes] = ..., created_us: _Optional[int] = ..., deadline_us: _Optional[int] = ..., settled_us: _Optional[int] = ...) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("version", "pid", "started_us", "statistics_json")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    STARTED_US_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_JSON_FIELD_NUMBER: _ClassVar[int]
    version: str
    pid: int
    started_us: int
    statistics_json: bytes
    def __init__(self, version: _Optional[str] = ..., pid: _Optional[int] = ..., started_us: _Optional[int] = ..., statistics_json: _Optional[bytes] = ...) -> None: ...

class JobSummary(_message.Message):
    __slots__ = ("id", "role_text", "tenant_text", "principal_text", "status", "reason_text", "failure", "steps", "turns", "tier", "created_us", "changed_us", "input_tokens", "output_tokens", "cost_microusd", "exit_text", "num_completions", "parent", "repeated_replies", "origin", "mode", "cached_tokens")
    ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_TEXT_FIELD_NUMBER: _ClassVar[int]
    TENANT_TEXT_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_TEXT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_TEXT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    TURNS_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    CREATED_US_FIELD_NUMBER: _ClassVar[int]
    CHANGED_US_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_MICROUSD_FIELD_NUMBER: _ClassVar[int]
    EXIT_TEXT_FIELD_NUMBER: _ClassVar[int]
    NUM_COMPLETIONS_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    REPEATED_REPLIES_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    CACHED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    id: str
    role_text: bytes
    tenant_text: bytes
    principal_text: bytes
    status: str
    reason_text: bytes
    failure: Failure
    steps: int
    turns: int
    tier: str
    created_us: int
    changed_us: int
    input_tokens: int
    output_tokens: int
    cost_microusd: int
    exit_text: bytes
    num_completions: int
    parent: str
    repeated_replies: int
    origin: str
    mode: str
    cached_tokens: int
    def __init__(self, id: _Optional[str] = ..., role_text: _Optional[bytes] = ..., tenant_text: _Optional[bytes] = ..., principal_text: _Optional[bytes] = ..., status: _Optional[str] = ..., reason_text: _Optional[bytes] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ..., steps: _Optional[int] = ..., turns: _Optional[int] = ..., tier: _Optional[str] = ..., created_us: _Optional[int] = ..., changed_us: _Optional[int] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cost_microusd: _Optional[int] = ..., exit_text: _Optional[bytes] = ..., num_completions: _Optional[int] = ..., parent: _Optional[str] = ..., repeated_replies: _Optional[int] = ..., origin: _Optional[str] = ..., mode: _Optional[str] = ..., cached_tokens: _Optional[int] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("kind_text", "type_text", "message_text")
    KIND_TEXT_FIELD_NUMBER: _ClassVar[int]
    TYPE_TEXT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_TEXT_FIELD_NUMBER: _ClassVar[int]
    kind_text: bytes
    type_text: bytes
    message_text: bytes
    def __init__(self, kind_text: _Optional[bytes] = ..., type_text: _Optional[bytes] = ..., message_text: _Optional[bytes] = ...) -> None: ...

class Queue(_message.Message):
    __slots__ = ("role_text", "waiting", "held", "entries")
    ROLE_TEXT_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    role_text: bytes
    waiting: int
    held: int
    entries: _containers.RepeatedCompositeFieldContainer[HeldEntry]
    def __init__(self, role_text: _Optional[bytes] = ..., waiting: _Optional[int] = ..., held: _Optional[int] = ..., entries: _Optional[_Iterable[_Union[HeldEntry, _Mapping]]] = ...) -> None: ...

class HeldEntry(_message.Message):
    __slots__ = ("at_us", "target", "value_text", "reason_text")
    AT_US_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    VALUE_TEXT_FIELD_NUMBER: _ClassVar[int]
    REASON_TEXT_FIELD_NUMBER: _ClassVar[int]
    at_us: int
    target: str
    value_text: bytes
    reason_text: bytes
    def __init__(self, at_us: _Optional[int] = ..., target: _Optional[str] = ..., value_text: _Optional[bytes] = ..., reason_text: _Optional[bytes] = ...) -> None: ...

class ItemPart(_message.Message):
    __slots__ = ("index", "kind", "at_us", "text", "step", "code", "state", "attempts", "console", "outcome_json", "changed_texts", "calls", "start_commit", "end_commit", "usage_json")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    CONSOLE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_JSON_FIELD_NUMBER: _ClassVar[int]
    CHANGED_TEXTS_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    START_COMMIT_FIELD_NUMBER: _ClassVar[int]
    END_COMMIT_FIELD_NUMBER: _ClassVar[int]
    USAGE_JSON_FIELD_NUMBER: _ClassVar[int]
    index: int
    kind: str
    at_us: int
    text: bytes
    step: int
    code: bytes
    state: str
    attempts: int
    console: _containers.RepeatedCompositeFieldContainer[ConsoleElement]
    outcome_json: bytes
    changed_texts: _containers.RepeatedScalarFieldContainer[bytes]
    calls: _containers.RepeatedCompositeFieldContainer[Call]
    start_commit: int
    end_commit: int
    usage_json: bytes
    def __init__(self, index: _Optional[int] = ..., kind: _Optional[str] = ..., at_us: _Optional[int] = ..., text: _Optional[bytes] = ..., step: _Optional[int] = ..., code: _Optional[bytes] = ..., state: _Optional[str] = ..., attempts: _Optional[int] = ..., console: _Optional[_Iterable[_Union[ConsoleElement, _Mapping]]] = ..., outcome_json: _Optional[bytes] = ..., changed_texts: _Optional[_Iterable[bytes]] = ..., calls: _Optional[_Iterable[_Union[Call, _Mapping]]] = ..., start_commit: _Optional[int] = ..., end_commit: _Optional[int] = ..., usage_json: _Optional[bytes] = ...) -> None: ...

class ConsoleElement(_message.Message):
    __slots__ = ("kind", "text", "continues")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CONTINUES_FIELD_NUMBER: _ClassVar[int]
    kind: str
    text: bytes
    continues: bool
    def __init__(self, kind: _Optional[str] = ..., text: _Optional[bytes] = ..., continues: _Optional[bool] = ...) -> None: ...

class Call(_message.Message):
    __slots__ = ("job", "step", "number", "name_text", "kind", "handle", "arguments_text", "effect", "state", "result_text", "idempotency_key", "target_text")
    JOB_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    NAME_TEXT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_TEXT_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RESULT_TEXT_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TARGET_TEXT_FIELD_NUMBER: _ClassVar[int]
    job: str
    step: int
    number: int
    name_text: bytes
    kind: str
    handle: int
    arguments_text: bytes
    effect: str
    state: str
    result_text: bytes
    idempotency_key: str
    target_text: bytes
    def __init__(self, job: _Optional[str] = ..., step: _Optional[int] = ..., number: _Optional[int] = ..., name_text: _Optional[bytes] = ..., kind: _Optional[str] = ..., handle: _Optional[int] = ..., arguments_text: _Optional[bytes] = ..., effect: _Optional[str] = ..., state: _Optional[str] = ..., result_text: _Optional[bytes] = ..., idempotency_key: _Optional[str] = ..., target_text: _Optional[bytes] = ...) -> None: ...

class VariablePart(_message.Message):
    __slots__ = ("index", "name_text", "preview_text", "form", "value", "size_bytes")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    NAME_TEXT_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_TEXT_FIELD_NUMBER: _ClassVar[int]
    FORM_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    index: int
    name_text: bytes
    preview_text: bytes
    form: str
    value: bytes
    size_bytes: int
    def __init__(self, index: _Optional[int] = ..., name_text: _Optional[bytes] = ..., preview_text: _Optional[bytes] = ..., form: _Optional[str] = ..., value: _Optional[bytes] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class WorkFile(_message.Message):
    __slots__ = ("path_text", "size_bytes", "mode")
    PATH_TEXT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    path_text: bytes
    size_bytes: int
    mode: int
    def __init__(self, path_text: _Optional[bytes] = ..., size_bytes: _Optional[int] = ..., mode: _Optional[int] = ...) -> None: ...

class ErrorDetail(_message.Message):
    __slots__ = ("code", "message_text", "attributes")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ErrorAttribute
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ErrorAttribute, _Mapping]] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_TEXT_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    code: str
    message_text: bytes
    attributes: _containers.MessageMap[str, ErrorAttribute]
    def __init__(self, code: _Optional[str] = ..., message_text: _Optional[bytes] = ..., attributes: _Optional[_Mapping[str, ErrorAttribute]] = ...) -> None: ...

class ErrorAttribute(_message.Message):
    __slots__ = ("text", "number", "flag")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    FLAG_FIELD_NUMBER: _ClassVar[int]
    text: bytes
    number: float
    flag: bool
    def __init__(self, text: _Optional[bytes] = ..., number: _Optional[float] = ..., flag: _Optional[bool] = ...) -> None: ...
