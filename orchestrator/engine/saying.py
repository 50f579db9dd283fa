"""Sends the prose of a reply to the user: an external effect of the step, made by the service before the code runs."""

from __future__ import annotations

from orchestrator.engine.console import Console
from orchestrator.engine.gateway import EXIT_TYPE, StepGateway
from statek.agents.agent import Agent
from statek.dialog import message_segments

__all__ = ["say"]


async def say(gateway: StepGateway, agent: Agent, prose: str, console: Console) -> str:
    """Send prose in segments; nothing happens where the agent writes to nobody.

    A segment that the sender refuses is told on the console, and those behind it are not sent. A re-run is answered
    from the journal.

    Args:
        gateway: of the step; the sender is among its host tools.
        agent: of the job.
        prose: of the reply.
        console: of the step.

    Returns:
        ``Type: message`` of what went wrong, empty for nothing.

    Raises:
        StepAborted: a message is in doubt, or the re-run diverged.
        StoreError: the store refused; nothing was acknowledged.
    """
    sender = agent.message_tool
    if sender is None or not prose:
        return ""
    for segment in message_segments(prose, with_media=agent.takes_media):
        arguments = {"body": segment.body, "media": segment.media} if agent.takes_media else {"body": segment.body}
        answer = await gateway.call_by_host(sender.name, arguments)
        if answer.error_type not in {"", EXIT_TYPE}:
            error = f"{answer.error_type}: {answer.error_message}"
            console.error(error)
            return error
    return ""
