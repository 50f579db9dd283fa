"""From MODEL and PROVIDER metadata to what a request needs: the model as litellm names it, and its parameters.

A model string is ``provider/family/model``, ``provider/model`` or ``model``, and may end in parameters:
``openai/gpt-5-mini/rl=60&max_tokens=800``. The provider is that of the string, else PROVIDER, else the setting
``default_llm_api_provider``. Through OPENROUTER, whose own names are ``family/model``, two parts are those.

``rl`` (or ``reasoning_level``), 0 to 100, says how much the model should reason. A provider configuration file says
what that is for a model (``ProviderConfig``); without a file it is litellm's ``reasoning_effort``: low, medium or
high by thirds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from statek.exceptions import ConfigurationError, InvalidRequest

__all__ = ["ModelRoute", "ProviderConfig", "canonical_name", "resolve_provider_config", "route_model"]

_PARAMETERS = re.compile(r"[A-Za-z_]\w*=[^&=/]*(?:&[A-Za-z_]\w*=[^&=/]*)*")
_REASONING = ("rl", "reasoning_level")

_ALIASES = {
    "anthropic": "anthropic", "azure_openai": "azure", "claude": "anthropic", "claudeai": "anthropic",
    "cloudflare_ai_gateway": "cloudflare", "fireworks": "fireworks_ai", "gemini_enterprise": "vertex_ai",
    "google": "vertex_ai", "grok": "xai", "kimi": "moonshot", "lmstudio": "lm_studio", "microsoft_foundry": "azure_ai",
    "nim": "nvidia_nim", "nvidia": "nvidia_nim", "qwen": "dashscope", "together": "together_ai",
    "vertexai": "vertex_ai", "vllm": "hosted_vllm",
}  # fmt: skip
"""Names of providers in STATEK's documents that litellm calls otherwise."""

_OPTIONS = frozenset(
    {
        "max_completion_tokens",
        "max_tokens",
        "reasoning_effort",
        "temperature",
        "thinking",
        "top_k",
        "top_p",
        "verbosity",
    }
)
"""Keys of a payload that are options of a request; every other one is sent as it is, in the request's body."""


@dataclass(frozen=True, slots=True)
class ModelRoute:
    """What one request is made with.

    Attributes:
        model: as litellm takes it.
        options: provider parameters.
        ignored: names of options that must not be sent to this model.
    """

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """How reasoning is asked for, by provider, family and model.

    The file is JSON: names (in any letter case) nested as provider, then family if there is one, then model; at any
    level ``"reasoning": {"reasoning_level": [{"range": {"from": 0, "to": 30}, "payload": {...}}, ...],
    "ignore_parameters": [...]}``. The deepest level that has one is used.

    Attributes:
        tree: the decoded file.
    """

    tree: Mapping[str, Any]

    @classmethod
    def load(cls, path: Path | str) -> ProviderConfig:
        """Read a file.

        Raises:
            ConfigurationError: it cannot be read, or is no JSON object.
        """
        try:
            tree = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(f"provider_config {path} cannot be read: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"provider_config {path} is no JSON: {error}") from error
        if not isinstance(tree, dict):
            raise ConfigurationError(f"provider_config {path} must be an object of providers")
        return cls(tree)

    def reasoning(self, names: tuple[str, ...], level: int) -> tuple[dict[str, Any], frozenset[str]]:
        """The payload for a model and the names that it ignores.

        Args:
            names: provider, family and model, as many as there are.
            level: 0 to 100.

        Raises:
            InvalidRequest: nothing is said for a positive level, or what is said cannot be understood.
        """
        found = _deepest(self.tree, names)
        where = "/".join(names)
        try:
            ignored = frozenset(map(str, found.get("ignore_parameters", ()))) if found else frozenset()
            for entry in found.get("reasoning_level", ()) if found else ():
                if entry["range"]["from"] <= level <= entry["range"]["to"]:
                    return dict(entry["payload"]), ignored
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidRequest(f"provider_config: reasoning of {where} cannot be understood: {error!r}") from None
        if level > 0:
            raise InvalidRequest(f"provider_config says nothing of reasoning level {level} for {where}")
        return {}, ignored


def resolve_provider_config(source: ProviderConfig | Mapping[str, Any] | Path | str | None) -> ProviderConfig | None:
    """A provider configuration from what a caller may give: the thing itself, its tree, or its file.

    Raises:
        ConfigurationError: the file cannot be read, or it is none of these.
    """
    if source is None or isinstance(source, ProviderConfig):
        return source
    if not isinstance(source, Mapping | Path | str):
        raise ConfigurationError(f"provider_config is given as a mapping or a file, not as {type(source).__name__}")
    return ProviderConfig(source) if isinstance(source, Mapping) else ProviderConfig.load(source)


def route_model(text: str, provider: str = "", config: ProviderConfig | None = None) -> ModelRoute:
    """What a model string stands for.

    Args:
        text: one model, without difficulty labels.
        provider: where the string names none.
        config: how reasoning is asked for; None for litellm's ``reasoning_effort``.

    Raises:
        InvalidRequest: blank, broken parameters, or a reasoning level that cannot be asked for.
    """
    name, parameters = _split_parameters(text.strip())
    parts = [part.strip() for part in name.split("/")]
    if not all(parts):
        raise InvalidRequest(f"model {text!r}: a part of it is empty")
    given = provider.strip().lower()
    if given and (len(parts) == 1 or (len(parts) == 2 and given == "openrouter" != parts[0].lower())):
        parts.insert(0, given)
    if len(parts) > 1:
        parts[0] = canonical_name(parts[0])
    levels = [parameters.pop(key) for key in _REASONING if key in parameters]
    options: dict[str, Any] = dict(parameters)
    ignored: frozenset[str] = frozenset()
    if levels:
        level = _level(text, levels[0])
        if config is not None:
            payload, ignored = config.reasoning(tuple(parts), level)
            options |= _as_options(payload)
        elif level > 0:
            options["reasoning_effort"] = "low" if level <= 33 else "medium" if level <= 66 else "high"
    return ModelRoute("/".join(parts), {name: value for name, value in options.items() if name not in ignored}, ignored)


def _split_parameters(text: str) -> tuple[str, dict[str, str]]:
    head, slash, tail = text.rpartition("/")
    if not slash or "=" not in tail:
        return text, {}
    if _PARAMETERS.fullmatch(tail) is None:
        raise InvalidRequest(f"model {text!r}: parameters must look like /rl=50&max_tokens=800")
    return head, {name.lower(): value for name, _, value in (pair.partition("=") for pair in tail.split("&"))}


def _level(text: str, level: str) -> int:
    if not level.isdecimal() or len(level) > 3 or int(level) > 100:
        raise InvalidRequest(f"model {text!r}: reasoning level {level!r} must be a whole number from 0 to 100")
    return int(level)


def _as_options(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A payload as options of a request; what is none of them goes into the request's body."""
    options = {name: value for name, value in payload.items() if name in _OPTIONS}
    body = {name: value for name, value in payload.items() if name not in _OPTIONS}
    return {**options, "extra_body": body} if body else options


def _deepest(tree: Mapping[str, Any], names: tuple[str, ...]) -> Mapping[str, Any] | None:
    """The ``reasoning`` of the deepest level on the way to a model; a level of family may be left out."""
    best: Mapping[str, Any] | None = None
    node: Any = tree
    for name in names:
        below = _child(node, name)
        if below is None:
            continue
        node = below
        reasoning = _child(node, "reasoning")
        if isinstance(reasoning, Mapping):
            best = reasoning
    return best


def _child(node: Any, name: str) -> Any:
    if not isinstance(node, Mapping):
        return None
    return next((value for key, value in node.items() if canonical_name(str(key)) == canonical_name(name)), None)


def canonical_name(name: str) -> str:
    """A name in the one letter case, that of a provider as litellm has it."""
    return _ALIASES.get(name.lower(), name.lower())
