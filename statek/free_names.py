"""Which names Python code reads and does not bind itself: what a workspace must hold before the code runs."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Sequence

__all__ = ["find_free_names"]

_Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp


def find_free_names(sources: Iterable[str]) -> tuple[str, ...]:
    """Names that the sources read before they bind them, in the order of their first use.

    Builtins are left out, and names that are only called (``tool(...)``): those are tools. A source sees what the
    ones before it have bound.

    Args:
        sources: Python that can be parsed.
    """
    finder = _Finder()
    for source in sources:
        finder.walk(ast.parse(source))
    return tuple(finder.found)


class _Finder:
    """Walks code in the order it runs in; what a function, class or comprehension binds stays inside it."""

    def __init__(self) -> None:
        self.found: dict[str, None] = {}
        self._scopes: list[set[str]] = [set()]

    def walk(self, node: ast.AST) -> None:
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                self._read(name)
            case ast.Name(id=name):
                self._bind(name)
            case ast.Call(func=ast.Name()):
                self._all([*node.args, *node.keywords])
            case ast.Assign():
                self._all([node.value, *node.targets])
            case ast.AnnAssign():
                self._all([node.value, node.target])
            case ast.AugAssign():
                self.walk(node.value)
                if isinstance(node.target, ast.Name):
                    self._read(node.target.id)
                self.walk(node.target)
            case ast.NamedExpr():
                self.walk(node.value)
                self._scopes[0].add(node.target.id)
            case ast.For() | ast.AsyncFor():
                self._all([node.iter, node.target, *node.body, *node.orelse])
            case ast.Import() | ast.ImportFrom():
                for alias in node.names:
                    self._bind(alias.asname or alias.name.partition(".")[0])
            case ast.ExceptHandler():
                if node.name:
                    self._bind(node.name)
                self._all(ast.iter_child_nodes(node))
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._bind(node.name)
                self._function(node.args, node.decorator_list, node.body)
            case ast.Lambda():
                self._function(node.args, [], [node.body])
            case ast.ClassDef():
                self._bind(node.name)
                self._all([*node.decorator_list, *node.bases, *node.keywords])
                self._inside(set(), node.body)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                self._comprehension(node)
            case _:
                self._all(ast.iter_child_nodes(node))

    def _all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.walk(node)

    def _bind(self, name: str) -> None:
        self._scopes[-1].add(name)

    def _read(self, name: str) -> None:
        if not hasattr(builtins, name) and not any(name in scope for scope in self._scopes):
            self.found.setdefault(name)

    def _inside(self, bound: set[str], nodes: Iterable[ast.AST]) -> None:
        self._scopes.append(bound)
        self._all(nodes)
        self._scopes.pop()

    def _function(self, args: ast.arguments, outside: Sequence[ast.expr], body: Sequence[ast.AST]) -> None:
        self._all([*outside, *args.defaults, *args.kw_defaults])
        named = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
        self._inside({arg.arg for arg in named if arg is not None}, body)

    def _comprehension(self, node: _Comprehension) -> None:
        parts: list[ast.AST] = []
        for generator in node.generators:
            parts += [generator.iter, generator.target, *generator.ifs]
        parts += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self._inside(set(), parts)
