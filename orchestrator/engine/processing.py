"""Runs a job's post-processors over a reply, off the event loop and under a time limit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from orchestrator.engine.tool_runner import ToolRunner
from statek.executors.job import Job
from statek.model import ModelReply
from statek.post_processors import LLM_StepData, PostProcessor, Processed, apply_post_processors
from statek.tools import ToolContext, ToolDef

__all__ = ["ReplyProcessor"]


class ReplyProcessor:
    """The post-processors of one job.

    Args:
        processors: in order.
        runner: runs them as it runs tools.
        job: what they may look at.
    """

    def __init__(self, processors: Sequence[PostProcessor], runner: ToolRunner, job: Job) -> None:
        self._processors = processors
        self._runner = runner
        self._job = job
        self._tool = ToolDef.of(apply_post_processors, name="post_processors")

    async def process(self, reply: ModelReply) -> Processed:
        """What becomes of a reply.

        Raises:
            Exception: whatever a post-processor raised; ``TimeoutError`` when one took too long.
        """
        step = LLM_StepData(reply.text, reply.tool_calls)
        if not self._processors:
            return Processed(step)
        call = partial(apply_post_processors, self._processors, step, self._job)
        made: Processed = await self._runner.run(self._tool, call, ToolContext(self._job.id))
        return made
