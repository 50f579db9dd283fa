"""The ``@tool`` decorator and the registry of system tools."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Collection
from typing import Any, TypeVar, get_args, overload

from statek.chat_style import ChatStyle
from statek.tools import OPTIONS_ATTRIBUTE, Effect, ToolDef, ToolOptions

__all__ = ["find_system_tools", "tool"]

F = TypeVar("F", bound=Callable[..., Any])

_system_tools: dict[str, ToolDef] = {}


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
    )

    def declare(function: F) -> F:
        return _declare(function, options)

    return declare if f is None else declare(f)


def find_system_tools() -> tuple[ToolDef, ...]:
    """Every system tool of this process, sorted by name."""
    return tuple(_system_tools[name] for name in sorted(_system_tools))


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
    if options.error_handler is not None and not callable(options.error_handler):
        raise TypeError(f"tool {name}: error_handler must be callable, not {type(options.error_handler).__name__}")
    timeout = options.timeout_seconds
    if timeout is not None and not (math.isfinite(timeout) and timeout > 0):
        raise ValueError(f"tool {name}: timeout is {timeout!r}, must be more than 0 seconds")
    if options.retries < 0:
        raise ValueError(f"tool {name}: retries is {options.retries}, must not be negative")
    if options.retries and options.effect != "none" and not options.idempotent:
        # A failed attempt may have taken effect; only the tool's author can say that repeating it is safe.
        raise ValueError(f"tool {name}: retries need effect='none' or idempotent=True")
