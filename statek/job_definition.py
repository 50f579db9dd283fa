"""The frozen setup of one job: plain data, a JSON-able copy of what its agent said when it was made.

Later changes of the agent do not reach it; only the tools themselves are looked up on the live agent,
by name, because functions are not data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from statek.chat_style import ChatStyle
from statek.difficulty import TaskDifficulty, parse_model
from statek.exceptions import InvalidRequest
from statek.harness import HARNESS_KEYS
from statek.locale import get_language_hint, get_language_rule, resolve_locale
from statek.model_routing import ModelRoute, ProviderConfig, route_model
from statek.prompt_config import check_metadata, format_system_prompt, make_system_prompt, parse_temperature
from statek.static_policy import StaticPolicy
from statek.tools_scope import parse_tools_scope, select_provider_tools
from statek.warmup import WarmupBlock, WarmupCall

if TYPE_CHECKING:
    from statek.agents.agent import Agent
    from statek.tools import ToolDef

__all__ = ["JobDefinition"]

_FRAMEWORK_KEYS = frozenset(
    {
        "MODEL", "PROVIDER", "TEMPERATURE", "CHAT_STYLE", "DESCRIPTION", "LLM_TOOLS_SCOPE", "DEFAULT_DIFFICULTY",
        "POST_PROCESSORS", "AUTO_LANG_RULE", "AUTO_LANG_HINT", "EXTRA_RESOURCES", "REASONING",
        "STATIC_POLICY", *HARNESS_KEYS,
    }
)  # fmt: skip
"""Metadata for STATEK itself; every other key is an option of the model request."""


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
    def model(self) -> str:
        """The model for its difficulty, with the PROVIDER in front where the model string names none."""
        return self.model_for(self.difficulty)

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

        An agent that gained tools since does not widen the job.
        """
        allowed = set(self.tool_names)
        return [tool for tool in agent.tool_defs() if tool.name in allowed or tool.system]

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
        }
        return json.dumps(data, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> JobDefinition:
        """The definition of such a text.

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
