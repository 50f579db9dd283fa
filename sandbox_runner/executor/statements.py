"""Runs the code of a step, one top-level statement after the other."""

from __future__ import annotations
import __future__ as future

import ast
import linecache
import traceback
import types
from collections.abc import Callable
from dataclasses import dataclass

from sandbox_runner.executor.errors import StepExit
from sandbox_runner.executor.futures import after_statement
from sandbox_runner.executor.namespace import Namespace

__all__ = ["Ending", "Failure", "PythonCli", "run_call", "run_code"]

OK, ERROR, EXIT = 1, 2, 3

_MAX_FRAMES = 20  # of one traceback, the innermost ones
_MAX_TRACEBACK_CHARS = 6000


@dataclass(slots=True)
class Failure:
    """An exception that ended a step: type name, text, and where (0 and empty when unknown), at length in traceback."""

    type_name: str
    message: str
    line: int
    source: str
    traceback: str = ""

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


def run_code(code: str, label: str, namespace: Namespace, echo: Callable[[object], None] | None) -> Ending:
    """Run the code. Every exception of it is a result.

    Args:
        code: Python source.
        label: names the source in tracebacks, as ``step 3``.
        namespace: of the workspace; its variables are globals and locals of the code.
        echo: takes the value of each expression statement but direct print and exit calls; None for no echo.
        after: called with the namespace after each statement.
    """
    filename = f"<{label}>"
    lines = code.splitlines(keepends=True)
    # Without a modification time linecache never drops the entry: tracebacks and inspect.getsource find it.
    linecache.cache[filename] = (len(code), None, lines, filename)
    index = 0
    try:
        statements = _compile(code, filename, echo is not None, names=bool(namespace.shared.names))
        for index, statement in enumerate(statements):  # noqa: B007 -- read after an exception
            _run_statement(statement, namespace, echo)
            after_statement(namespace.variables)
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


class PythonCli:
    """The name ``python_cli`` of executed code; its formal call is an action of a step (``actions``).

    Args:
        namespace: of the workspace.
        echo: takes the value of each expression statement but direct print and exit calls.
    """

    def __init__(self, namespace: Namespace, echo: Callable[[object], None]) -> None:
        self._namespace = namespace
        self._echo = echo
        self._calls = 0

    def python_cli(self, code: str) -> None:
        """Run Python code in the workspace; variables stay for later. Shows what it prints.

        Args:
            code: Python source without fences; the value of an expression that stands alone is shown.

        Raises:
            SyntaxError: nothing of it was run.
            BaseException: whatever the code raises.
        """
        if not isinstance(code, str):
            raise TypeError("python_cli() takes one argument: code, a string")
        self._calls += 1
        filename = f"<python_cli {self._calls}>"
        linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
        for statement in _compile(code, filename, echo=True, names=bool(self._namespace.shared.names)):
            _run_statement(statement, self._namespace, self._echo)


def _run_statement(
    statement: tuple[types.CodeType, bool, list[str]], namespace: Namespace, echo: Callable[[object], None] | None
) -> None:
    compiled, echoed, bound = statement
    if bound:
        namespace.shared.refuse_assignment(bound, namespace.variables)
    if echoed and echo is not None:
        echo(eval(compiled, namespace.variables))  # noqa: S307 -- running this code is the purpose
    else:
        exec(compiled, namespace.variables)


def _ending(error: BaseException, index: int, filename: str, lines: list[str]) -> Ending:
    if isinstance(error, StepExit):
        return Ending(EXIT, index, exit_value=error.value)
    if isinstance(error, SystemExit):
        return Ending(EXIT, index, exit_value=error.code)
    return Ending(ERROR, index, failure=_failure(error, filename, lines))


def _compile(
    code: str, filename: str, echo: bool, *, names: bool = False
) -> list[tuple[types.CodeType, bool, list[str]]]:
    """Compile every statement before the first one runs, so that a syntax error leaves nothing half done.

    Each comes with whether it is echoed and, where they are asked for, the names that it binds at the top level.
    """
    tree = ast.parse(code, filename)
    flags = 0
    compiled: list[tuple[types.CodeType, bool, list[str]]] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            for alias in node.names:
                flags |= getattr(getattr(future, alias.name, None), "compiler_flag", 0)
        bound = _bound_names(node) if names else []
        if echo and isinstance(node, ast.Expr) and not _is_print(node.value):
            expression = ast.Expression(node.value)
            compiled.append((compile(expression, filename, "eval", flags, dont_inherit=True), True, bound))
        else:
            module = ast.Module([node], [])
            compiled.append((compile(module, filename, "exec", flags, dont_inherit=True), False, bound))
    return compiled


def _bound_names(node: ast.AST) -> list[str]:
    """The names that a statement binds in the namespace itself: those of functions and classes inside are their own."""
    found: list[str] = []
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.Lambda):
        return []
    if isinstance(node, ast.Name):
        return [node.id] if isinstance(node.ctx, ast.Store) else []
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ExceptHandler) and node.name:
        found.append(node.name)
    if isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
        found.append(node.name)
    if isinstance(node, ast.MatchMapping) and node.rest:
        found.append(node.rest)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.comprehension):
            # The target of a comprehension is its own; what := binds inside of it is not.
            for part in (child.iter, *child.ifs):
                found += _bound_names(part)
        else:
            found += _bound_names(child)
    return found


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
    return Failure(name, message, line, source, _traceback(error, filename) if filename else "")


def _traceback(error: BaseException, filename: str) -> str:
    """What Python shows of an exception, from the frame of the code itself on; the middle of a long one is left out."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != filename:
        trace = trace.tb_next
    try:
        told = traceback.TracebackException(type(error), error, trace, limit=-_MAX_FRAMES, compact=True)
        text = "".join(told.format())
    except BaseException as broken:  # of the code's own classes anything may raise
        return f"<its traceback raised {type(broken).__name__}>"
    if len(text) <= _MAX_TRACEBACK_CHARS:
        return text
    half = _MAX_TRACEBACK_CHARS // 2
    return f"{text[:half]}\n[{len(text) - 2 * half} characters are left out here]\n{text[-half:]}"
