"""Futures: values that somebody else will give, and the tools that return them.

A tool that cannot answer now returns a ``FutureResult``: ``suspend_for("human approval")`` makes one. The code in the
sandbox goes on until it needs the value; then the job waits, for days if need be, without a sandbox. Whoever has the
id resolves the future once: ``resolve_future``, ``StatekClientAPI().resolve``, ``statek futures resolve``.

``temporal`` is the building block below: a value that becomes ready when durable objects change.
"""

from __future__ import annotations

import enum
import functools
import inspect
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from statek.exceptions import FutureError, InvalidRequest
from statek.system import tool
from statek.temporals import Temporal, register_temporal, tuple_size
from statek.tools import current_tool_context

__all__ = [
    "CombinedFutureResult",
    "FutureDoor",
    "FutureElement",
    "FutureReader",
    "FutureReading",
    "FutureResult",
    "FutureState",
    "Settlement",
    "check_timeout",
    "door_of_call",
    "get_all",
    "get_all_future",
    "get_any",
    "get_any_future",
    "suspend_for",
    "temporal",
]

F = TypeVar("F", bound=Callable[..., Any])

MAX_WHAT_CHARS = 200
"""Longest text of what is waited for; it is shown in job lists."""

MAX_TIMEOUT_SECONDS = 100 * 365 * 86_400.0
"""Longest wait of a future that expires: its deadline must be a date that can be shown."""

LOCAL_ATTRIBUTE = "__statek_in_workspace__"
"""Marks tools that the workspace has by itself: calling one does not ask the host."""


class FutureState(enum.Enum):
    """What became of a future."""

    PENDING = "pending"
    RESOLVED = "resolved"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a future is ended.

    Attributes:
        state: any but PENDING.
        value: of a resolved one.
        message: why there is no value, for the others.
    """

    state: FutureState
    value: Any = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class FutureReading:
    """A future as it is now; ``value`` counts for state RESOLVED only."""

    state: FutureState
    value: Any = None
    message: str = ""


class FutureReader(Protocol):
    """Where a future that is kept already reads what became of it."""

    def read(self, id_: str) -> FutureReading:
        """A durable future as it is now."""
        ...


class FutureDoor(FutureReader, Protocol):
    """What futures need of whoever keeps them; the service has one, and each tool call."""

    def announce(self, future: FutureResult) -> str:
        """Take a new future of a tool call; gives its id."""
        ...

    def settle(self, id_: str, settlement: Settlement) -> None:
        """End a future; the first one wins."""
        ...


class FutureResult:
    """A value that is not there yet.

    Args:
        deps: what the value depends on; complement and condition are called with it.
        state_num: number of the store's state in which the future was made; informational.
        what: what is waited for, for people.
        details: what people need to decide (plain values).
        timeout_seconds: after that long it expires; None for never.
        temporal: how the value comes about from deps; None for one that somebody resolves.
        id_: of one that is durable already.
        door: who keeps it.
    """

    def __init__(
        self,
        deps: Any = (),
        state_num: int | None = None,
        *,
        what: str = "",
        details: Any = None,
        timeout_seconds: float | None = None,
        temporal: Temporal | None = None,
        id_: str = "",
        door: FutureReader | None = None,
    ) -> None:
        self.deps = deps
        self.state_num = state_num
        self.what = what
        self.details = details
        self.timeout_seconds = timeout_seconds
        self.temporal = temporal
        self._door = door
        self._id = id_

    @property
    def id(self) -> str:
        """The unguessable id by which it is resolved: give it to whoever calls back."""
        if not self._id:
            door = door_of_call()
            self._id = door.announce(self) if door is not None else secrets.token_hex(16)
        return self._id

    @property
    def kind(self) -> str:
        """``event``, ``temporal``, ``all`` or ``any``."""
        return "event" if self.temporal is None else "temporal"

    @property
    def size(self) -> int:
        """Length of the tuple that the value will be; 0 when that is not known."""
        return self.temporal.size if self.temporal is not None else 0

    @property
    def state(self) -> FutureState:
        """What became of it so far."""
        return self._reading().state

    @property
    def value(self) -> Any:
        """The value.

        Raises:
            FutureError: it is not there, or never will be; the message says why.
        """
        reading = self._reading()
        if reading.state is FutureState.RESOLVED:
            return reading.value
        if reading.state is FutureState.PENDING:
            raise FutureError(self)
        raise FutureError(self, message=f"{self.what or 'the future'} {reading.state.value}: {reading.message}")

    def check_condition(self) -> bool:
        """Whether it is pending no more."""
        return self._reading().state is not FutureState.PENDING

    def _reading(self) -> FutureReading:
        if self._door is not None:
            return self._door.read(self._id)
        if self.temporal is None or not self.temporal.is_ready(self.deps):
            return FutureReading(FutureState.PENDING)
        return FutureReading(FutureState.RESOLVED, self.temporal.value(self.deps))

    def __iter__(self) -> Iterator[FutureElement]:
        if not self.size:
            raise TypeError("only a future whose complement returns a tuple of fixed size can be unpacked")
        return iter([FutureElement(self, index) for index in range(self.size)])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.what or self.kind}>"


class FutureElement:
    """One element of a future tuple."""

    def __init__(self, future: FutureResult, index: int) -> None:
        self.future = future
        self.index = index

    @property
    def value(self) -> Any:
        """The element.

        Raises:
            FutureError: the tuple is not there.
        """
        return self.future.value[self.index]

    @property
    def state(self) -> FutureState:
        """That of the whole."""
        return self.future.state

    def check_condition(self) -> bool:
        """Whether the whole is pending no more."""
        return self.future.check_condition()


class CombinedFutureResult(FutureResult):
    """Several futures as one.

    Args:
        futures: the parts.
        mode: ``all`` gives a tuple of their values in order, ``any`` the value of the first that is there.
    """

    def __init__(self, futures: Iterable[FutureResult], mode: Literal["all", "any"] = "all") -> None:
        self.futures = tuple(futures)
        if not self.futures:
            raise TypeError("a combined future needs at least one future")
        for part in self.futures:
            if not isinstance(part, FutureResult):
                raise TypeError(f"a part of a combined future is a {type(part).__name__}, not a future")
        self._mode = mode
        joined = " and " if mode == "all" else " or "
        super().__init__(what=joined.join(part.what or part.kind for part in self.futures)[:MAX_WHAT_CHARS])

    @property
    def kind(self) -> str:
        """``all`` or ``any``."""
        return self._mode

    @property
    def size(self) -> int:
        """The number of parts, for ``all``."""
        return len(self.futures) if self._mode == "all" else 0

    def _reading(self) -> FutureReading:
        readings = [part._reading() for part in self.futures]  # noqa: SLF001 -- parts of its own kind
        ended = [reading for reading in readings if reading.state is not FutureState.PENDING]
        if self._mode == "any":
            return ended[0] if ended else FutureReading(FutureState.PENDING)
        for reading in ended:
            if reading.state is not FutureState.RESOLVED:
                return reading
        if len(ended) < len(readings):
            return FutureReading(FutureState.PENDING)
        return FutureReading(FutureState.RESOLVED, tuple(reading.value for reading in readings))


# -------------------------------------------------------------------------------------------- making


def door_of_call() -> FutureDoor | None:
    """Who keeps the futures of the tool call that this code runs in; None outside of one."""
    try:
        return current_tool_context().futures
    except InvalidRequest:
        return None


def check_timeout(seconds: float | None) -> None:
    """Refuse a time that no future can wait; None is for ever.

    Raises:
        InvalidRequest: not more than 0, or more than a hundred years.
    """
    if seconds is not None and not 0 < seconds <= MAX_TIMEOUT_SECONDS:
        raise InvalidRequest(
            f"timeout is {seconds!r:.80}, it must be more than 0 and at most {MAX_TIMEOUT_SECONDS:.0f} seconds"
        )


def suspend_for(what: str, *, details: Any = None, timeout: float | None = None) -> FutureResult:
    """Make a future that somebody resolves later; for tools, which return it.

    Args:
        what: what is waited for, in a few words: ``human approval``.
        details: what whoever decides needs to know: plain values, shown by ``statek futures show``.
        timeout: after so many seconds the code gets a TimeoutError; None waits for ever.

    Raises:
        InvalidRequest: called outside a tool of a job, or an argument makes no sense.
    """
    door = door_of_call()
    if door is None:
        raise InvalidRequest("suspend_for is called by a tool of a job; there is none here")
    if not isinstance(what, str) or not what.strip() or len(what) > MAX_WHAT_CHARS:
        raise InvalidRequest(f"what is waited for is a text of 1 to {MAX_WHAT_CHARS} characters, not {what!r:.80}")
    check_timeout(timeout)
    future = FutureResult(what=what, details=details, timeout_seconds=timeout)
    future._id, future._door = door.announce(future), door  # noqa: SLF001 -- this module's own class
    return future


def temporal(
    *,
    complement: Callable[..., Any] | None = None,
    condition: Callable[..., Any] | None = None,
    extends: Callable[..., Any] | None = None,
) -> Callable[[F], F]:
    """Make a function return a future of what it returns; works outside ``@tool``, for async functions too.

    Args:
        complement: gives the value from what the function returned (a tuple is several arguments); raises FutureError
            while it is not ready. Runs on the store thread, without I/O.
        condition: tells from the same whether the value is ready; it is asked again when one of the durable objects
            that it was given, or what they hold, was written.
        extends: another temporal, whose complement and condition are used.

    Raises:
        ValueError: both complement and extends are given, or neither; extends is no temporal; a condition alone.
    """
    if (complement is None) == (extends is None):
        raise ValueError("temporal() takes either complement (with condition) or extends")
    if extends is not None:
        if condition is not None:
            raise ValueError("temporal(extends=...) takes the condition of what it extends")
        if not getattr(extends, "__is_temporal__", False):
            raise ValueError(f"{getattr(extends, '__name__', extends)!r} is no temporal and cannot be extended")
        complement = extends.__temporal_complement__  # type: ignore[attr-defined]
        condition = extends.__temporal_condition__  # type: ignore[attr-defined]
    assert complement is not None
    gives = complement

    def declare(function: F) -> F:
        made = Temporal(f"{function.__module__}.{function.__qualname__}", gives, condition, tuple_size(gives))

        def future_of(result: Any) -> FutureResult:
            if isinstance(result, FutureResult):
                return result
            return FutureResult(result, what=function.__name__, temporal=made)

        wrapper: Any
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def call_async(*args: Any, **kwargs: Any) -> FutureResult:
                return future_of(await function(*args, **kwargs))

            wrapper = call_async
        else:

            @functools.wraps(function)
            def call(*args: Any, **kwargs: Any) -> FutureResult:
                return future_of(function(*args, **kwargs))

            wrapper = call
        wrapper.__is_temporal__ = True
        wrapper.__temporal_complement__ = gives
        wrapper.__temporal_condition__ = condition
        register_temporal(made)
        declared: F = wrapper
        return declared

    return declare


# ----------------------------------------------------------------------------------------- combining


def _check(futures: tuple[Any, ...], name: str) -> None:
    if not futures:
        raise TypeError(f"{name}() needs at least one future or value")


def _has_value(item: Any) -> bool:
    return not isinstance(item, FutureResult | FutureElement) or item.check_condition()


def _value(item: Any) -> Any:
    return item.value if isinstance(item, FutureResult | FutureElement) else item


def get_any_future(*futures: Any) -> Any:
    """Give the value of the first of these that is ready; plain values are.

    Raises:
        TypeError: no arguments.
        FutureError: none is ready.
    """
    _check(futures, "get_any_future")
    for item in futures:
        if _has_value(item):
            return _value(item)
    raise FutureError(CombinedFutureResult([f for f in futures if isinstance(f, FutureResult)] or [FutureResult()]))


def get_all_future(*futures: Any) -> tuple[Any, ...]:
    """Give the values of all of these in order; plain values are ready.

    Raises:
        TypeError: no arguments.
        FutureError: one is not ready.
    """
    _check(futures, "get_all_future")
    return tuple(_value(item) for item in futures)


@tool(effect="none")
def get_any(*futures: Any, **kwargs: Any) -> Any:
    """Wait for the first of several results (plain values are there at once) and give it."""
    return get_any_future(*futures)


@tool(effect="none")
def get_all(*futures: Any, **kwargs: Any) -> Any:
    """Wait for several results (plain values are there at once) and give a tuple of them, in order."""
    return get_all_future(*futures)


for _tool in (get_any, get_all):
    setattr(_tool, LOCAL_ATTRIBUTE, True)
