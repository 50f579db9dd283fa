"""Model calls: the gateway to the providers."""

from __future__ import annotations

from orchestrator.models.context_window import request_window
from orchestrator.models.gateway import LiteLLMModel
from orchestrator.models.settings import GatewaySettings

__all__ = ["GatewaySettings", "LiteLLMModel", "request_window"]
