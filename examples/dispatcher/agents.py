"""The three agents: who may do what, and what each of them is given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import statek

__all__ = ["DISPATCHER", "RETRIEVER", "ROLES", "SCHEDULER", "make_agents"]

DISPATCHER, RETRIEVER, SCHEDULER = "dispatcher", "information_retriever", "schedule_assistant"
ROLES = (DISPATCHER, RETRIEVER, SCHEDULER)

_WORKSPACE = """
--- PYTHON WORKSPACE ---
- Every reply needs one ```python block; it is executed, and you get what it printed.
- Variables stay between replies.
- Variables at the start: {shared_var_names}

--- AVAILABLE FUNCTIONS ---
{brief_tools}
"""

_PROMPTS = {
    DISPATCHER: """ROLE: Dispatcher. You read one message and let specialists do the work.

GOAL: Have the request fulfilled, answer its sender with send_answer, then exit with one sentence.
After giving work to somebody, call exit("..."): you are woken when the result is there.
""",
    RETRIEVER: """ROLE: Information retriever. You look things up and change nothing.

GOAL: Answer the question in the variable `question` from `office`, hand the answer in with report(...), then exit().
""",
    SCHEDULER: """ROLE: Schedule assistant. You book rooms.

GOAL: Do the task in the variable `task` with one of `rooms`, hand in the room and the hour with report(...), then
call exit().
""",
}


@statek.subtask
def ask_retriever(question: str, office: Any, **_kwargs: Any) -> Any:
    """Let the information retriever answer a question about the office.

    Args:
        question (str): what to find out
        office (Office): where to look
    """
    return statek.create_new_job(RETRIEVER, {"question": question, "office": office})


@statek.subtask
def ask_scheduler(task: str, rooms: list[Any], **_kwargs: Any) -> Any:
    """Let the schedule assistant book a room.

    Args:
        task (str): what to book
        rooms (list): the rooms that may be booked
    """
    return statek.create_new_job(SCHEDULER, {"task": task, "rooms": rooms})


@statek.tool(effect="store")
def report(result: Any, **_kwargs: Any) -> None:
    """Hand in the result of your work.

    Args:
        result (Any): plain values, objects of the office, or both
    """
    statek.complete_sub_task(result)


def make_agents(outbox: Path, models: Mapping[str, str]) -> list[statek.SupervisedAgent]:
    """The agents.

    Args:
        outbox: file that answers are appended to; stands for a mail server.
        models: model string by role.
    """

    @statek.tool(idempotent=True)
    def send_answer(to: str, text: str, ctx: statek.ToolContext, **_kwargs: Any) -> None:  # noqa: D417 -- ctx is hidden
        """Answer the sender of the message.

        Args:
            to (str): who gets the answer
            text (str): the answer
        """
        line = f"{ctx.idempotency_key}\t{to}\t{text}\n"
        known = outbox.read_text(encoding="utf-8") if outbox.exists() else ""
        if line not in known:
            with outbox.open("a", encoding="utf-8") as file:
                file.write(line)

    tools: dict[str, list[Any]] = {
        DISPATCHER: [ask_retriever, ask_scheduler, send_answer],
        RETRIEVER: [report],
        SCHEDULER: [report],
    }
    # The one name that the dispatcher's warmup reads and does not set is the event of its queue.
    warmups = {DISPATCHER: "sender, office = message.sender, message.office\nprint(f'{sender} writes: {message.text}')"}
    return [
        statek.SupervisedAgent(
            role=role,
            _system_prompt=_PROMPTS[role] + _WORKSPACE,
            _tools=tools[role],
            _metadata={"MODEL": models[role], "CHAT_STYLE": "MARKDOWN"},
            warmup_def=warmups.get(role),
        )
        for role in ROLES
    ]
