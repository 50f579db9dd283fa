"""Host calls of user code: one at a time, numbered, answered in the thread that asked.

While a step runs, only the thread that holds the call lock reads from the link; between steps only the main loop does.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

from sandbox_runner.executor.errors import LimitExceeded, StepExit, make_error
from sandbox_runner.executor.link import Link
from sandbox_runner.wire.frames import CallResult, HostCall, ToolSpec
from sandbox_runner.wire.values import FutureRef, GraphError, Handle, Substitute, UnsupportedValue, encode

__all__ = [
    "AWAIT",
    "GET_ATTRIBUTE",
    "ITEM",
    "METHOD",
    "NAME",
    "SET_ATTRIBUTE",
    "TOOL",
    "Caller",
    "ToolCallable",
    "parse_signature",
]

TOOL, METHOD, GET_ATTRIBUTE, SET_ATTRIBUTE, ITEM, AWAIT, NAME = 1, 2, 3, 4, 5, 6, 7
EXIT_TYPE = "JobExit"  # error type of an answer that ends the step and the job with its value
_HEADROOM = 8 << 10  # of a frame, for everything that is not the arguments
_PLACE = re.compile(r"value\[(0|1)\]\[((?:[^\[\]'\"]|'[^']*'|\"[^\"]*\")*)\](.*)", re.DOTALL)

ToHandle = Callable[[object], Handle | FutureRef | Substitute | None]
Describe = Callable[[Any, bool], Any]


class Caller:
    """Sends host calls and gives their results.

    Args:
        link: to the supervisor.
        frame_bytes: largest frame; bounds the arguments.
    """

    def __init__(self, link: Link, frame_bytes: int) -> None:
        self._link = link
        self._limit = (frame_bytes or 1 << 20) - _HEADROOM
        self._lock = threading.RLock()
        self._step: int | None = None
        self._number = 0
        self._max_calls = 0
        self.variables: Mapping[str, Any] = {}
        self.to_handle: ToHandle = lambda _: None
        self.from_answer: Callable[[bytes, bytes], Any] = lambda value, handles: None
        self.show: Callable[[str], None] = lambda text: None
        self.called: Callable[[str], None] = lambda tool: None
        self.describe: Describe = lambda value, look_up: value

    def begin(self, step: int, max_calls: int) -> None:
        """Allow the calls of a step; ``max_calls`` 0 is no limit."""
        with self._lock:
            self._step, self._number, self._max_calls = step, 0, max_calls

    @property
    def is_open(self) -> bool:
        """Whether a step runs."""
        return self._step is not None

    def end(self) -> None:
        """Wait for a call that another thread has open, then refuse further ones."""
        with self._lock:
            self._step = None

    def call_with(
        self, kind: int, handle: int, name: str, args: list[Any], kwargs: dict[str, Any], version: bytes = b""
    ) -> Any:
        """Make a call whose arguments are positional and keyword.

        Raises:
            TypeError: an argument cannot cross the boundary; nothing was sent.
        """
        return self.call(kind, handle, name, self.encoded([args, kwargs], name), version)

    def encoded(self, value: object, name: str) -> bytes:
        """Encode what goes with a call to ``name``."""
        try:
            return encode(value, to_handle=self.to_handle, max_bytes=self._limit)
        except UnsupportedValue as error:
            reason = str(error).partition(", which cannot cross the boundary")[2]
            place = f"{name}(): {_argument(error.path)} is of type {error.type_name}"
            raise TypeError(f"{place}, which cannot leave the sandbox{reason}") from None
        except GraphError:
            raise LimitExceeded(
                f"{name}(): limit frame_bytes: the arguments need more than {self._limit} bytes"
            ) from None

    def call(self, kind: int, handle: int, name: str, args: bytes, version: bytes) -> Any:
        """Make a call and wait for its answer.

        Raises:
            RuntimeError: no step is running.
            StepExit: the tool ends the job.
            LimitExceeded: too many calls in this step.
            Exception: whatever the host answered.
        """
        with self._lock:
            step = self._step
            if step is None:
                raise RuntimeError(f"{name} cannot be called: the step has ended")
            if self._max_calls and self._number >= self._max_calls:
                raise LimitExceeded(f"limit max_calls is {self._max_calls}, this step has made {self._number} calls")
            self._number += 1
            self._link.send(HostCall(step, self._number, kind, handle, name, args, version))
            answer = self._link.receive()
            if not isinstance(answer, CallResult) or (answer.step, answer.call) != (step, self._number):
                os._exit(70)  # the two sides no longer agree: nothing sensible can follow
            for text in answer.shown:
                self.show(text)
            value = self.from_answer(answer.value, answer.handles)
        if answer.error_type == EXIT_TYPE:
            raise StepExit(value)
        if answer.error_type:
            raise make_error(answer.error_type, answer.error_message)
        return value


def _argument(path: str) -> str:
    match = _PLACE.fullmatch(path)
    if match is None:
        return "the value" + path.removeprefix("value").removeprefix("[0]")
    which, key, rest = match.groups()
    return f"argument {int(key) + 1 if which == '0' else ast.literal_eval(key)}{rest}"


class ToolCallable:
    """A tool of the job as a function of the workspace."""

    def __init__(self, caller: Caller, spec: ToolSpec) -> None:
        self._caller = caller
        self.signature_text = spec.signature
        self._subject = spec.subject
        self._objects = frozenset(spec.objects)
        self.__name__ = self.__qualname__ = spec.name
        self.__doc__ = spec.doc or None
        self.__module__ = "tools"

    @property
    def __signature__(self) -> inspect.Signature:
        """What ``inspect.signature`` shows."""
        return parse_signature(self.signature_text)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the host."""
        given = list(args)
        if self._subject:
            given, kwargs = self._described(given, kwargs)
        if self._objects:
            self._resolve(given, kwargs)
        try:
            return self._caller.call_with(TOOL, 0, self.__name__, given, kwargs)
        finally:
            self._caller.called(self.__name__)

    def _resolve(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Put variables in the place of their names, in parameters that take no text.

        Only the workspace's own variables: what such a name means outside of it is for the host to say.
        """
        names = [name for name, value in kwargs.items() if name in self._objects and type(value) is str]
        for name in names:
            kwargs[name] = self._variable(kwargs[name])
        if any(type(value) is str for value in args):
            positional = [
                parameter.name
                for parameter in self.__signature__.parameters.values()
                if parameter.kind in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD}
            ]
            for index, (name, value) in enumerate(zip(positional, args, strict=False)):
                if name in self._objects and type(value) is str:
                    args[index] = self._variable(value)

    def _variable(self, text: str) -> Any:
        hidden = text.startswith("__") and text.endswith("__")
        return text if hidden else self._caller.variables.get(text, text)

    def _described(self, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Code among the arguments as descriptions; a string for the subject may name it."""
        names = list(parse_signature(self.signature_text).parameters)
        describe, subject = self._caller.describe, self._subject
        shown = [describe(value, names[index : index + 1] == [subject]) for index, value in enumerate(args)]
        return shown, {name: describe(value, name == subject) for name, value in kwargs.items()}

    def __repr__(self) -> str:
        return f"<tool {self.__name__}{self.signature_text}>"


class _Shown:
    """A default value or annotation that is only shown."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def parse_signature(text: str) -> inspect.Signature:
    """Read ``(a, b: int = 1) -> str`` without evaluating it; what does not parse becomes ``(*args, **kwargs)``."""
    kinds = inspect.Parameter
    anything = inspect.Signature([kinds("args", kinds.VAR_POSITIONAL), kinds("kwargs", kinds.VAR_KEYWORD)])
    try:
        node = ast.parse(f"def f{text}: pass").body[0]
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return anything
    if not isinstance(node, ast.FunctionDef):
        return anything
    args = node.args

    def default(expression: ast.expr | None) -> Any:
        if expression is None:
            return kinds.empty
        try:
            return ast.literal_eval(expression)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return _Shown(ast.unparse(expression))

    def parameter(arg: ast.arg, kind: Any, value: ast.expr | None = None) -> inspect.Parameter:
        note = kinds.empty if arg.annotation is None else ast.unparse(arg.annotation)
        return kinds(arg.arg, kind, default=default(value), annotation=note)

    positional: list[tuple[ast.arg, Any]] = [(arg, kinds.POSITIONAL_ONLY) for arg in args.posonlyargs]
    positional += [(arg, kinds.POSITIONAL_OR_KEYWORD) for arg in args.args]
    defaults = [None] * (len(positional) - len(args.defaults)) + list(args.defaults)
    found = [parameter(arg, kind, value) for (arg, kind), value in zip(positional, defaults, strict=True)]
    if args.vararg:
        found.append(parameter(args.vararg, kinds.VAR_POSITIONAL))
    found += [
        parameter(arg, kinds.KEYWORD_ONLY, value) for arg, value in zip(args.kwonlyargs, args.kw_defaults, strict=True)
    ]
    if args.kwarg:
        found.append(parameter(args.kwarg, kinds.VAR_KEYWORD))
    try:
        return inspect.Signature(
            found, return_annotation=ast.unparse(node.returns) if node.returns else inspect.Signature.empty
        )
    except ValueError:
        return anything
