"""What the operator decides about model calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from statek.exceptions import ConfigurationError

__all__ = ["GatewaySettings"]


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Limits, retries and keys of the model gateway.

    Attributes:
        timeout_seconds: bound of one request, from connecting to the last byte.
        attempts: requests made at most for one reply, at least 1.
        backoff_seconds: wait before the second attempt; doubles with each further one, jitter takes up to half away.
        backoff_cap_seconds: longest such wait.
        retry_after_cap_seconds: longest Retry-After that is honoured; a provider that asks for more ends the call.
        max_reply_bytes: bound of one reply's body on the wire, and of its text and tool calls as UTF-8.
        api_base: address used for every request that names none; None for the provider's own.
        model_bases: model string to the address that serves it, before ``api_base``; for servers of one's own.
        api_keys: provider name as in the model string to key; a provider that is missing here uses the environment.
        trusted_api_bases: addresses that may get the keys above and those of the environment. An address that comes
            with a request and is not listed gets a placeholder, so an agent's metadata cannot lead a key elsewhere.
        secrets: further texts that never appear in an error message.
    """

    timeout_seconds: float = 60.0
    attempts: int = 4
    backoff_seconds: float = 0.5
    backoff_cap_seconds: float = 20.0
    retry_after_cap_seconds: float = 60.0
    max_reply_bytes: int = 4 << 20
    api_base: str | None = None
    model_bases: Mapping[str, str] = field(default_factory=dict)
    api_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    trusted_api_bases: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            ConfigurationError: names the field and the value.
        """
        if self.attempts < 1:
            raise ConfigurationError(f"attempts must be at least 1, got {self.attempts}")
        for name in ("timeout_seconds", "max_reply_bytes"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("backoff_seconds", "backoff_cap_seconds", "retry_after_cap_seconds"):
            if not getattr(self, name) >= 0:
                raise ConfigurationError(f"{name} must not be negative, got {getattr(self, name)}")
