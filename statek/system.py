"""The ``@tool`` decorator, the registry of tools, and what finds and makes them."""

from __future__ import annotations

import functools
import inspect
import math
import sys
import weakref
from collections.abc import Callable, Collection, Iterable, MutableMapping
from typing import Any, TypeVar, get_args, overload

from statek.chat_style import ChatStyle
from statek.error_handlers import is_valid_error_handler
from statek.exceptions import InvalidRequest
from statek.tools import BRIEF_TYPES_ATTRIBUTE, OPTIONS_ATTRIBUTE, Effect, ToolDef, ToolOptions

__all__ = [
    "create_tool",
    "docs_style",
    "find_system_tools",
    "find_tools",
    "inject_context",
    "select_tools",
    "tool",
]

F = TypeVar("F", bound=Callable[..., Any])

_system_tools: dict[str, ToolDef] = {}

_declared: list[weakref.ref[Callable[..., Any]]] = []
"""Every decorated function that is still there, in order of declaration."""

_SYSTEM, _APPLICATION = "SYSTEM", "APPLICATION"

_NAMES_OF_PACKAGE = frozenset({"error_handler", "get_all", "get_any", "subtask"})
"""Names of the documents that live in modules which import this one: the package finds them at their first use."""


@overload
def tool(f: F, /) -> F: ...
@overload
def tool(
    f: None = None,
    *,
    system: bool = False,
    target: ChatStyle | Collection[ChatStyle] | None = None,
    error_handler: Callable[..., Any] | None = None,
    hidden: bool = False,
    effect: Effect = "external",
    idempotent: bool = False,
    reconcile: Callable[[str], Any] | None = None,
    timeout: float | None = None,
    retries: int = 0,
    subject: str = "",
) -> Callable[[F], F]: ...
def tool(
    f: F | None = None,
    *,
    system: bool = False,
    target: ChatStyle | Collection[ChatStyle] | None = None,
    error_handler: Callable[..., Any] | None = None,
    hidden: bool = False,
    effect: Effect = "external",
    idempotent: bool = False,
    reconcile: Callable[[str], Any] | None = None,
    timeout: float | None = None,
    retries: int = 0,
    subject: str = "",
) -> F | Callable[[F], F]:
    """Declare a function as a tool of agents; usable bare or with arguments.

    Args:
        f: the function; it must accept ``**kwargs``.
        system: a tool of the framework: present in every job without being listed on the agent.
        target: chat styles that offer it as a provider tool; every style by default.
        error_handler: called when a critical error ends the job after this tool succeeded.
        hidden: kept out of prompts and out of the job's namespace, except in hidden warmup blocks.
        effect: ``external`` (anything outside), ``none`` (reads only) or ``store`` (changes durable objects only; runs
            on the store thread in one atomic block, so without I/O and not async).
        idempotent: an unfinished call may be made again with the same idempotency key.
        reconcile: asked with the idempotency key what became of an unfinished call; gives its result, or raises
            ``statek.tools.NotHappened`` when it certainly took no effect: it is then made again with the same key.
            Whatever else it raises leaves the call in doubt, for an operator to decide.
        timeout: seconds that one attempt may take; None for the service's default.
        retries: further attempts after a failure; needs ``effect="none"`` or ``idempotent=True``.
        subject: a parameter that takes code: a function, class or tool of the job given for it arrives as a description
            (``statek.documented``), a string that names a variable as what it names.

    Raises:
        TypeError: the function or a handler cannot be used as one.
        ValueError: the options contradict each other.
    """
    options = ToolOptions(
        system=system,
        targets=_targets(target),
        error_handler=error_handler,
        hidden=hidden,
        effect=effect,
        idempotent=idempotent,
        reconcile=reconcile,
        timeout_seconds=timeout,
        retries=retries,
        subject=subject,
    )

    def declare(function: F) -> F:
        return _declare(function, options)

    return declare if f is None else declare(f)


def find_system_tools() -> tuple[ToolDef, ...]:
    """Every system tool of this process, sorted by name."""
    import statek.system_tools  # noqa: F401 -- registers them, and needs this module

    return tuple(_system_tools[name] for name in sorted(_system_tools))


def find_tools(
    scope: str | None = None, chat_style: ChatStyle | None = None, *, include_hidden: bool = False
) -> list[Callable[..., Any]]:
    """The decorated tools of this process.

    Args:
        scope: ``SYSTEM``, ``APPLICATION``, or None for both.
        chat_style: only tools that this style may offer to a provider; None for all.
        include_hidden: hidden ones too.

    Returns:
        The functions in order of declaration; of several with one name the first.

    Raises:
        InvalidRequest: an unknown scope.
    """
    _declared[:] = [reference for reference in _declared if reference() is not None]
    found = [function for function in (reference() for reference in _declared) if function is not None]
    return select_tools(
        [function for function in found if include_hidden or not _options(function).hidden], scope, chat_style
    )


def select_tools(
    tools: Iterable[Callable[..., Any]], scope: str | None, chat_style: ChatStyle | None = None
) -> list[Callable[..., Any]]:
    """Those of some tools that are of a scope and may be offered in a chat style.

    Args:
        tools: callables; those without the decorator count as APPLICATION.
        scope: ``SYSTEM``, ``APPLICATION``, or None for both.
        chat_style: None for every style.

    Raises:
        InvalidRequest: an unknown scope.
    """
    wanted = scope.strip().upper() if scope is not None else None
    if wanted not in {None, _SYSTEM, _APPLICATION}:
        raise InvalidRequest(f"scope {scope!r} is unknown; use SYSTEM, APPLICATION or None")
    chosen: dict[str, Callable[..., Any]] = {}
    for function in tools:
        options = _options(function)
        in_scope = wanted is None or options.system == (wanted == _SYSTEM)
        if in_scope and (chat_style is None or not options.targets or chat_style in options.targets):
            chosen.setdefault(getattr(function, "__name__", repr(function)), function)
    return list(chosen.values())


def _options(function: Callable[..., Any]) -> ToolOptions:
    options: ToolOptions | None = getattr(function, OPTIONS_ATTRIBUTE, None)
    return options or ToolOptions()


def create_tool(
    name: str,
    function: Callable[..., Any],
    docstring: str,
    context: MutableMapping[str, Any],
    *args: Any,
    **kwargs: Any,
) -> Callable[..., Any]:
    """Make a tool without arguments out of a call, and put it into an agent's context under its name.

    Args:
        name: what job code calls; give it to the agent's ``_tools_by_name``.
        function: what is called.
        docstring: what agents read.
        context: an agent's ``context``.
        *args: positional arguments of the call.
        **kwargs: keyword arguments of the call; what the model gives is ignored.

    Raises:
        InvalidRequest: the name is taken, or no name that code can call.
    """
    if name in context:
        raise InvalidRequest(f"the context has {name!r} already; choose another name for the tool")

    def call(**_ignored: Any) -> Any:
        return function(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = docstring
    ToolDef.of(call)  # what is wrong with the name shows here
    made = tool(call)
    context[name] = made
    return made


def inject_context(function: Callable[..., Any], **values: Any) -> Callable[..., Any]:
    """A callable with some keyword arguments given, which the model neither sees nor gives (adapters, clients).

    Args:
        function: the callable, decorated or not.
        **values: arguments by name.

    Raises:
        InvalidRequest: it has no such keyword parameter.
    """
    signature = inspect.signature(function)
    foreign = sorted(values.keys() - signature.parameters.keys())
    if foreign:
        raise InvalidRequest(f"{getattr(function, '__name__', function)} has no parameter {foreign[0]!r}")

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **{**kwargs, **values})

    kept = [parameter for name, parameter in signature.parameters.items() if name not in values]
    call.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    return call


def docs_style(*, brief_types: bool = True) -> Callable[[F], F]:
    """Decorate a function with how agents are shown it.

    Args:
        brief_types: show annotations in its brief form too.
    """

    def mark(function: F) -> F:
        setattr(inspect.unwrap(function), BRIEF_TYPES_ATTRIBUTE, brief_types)
        return function

    return mark


def _targets(target: ChatStyle | Collection[ChatStyle] | None) -> frozenset[ChatStyle]:
    if target is None:
        return frozenset()
    targets = frozenset({target}) if isinstance(target, ChatStyle) else frozenset(target)
    if not all(isinstance(style, ChatStyle) for style in targets):
        raise TypeError(f"target must be a ChatStyle or a collection of them, not {target!r}")
    return targets


def _declare(function: F, options: ToolOptions) -> F:
    """Check the declaration and wrap the function with its marks."""
    if not inspect.isroutine(function):
        raise TypeError(f"only a function can be decorated as a tool, not {type(function).__name__}")
    signature = inspect.signature(function)
    name = function.__name__
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values()):
        raise TypeError(f"Function '{name}' must accept **kwargs to be used as a tool. Current signature: {signature}")
    _check_options(name, options, is_async=inspect.iscoroutinefunction(function))
    wrapper: Any
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            return await function(*args, **kwargs)

        wrapper = call_async
    else:

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        wrapper = call
    wrapper.tool_system = options.system
    wrapper.tool_target = options.targets
    wrapper.tool_hidden = options.hidden
    setattr(wrapper, OPTIONS_ATTRIBUTE, options)
    declared = ToolDef.of(wrapper)  # what is wrong with the signature shows here, not at the first call
    _declared.append(weakref.ref(wrapper))
    if options.system:
        _system_tools[name] = declared
    checked: F = wrapper
    return checked


def _check_options(name: str, options: ToolOptions, *, is_async: bool) -> None:
    if options.effect not in get_args(Effect):
        raise ValueError(f"tool {name}: effect {options.effect!r} is unknown; use external, none or store")
    if options.effect == "store" and is_async:
        raise TypeError(f"tool {name}: a tool with effect 'store' runs inside an atomic block and cannot be async")
    if options.idempotent and options.reconcile is not None:
        raise ValueError(f"tool {name}: give idempotent or reconcile, not both")
    if options.reconcile is not None and not callable(options.reconcile):
        raise TypeError(f"tool {name}: reconcile must be callable, not {type(options.reconcile).__name__}")
    if options.error_handler is not None and not is_valid_error_handler(options.error_handler):
        raise TypeError(
            f"tool {name}: error_handler must be marked with @error_handler, {options.error_handler!r} is not"
        )
    timeout = options.timeout_seconds
    if timeout is not None and not (math.isfinite(timeout) and timeout > 0):
        raise ValueError(f"tool {name}: timeout is {timeout!r}, must be more than 0 seconds")
    if options.retries < 0:
        raise ValueError(f"tool {name}: retries is {options.retries}, must not be negative")
    if options.retries and options.effect != "none" and not options.idempotent:
        # A failed attempt may have taken effect; only the tool's author can say that repeating it is safe.
        raise ValueError(f"tool {name}: retries need effect='none' or idempotent=True")


def __getattr__(name: str) -> Any:
    """The names of the documents whose homes import this module: system tools (``brief``), futures, sub-tasks."""
    import statek.system_tools  # noqa: F401 -- at the first use: those modules import this one

    found = _system_tools.get(name)
    if found is not None:
        return found.declared
    if name in _NAMES_OF_PACKAGE:
        return getattr(sys.modules["statek"], name)
    raise AttributeError(f"module 'statek.system' has no attribute {name!r}")
