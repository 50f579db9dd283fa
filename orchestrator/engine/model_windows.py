"""How long a conversation may be: what the smallest model takes that its job may use."""

from __future__ import annotations

from orchestrator.engine.active_job import ActiveJob
from orchestrator.models import request_window
from statek.difficulty import TaskDifficulty
from statek.exceptions import ModelError
from statek.model import Model

__all__ = ["conversation_tokens"]


async def conversation_tokens(job: ActiveJob, model: Model, default_tokens: int) -> int:
    """Tokens that the conversation of a job may have.

    Args:
        job: the job.
        model: what answers it.
        default_tokens: context window of a model that is not known.
    """
    options = job.definition.model_options
    asked = options.get("max_completion_tokens") or options.get("max_tokens") or ""
    reply = int(asked) if asked.isdecimal() else None
    windows = []
    for name in {job.definition.model_for(difficulty) for difficulty in TaskDifficulty}:
        try:
            windows.append(await request_window(model, name, default_tokens=default_tokens, reply_tokens=reply))
        except ModelError:
            windows.append(default_tokens // 2)  # the request will say what is wrong
    return max(min(windows) - job.spec_tokens, 1)
