"""Tools as the host knows them: declaration, call context, and the binding of arguments from a job.

Nothing here runs a tool; the engine does, with what ``bind_arguments`` gave it.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import itertools
import keyword
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from statek.annotations import convert_argument, takes_no_text
from statek.chat_style import ChatStyle
from statek.doc_format import format_body, format_signature
from statek.docstring import DocItem, ParsedDoc, parse_docstring
from statek.exceptions import InvalidRequest, LimitExceeded
from statek.job_control import JobControl
from statek.temporal_docs import with_complement

if TYPE_CHECKING:
    from statek.future import FutureDoor

__all__ = [
    "BoundArguments",
    "Effect",
    "NotHappened",
    "ToolContext",
    "ToolDef",
    "ToolOptions",
    "bind_arguments",
    "current_tool_context",
    "find_tool_context",
    "tool_context",
]

Effect = Literal["external", "none", "store"]
"""What a tool changes: the outside world, nothing, or durable objects of the store only."""

CONTEXT_PARAMETER = "ctx"
"""A parameter of this name gets the ``ToolContext`` and is not part of what the model sees."""

OPTIONS_ATTRIBUTE = "__statek_tool__"

BRIEF_TYPES_ATTRIBUTE = "__statek_brief_types__"
"""Set by ``statek.docs_style`` on a function whose brief form shows annotations."""


class NotHappened(Exception):
    """Raised by a tool's ``reconcile``: the call certainly took no effect; it is made again with the same key."""


MAX_ARGUMENTS = 1000
"""Arguments of one call, positional and keyword together."""


@dataclass(frozen=True, slots=True)
class ToolOptions:
    """What ``@tool`` was given; the defaults are those of a callable without the decorator."""

    system: bool = False
    targets: frozenset[ChatStyle] = frozenset()
    error_handler: Callable[..., Any] | None = None
    hidden: bool = False
    effect: Effect = "external"
    idempotent: bool = False
    reconcile: Callable[[str], Any] | None = None
    timeout_seconds: float | None = None
    retries: int = 0
    subject: str = ""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may know about the call that it serves.

    Attributes:
        job_id: id of the job.
        tenant, principal: who owns the job, on whose behalf it runs.
        idempotency_key: the same for every attempt of the same call, new for every other call.
        deadline: when this attempt is given up, in seconds of ``time.monotonic``; None for no limit (effect ``store``).
        progress: shows a line to whoever watches the job.
        store: runs a function on the store thread in one atomic block and gives its result.
        show: prints a text on the console of the step, exactly where the call stands in its code.
        job: what the tool may do with its own job; None where it serves none (tests, reconcile by hand).
        futures: keeps the futures that the tool makes (``statek.suspend_for``); None where nobody does.
    """

    job_id: str
    tenant: str = ""
    principal: str = ""
    idempotency_key: str = ""
    deadline: float | None = None
    progress: Callable[[str], None] = field(default=lambda _text: None)
    store: Callable[[Callable[[], Any]], Any] = field(default=lambda function: function())
    show: Callable[[str], None] = field(default=lambda _text: None)
    job: JobControl | None = None
    futures: FutureDoor | None = None


_current: ContextVar[ToolContext] = ContextVar("statek_tool_context")


def find_tool_context() -> ToolContext | None:
    """The context of the tool call that this code runs in; None where no call runs."""
    return _current.get(None)


def current_tool_context() -> ToolContext:
    """The context of the tool call that this code runs in.

    Raises:
        InvalidRequest: no tool call is running here.
    """
    context = _current.get(None)
    if context is None:
        raise InvalidRequest("there is no tool context: this code was not called as a tool of a job")
    return context


@contextmanager
def tool_context(context: ToolContext) -> Iterator[ToolContext]:
    """Make ``context`` the current one inside the block."""
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)


@dataclass(frozen=True, slots=True, eq=False)
class ToolDef:
    """One tool of an agent; equal only to itself.

    Attributes:
        name: what job code calls.
        function: the callable; it gets the current ``ToolContext`` in its ``ctx`` parameter by itself.
        declared: the callable as it was declared, with ``ctx`` for its caller to give.
        signature: all parameters.
        visible: the parameters that the model may give: not ``ctx``, not ``_x``.
        hints: resolved annotations by parameter; unresolvable ones are missing.
        signature_text: ``(a: int, b='x') -> str`` of the visible parameters, without ``*args`` and ``**kwargs``.
        brief: first paragraph of the docstring.
        returns: what the docstring says of the result, or None.
        doc: the docstring for agents: its chosen variants, without the STATEK-ACL section.
        parsed: the docstring taken apart.
        effect: what it changes.
        idempotent: an unfinished call may be made again with the same key.
        reconcile: tells by idempotency key what became of an unfinished call: gives its result, or raises
            ``NotHappened``.
        timeout_seconds: time limit of one attempt; None for the service's default.
        retries: further attempts after a failure.
        wants_context: it has a ``ctx`` parameter.
        hidden: kept out of prompts and of the job's namespace.
        internal: its name begins with an underscore; hidden too.
        system: a tool of the framework, present in every job.
        targets: chat styles that offer it as a provider tool; empty for every style.
        error_handler: called when a critical error ends the job after this tool succeeded.
        subject: the parameter that takes code of the sandbox as a description; empty for none.
        objects: the parameters that take no text: a name stands there for the variable, class or tool that it names.
        brief_types: whether its brief form shows annotations.
    """

    name: str
    function: Callable[..., Any]
    declared: Callable[..., Any]
    signature: inspect.Signature
    visible: inspect.Signature
    hints: Mapping[str, Any]
    signature_text: str
    brief: str
    returns: DocItem | None
    doc: str
    effect: Effect
    idempotent: bool
    reconcile: Callable[[str], Any] | None
    timeout_seconds: float | None
    retries: int
    wants_context: bool
    hidden: bool
    internal: bool
    system: bool
    targets: frozenset[ChatStyle]
    error_handler: Callable[..., Any] | None
    parsed: ParsedDoc = field(default_factory=ParsedDoc)
    subject: str = ""
    brief_types: bool = False
    objects: tuple[str, ...] = ()

    @classmethod
    def of(cls, function: Any, *, name: str | None = None) -> ToolDef:
        """The declaration of a callable, decorated with ``@tool`` or not.

        Args:
            function: the callable.
            name: what job code calls it; its ``__name__`` by default.

        Raises:
            InvalidRequest: it is not callable, has no usable name or signature, or a ``_x`` parameter without default.
        """
        if isinstance(function, ToolDef):
            return function
        if not callable(function):
            raise InvalidRequest(f"a tool must be callable, not {type(function).__name__}")
        chosen = name if name is not None else getattr(function, "__name__", "")
        if not chosen.isidentifier() or keyword.iskeyword(chosen):
            raise InvalidRequest(f"{function!r} cannot be a tool: {chosen!r} is no name that code can call")
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError) as error:
            raise InvalidRequest(f"tool {chosen} has no signature that can be read: {error}") from None
        options: ToolOptions = getattr(function, OPTIONS_ATTRIBUTE, None) or ToolOptions()
        doc = function.__doc__ if _has_own_doc(function) else None
        visible, parsed = with_complement(function, _visible_signature(chosen, signature), parse_docstring(doc))
        wants_context = CONTEXT_PARAMETER in signature.parameters
        hints = _resolve_hints(function, signature)
        return cls(
            name=chosen,
            function=_with_context(function) if wants_context else function,
            declared=function,
            signature=signature,
            visible=visible,
            hints=types.MappingProxyType(hints),
            signature_text=format_signature(visible),
            brief=parsed.brief,
            returns=parsed.returns,
            doc=format_body(parsed),
            effect=options.effect,
            idempotent=options.idempotent,
            reconcile=options.reconcile,
            timeout_seconds=options.timeout_seconds,
            retries=options.retries,
            wants_context=wants_context,
            hidden=options.hidden,
            internal=chosen.startswith("_"),
            system=options.system,
            targets=options.targets,
            error_handler=options.error_handler,
            parsed=parsed,
            subject=options.subject,
            objects=tuple(
                name for name in visible.parameters if name != options.subject and takes_no_text(hints.get(name))
            ),
            brief_types=getattr(inspect.unwrap(function), BRIEF_TYPES_ATTRIBUTE, False) is True,
        )

    def as_internal(self) -> ToolDef:
        """The same tool, kept from the model whatever its name."""
        return self if self.internal else dataclasses.replace(self, internal=True, hidden=True)


@dataclass(frozen=True, slots=True)
class BoundArguments:
    """Arguments that fit a tool.

    Attributes:
        args, kwargs: to call ``tool.function`` with.
        named: the arguments by parameter name as the model gave them, converted; without defaults.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    named: dict[str, Any]


def bind_arguments(
    tool: ToolDef,
    args: Sequence[object],
    kwargs: Mapping[str, object],
    *,
    named: Callable[[str], object | None] = lambda _name: None,
) -> BoundArguments:
    """Fit the arguments of a job's call to a tool.

    Args:
        tool: which.
        args: decoded positional values from the job.
        kwargs: decoded keyword values from the job.
        named: what a name stands for in a parameter that takes no text (a class, a tool); None for nothing. Variables
            are put in the place of their names by the sandbox.

    Raises:
        TypeError: Python's own text for a call that does not fit, or an argument of the wrong type. The names of
            ``ctx`` and of ``_x`` parameters are unknown keywords.
        ValueError: an argument names no enum member, or is no ISO date or time.
        LimitExceeded: more than MAX_ARGUMENTS arguments.
    """
    if len(args) + len(kwargs) > MAX_ARGUMENTS:
        raise LimitExceeded("tool_arguments", MAX_ARGUMENTS, len(args) + len(kwargs), "pass a list or dict instead")
    for name in kwargs:
        if name.startswith("_") or name == CONTEXT_PARAMETER:
            raise TypeError(f"{tool.name}() got an unexpected keyword argument {name!r}")
    _call_shape(tool)(*args, **kwargs)
    bound = tool.visible.bind(*args, **kwargs)
    for name, value in bound.arguments.items():
        parameter = tool.visible.parameters[name]
        variadic = parameter.kind in {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
        if type(value) is str and name in tool.objects:
            meant = named(value)
            if meant is not None:
                bound.arguments[name] = meant
                continue
        if not variadic and name in tool.hints and not (value is None and parameter.default is None):
            bound.arguments[name] = convert_argument(tool.name, name, tool.hints[name], value)
    given = dict(bound.arguments)
    # The full signature takes over: defaults fill the parameters that the model does not see, in order.
    full = inspect.BoundArguments(_without_context(tool.signature), dict(bound.arguments))
    full.apply_defaults()
    return BoundArguments(full.args, full.kwargs, given)


def _without_context(signature: inspect.Signature) -> inspect.Signature:
    """The signature without its ``ctx`` parameter; what follows it must then be given by keyword."""
    kept: list[inspect.Parameter] = []
    seen = False
    for parameter in signature.parameters.values():
        if parameter.name == CONTEXT_PARAMETER:
            seen = True
            continue
        if seen and parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
            parameter = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        kept.append(parameter)
    return signature.replace(parameters=kept)


def _visible_signature(name: str, signature: inspect.Signature) -> inspect.Signature:
    """What the model may give.

    Raises:
        InvalidRequest: a parameter that it may not give has no default, or ``ctx`` cannot be given by keyword.
    """
    variadic = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    kept: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.kind in variadic:
            kept.append(parameter)
        elif parameter.name == CONTEXT_PARAMETER:
            followed = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in signature.parameters.values())
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY or (
                followed and parameter.kind is not inspect.Parameter.KEYWORD_ONLY
            ):
                raise InvalidRequest(f"tool {name}: ctx must be a keyword parameter; write it after the others")
        elif parameter.name.startswith("_"):
            if parameter.default is inspect.Parameter.empty:
                raise InvalidRequest(
                    f"tool {name}: parameter {parameter.name} is hidden from the model; give it a default"
                )
        else:
            kept.append(parameter)
    required_last = [p for p in kept if p.kind not in variadic and p.kind is not inspect.Parameter.KEYWORD_ONLY]
    for earlier, later in itertools.pairwise(required_last):
        if earlier.default is not inspect.Parameter.empty and later.default is inspect.Parameter.empty:
            raise InvalidRequest(f"tool {name}: parameter {later.name} without a default follows {earlier.name}")
    return signature.replace(parameters=kept)


def _resolve_hints(function: Callable[..., Any], signature: inspect.Signature) -> dict[str, Any]:
    """Annotations as objects; those that cannot be resolved (names of an inner scope) are left out."""
    target = inspect.unwrap(function)
    target = target.func if isinstance(target, functools.partial) else target
    if not inspect.isroutine(target):
        target = type(target).__call__
    try:
        return typing.get_type_hints(target)
    except Exception:  # noqa: BLE001 -- evaluating an application's annotation may raise anything
        return {
            name: parameter.annotation
            for name, parameter in signature.parameters.items()
            if parameter.annotation is not inspect.Parameter.empty and not isinstance(parameter.annotation, str)
        }


def _has_own_doc(function: Callable[..., Any]) -> bool:
    """Whether the docstring is the callable's own and not that of its class (``functools.partial``)."""
    return inspect.isroutine(function) or "__doc__" in getattr(function, "__dict__", {})


def _with_context(function: Callable[..., Any]) -> Callable[..., Any]:
    """The callable with the current context in its ``ctx`` parameter, where the caller gave none."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            kwargs.setdefault(CONTEXT_PARAMETER, current_tool_context())
            return await function(*args, **kwargs)

        return call_async

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault(CONTEXT_PARAMETER, current_tool_context())
        return function(*args, **kwargs)

    return call


def _template() -> None:
    """Its code object is the mould for functions that only check the shape of a call."""


@functools.lru_cache(maxsize=4096)
def _call_shape(tool: ToolDef) -> Callable[..., None]:
    """A function that does nothing and takes what the tool takes: calling it raises Python's own TypeError.

    Made from a code object, not from source text, so nothing is ever evaluated.
    """
    kinds = inspect.Parameter
    parameters = tool.visible.parameters.values()
    positional_only = [p for p in parameters if p.kind is kinds.POSITIONAL_ONLY]
    ordinary = [p for p in parameters if p.kind is kinds.POSITIONAL_OR_KEYWORD]
    keyword_only = [p for p in parameters if p.kind is kinds.KEYWORD_ONLY]
    star = [p for p in parameters if p.kind is kinds.VAR_POSITIONAL]
    stars = [p for p in parameters if p.kind is kinds.VAR_KEYWORD]
    names = tuple(p.name for p in [*positional_only, *ordinary, *keyword_only, *star, *stars])
    flags = _template.__code__.co_flags & ~(inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    flags |= inspect.CO_VARARGS if star else 0
    flags |= inspect.CO_VARKEYWORDS if stars else 0
    code = _template.__code__.replace(
        co_argcount=len(positional_only) + len(ordinary),
        co_posonlyargcount=len(positional_only),
        co_kwonlyargcount=len(keyword_only),
        co_nlocals=len(names),
        co_varnames=names,
        co_flags=flags,
        co_name=tool.name,
        co_qualname=tool.name,
    )
    shape = types.FunctionType(code, {}, tool.name)
    optional = [p for p in [*positional_only, *ordinary] if p.default is not kinds.empty]
    shape.__defaults__ = (None,) * len(optional)
    shape.__kwdefaults__ = {p.name: None for p in keyword_only if p.default is not kinds.empty}
    return shape
