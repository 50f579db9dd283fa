"""A look at model-written code before it runs: friendly advice, or by choice a refusal. Never the boundary.

What keeps code from the host is the sandbox. This saves a model a turn: it is told early that there is no network,
instead of finding out by an error. Whoever wants to get past these rules does (a computed name is enough).

``advise`` looks for what cannot work in a sandbox: network modules, other programs, files outside ``/work`` and
``/tmp``, questions at a keyboard. ``enforce`` refuses these, and what RestrictedPython's checker says of
frames, code objects, the interpreter's inner attributes and of ``exec`` and ``eval``; its other findings (augmented
assignment to items, names with an underscore, classes, ``async def``, ``match``) are of ordinary Python and dropped.

The text is parsed and never run. Measured with Python 3.11 on 700 KB of parentheses, unary operators, attribute and
``elif`` chains: the parser ends in SyntaxError, MemoryError or RecursionError, not in a crash. It holds the interpreter
for about 1.2 ms per KB of dense code, which is why longer code than ``MAX_SOURCE_BYTES`` is not looked at.
"""

from __future__ import annotations

import ast
import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from statek.exceptions import InvalidRequest

__all__ = ["MAX_AST_NODES", "MAX_SOURCE_BYTES", "VIOLATION", "Finding", "StaticPolicy", "check_code", "is_worth_a_look"]

MAX_SOURCE_BYTES = 8000
"""Longer code is run without advice, and refused where the policy is enforced."""

MAX_AST_NODES = 20_000
"""The same for code of more syntax nodes (behaviour reference, section 12)."""

VIOLATION = "StaticPolicyViolation"
"""Name of the error that a refused reply ends with."""

_SHOWN = 5
"""Findings of one reply that are told."""

_NETWORK = frozenset(
    {
        "aiohttp", "boto3", "ftplib", "grpc", "http.client", "http.server", "httpx", "imaplib", "nntplib", "paramiko",
        "poplib", "requests", "smtplib", "socket", "socketserver", "telnetlib", "urllib.request", "urllib3",
        "websocket", "websockets", "xmlrpc",
    }
)  # fmt: skip
_PROGRAMS = frozenset({"multiprocessing", "pexpect", "pip", "pty", "subprocess"})
_OS_PROGRAMS = re.compile(r"system|popen|fork(?:pty)?|posix_spawnp?|(?:exec|spawn)[lv]p?e?")
_OS_FILES = frozenset(
    {"chdir", "listdir", "makedirs", "mkdir", "open", "remove", "rename", "rmdir", "scandir", "stat", "unlink", "walk"}
)
_PATH_FILES = frozenset(
    {"exists", "glob", "is_dir", "is_file", "iterdir", "mkdir", "open", "read_bytes", "read_text", "rglob", "stat",
     "touch", "unlink", "write_bytes", "write_text"}
)  # fmt: skip
_FOLDERS = ("/work", "/tmp", "/dev/null")  # noqa: S108 -- the sandbox's own folders, named and not opened

_WORTH_A_LOOK = re.compile(
    r"\b(?:open|input|os|Path|" + "|".join(sorted({name.partition(".")[0] for name in _NETWORK | _PROGRAMS})) + r")\b"
)
"""Code without any of these words has nothing to be advised about: the usual step is not even parsed."""

_INNER = frozenset(
    {
        "__base__", "__bases__", "__builtins__", "__closure__", "__code__", "__getattribute__", "__globals__",
        "__import__", "__loader__", "__mro__", "__reduce__", "__reduce_ex__", "__self__", "__spec__", "__subclasses__",
        "__traceback__",
    }
)  # fmt: skip
"""Names with underscores that RestrictedPython is followed in; the others are ordinary (``__init__``, ``_total``)."""

_ADVICE = {
    "network": "there is no network in this workspace; use the tools of this job",
    "programs": "no other program can be started in this workspace; do it in Python",
    "files": "the only folders are /work (kept with the job) and /tmp",
    "input": "nobody answers at a keyboard; use what you have been told, or ask by a tool",
    "introspection": "the interpreter's inner attributes are not for agents",
    "dynamic_code": "write the code itself instead of running a text",
    "size": "send less at a time",
}


class StaticPolicy(enum.Enum):
    """What is done about findings."""

    OFF = "off"
    ADVISE = "advise"
    ENFORCE = "enforce"

    @classmethod
    def parse(cls, text: str | StaticPolicy) -> StaticPolicy:
        """The policy of that name, in any letter case.

        Raises:
            InvalidRequest: there is no such policy.
        """
        if isinstance(text, StaticPolicy):
            return text
        if not isinstance(text, str):
            raise InvalidRequest(f"a static policy is given by its name, not as {type(text).__name__}")
        try:
            return cls[text.strip().upper()]
        except KeyError:
            known = ", ".join(policy.value for policy in cls)
            raise InvalidRequest(f"static policy {text!r} is unknown; use one of {known}") from None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that will not work, or is not wanted.

    Attributes:
        line: of the code, from 1; 0 for the code as a whole.
        rule: a key of the rules (``network``, ``programs``, ``files``, ``input``, ``introspection``, ``dynamic_code``,
            ``size``).
        what: the part of the code that it is about.
    """

    line: int
    rule: str
    what: str

    @property
    def advice(self) -> str:
        """What is so, and what to do instead."""
        return f"{self.what}: {_ADVICE[self.rule]}"

    def note(self) -> str:
        """As it is shown beside the output of the code."""
        return f"note: line {self.line}: {self.advice}"

    def refusal(self) -> str:
        """As the error that takes the place of the output."""
        return f"line {self.line}, rule {self.rule}: {self.advice}"


def is_worth_a_look(source: str, policy: StaticPolicy) -> bool:
    """Whether the policy may have something to say of some code; told in well below a millisecond."""
    if policy is StaticPolicy.ADVISE:
        return len(source) <= MAX_SOURCE_BYTES and _WORTH_A_LOOK.search(source) is not None
    return policy is StaticPolicy.ENFORCE


def check_code(source: str, policy: StaticPolicy) -> tuple[Finding, ...]:
    """What a policy has to say of some code; nothing for code that Python itself will refuse.

    Args:
        source: Python as a model wrote it, of any content and size.
        policy: which; OFF says nothing.

    Returns:
        At most five findings, by line; under ADVISE they are remarks, under ENFORCE reasons to refuse.
    """
    if not is_worth_a_look(source, policy):
        return ()
    enforced = policy is StaticPolicy.ENFORCE
    size = len(source) if source.isascii() else len(source.encode("utf-8", "surrogatepass"))
    if size > MAX_SOURCE_BYTES:
        return _too_large(f"code of {size} bytes (limit static_policy_bytes is {MAX_SOURCE_BYTES})", enforced)
    try:
        tree = ast.parse(source)
        nodes = list(ast.walk(tree))
        if len(nodes) > MAX_AST_NODES:
            return _too_large(
                f"code of {len(nodes)} syntax nodes (limit static_policy_nodes is {MAX_AST_NODES})", enforced
            )
        found = [*_findings(nodes), *(_restricted(tree) if enforced else ())]
    except (SyntaxError, ValueError):
        return ()  # the sandbox shows the error with its line
    except (RecursionError, MemoryError):
        return _too_large("code that is nested this deeply", enforced)
    except Exception as error:  # noqa: BLE001 -- a checker that stumbles over hostile code must not end the job
        return _too_large(f"code that the checker cannot read ({type(error).__name__})", enforced)
    ordered = sorted(set(found), key=lambda finding: (finding.line, finding.rule, finding.what))
    return tuple(ordered[:_SHOWN])


def _too_large(what: str, enforced: bool) -> tuple[Finding, ...]:
    return (Finding(0, "size", what),) if enforced else ()


def _findings(nodes: list[ast.AST]) -> Iterator[Finding]:
    """What cannot work in a sandbox."""
    own = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    own |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    for node in nodes:
        match node:
            case ast.Import(names=names):
                yield from _imports(node, [alias.name for alias in names])
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from _imports(node, list(dict.fromkeys([module, *(f"{module}.{one.name}" for one in names)])))
            case ast.Call():
                yield from _call(node, own)


def _imports(node: ast.stmt, names: list[str]) -> Iterator[Finding]:
    for name in names:
        parents = {name, name.partition(".")[0]}
        for rule, modules in (("network", _NETWORK), ("programs", _PROGRAMS)):
            if parents & modules:
                yield Finding(node.lineno, rule, f"import {name}")
                return


def _call(node: ast.Call, own: set[str]) -> Iterator[Finding]:
    line = node.lineno
    match node.func:
        case ast.Name(id="open") if "open" not in own:
            yield from _file(line, "open", node.args)
        case ast.Name(id="input") if "input" not in own:
            yield Finding(line, "input", "input(...)")
        case ast.Attribute(value=ast.Name(id="os"), attr=name) if _OS_PROGRAMS.fullmatch(name):
            yield Finding(line, "programs", f"os.{name}(...)")
        case ast.Attribute(value=ast.Name(id="os"), attr=name) if name in _OS_FILES:
            yield from _file(line, f"os.{name}", node.args)
        case ast.Attribute(value=ast.Call(func=ast.Name(id="Path"), args=args), attr=name) if name in _PATH_FILES:
            yield from _file(line, "Path", args)


def _file(line: int, name: str, arguments: list[ast.expr]) -> Iterator[Finding]:
    """A fixed path outside of the sandbox's folders; a computed one is not guessed at."""
    match arguments[:1]:
        case [ast.Constant(value=str(path))] if path.startswith(("/", "~")):
            if not any(path == folder or path.startswith(f"{folder}/") for folder in _FOLDERS):
                shown = path if len(path) <= 60 else f"{path[:60]}..."
                yield Finding(line, "files", f"{name}({shown!r})")


def _restricted(tree: ast.Module) -> list[Finding]:
    """What RestrictedPython's checker finds and this policy follows it in; the tree is used up."""
    from RestrictedPython.transformer import RestrictingNodeTransformer  # only where a policy is enforced

    class Checker(RestrictingNodeTransformer):  # type: ignore[misc]  # it carries no types
        """The checker without its veto: it goes on below what it does not allow."""

        def error(self, node: ast.AST, info: str) -> None:
            match node:
                case ast.Call(func=ast.Name(id=name)) if name in {"exec", "eval"}:
                    found.append(Finding(node.lineno, "dynamic_code", f"{name}(...)"))
                case ast.Attribute(attr=name) if name in _INNER or not name.startswith("_"):
                    found.append(Finding(node.lineno, "introspection", f".{name}"))
                case ast.Name(id=name) if name in _INNER:
                    found.append(Finding(node.lineno, "introspection", name))

        def generic_visit(self, node: ast.AST) -> Any:
            return self.node_contents_visit(node)

        def not_allowed(self, node: ast.AST) -> None:
            self.node_contents_visit(node)

    found: list[Finding] = []
    Checker().visit(tree)
    return found
