"""``DialogAgent``: the agent of one-to-one conversations.

Its jobs talk in MD_DIALOG: the prose of a reply is sent to the user, fenced Python runs, and a reply without code
ends the turn. Sending is an external effect of the step like a tool call: written down before, told after, and never
repeated silently.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from statek.agents.agent import SupervisedAgent, Tool
from statek.chat_style import ChatStyle
from statek.dialog import ANSWER_TOOL, MESSAGE_TOOL
from statek.exceptions import InvalidRequest, JobExit
from statek.job_definition import JobDefinition
from statek.job_mode import JobMode
from statek.locale import StatekLocale
from statek.model_routing import ProviderConfig
from statek.post_processors import PostProcessor
from statek.printing import prints_as_usual
from statek.reminders import RecurringReminder, RecursiveReminder, Reminder, make_reminder
from statek.tools import OPTIONS_ATTRIBUTE, ToolContext, ToolDef, ToolOptions
from statek.warmup import WarmupSource

__all__ = [
    "DialogAgent",
    "RecurringReminder",
    "RecursiveReminder",
    "Reminder",
    "message_tool",
]

DEFAULT_ROLE = "dialog_agent"


class DialogAgent(SupervisedAgent):
    """An agent that talks with a user.

    Args:
        send_message: ``send_message(body, media=None)``, blocking or async; a plain callable or a ``@tool``, whose
            options (``idempotent``, ``reconcile``, ``timeout`` ...) then say what becomes of an unfinished call. It
            may take ``ctx``.
        tools: further tools.
        role: its name.
        add_answer_tool: whether the model gets ``answer(body, media=None)``, which sends and ends the job. A tool of
            this name among ``tools`` goes before it.
        _metadata: configuration.
        kwargs: as for ``SupervisedAgent``.

    Raises:
        TypeError: ``send_message`` cannot be called.
        InvalidRequest: it does not accept ``body``, or is temporal.
    """

    def __init__(
        self,
        send_message: Callable[..., Any],
        tools: Sequence[Tool] | None = None,
        role: str = DEFAULT_ROLE,
        add_answer_tool: bool = True,
        _metadata: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        self._message_tool: ToolDef = message_tool(send_message)
        self._answer: Tool | None = None
        given = [*(tools or ()), *kwargs.pop("_tools", ())]
        if add_answer_tool and ANSWER_TOOL not in {ToolDef.of(tool).name for tool in given}:
            self._answer = _answer_tool(self._message_tool)
            given.append(self._answer)
        super().__init__(role, _tools=given, _metadata=_metadata, **kwargs)
        self._reminder: Reminder | None = None
        self._reminder_given = False
        self._keep_reminder: Callable[[Reminder | None], None] | None = None

    def writing_to(self, sender: ToolDef) -> Self:
        """This agent with another sender, which ``answer`` uses too."""
        twin = super().writing_to(sender)
        if self._answer is not None:
            answer = _answer_tool(sender)
            twin._tools = [answer if tool is self._answer else tool for tool in self._tools]  # noqa: SLF001
            twin._answer = answer  # noqa: SLF001 -- of its own kind
        return twin

    @property
    def takes_media(self) -> bool:
        """Whether ``send_message`` takes ``media``."""
        return _accepts(self._message_tool, "media")

    def tool_defs(self) -> list[ToolDef]:
        """The declarations of every tool, ``_send_message`` among the internal ones."""
        found = super().tool_defs()
        names = {tool.name for tool in found}
        return found if MESSAGE_TOOL in names else [*found, self._message_tool]

    def create_job_def(
        self,
        tools: Sequence[Tool] | None = None,
        warmup_code: WarmupSource = None,
        shared_vars: Mapping[str, Any] | Sequence[str] | None = None,
        locale: str | StatekLocale | None = None,
        chat_style: ChatStyle | str | None = None,
        provider_config: ProviderConfig | Mapping[str, Any] | Path | str | None = None,
        post_processing: PostProcessor | Sequence[PostProcessor] | str | None = None,
        mode: JobMode | str | None = None,
        **job_params: Any,
    ) -> JobDefinition:
        """Freeze the setup of one job; the arguments are those of ``Agent.create_job_def``.

        The style is ``chat_style``, else CHAT_STYLE of the metadata, else MD_DIALOG.
        """
        named = any(key.upper() == "CHAT_STYLE" for key in self._metadata)
        chosen = chat_style if chat_style is not None or named else ChatStyle.MD_DIALOG
        return super().create_job_def(
            tools, warmup_code, shared_vars, locale, chosen, provider_config, post_processing, mode, **job_params
        )

    # ------------------------------------------------------------------------------------ reminders

    @property
    def reminder(self) -> Reminder | None:
        """The reminder in force; None without one."""
        return self._reminder

    def set_new_reminder(self, text: str, type: str = "RECURRING", **options: Any) -> Reminder:  # noqa: A002
        """Make a reminder and set it.

        Args:
            text: what the model is told.
            type: ``RECURRING`` (``RECURSIVE`` is the same).
            options: of the type: ``min_dialog_len``.

        Raises:
            InvalidRequest: an unknown type or option, or no text.
        """
        made = make_reminder(text, type, **options)
        self.set_reminder(made)
        return made

    def set_reminder(self, reminder: Reminder | None) -> None:
        """Set the reminder of this role, or remove it; kept in the store as soon as a service runs the agent.

        Raises:
            TypeError: it is none.
            InvalidRequest: it cannot be stored.
        """
        if reminder is not None:
            if not isinstance(reminder, Reminder):
                raise TypeError(f"a reminder must be a Reminder, not {type(reminder).__name__}")
            reminder.to_text()
        self._reminder, self._reminder_given = reminder, True
        if self._keep_reminder is not None:
            self._keep_reminder(reminder)

    def attach_reminders(self, stored: Reminder | None, keep: Callable[[Reminder | None], None]) -> Reminder | None:
        """Take the stored reminder of the role unless the application has set one; called by the service at its start.

        Args:
            stored: what an earlier process kept.
            keep: makes a later one durable.

        Returns:
            The reminder in force, which is to be kept.
        """
        if not self._reminder_given:
            self._reminder = stored
        self._keep_reminder = keep
        return self._reminder


def message_tool(send_message: Callable[..., Any]) -> ToolDef:
    """The internal tool over a sender.

    Raises:
        TypeError: it cannot be called.
        InvalidRequest: it does not accept ``body``, or is temporal.
    """
    if not callable(send_message):
        raise TypeError(f"send_message must be callable, not {type(send_message).__name__}")
    if getattr(send_message, "__is_temporal__", False):
        raise InvalidRequest("send_message must not be temporal: a message is sent when it is sent")
    made = ToolDef.of(send_message, name=MESSAGE_TOOL)
    if not _accepts(made, "body"):
        raise InvalidRequest(f"send_message must accept body, its signature is {made.signature}")
    return dataclasses.replace(made.as_internal(), brief="", doc="")


def _accepts(tool: ToolDef, name: str) -> bool:
    """Whether a tool takes an argument of that name."""
    parameters = tool.visible.parameters
    if name in parameters:
        return parameters[name].kind in {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())


def _answer_tool(sender: ToolDef) -> Tool:
    """The tool ``answer`` over a sender; unfinished calls of it are treated as those of the sender."""
    takes_media = _accepts(sender, "media")

    def arguments(body: str, media: Any, ctx: ToolContext) -> dict[str, Any]:
        ctx.show(f"log: answer(body={body!r}, media={media!r})")
        return {"body": body, "media": media} if takes_media else {"body": body}

    doc = """Send the final answer to the user and end this job.

    Args:
        body: text of the answer.
        media: path of a file to send with it.
    """
    answer: Any
    if inspect.iscoroutinefunction(inspect.unwrap(sender.function)):

        async def answer_async(body: str, media: str | None = None, *, ctx: ToolContext, **kwargs: Any) -> None:
            given = arguments(body, media, ctx)
            with prints_as_usual():  # a sender may print for the user; the console has the line above
                await sender.function(**given)
            raise JobExit("Success")

        answer = answer_async
    else:

        def answer_blocking(body: str, media: str | None = None, *, ctx: ToolContext, **kwargs: Any) -> Any:
            given = arguments(body, media, ctx)
            with prints_as_usual():
                sent = sender.function(**given)
            if inspect.isawaitable(sent):
                return _then_exit(sent)
            raise JobExit("Success")

        answer = answer_blocking
    answer.__name__ = answer.__qualname__ = ANSWER_TOOL
    answer.__doc__ = doc
    del answer.__annotations__["return"]  # it never returns
    setattr(answer, OPTIONS_ATTRIBUTE, _unfinished_as(sender))
    return answer  # type: ignore[no-any-return]


async def _then_exit(sent: Any) -> None:
    """Wait for a message to be sent, then end the job."""
    with prints_as_usual():
        await sent
    raise JobExit("Success")


def _unfinished_as(sender: ToolDef) -> ToolOptions:
    """The options of ``answer``: those that say what becomes of an unfinished call of the sender."""
    return ToolOptions(
        effect=sender.effect,
        idempotent=sender.idempotent,
        reconcile=sender.reconcile,
        timeout_seconds=sender.timeout_seconds,
        retries=sender.retries,
    )
