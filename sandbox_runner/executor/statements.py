"""Runs the code of a step, one top-level statement after the other."""

from __future__ import annotations
import __future__ as future

import ast
import linecache
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox_runner.executor.errors import StepExit

__all__ = ["Ending", "Failure", "run_call", "run_code"]

OK, ERROR, EXIT = 1, 2, 3


@dataclass(slots=True)
class Failure:
    """An exception that ended a step: type name, text, and where (0 and empty when unknown)."""

    type_name: str
    message: str
    line: int
    source: str

    @property
    def text(self) -> str:
        """The error line."""
        return f"{self.type_name}: {self.message}" if self.message else self.type_name


@dataclass(slots=True)
class Ending:
    """How the code ended.

    Attributes:
        outcome: OK, ERROR or EXIT as in the proto enum Outcome.
        statement: index of the last top-level statement that was begun.
        failure: for ERROR.
        exit_value: for EXIT.
    """

    outcome: int
    statement: int = 0
    failure: Failure | None = None
    exit_value: object = None


def run_code(code: str, label: str, namespace: dict[str, Any], echo: Callable[[object], None] | None) -> Ending:
    """Run the code. Every exception of it is a result.

    Args:
        code: Python source.
        label: names the source in tracebacks, as ``step 3``.
        namespace: globals and locals of the code.
        echo: takes the value of each expression statement but direct print and exit calls; None for no echo.
    """
    filename = f"<{label}>"
    lines = code.splitlines(keepends=True)
    # Without a modification time linecache never drops the entry: tracebacks and inspect.getsource find it.
    linecache.cache[filename] = (len(code), None, lines, filename)
    index = 0
    try:
        statements = _compile(code, filename, echo is not None)
        for index, (compiled, echoed) in enumerate(statements):  # noqa: B007 -- read after an exception
            if echoed and echo is not None:
                echo(eval(compiled, namespace))  # noqa: S307 -- running this code is the purpose
            else:
                exec(compiled, namespace)
    except BaseException as error:
        return _ending(error, index, filename, lines)
    return Ending(OK, index)


def run_call(call: Callable[[], object], show: Callable[[object], None]) -> Ending:
    """Make one call and show its result unless it is None. Every exception of it is a result."""
    try:
        value = call()
        if value is not None:
            show(value)
    except BaseException as error:
        return _ending(error, 0, "", [])
    return Ending(OK)


def _ending(error: BaseException, index: int, filename: str, lines: list[str]) -> Ending:
    if isinstance(error, StepExit):
        return Ending(EXIT, index, exit_value=error.value)
    if isinstance(error, SystemExit):
        return Ending(EXIT, index, exit_value=error.code)
    return Ending(ERROR, index, failure=_failure(error, filename, lines))


def _compile(code: str, filename: str, echo: bool) -> list[tuple[types.CodeType, bool]]:
    """Compile every statement before the first one runs, so that a syntax error leaves nothing half done."""
    tree = ast.parse(code, filename)
    flags = 0
    compiled: list[tuple[types.CodeType, bool]] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            for alias in node.names:
                flags |= getattr(getattr(future, alias.name, None), "compiler_flag", 0)
        if echo and isinstance(node, ast.Expr) and not _is_print(node.value):
            expression = ast.Expression(node.value)
            compiled.append((compile(expression, filename, "eval", flags, dont_inherit=True), True))
        else:
            module = ast.Module([node], [])
            compiled.append((compile(module, filename, "exec", flags, dont_inherit=True), False))
    return compiled


def _is_print(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"


def _failure(error: BaseException, filename: str, lines: list[str]) -> Failure:
    name = type(error).__name__
    line = 0
    if isinstance(error, SyntaxError) and error.filename == filename:
        line = error.lineno or 0
        message = f"{error.msg} (line {line})" if line else str(error.msg)
    else:
        try:
            message = str(error)
        except BaseException as broken:
            message = f"<its text raised {type(broken).__name__}>"
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == filename:
                line = trace.tb_lineno
            trace = trace.tb_next
    source = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    return Failure(name, message, line, source)
