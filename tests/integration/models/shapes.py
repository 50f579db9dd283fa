"""Replies of the three provider shapes, and what their requests say."""

from __future__ import annotations

import json
from typing import Any

from statek.model import ModelReply

__all__ = ["SHAPES", "answer", "said"]

SHAPES = {
    "openai": "openai/gpt-4o-mini",
    "anthropic": "anthropic/claude-3-5-sonnet-20241022",
    "gemini": "gemini/gemini-2.0-flash",
}
"""Provider to a model string."""


def answer(shape: str, reply: ModelReply) -> dict[str, Any]:
    """The body of a provider's answer."""
    calls = [(call.id, call.name, json.loads(call.arguments)) for call in reply.tool_calls]
    if shape == "anthropic":
        content: list[dict[str, Any]] = [{"type": "text", "text": reply.text}] if reply.text else []
        content += [{"type": "tool_use", "id": id_, "name": name, "input": given} for id_, name, given in calls]
        usage = {"input_tokens": 10, "output_tokens": 5}
        reason = "tool_use" if calls else "end_turn"
        return {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "c",
            "content": content,
            "stop_reason": reason,
            "usage": usage,
        }
    if shape == "gemini":
        parts: list[dict[str, Any]] = [{"text": reply.text}] if reply.text else []
        parts += [{"functionCall": {"name": name, "args": given}} for _, name, given in calls]
        counts = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}
        return {
            "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
            "usageMetadata": counts,
        }
    tool_calls = [
        {"id": id_, "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
        for id_, name, given in calls
    ]
    message = {"role": "assistant", "content": reply.text or None, **({"tool_calls": tool_calls} if calls else {})}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


def said(shape: str, body: dict[str, Any]) -> list[tuple[str, str]]:
    """What a request says, in one form: ``(side, text)``, calls as ``name(arguments)``, results as ``-> text``."""
    if shape == "anthropic":
        found = [("system", part["text"]) for part in body.get("system", [])]
        return found + [(m["role"], _anthropic(part)) for m in body["messages"] for part in m["content"]]
    if shape == "gemini":
        found = [("system", part["text"]) for part in body.get("system_instruction", {}).get("parts", [])]
        return found + [(one["role"], _gemini(part)) for one in body["contents"] for part in one["parts"]]
    out: list[tuple[str, str]] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            out.append(("user", f"-> {message['content']}"))
            continue
        if message.get("content"):
            out.append((message["role"], message["content"]))
        for call in message.get("tool_calls", ()):
            function = call["function"]
            out.append((message["role"], _shown(function["name"], json.loads(function["arguments"]))))
    return out


def _anthropic(part: dict[str, Any]) -> str:
    if part["type"] == "tool_use":
        return _shown(part["name"], part["input"])
    return f"-> {part['content']}" if part["type"] == "tool_result" else str(part["text"])


def _gemini(part: dict[str, Any]) -> str:
    if "function_call" in part:
        return _shown(part["function_call"]["name"], part["function_call"]["args"])
    if "function_response" in part:
        return f"-> {part['function_response']['response']['content']}"
    return str(part["text"])


def _shown(name: str, arguments: dict[str, Any]) -> str:
    return f"{name}({json.dumps(arguments, sort_keys=True)})"
