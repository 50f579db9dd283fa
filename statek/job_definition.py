"""The frozen setup of one job: plain data, a JSON-able copy of what its agent said when it was made.

Later changes of the agent do not reach it; only the tools themselves are looked up on the agent, by name, because
functions are not data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from statek.chat_style import ChatStyle
from statek.definition_errors import DefinitionErrors, JobDefError
from statek.difficulty import TaskDifficulty, parse_model
from statek.exceptions import ConfigurationError, InvalidRequest
from statek.frozen_tools import FrozenTools
from statek.harness import HARNESS_KEYS
from statek.job_mode import JobMode
from statek.locale import get_language_hint, get_language_rule, resolve_locale
from statek.model_routing import ModelRoute, ProviderConfig, route_model
from statek.post_processors import PostProcessor, post_processors_text
from statek.prompt_config import check_metadata, format_system_prompt, make_system_prompt, parse_temperature
from statek.settings import get_statek_settings
from statek.static_policy import StaticPolicy
from statek.tool_specs import provider_spec
from statek.tools_scope import parse_tools_scope, select_provider_tools
from statek.warmup import WarmupBlock, WarmupCall, WarmupSource, parse_warmup

if TYPE_CHECKING:
    from statek.agents.agent import Agent
    from statek.tools import ToolDef

__all__ = ["DefinitionSource", "JobDefinition", "chosen_style", "keep_definitions"]

_FRAMEWORK_KEYS = frozenset(
    {
        "MODEL", "PROVIDER", "TEMPERATURE", "CHAT_STYLE", "DESCRIPTION", "LLM_TOOLS_SCOPE", "DEFAULT_DIFFICULTY",
        "POST_PROCESSORS", "AUTO_LANG_RULE", "AUTO_LANG_HINT", "REASONING",
        "STATIC_POLICY", "MODE", *HARNESS_KEYS,
    }
)  # fmt: skip
"""Metadata for STATEK itself; every other key is an option of the model request."""

_FORGOTTEN_KEYS = frozenset({"REASONING"})
"""Keys that no agent may have any more; the jobs of earlier versions have them, and never meant anything by them."""


class DefinitionSource(Protocol):
    """Where a definition looks for its agent and for its errors."""

    def agent(self, agent: Agent | str) -> Agent:
        """The agent of that role that is known in this process."""
        ...

    def definition_errors_sync(self, definition: str) -> DefinitionErrors:
        """What is kept of the errors of the definition of that text."""
        ...

    def note_definition_error_sync(self, definition: str, error: JobDefError) -> None:
        """Count an error of it; durable on return."""
        ...

    def clear_definition_errors_sync(self, definition: str) -> None:
        """Forget its errors; durable on return."""
        ...


_of_process: Callable[[], DefinitionSource] | None = None


def keep_definitions(source: Callable[[], DefinitionSource] | None) -> None:
    """Say who keeps the definitions that no job has yet: the service of this process; None when there is none."""
    global _of_process
    _of_process = source


def chosen_style(explicit: ChatStyle | str | None, metadata: Mapping[str, str]) -> ChatStyle:
    """The chat style in force: the given one, else CHAT_STYLE of the metadata, else that of the settings.

    Raises:
        InvalidRequest: there is no such style.
    """
    chosen = explicit if explicit is not None else metadata.get("CHAT_STYLE")
    return ChatStyle.parse(chosen) if chosen is not None else get_statek_settings().chat_style


@dataclass(frozen=True, slots=True)
class JobDefinition:
    """What one job is about.

    Attributes:
        role: role of its agent.
        agent_class: class name of the agent.
        metadata: configuration, keys in upper case; ``MODEL`` is there.
        prompt: text of the system prompt before placeholders are expanded.
        tool_names: names of the agent's tools when it was made, hidden and internal ones included.
        warmup: blocks in the order they run.
        chat_style: of the conversation.
        locale: ``LANG-COUNTRY`` or None.
        job_params: JSON-able values for the prompt's placeholders.
        shared_var_names: names of the variables that the job is given.
        difficulty: that it starts with.
        post_processing: text of its post-processors (``statek.post_processors``).
        provider_config: a copy of the provider configuration (``statek.model_routing``), None without one.
        source: of the definition of a job, which nothing changes any more: the service that keeps it. None for one
            that no job has yet; chat style, warmup and post-processors of that may still be set.
        mode: what becomes of its variables between steps.
        tools: the tools as they were when it was made; None for one of an older version.
    """

    role: str
    agent_class: str
    metadata: Mapping[str, str]
    prompt: str
    tool_names: tuple[str, ...] = ()
    warmup: tuple[WarmupBlock, ...] = ()
    chat_style: ChatStyle = ChatStyle.MARKDOWN
    locale: str | None = None
    job_params: Mapping[str, Any] = field(default_factory=dict)
    shared_var_names: tuple[str, ...] = ()
    difficulty: TaskDifficulty = TaskDifficulty.MEDIUM
    provider_config: Mapping[str, Any] | None = None
    post_processing: str = ""
    source: DefinitionSource | None = field(default=None, repr=False, compare=False)
    mode: JobMode = JobMode.DURABLE
    tools: FrozenTools | None = None

    def __post_init__(self) -> None:
        """Check and copy, so that nothing given can change it later.

        Raises:
            InvalidRequest: no MODEL, a value that cannot be understood, an unknown locale, or a job parameter that is
                no JSON value.
        """
        metadata = {key.upper(): value for key, value in self.metadata.items()}
        if not metadata.get("MODEL", "").strip():
            raise InvalidRequest(f"agent {self.role!r} has no MODEL in its metadata")
        for key, value in metadata.items():
            if key in _FORGOTTEN_KEYS:
                continue
            try:
                check_metadata(key, value)
            except InvalidRequest as error:
                raise InvalidRequest(f"agent {self.role!r}: {error}") from error
        params = {name: _json_copy(f"job parameter {name!r}", value) for name, value in self.job_params.items()}
        if self.locale is not None:
            object.__setattr__(self, "locale", str(resolve_locale(self.locale)))
        if self.provider_config is not None:
            object.__setattr__(self, "provider_config", _json_copy("provider_config", dict(self.provider_config)))
        object.__setattr__(self, "metadata", MappingProxyType(metadata))
        for difficulty in TaskDifficulty:
            try:
                self.temperature_for(difficulty)
            except InvalidRequest as error:
                raise InvalidRequest(f"agent {self.role!r}: {error}") from error
        object.__setattr__(self, "job_params", MappingProxyType(params))

    @property
    def agent(self) -> Agent:
        """The agent of its role, as this process knows it now.

        Raises:
            NotFound: none of that role is known here.
        """
        return self._service().agent(self.role)

    @property
    def model(self) -> str:
        """The model, with the PROVIDER in front where the model string names none; several as ``L:a,M:b,H:c``."""
        models = {difficulty: self.model_for(difficulty) for difficulty in TaskDifficulty}
        if len(set(models.values())) == 1:
            return models[self.difficulty]
        return ",".join(f"{difficulty.value}:{model}" for difficulty, model in models.items())

    @property
    def model_family(self) -> str | None:
        """The middle of ``provider/family/model`` for its difficulty; None where the model names no family."""
        parts = self.model_for(self.difficulty).split("/")
        return "/".join(parts[1:-1]) or None

    @property
    def provider(self) -> str | None:
        """The provider for its difficulty, as litellm names it; None where nothing names one."""
        head, slash, _ = self.model_for(self.difficulty).partition("/")
        return head if slash else None

    @property
    def warmup_code(self) -> tuple[WarmupBlock, ...] | None:
        """Its warmup as ``create_job_def`` takes it; None without one."""
        return self.warmup or None

    def model_for(self, difficulty: TaskDifficulty) -> str:
        """The model for a difficulty."""
        return self.route(difficulty).model

    def route(self, difficulty: TaskDifficulty) -> ModelRoute:
        """What a request at a difficulty is made with: model, options, and what must not be sent."""
        route = self._model_route(difficulty)
        own = {key.lower(): value for key, value in self.metadata.items() if key not in _FRAMEWORK_KEYS}
        options = {name: value for name, value in {**own, **route.options}.items() if name not in route.ignored}
        return ModelRoute(route.model, options, route.ignored)

    def _model_route(self, difficulty: TaskDifficulty) -> ModelRoute:
        model = parse_model(self.metadata["MODEL"])[difficulty]
        config = ProviderConfig(self.provider_config) if self.provider_config is not None else None
        return route_model(model, self.metadata.get("PROVIDER", ""), config)

    @property
    def temperature(self) -> float | None:
        """TEMPERATURE, 0 to 1; None for the provider's default."""
        return self.temperature_for(self.difficulty)

    def temperature_for(self, difficulty: TaskDifficulty) -> float | None:
        """The temperature at a difficulty: that of the model string, else TEMPERATURE."""
        route = self._model_route(difficulty)
        text = route.options.get("temperature", self.metadata.get("TEMPERATURE"))
        return None if text is None or "temperature" in route.ignored else parse_temperature(str(text))

    @property
    def static_policy(self) -> StaticPolicy | None:
        """STATIC_POLICY; None for the setting's."""
        text = self.metadata.get("STATIC_POLICY")
        return None if text is None else StaticPolicy.parse(text)

    @property
    def model_options(self) -> dict[str, Any]:
        """Options of a request at the difficulty that it starts with.

        They are further metadata in lower case (for example ``api_base``) and parameters of the model string.
        """
        return self.model_options_for(self.difficulty)

    def model_options_for(self, difficulty: TaskDifficulty) -> dict[str, Any]:
        """Options of a request at a difficulty; the temperature is not among them."""
        return {name: value for name, value in self.route(difficulty).options.items() if name != "temperature"}

    def resolve_tools(self, agent: Agent) -> list[ToolDef]:
        """The live tools that this job may use: those of its names that the agent still has.

        An agent that gained tools since does not widen the job. In the place of one that has another signature now,
        or that is gone, there is one whose calls say so (``statek.frozen_tools``).
        """
        allowed = set(self.tool_names)
        live = [tool for tool in agent.tool_defs() if tool.name in allowed or tool.system]
        return live if self.tools is None else self.tools.checked(live)

    def with_tools_of(self, agent: Agent) -> JobDefinition:
        """The same with the agent's tools frozen as they are now.

        Raises:
            InvalidRequest: LLM_TOOLS_SCOPE does not fit them.
        """
        tools = self.resolve_tools(agent)
        return replace(self, tools=FrozenTools.of(tools, prompt=self.prompt, offered=self.provider_tools(agent)))

    def provider_specs(self, offered: Iterable[ToolDef]) -> tuple[Mapping[str, Any], ...]:
        """How the provider is told of the tools that are offered to it."""
        frozen = {} if self.tools is None else self.tools.specs
        return tuple(frozen.get(tool.name) or provider_spec(tool) for tool in offered)

    def provider_tools(self, agent: Agent) -> tuple[ToolDef, ...]:
        """The tools that the model may call formally, by LLM_TOOLS_SCOPE.

        Raises:
            InvalidRequest: the scope does not fit the agent or the chat style.
        """
        scope = parse_tools_scope(self.metadata.get("LLM_TOOLS_SCOPE"))
        return () if scope.is_blank else select_provider_tools(scope, self.resolve_tools(agent), self.chat_style)

    def system_prompt(self, agent: Agent, difficulty: TaskDifficulty | None = None) -> str:
        """The prompt as the model gets it, with the rule of its language."""
        prompt = format_system_prompt(
            make_system_prompt(self.prompt),
            difficulty=difficulty or self.difficulty,
            tools=[tool for tool in self.resolve_tools(agent) if not tool.system],
            texts=None if self.tools is None else self.tools.texts,
            shared_var_names=self.shared_var_names,
            params=self.job_params,
        )
        rule = get_language_rule(self.locale) if self._automatic("AUTO_LANG_RULE") else ""
        return "\n\n".join(part for part in (prompt, rule) if part)

    def user_text(self, text: str) -> str:
        """A message of the user as the model gets it: with the hint of its language."""
        hint = get_language_hint(self.locale) if self._automatic("AUTO_LANG_HINT") else ""
        return f"{text} ({hint})" if hint else text

    def _automatic(self, key: str) -> bool:
        """Whether metadata leaves something switched on."""
        return self.metadata.get(key, "TRUE").strip().upper() != "FALSE"

    # ------------------------------------------------------------------- setting it up, before a job has it

    def set_chat_style(self, style: ChatStyle | str | None) -> bool:
        """Set the chat style; None for CHAT_STYLE of the metadata, else that of the settings. Gives whether it changed.

        Raises:
            InvalidRequest: there is no such style, or a job has this definition.
        """
        return self._set("chat_style", chosen_style(style, self.metadata))

    def update_warmup_code(self, warmup_code: WarmupSource) -> bool:
        """Replace the whole warmup where it differs; gives whether it did.

        Raises:
            InvalidRequest: it cannot be parsed, or a job has this definition.
        """
        return self._set("warmup", parse_warmup(warmup_code))

    def set_post_processing(self, source: PostProcessor | Sequence[PostProcessor] | str | None) -> bool:
        """Replace the post-processors where they differ; gives whether they did.

        Raises:
            InvalidRequest: they cannot be kept as text, or a job has this definition.
        """
        return self._set("post_processing", post_processors_text(source))

    def _set(self, name: str, value: Any) -> bool:
        if self.source is not None:
            raise InvalidRequest(f"the definition of a job is frozen; set {name} of one that no job has yet")
        if getattr(self, name) == value:
            return False
        object.__setattr__(self, name, value)
        return True

    # ------------------------------------------------------------------------------------------- errors

    @property
    def error_count(self) -> int:
        """How often the warmup of a job with an equal definition has failed."""
        return self._service().definition_errors_sync(self.to_json()).count

    def get_errors(self) -> list[JobDefError]:
        """The newest of these errors, oldest first."""
        return list(self._service().definition_errors_sync(self.to_json()).newest)

    def has_errors(self) -> bool:
        """Whether there were any."""
        return self.error_count > 0

    def set_error(self, error: BaseException) -> None:
        """Count an error that the application has found; durable on return."""
        noted = JobDefError("application", f"{type(error).__name__}: {error}")
        self._service().note_definition_error_sync(self.to_json(), noted)

    def clear_errors(self) -> None:
        """Forget them; durable on return. Jobs keep theirs."""
        self._service().clear_definition_errors_sync(self.to_json())

    def _service(self) -> DefinitionSource:
        """The service that keeps it, else that of this process."""
        if self.source is not None:
            return self.source
        if _of_process is None:
            raise ConfigurationError("no service keeps the job definitions of this process; call statek.init first")
        return _of_process()

    def to_json(self) -> str:
        """Its one text form; equal definitions give equal texts."""
        data = {
            "role": self.role,
            "agent_class": self.agent_class,
            "metadata": dict(self.metadata),
            "prompt": self.prompt,
            "tool_names": list(self.tool_names),
            "warmup": [_block_to_data(block) for block in self.warmup],
            "chat_style": self.chat_style.name,
            "locale": self.locale,
            "job_params": dict(self.job_params),
            "shared_var_names": list(self.shared_var_names),
            "difficulty": self.difficulty.value,
            "provider_config": self.provider_config,
            "post_processing": self.post_processing,
            "mode": self.mode.value,
            "tools": None if self.tools is None else self.tools.to_data(),
        }
        return json.dumps(data, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, source: DefinitionSource | None = None) -> JobDefinition:
        """The definition of such a text.

        Args:
            text: what ``to_json`` gave.
            source: of a job's definition: the service that keeps it.

        Raises:
            InvalidRequest: it is none.
        """
        try:
            data = json.loads(text)
            return cls(
                role=data["role"],
                agent_class=data["agent_class"],
                metadata=data["metadata"],
                prompt=data["prompt"],
                tool_names=tuple(data["tool_names"]),
                warmup=tuple(_block_from_data(block) for block in data["warmup"]),
                chat_style=ChatStyle[data["chat_style"]],
                locale=data["locale"],
                job_params=data["job_params"],
                shared_var_names=tuple(data["shared_var_names"]),
                difficulty=TaskDifficulty(data["difficulty"]),
                provider_config=data.get("provider_config"),
                post_processing=data.get("post_processing", ""),
                source=source,
                mode=JobMode.parse(data.get("mode", JobMode.DURABLE)),
                tools=FrozenTools.from_data(data["tools"]) if data.get("tools") else None,
            )
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise InvalidRequest(f"no job definition: {type(error).__name__}: {error}") from error


def _block_to_data(block: WarmupBlock) -> dict[str, Any]:
    calls = [[call.id, call.name, list(call.args), dict(call.kwargs)] for call in block.calls]
    return {"code": block.code, "calls": calls, "metadata": dict(block.metadata)}


def _block_from_data(data: Mapping[str, Any]) -> WarmupBlock:
    calls: Sequence[Any] = data["calls"]
    return WarmupBlock(
        data["code"],
        tuple(WarmupCall(call_id, name, tuple(args), kwargs) for call_id, name, args, kwargs in calls),
        data["metadata"],
    )


def _json_copy(what: str, value: object) -> Any:
    """A copy that shares nothing.

    Raises:
        InvalidRequest: it would not come back equal from JSON.
    """
    try:
        copy = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"{what} is no JSON value: {error}; pass objects in shared_vars") from error
    if copy != value:
        raise InvalidRequest(f"{what} does not survive JSON unchanged; pass it in shared_vars")
    return copy
