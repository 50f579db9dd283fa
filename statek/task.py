"""Work that one job gives to another, and jobs that an application submits.

Inside a tool these functions act for the job that called it: a new job is its child, and is made in the same
atomic block as a store-effect tool's call, so that a re-run of the step makes none twice. Elsewhere they act for
the application in the process that called ``statek.init``.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, overload

from statek import runtime
from statek.agents.agent import Agent
from statek.chat_style import ChatStyle
from statek.exceptions import InvalidRequest
from statek.executors.job import Job
from statek.free_names import find_free_names
from statek.future import FutureResult, temporal
from statek.job_definition import JobDefinition
from statek.job_mode import JobMode
from statek.statek_client_api import StatekClientAPI
from statek.sub_task_handler import SubTaskHandler, SubTaskState, TaskError
from statek.system import tool
from statek.task_door import NewJob, TaskDoor
from statek.tools import Effect, find_tool_context
from statek.warmup import WarmupSource, parse_warmup

__all__ = [
    "SubTaskHandler",
    "SubTaskState",
    "TaskError",
    "TaskFutureResult",
    "complete_sub_task",
    "create_new_job",
    "create_sub_task",
    "delegate_mute_dialog",
    "delegate_mute_task",
    "delegate_task",
    "start_dialog",
    "submit_new_job",
    "submit_new_jobs_batch",
    "subtask",
]


TaskFutureResult = FutureResult
"""The documents' name of what delegated work is waited for by: a future like any other."""


def task_door() -> TaskDoor:
    """Who makes jobs for the code that calls: the running tool call's job, else this process."""
    context = find_tool_context()
    if context is not None and context.job is not None:
        return context.job.tasks
    return runtime.embedded().tasks


def create_new_job(
    agent: Agent | str,
    shared_vars: Mapping[str, Any] | None = None,
    parent_job: Job | None = None,
    warmup_code: WarmupSource = None,
    locale: str | None = None,
    post_processing: str | None = None,
    *,
    message: str = "",
    chat_style: ChatStyle | str | None = None,
    detached: bool = False,
    mode: JobMode | str | None = None,
    **job_params: Any,
) -> Job:
    """Make a READY job.

    Args:
        agent: who is to do the work, or its role.
        shared_vars: startup variables by name; the job gets nothing else of its parent.
        parent_job: who gives it the work; inside a tool the job that called it.
        warmup_code: run before the agent's own warmup. Names that it reads and that the caller has as local variables
            are given to the job too.
        locale: ``LANG-COUNTRY``; the parent's by default.
        post_processing: text of its post-processors; the agent's by default.
        message: what the user says first.
        chat_style: of the conversation; the agent's by default.
        detached: it goes on when its parent is cancelled.
        mode: ``stateless``, ``live`` or ``durable``; the agent's default by default.
        job_params: values for the prompt's placeholders.

    Raises:
        InvalidRequest: an illegal variable name, an incomplete agent, a value that cannot cross.
        NotFound: no agent of that role is there.
        LimitExceeded: the variables are too large, or there are too many jobs above or beside it.
    """
    variables = dict(shared_vars or {})
    if warmup_code is not None:
        given = sys._getframe(1).f_locals  # noqa: SLF001 -- the documented way of handing variables to a warmup
        for name in find_free_names(block.code for block in parse_warmup(warmup_code)):
            if name in given and name not in variables:
                variables[name] = given[name]
    new = NewJob(
        shared_vars=variables,
        message=message,
        params=job_params,
        warmup_code=warmup_code,
        locale=locale,
        chat_style=chat_style,
        post_processing=post_processing,
        parent=parent_job.id if parent_job is not None else "",
        detached=detached,
        mode=mode,
    )
    return task_door().create(agent, new)


def create_sub_task(
    job: Job,
    handler_type: type[SubTaskHandler] = SubTaskHandler,
    *,
    id: str | None = None,  # noqa: A002 -- the documented name
    **attributes: Any,
) -> SubTaskHandler:
    """Make the handler of a new job's work; the job finds it among its variables as ``sub_task_handler``.

    Args:
        job: a READY job that ``create_new_job`` made.
        handler_type: a subclass, for an application's own handlers.
        id: its name for the parent; the job's own id by default.
        attributes: for the constructor of ``handler_type``.

    Raises:
        InvalidRequest: the job has begun, has a handler, or the id is no usable text.
    """
    return task_door().link(job, id, handler_type, attributes)


def complete_sub_task(result: Any = None, error: str | None = None) -> None:
    """End the sub-task that the calling tool's job is; its parent is told. The job itself goes on until it exits.

    Not a tool itself: an application wraps it in one, and decides there what a result looks like.

    Args:
        result: what it gives.
        error: why it failed; excludes a result.

    Raises:
        RuntimeError: no tool call runs, the job is no sub-task, or the sub-task has ended.
        ValueError: result and error are given.
    """
    task_door().complete(result, error)


def _has_ended(handler: SubTaskHandler) -> bool:
    return handler.is_completed


def _words(handler: SubTaskHandler) -> Any:
    """What delegated work gave; a failure as the text that a failed job's exit status has."""
    return handler.result if handler.error is None else f"Error: {handler.error}"


def _outcome(handler: SubTaskHandler) -> tuple[Any, SubTaskHandler]:
    """What code gets that waited for delegated work."""
    return _words(handler), handler


@temporal(complement=_outcome, condition=_has_ended)
def _end_of(handler: SubTaskHandler) -> Any:
    return handler


@temporal(complement=_words, condition=_has_ended)
def _words_of(handler: SubTaskHandler) -> Any:
    return handler


def delegate_task(
    agent: Agent | str,
    shared_vars: Mapping[str, Any] | None = None,
    *,
    message: str = "",
    id: str | None = None,  # noqa: A002 -- the documented name
    **job_params: Any,
) -> FutureResult:
    """Give work to another job; a tool returns what this gives, and the code that calls it waits for the end.

    Args:
        agent: who is to do the work, or its role.
        shared_vars: startup variables by name.
        message: what the user says first.
        id: name of the sub-task; the job's own id by default.
        job_params: values for the prompt's placeholders.

    Returns:
        A future of ``(exit_status, job)``: what the job handed in or passed to exit(...), ``Error: ...`` where it
        failed, and its ``SubTaskHandler``. The parent gets no notification besides.

    Raises:
        InvalidRequest: an illegal variable name, an incomplete agent, a value that cannot cross.
        LimitExceeded: the variables are too large, or there are too many jobs above or beside it.
    """
    given = NewJob(shared_vars=shared_vars or {}, message=message, params=job_params)
    return _awaited(_end_of, task_door().delegate(agent, given, id_=id, muted=False, is_dialog=False))


def delegate_mute_task(
    agent: Agent | str,
    shared_vars: Mapping[str, Any] | None = None,
    *,
    message: str = "",
    id: str | None = None,  # noqa: A002 -- the documented name
    **job_params: Any,
) -> FutureResult:
    """Give work to another job that speaks to nobody but its giver; otherwise as ``delegate_task``.

    What the job would say to a user, the prose of its replies and what it passes to ``answer``, is not sent but kept.

    Returns:
        A future of what it said, its messages as lines of one text. Of a job that said nothing its exit status;
        ``Error: ...`` of one that failed; what its tool passed to ``complete_sub_task`` where one did.
    """
    given = NewJob(shared_vars=shared_vars or {}, message=message, params=job_params)
    return _awaited(_words_of, task_door().delegate(agent, given, id_=id, muted=True, is_dialog=False))


def delegate_mute_dialog(
    agent: Agent | str,
    message: str,
    shared_vars: Mapping[str, Any] | None = None,
    *,
    id: str | None = None,  # noqa: A002 -- the documented name
    **job_params: Any,
) -> FutureResult:
    """Ask a dialog agent something in the place of its user, who hears nothing of it.

    Args:
        agent: a ``DialogAgent``, or its role.
        message: what it is asked.
        shared_vars: startup variables by name.
        id: name of the sub-task; the job's own id by default.
        job_params: values for the prompt's placeholders.

    Returns:
        A future of what it answers, as ``delegate_mute_task`` gives it.

    Raises:
        InvalidRequest: the agent is no DialogAgent, there is no message; otherwise as ``delegate_task``.
    """
    given = NewJob(shared_vars=shared_vars or {}, message=_first_words(message), params=job_params)
    return _awaited(_words_of, task_door().delegate(agent, given, id_=id, muted=True, is_dialog=True))


def start_dialog(
    agent: Agent | str,
    message: str,
    shared_vars: Mapping[str, Any] | None = None,
    locale: str | None = None,
    **job_params: Any,
) -> Job:
    """Let a dialog agent take up a conversation with its user, and go on without it.

    The job is a child of the one whose tool calls this, and goes on when that is cancelled: it is its user's. Nobody
    is told of its end unless a handler is made of it (``create_sub_task``, ``@subtask``).

    Args:
        agent: a ``DialogAgent``, or its role.
        message: what the user says first.
        shared_vars: startup variables by name.
        locale: ``LANG-COUNTRY``; the parent's by default.
        job_params: values for the prompt's placeholders.

    Raises:
        InvalidRequest: the agent is no DialogAgent, there is no message; otherwise as ``create_new_job``.
    """
    given = NewJob(
        shared_vars=shared_vars or {}, message=_first_words(message), locale=locale, params=job_params, detached=True
    )
    return task_door().create(agent, given, is_dialog=True)


def _awaited(temporal_of: Callable[[SubTaskHandler], Any], handler: SubTaskHandler) -> FutureResult:
    """The future of a delegated job's end."""
    future: FutureResult = temporal_of(handler)
    future.what = f"the work of {handler.id}"
    return future


def _first_words(message: object) -> str:
    if not isinstance(message, str) or not message.strip():
        raise InvalidRequest(f"a dialog begins with what its user says, a text, not with {message!r:.80}")
    return message


def submit_new_job(
    agent: Agent | JobDefinition | str,
    shared_vars: Mapping[str, Any] | None = None,
    locale: str | None = None,
    **job_params: Any,
) -> Job:
    """Submit a job for the application, without a parent; durable on return.

    Args:
        agent: who is to do the work, its role, or a ``JobDef`` that was made with ``create_job_def``.
        shared_vars: startup variables by name.
        locale: ``LANG-COUNTRY``.
        job_params: values for the prompt's placeholders; ``message`` is what the user says first, ``chat_style`` the
            style of the conversation, ``mode`` how the job keeps its variables.
    """
    return submit_new_jobs_batch(agent, [shared_vars or {}], locale, **job_params)[0]


def submit_new_jobs_batch(
    agent: Agent | JobDefinition | str,
    shared_vars_batch: Sequence[Mapping[str, Any]],
    locale: str | None = None,
    **job_params: Any,
) -> list[Job]:
    """Submit several jobs of one agent, one for each mapping of variables; durable on return, with one flush.

    A crash before that may leave some of them.
    """
    return StatekClientAPI().submit_new_jobs_batch(agent, shared_vars_batch, locale, **job_params)


@overload
def subtask(f: Callable[..., Any], /) -> Callable[..., Any]: ...
@overload
def subtask(
    f: None = None,
    *,
    system: bool = False,
    target: ChatStyle | Collection[ChatStyle] | None = None,
    effect: Effect | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...
def subtask(
    f: Callable[..., Any] | None = None,
    *,
    system: bool = False,
    target: ChatStyle | Collection[ChatStyle] | None = None,
    effect: Effect | None = None,
) -> Any:
    """Declare a tool that gives work to another job and returns the job or its handler.

    Callers get the handler, and may name the sub-task with ``id``.

    Args:
        f: the function; it must accept ``**kwargs`` and must not declare ``id``.
        system: a tool of the framework: present in every job.
        target: chat styles that offer it as a provider tool; every style by default.
        effect: of the tool; ``store`` by default, so that the child is made in the call's atomic block
            (``external`` for an async function).

    Raises:
        TypeError: the function cannot be used as one.
    """

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(function)
        if "id" in signature.parameters:
            raise TypeError(f"Function '{function.__name__}' must not declare 'id': @subtask adds it")
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values()):
            raise TypeError(f"Function '{function.__name__}' must accept **kwargs to be used as a sub-task")
        wrapper = _wrapped(function)
        wrapper.__signature__ = _with_id(signature)
        chosen: Effect = effect or ("external" if inspect.iscoroutinefunction(function) else "store")
        declared: Callable[..., Any] = tool(system=system, target=target, effect=chosen)(wrapper)
        return declared

    return declare if f is None else declare(f)


def _wrapped(function: Callable[..., Any]) -> Any:
    """The function, its result turned into a handler."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call_async(*args: Any, id: str | None = None, **kwargs: Any) -> SubTaskHandler:  # noqa: A002
            return _handler_of(function.__name__, await function(*args, **kwargs), id)

        return call_async

    @functools.wraps(function)
    def call(*args: Any, id: str | None = None, **kwargs: Any) -> SubTaskHandler:  # noqa: A002
        return _handler_of(function.__name__, function(*args, **kwargs), id)

    return call


def _with_id(signature: inspect.Signature) -> inspect.Signature:
    """The signature with the optional name of the sub-task."""
    *others, rest = signature.parameters.values()
    added = inspect.Parameter("id", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=str | None)
    return signature.replace(parameters=[*others, added, rest], return_annotation=SubTaskHandler)


def _handler_of(name: str, made: object, id_: str | None) -> SubTaskHandler:
    if isinstance(made, Job):
        return create_sub_task(made, id=id_)
    if isinstance(made, SubTaskHandler):
        return task_door().name(made, id_) if id_ is not None else made
    raise TypeError(f"{name}() must return a Job or a SubTaskHandler to be a sub-task, not {type(made).__name__}")


def find_sub_task_handler(id: str | None = None) -> SubTaskHandler | None:  # noqa: A002 -- the documented name
    """The handler of a sub-task of the calling tool's job.

    Args:
        id: its name; None for the one that the job was told of last.

    Raises:
        RuntimeError: no tool call runs, or the job has no sub-task of that name.
    """
    if id is not None and not isinstance(id, str):
        raise InvalidRequest(f"a sub-task id is a text, not {type(id).__name__}")
    return task_door().find_handler(id)
