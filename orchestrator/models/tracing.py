"""A trace of every model request and its answer: one JSON object a line, for people who improve prompts.

Holds what jobs say to models, so it is off unless ``trace_path`` is set. Values whose names sound like secrets are
replaced, and what looks like a key is masked in error texts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.models.masking import MASK, safe_text
from orchestrator.rotating_file import RotatingWriter
from statek.exceptions import ModelError
from statek.model import Model, ModelReply, ModelRequest

__all__ = ["TracingModel", "redacted"]

_SECRET_WORDS = ("key", "secret", "password", "passwd", "token", "authorization", "credential", "cookie")
_NOT_SECRET = frozenset({"input_tokens", "output_tokens", "cached_tokens", "max_tokens", "max_completion_tokens"})


def redacted(value: Any) -> Any:
    """A JSON-able copy in which every value under a name that sounds like a secret is masked."""
    if isinstance(value, Mapping):
        return {str(key): MASK if _sounds_secret(str(key)) else redacted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _sounds_secret(name: str) -> bool:
    folded = name.lower()
    return folded not in _NOT_SECRET and any(word in folded for word in _SECRET_WORDS)


class TracingModel:
    """A model whose requests and answers are written down.

    Args:
        model: what answers.
        path: the file.
        max_bytes: length at which it is turned over.
        backups: older files that are kept.
    """

    def __init__(self, model: Model, path: Path, *, max_bytes: int, backups: int) -> None:
        self._model = model
        self._path = path
        self._writer = RotatingWriter(max_bytes=max_bytes, backups=backups)

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Answer one request.

        Raises:
            ModelError: the provider failed or refused.
        """
        started = time.monotonic()
        try:
            reply = await self._model.complete(request)
        except ModelError as error:
            self._write(request, started, {"error": safe_text(str(error))})
            raise
        self._write(request, started, {"reply": asdict(reply)})
        return reply

    def _write(self, request: ModelRequest, started: float, answer: Mapping[str, Any]) -> None:
        """Write one line; of the messages only the new ones, the earlier stand in earlier lines."""
        messages = list(request.messages)
        entry = {
            "at": time.time(),
            "seconds": round(time.monotonic() - started, 6),
            "job": request.job_id,
            "turn": request.turn,
            "model": request.model,
            "temperature": request.temperature,
            "options": dict(request.options),
            "tools": [dict(tool).get("function", {}).get("name") for tool in request.tools],
            "messages_before": max(0, len(messages) - _SHOWN_MESSAGES),
            "messages": messages[-_SHOWN_MESSAGES:],
            **answer,
        }
        line = json.dumps(redacted(entry), ensure_ascii=True, separators=(",", ":"))
        self._writer.write_nowait(self._path, f"{line}\n")

    def close(self) -> None:
        """Write what waits; blocking."""
        self._writer.close()


_SHOWN_MESSAGES = 4
"""Newest messages of a request that a line holds: a trace must not grow with the square of a job's turns."""
