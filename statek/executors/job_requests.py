"""What the model of a job is asked with: now, and at each request that it has answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from statek.chat_history import ChatHistoryItem, ChatRole
from statek.difficulty import TaskDifficulty

if TYPE_CHECKING:
    from statek.executors.job_source import JobSource

__all__ = ["JobRequests"]


class JobRequests:
    """The part of a ``Job`` that builds requests; nothing in them is shortened to fit the model's window."""

    id: str
    _source: JobSource

    def get_chat_history(self) -> list[ChatHistoryItem]:
        """The conversation behind the system message, what waits in the inbox included."""
        return self._source.history_sync(self.id)[0]

    def get_next_request(self) -> dict[str, Any]:
        """What the model would be asked with now.

        Returns:
            ``chat_history``, ``system_prompt``, ``model``, ``metadata`` (a copy), ``available_tools`` (OpenAI's form),
            ``provider_config``, ``chat_style``, and ``temperature`` where one is set.

        Raises:
            NotFound: its agent, whose tools the request shows, is not known in this process.
        """
        return self._request(*self._source.history_sync(self.id))

    def get_request_data(self, turn: int) -> dict[str, Any]:
        """What the model was asked with at a turn.

        Args:
            turn: number of the request, from 0: that of the job's first reply.

        Raises:
            IndexError: there was no such request.
            NotFound: as for ``get_next_request``.
        """
        return self._request(*self._source.history_sync(self.id, turn))

    def get_next_prompt(self) -> str:
        """What the model would be told next: everything behind its newest reply, a blank line between the parts."""
        parts: list[str] = []
        for item in reversed(self.get_chat_history()):
            if item.role is ChatRole.ASSISTANT:
                break
            parts.insert(0, item.content)
        return "\n\n".join(parts)

    def _request(self, history: list[ChatHistoryItem], difficulty: TaskDifficulty) -> dict[str, Any]:
        definition = self._source.definition_sync(self.id)[0]
        agent = self._source.agent(definition.role)
        request: dict[str, Any] = {
            "chat_history": history,
            "system_prompt": definition.system_prompt(agent, difficulty),
            "model": definition.model_for(difficulty),
            "metadata": dict(definition.metadata),
            "available_tools": [dict(spec) for spec in definition.provider_specs(definition.provider_tools(agent))],
            "provider_config": definition.provider_config,
            "chat_style": definition.chat_style,
        }
        temperature = definition.temperature_for(difficulty)
        return request if temperature is None else {**request, "temperature": temperature}
