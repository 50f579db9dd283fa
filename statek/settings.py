"""Every setting, its meaning, and where its value in force comes from.

The only module that reads the environment. Precedence: explicit > ``statek.toml`` > ``STATEK_`` environment
variable > default; unknown keys are refused by name in all three. Sizes are bytes and may be written with
a binary suffix (``400M``), times are seconds.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from statek._other_settings import OTHER_SETTINGS
from statek._setting_values import (
    SettingError,
    block_location,
    boolean,
    choice,
    integer,
    optional,
    parsed,
    path,
    seconds,
    size,
    tag_name,
    text,
)
from statek.access import DefaultAcl
from statek.chat_style import ChatStyle
from statek.difficulty import TaskDifficulty
from statek.exceptions import ConfigurationError
from statek.kv_store import CREDENTIALS
from statek.static_policy import StaticPolicy

__all__ = [
    "SETTINGS_FILE",
    "SettingValue",
    "StatekSettings",
    "get_statek_settings",
    "provider_key_is_set",
    "provider_key_names",
    "set_statek_settings",
]

SETTINGS_FILE = "statek.toml"
"""Name of the settings file, looked for in the current directory."""

_PREFIX = "STATEK_"
_TEST_PREFIX = "STATEK_TEST_"
_MASK = "********"


def _about(convert: Callable[[Any], Any], doc: str, *, secret: bool = False) -> dict[str, Any]:
    """What a field knows of itself: its check, its docstring, whether its value is shown."""
    return {"convert": convert, "doc": doc, "secret": secret}


@dataclass(frozen=True, slots=True)
class SettingValue:
    """One line of ``statek config``.

    Attributes:
        name: of the setting.
        value: in force, as text; masked where it is a secret.
        source: ``explicit``, the settings file, the environment variable, or ``default``.
        doc: what it means.
    """

    name: str
    value: str
    source: str
    doc: str


@dataclass(frozen=True)
class StatekSettings:
    """The settings of one service; each field carries its docstring (``StatekSettings.describe``).

    The constructor takes values as they are given; ``load`` adds file and environment.

    Raises:
        ConfigurationError: a value that its field cannot take; names the field.
    """

    # What jobs and prompts look like.
    chat_style: ChatStyle = field(
        default=ChatStyle.MARKDOWN, metadata=_about(parsed(ChatStyle.parse), "Chat style of jobs that name none.")
    )
    examples_style: ChatStyle | None = field(
        default=None,
        metadata=_about(optional(parsed(ChatStyle.parse)), "Chat style of examples; none for the job's own."),
    )
    xml_box_console: str | None = field(
        default=None, metadata=_about(optional(tag_name), "Tag around console output shown to models.")
    )
    xml_box_example: str | None = field(
        default=None, metadata=_about(optional(tag_name), "Tag around examples shown to models.")
    )
    prompt_files_dir: Path | None = field(
        default=None, metadata=_about(optional(path), "Directory of <role>.md prompt definition files.")
    )
    warmup_defs_dir: Path | None = field(
        default=None, metadata=_about(optional(path), "Directory of <role>.py warmup files.")
    )
    examples_dir: Path | None = field(
        default=None, metadata=_about(optional(path), "Directory of <role>/**/*.md examples.")
    )
    documents_dir: Path | None = field(
        default=None, metadata=_about(optional(path), "Directory of **/*.md and **/*.txt documents.")
    )
    logs_path: Path | None = field(
        default=None, metadata=_about(optional(path), "Directory of one log file per job, <role>_<id>.log.")
    )
    trace_path: Path | None = field(
        default=None,
        metadata=_about(optional(path), "File of model requests and answers as JSON lines; names of secrets masked."),
    )
    trace_max_bytes: int = field(
        default=10 << 20, metadata=_about(size(1 << 10), "Length at which the trace file is turned over.")
    )
    trace_backups: int = field(default=3, metadata=_about(integer(0), "Older trace files that are kept."))
    default_difficulty: TaskDifficulty = field(
        default=TaskDifficulty.MEDIUM,
        metadata=_about(parsed(TaskDifficulty.parse), "Difficulty that jobs start with: L, M or H."),
    )
    default_llm_api_provider: str | None = field(
        default=None,
        metadata=_about(optional(text), "Provider of model strings that name none; none for litellm's guess."),
    )
    provider_config: Path | None = field(
        default=None, metadata=_about(optional(path), "JSON file that says how models are asked to reason.")
    )
    model_info_dir: Path | None = field(
        default=None, metadata=_about(optional(path), "Directory of CSV files with prices of models.")
    )
    log_level: str = field(
        default="WARNING",
        metadata=_about(
            choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
            "Lowest level that is logged, by all loggers of the service.",
        ),
    )

    # When the harness ends a job.
    max_turns: int | None = field(
        default=100, metadata=_about(optional(integer(1)), "Model turns of one job; none for no limit.")
    )
    max_exceptions: int | None = field(
        default=50, metadata=_about(optional(integer(0)), "Steps of one job that may end with an error.")
    )
    max_subtask_depth: int = field(
        default=8, metadata=_about(integer(0), "Jobs above a job that was made by another job's tool.")
    )
    max_open_subtasks: int = field(
        default=64, metadata=_about(integer(0), "Jobs that one job has made and that have not ended.")
    )
    pull_interval_seconds: float = field(
        default=1.0, metadata=_about(seconds(0.01), "How often an application's own queues are asked for their length.")
    )
    max_consecutive_exceptions: int | None = field(
        default=10, metadata=_about(optional(integer(0)), "Steps in a row that may end with an error.")
    )
    max_token_usage: int | None = field(
        default=5_000_000,
        metadata=_about(optional(integer(1)), "Input and output tokens of one job; none for no limit."),
    )

    limit_extension_per_completion: float = field(
        default=1.0,
        metadata=_about(seconds(0.0), "Share of a limit that each user message to a finished job adds to it."),
    )

    # What jobs may reach.
    default_acl: DefaultAcl = field(
        default=DefaultAcl.DENY,
        metadata=_about(
            parsed(DefaultAcl.parse),
            "DENY or GRANT, for classes without a STATEK-ACL that a job reaches only through an attribute.",
        ),
    )
    strict_acl: bool = field(default=False, metadata=_about(boolean, "Whether every class needs a STATEK-ACL."))

    static_policy: StaticPolicy = field(
        default=StaticPolicy.ADVISE,
        metadata=_about(
            parsed(StaticPolicy.parse),
            "off, advise or enforce: what is done about code that cannot work in a sandbox. No boundary.",
        ),
    )

    # The service.
    data_dir: Path = field(
        default=Path(".statek"), metadata=_about(path, "Directory of the store and of the service's sockets.")
    )
    blocks: str = field(
        default="disk",
        metadata=_about(
            block_location,
            "Where larger values are kept: disk (beside the records), memory:, sqlite:PATH or a URL (docs/storage.md).",
        ),
    )
    blocks_cache_bytes: int = field(
        default=0, metadata=_about(size(0), "Cache on disk in front of blocks that are kept elsewhere; 0 for none.")
    )
    history_bytes: int | None = field(
        default=4 << 30,
        metadata=_about(
            optional(size(1 << 10)), "What the commits of one job may take; none for no limit (docs/retention.md)."
        ),
    )
    store_bytes: int | None = field(
        default=None,
        metadata=_about(
            optional(size(1 << 20)), "What the records and larger values of all jobs may take; none for no limit."
        ),
    )
    api_socket_path: Path | None = field(
        default=None, metadata=_about(optional(path), "Unix socket of the service's API; none for one inside data_dir.")
    )
    driver: str = field(
        default="auto",
        metadata=_about(
            choice("auto", "docker", "bubblewrap", "process"),
            "What makes runners; auto takes docker, else bubblewrap, and never process (which isolates nothing).",
        ),
    )
    base_image: str | None = field(
        default=None,
        metadata=_about(
            optional(text), "Image with Python and pip that Docker runners are built upon; none for Debian packages."
        ),
    )
    runtime: str | None = field(
        default=None,
        metadata=_about(
            optional(text),
            "OCI runtime of Docker runners as the engine names it (runsc is gVisor); none for the engine's default.",
        ),
    )
    required_tier: str | None = field(
        default=None,
        metadata=_about(
            optional(choice("process", "namespace", "container", "gvisor", "microvm")),
            "Weakest isolation that a service starts with; none for whatever the driver gives.",
        ),
    )
    flavour: str = field(default="base", metadata=_about(text, "Image flavour of the runners."))
    pool_size: int = field(default=2, metadata=_about(integer(0), "Warm runners kept ready."))
    max_runners: int = field(default=8, metadata=_about(integer(1), "Runners alive at once."))
    max_concurrency: int = field(default=100, metadata=_about(integer(1), "Jobs driven at once."))
    idle_hold_seconds: float = field(
        default=30.0, metadata=_about(seconds(0.0), "How long a waiting job keeps its runner.")
    )
    live_hold_seconds: float = field(
        default=300.0,
        metadata=_about(
            seconds(0.0), "How long a live job keeps its runner in one wait, and after its end; then its variables go."
        ),
    )

    # What one runner and one step may use.
    step_deadline_seconds: float = field(
        default=60.0, metadata=_about(seconds(0.05), "Running time of one step, without waits.")
    )
    memory_bytes: int = field(default=400 << 20, metadata=_about(size(64 << 20), "Memory of one runner."))
    cpus: float = field(default=1.0, metadata=_about(seconds(0.05), "Processors of one runner; may be a fraction."))
    pids: int = field(default=64, metadata=_about(integer(8), "Processes and threads of one runner."))
    tmp_bytes: int = field(default=64 << 20, metadata=_about(size(1 << 20), "Size of a runner's /tmp."))
    work_bytes: int = field(default=64 << 20, metadata=_about(size(1 << 20), "Size of a job's /work."))
    checkpoint_bytes: int = field(default=256 << 20, metadata=_about(size(1 << 20), "Size of a job's variables."))
    output_head_bytes: int = field(
        default=32 << 10, metadata=_about(size(256), "Output of a step that is kept from its beginning.")
    )
    output_tail_bytes: int = field(
        default=16 << 10, metadata=_about(size(256), "Output of a step that is kept from its end.")
    )
    max_calls_per_step: int = field(
        default=1000, metadata=_about(integer(1), "Calls to tools and objects in one step.")
    )

    # The model gateway.
    context_tokens: int = field(
        default=128_000,
        metadata=_about(integer(2000), "Context window of a model that litellm's table does not know, in tokens."),
    )
    model_timeout_seconds: float = field(
        default=60.0, metadata=_about(seconds(0.1), "How long one model request may take.")
    )
    model_retries: int = field(default=3, metadata=_about(integer(0), "Further attempts of a failed model request."))

    sources: Mapping[str, tuple[str, Any]] = field(default_factory=dict, repr=False, compare=False, kw_only=True)
    """Per field that ``load`` set: where its value came from, and the value."""

    def __post_init__(self) -> None:
        """Convert and check every field."""
        for info in _settings():
            try:
                value = info.metadata["convert"](getattr(self, info.name))
            except SettingError as error:
                raise ConfigurationError(f"setting {info.name}: {error}") from error
            object.__setattr__(self, info.name, value)

    @classmethod
    def load(
        cls,
        explicit: Mapping[str, Any] | None = None,
        *,
        file: Path | str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> StatekSettings:
        """The settings in force.

        Args:
            explicit: values that go before everything else.
            file: settings file; None for ``statek.toml`` in the current directory, if there is one.
            environ: environment; None for the process's own.

        Raises:
            ConfigurationError: an unknown key, a value that its field cannot take, an unreadable file.
        """
        values: dict[str, Any] = {}
        sources: dict[str, tuple[str, Any]] = {}
        layers = [
            _from_environment(os.environ if environ is None else environ),
            _from_file(Path(SETTINGS_FILE) if file is None else Path(file), required=file is not None),
            {name: (value, "explicit") for name, value in (explicit or {}).items()},
        ]
        for layer in layers:
            for name, (value, source) in layer.items():
                info = _known(name, source)
                try:
                    values[name] = info.metadata["convert"](value)
                except SettingError as error:
                    raise ConfigurationError(f"setting {name} ({source}): {error}") from error
                sources[name] = (source, values[name])
        return cls(**values, sources=sources)

    def describe(self) -> list[SettingValue]:
        """Every setting in force with its source, in the order of the fields; secrets are masked."""
        lines: list[SettingValue] = []
        for info in _settings():
            value = getattr(self, info.name)
            if info.name in self.sources:
                source, loaded = self.sources[info.name]
                source = source if loaded == value else "explicit"
            else:
                source = "default" if value == info.default else "explicit"
            shown = _MASK if info.metadata["secret"] and value is not None else _shown(value)
            lines.append(SettingValue(info.name, shown, source, info.metadata["doc"]))
        return lines


def _settings() -> list[Any]:
    """The fields that are settings."""
    return [info for info in fields(StatekSettings) if "convert" in info.metadata]


def _known(name: str, source: str) -> Any:
    for info in _settings():
        if info.name == name:
            return info
    if name in OTHER_SETTINGS:
        raise ConfigurationError(f"{name!r} ({source}) is no setting here: {OTHER_SETTINGS[name]}")
    names = [info.name for info in _settings()]
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(sorted(names))}"
    raise ConfigurationError(f"{name!r} ({source}) is no setting{hint}")


def _from_environment(environ: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    """Settings from STATEK_ variables; those of the project's own tests are not settings."""
    return {
        variable[len(_PREFIX) :].lower(): (value, variable)
        for variable, value in sorted(environ.items())
        if variable.startswith(_PREFIX) and not variable.startswith(_TEST_PREFIX)
    }


def _from_file(file: Path, *, required: bool) -> dict[str, tuple[Any, str]]:
    """Settings from a TOML file."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if required:
            raise ConfigurationError(f"settings file {file} does not exist") from None
        return {}
    except OSError as error:
        raise ConfigurationError(f"settings file {file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"settings file {file} is no TOML: {error}") from error
    return {name: (value, str(file)) for name, value in values.items()}


def _masked(found: re.Match[str]) -> str:
    """What stands for the credentials or the options of a URL."""
    return f"?{_MASK}" if found.group().startswith("?") else f"{_MASK}@"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, ChatStyle | TaskDifficulty | DefaultAcl):
        return value.name
    if isinstance(value, StaticPolicy):
        return value.value
    return str(value).lower() if isinstance(value, bool) else CREDENTIALS.sub(_masked, str(value))


_active: list[StatekSettings] = []


def get_statek_settings() -> StatekSettings:
    """The settings of this process: those set last, else file and environment, read once.

    Raises:
        ConfigurationError: file or environment hold something that is no setting.
    """
    if not _active:
        _active.append(StatekSettings.load())
    return _active[-1]


def set_statek_settings(settings: StatekSettings | None) -> None:
    """Make ``settings`` those of this process; None reads file and environment again at the next use."""
    _active.clear()
    if settings is not None:
        _active.append(settings)


_PROVIDER_KEYS: dict[str, tuple[str, ...]] = {
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "github": ("GITHUB_API_KEY", "GITHUB_TOKEN"),
    "huggingface": ("HF_TOKEN", "HUGGINGFACE_API_KEY"),
    "nvidia_nim": ("NVIDIA_NIM_API_KEY",),
    "together_ai": ("TOGETHERAI_API_KEY", "TOGETHER_AI_API_KEY"),
}
_KEYLESS_PROVIDERS = frozenset({"ollama", "ollama_chat", "lm_studio", "vllm", "hosted_vllm", "llamafile", "sagemaker"})
_BARE_PREFIXES = {
    "claude": "anthropic",
    "chatgpt": "openai",
    "gpt": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "gemini": "gemini",
    "mistral": "mistral",
    "deepseek": "deepseek",
}


def provider_key_names(model: str) -> tuple[str, ...]:
    """Names of the environment variables that may hold the key for a model string; empty where none is needed.

    Args:
        model: as litellm takes it: ``provider/model``, or a bare model name of a well-known family.
    """
    head, slash, _ = model.partition("/")
    provider = head.lower() if slash else ""
    if not provider:
        known = (name for prefix, name in _BARE_PREFIXES.items() if model.lower().startswith(prefix))
        provider = next(known, "openai")
    if provider in _KEYLESS_PROVIDERS:
        return ()
    return _PROVIDER_KEYS.get(provider, (f"{provider.upper().replace('-', '_')}_API_KEY",))


def provider_key_is_set(model: str, environ: Mapping[str, str] | None = None) -> bool:
    """Whether the environment has a key for a model string, or the model needs none; no value is kept.

    Args:
        model: as litellm takes it.
        environ: environment; None for the process's own.
    """
    names = provider_key_names(model)
    source = os.environ if environ is None else environ
    return not names or any(source.get(name, "").strip() for name in names)
