"""What the calls of one step act upon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from orchestrator.engine.job_futures import JobFutures
from orchestrator.engine.objects import ObjectGateway
from statek.access import Policy
from statek.job_control import JobControl
from statek.records import JobRecord
from statek.tools import ToolDef

__all__ = ["StepScope"]


@dataclass(frozen=True, slots=True)
class StepScope:
    """What one step's calls act upon.

    Attributes:
        record: the job, whose step in flight this is.
        number, step: the job's number and the step's.
        tenant, principal: on whose behalf.
        tools: every Python tool of the job by name.
        policy: for which agent access is decided, under which settings.
        hidden_block: whether the step is a hidden warmup block.
        objects: the job's durable objects.
        control: what tools may do with the job.
        futures: the job's futures.
        host_tools: tools that the service itself calls in the step (``call_by_host``); code cannot.
        named: what a name stands for in an argument that takes no text; None for nothing.
    """

    record: JobRecord
    number: int
    step: int
    tenant: str
    principal: str
    tools: Mapping[str, ToolDef]
    policy: Policy
    hidden_block: bool
    objects: ObjectGateway
    control: JobControl
    futures: JobFutures
    host_tools: Mapping[str, ToolDef] = field(default_factory=dict)
    named: Callable[[str], object | None] = lambda _name: None
