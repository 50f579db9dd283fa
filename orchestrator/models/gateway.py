"""The gateway to the model providers."""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from orchestrator.models._litellm_thread import LitellmThread, ReplyBudget
from orchestrator.models.masking import safe_text
from orchestrator.models.messages import provider_messages
from orchestrator.models.options import request_options
from orchestrator.models.retry import is_retryable_status, retry_after_seconds, wait_before_attempt
from orchestrator.models.settings import GatewaySettings
from statek.exceptions import ModelError
from statek.model import ModelReply, ModelRequest, ModelUsage, ProviderToolCall

__all__ = ["LiteLLMModel"]

# Providers for which an explicit key is all the authority that litellm sends; others add credentials of their own.
_KEY_ONLY_PROVIDERS = frozenset({"hosted_vllm", "lm_studio", "ollama", "ollama_chat", "openai"})
_PLACEHOLDER_KEY = "no-key"


T = TypeVar("T")


class _Attempt(Exception):
    """One failed request: what to tell, whether another may help, and how long the provider asked to wait."""

    def __init__(self, message: str, *, retryable: bool, asked_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.asked_seconds = asked_seconds


class LiteLLMModel:
    """Answers requests through litellm, from a thread of its own.

    Implements ``statek.model.Model``. One instance serves any number of concurrent calls. litellm is imported by the
    first call, or by ``start``.

    Preconditions:
        Used from one event loop; ``aclose`` when done.
    """

    def __init__(self, settings: GatewaySettings | None = None) -> None:
        """Keep the settings; nothing is imported or opened yet.

        Args:
            settings: limits, retries and keys; None for the defaults.
        """
        self._settings = settings or GatewaySettings()
        self._thread: LitellmThread | None = None
        self._closing = asyncio.Event()
        self._windows: dict[str, int | None] = {}
        self._secrets = (*self._settings.api_keys.values(), *self._settings.secrets)
        bases = (*self._settings.trusted_api_bases, *([self._settings.api_base] if self._settings.api_base else []))
        self._trusted = frozenset(base.rstrip("/") for base in bases)

    async def start(self) -> None:
        """Import litellm now, so that the first call does not wait for it (seconds).

        Imports hold the interpreter in pieces of up to tens of milliseconds: call it before the service takes jobs.

        Raises:
            ModelError: litellm does not import, or the gateway is closed.
        """

        async def warm(litellm: Any) -> None:
            # An answer that litellm makes up itself loads what it would otherwise load during the first real call.
            messages = [{"role": "user", "content": "x"}]
            await litellm.acompletion(model="openai/gpt-4o-mini", messages=messages, mock_response="x", api_key="x")
            # The client of OpenAI-compatible providers loads its resources, 500 modules, when they are first touched.
            import openai

            _ = openai.AsyncOpenAI(api_key="x", http_client=litellm.aclient_session).chat.completions

        await self._run(warm)

    async def aclose(self) -> None:
        """Cancel what is under way and close the connections; the gateway cannot be used afterwards."""
        self._closing.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.to_thread(thread.release)

    async def missing_keys(self, model: str) -> tuple[str, ...]:
        """Environment variables that would have to be set before this model can be called; empty if it can.

        Args:
            model: model string, ``provider/model``.

        Raises:
            ModelError: no such provider.
        """

        async def look(litellm: Any) -> tuple[str, ...]:
            if model in self._settings.model_bases:
                return ()
            return self._missing_keys(litellm, model, self._provider(litellm, model))

        return await self._run(look)

    async def context_tokens(self, model: str) -> int | None:
        """Tokens that a request to a model may have, as litellm's table says; None for a model that is not in it.

        Args:
            model: model string, ``provider/model``.

        Raises:
            ModelError: litellm does not import, or the gateway is closed.
        """
        if model not in self._windows:

            async def look(litellm: Any) -> int | None:
                try:
                    found = litellm.get_model_info(model=model).get("max_input_tokens")
                except Exception:  # noqa: BLE001 - litellm raises a bare Exception for a model without an entry
                    return None
                return found if isinstance(found, int) and found > 0 else None

            self._windows[model] = await self._run(look)
        return self._windows[model]

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Answer one request.

        Timeouts, connection failures, 408, 429, 5xx and replies that make no sense are tried again with growing waits;
        everything else, and the last of these, is a ``ModelError``.

        Raises:
            ModelError: the provider failed or refused, the reply is too large, a key is missing, or an option is
                unknown. Its text contains no key.
        """
        options = request_options(request.options)
        for attempt in range(1, self._settings.attempts + 1):
            try:
                return await self._run(functools.partial(self._attempt, request, options, attempt))
            except _Attempt as failure:
                wait = wait_before_attempt(self._settings, attempt + 1, failure.asked_seconds)
                if not failure.retryable or wait is None:
                    raise self._error(request.model, failure, attempt) from None
                await asyncio.sleep(wait)
        raise AssertionError("the last attempt either returns or raises")

    def _error(self, model: str, failure: _Attempt, attempts: int) -> ModelError:
        text = f"model {model!r}: {failure}"
        if attempts > 1:
            text += f" (after {attempts} attempts)"
        asked = failure.asked_seconds
        if failure.retryable and asked is not None and asked > self._settings.retry_after_cap_seconds:
            text += (
                f"; the provider asks to wait {asked:.0f} s, the limit is {self._settings.retry_after_cap_seconds:g} s"
            )
        return ModelError(text, retryable=failure.retryable)

    async def _run(self, work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        if self._closing.is_set():
            raise ModelError("the model gateway is closed")
        if self._thread is None:
            self._thread = LitellmThread.acquire()
        try:
            return await self._thread.run(work)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closing.is_set() and not (task is not None and task.cancelling()):
                raise ModelError("the model gateway was closed during the call") from None
            raise
        except ImportError as error:
            raise ModelError(f"litellm cannot be imported: {safe_text(str(error), self._secrets)}") from error

    # What follows runs in litellm's thread.

    def _provider(self, litellm: Any, model: str) -> str:
        """Name of the provider in a model string."""
        try:
            return str(litellm.get_llm_provider(model=model)[1])
        except Exception:  # noqa: BLE001 - litellm raises several kinds for an unknown name
            name = safe_text(model)[:200]
            raise ModelError(
                f"model {name!r} names no known provider: write provider/model, for example openai/gpt-5-mini"
            ) from None

    def _missing_keys(self, litellm: Any, model: str, provider: str) -> tuple[str, ...]:
        if provider in self._settings.api_keys:
            return ()
        found = litellm.validate_environment(model, api_base=self._settings.api_base)
        return () if found["keys_in_environment"] else tuple(found["missing_keys"])

    def _destination(self, litellm: Any, request: ModelRequest, options: Mapping[str, Any]) -> dict[str, Any]:
        """``api_base`` and ``api_key`` of a call, where they are not litellm's own choice."""
        provider = self._provider(litellm, request.model)
        served_at = self._settings.model_bases.get(request.model, self._settings.api_base)
        base = options.get("api_base", served_at)
        if base is not None and not isinstance(base, str):
            raise ModelError(f"option api_base must be a str, got {type(base).__name__}")
        if base is not None and base.rstrip("/") not in self._trusted:
            if provider not in _KEY_ONLY_PROVIDERS:
                raise ModelError(
                    f"model {request.model!r} may only be asked at another api_base if trusted_api_bases lists it"
                )
            return {"api_base": base, "api_key": _PLACEHOLDER_KEY}
        missing = self._missing_keys(litellm, request.model, provider)
        if missing:
            raise ModelError(
                f"model {request.model!r} needs a provider key: set {' and '.join(missing)} in the environment. To run "
                "without a key, give an api_base of a model server of your own (hosted_vllm/<model>), or answer from a "
                "recording with statek.testing.RecordedProvider"
            )
        destination = {"api_base": base} if base is not None else {}
        if provider in self._settings.api_keys:
            destination["api_key"] = self._settings.api_keys[provider]
        return destination

    async def _attempt(
        self, request: ModelRequest, options: Mapping[str, Any], number: int, litellm: Any
    ) -> ModelReply:
        """One request; raises ``_Attempt`` for everything that went wrong with it."""
        arguments: dict[str, Any] = {
            **{name: value for name, value in options.items() if name != "api_base"},
            **self._destination(litellm, request, options),
        }
        if request.temperature is not None:
            arguments["temperature"] = request.temperature
        if request.tools:
            arguments["tools"] = [dict(tool) for tool in request.tools]
            # Otherwise litellm imports its MCP proxy for any tool, which needs packages that it does not depend on.
            arguments["_skip_mcp_handler"] = True
        budget = ReplyBudget(self._settings.max_reply_bytes)
        ReplyBudget.current.set(budget)
        seconds = self._settings.timeout_seconds
        try:
            # The outer bound holds for the whole request; litellm's is per read and differs between providers.
            async with asyncio.timeout(seconds):
                response = await litellm.acompletion(
                    model=request.model,
                    messages=provider_messages(
                        self._provider(litellm, request.model), request.messages, has_tools=bool(request.tools)
                    ),
                    timeout=seconds,
                    max_retries=0,
                    num_retries=0,
                    drop_params=True,
                    **arguments,
                )
        except TimeoutError:
            raise _Attempt(f"no reply within {seconds:g} s", retryable=True) from None
        except Exception as error:  # noqa: BLE001 - whatever a provider's client raises becomes one error
            raise self._failure(error, budget) from None
        return self._reply(litellm, request, response, number)

    def _failure(self, error: Exception, budget: ReplyBudget) -> _Attempt:
        if budget.violation is not None:
            return _Attempt(budget.violation, retryable=False)
        status = getattr(error, "status_code", None)
        status = status if isinstance(status, int) else None
        retryable = is_retryable_status(status) if status is not None else isinstance(error, OSError)
        headers = getattr(error, "litellm_response_headers", None)
        lower = {str(k).lower(): str(v) for k, v in headers.items()} if isinstance(headers, Mapping) else {}
        text = safe_text(f"{type(error).__name__}: {error}", self._secrets)
        return _Attempt(text, retryable=retryable, asked_seconds=retry_after_seconds(lower))

    def _reply(self, litellm: Any, request: ModelRequest, response: Any, number: int) -> ModelReply:
        choices = getattr(response, "choices", None)
        if not choices:
            raise _Attempt("the reply has no choices", retryable=True)
        message = choices[0].message
        text = message.content or ""
        if not isinstance(text, str):
            raise _Attempt(f"the reply's content is {type(text).__name__}, not text", retryable=True)
        try:
            calls = tuple(
                ProviderToolCall(str(call.id or ""), str(call.function.name or ""), str(call.function.arguments or ""))
                for call in message.tool_calls or ()
            )
        except (AttributeError, TypeError):
            raise _Attempt("the reply has a tool call that is none", retryable=True) from None
        size = sum(len(part.encode(errors="replace")) for part in (text, *(call.arguments for call in calls)))
        if size > self._settings.max_reply_bytes:
            reason = f"the reply has {size} bytes of text, the limit is {self._settings.max_reply_bytes}"
            raise _Attempt(reason, retryable=False)
        return ModelReply(text, calls, self._usage(litellm, request, response, number))

    @staticmethod
    def _usage(litellm: Any, request: ModelRequest, response: Any, number: int) -> ModelUsage:
        usage = getattr(response, "usage", None)
        details = getattr(usage, "prompt_tokens_details", None)

        def count(source: Any, name: str) -> int:
            value = getattr(source, name, None)
            return value if isinstance(value, int) and value >= 0 else 0

        cost: int | None
        try:
            dollars = float(litellm.completion_cost(completion_response=response, model=request.model))
            cost = round(dollars * 1_000_000) if math.isfinite(dollars) and dollars >= 0 else None
        except Exception:  # noqa: BLE001 - litellm raises a bare Exception for a model without a price
            cost = None
        return ModelUsage(
            input_tokens=count(usage, "prompt_tokens"),
            output_tokens=count(usage, "completion_tokens"),
            cached_tokens=count(details, "cached_tokens"),
            cost_microusd=cost,
            attempts=number,
        )
