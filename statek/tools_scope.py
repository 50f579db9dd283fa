"""``LLM_TOOLS_SCOPE``: which tools are sent to the model provider as formal tools.

The form is an optional category and any number of lists of names to add or to take away::

    SYSTEM
    ALL -panic
    +docstr,python_cli
    APPLICATION +brief -send_mail, delete_mail

=============  ====================================================================
category       selects
=============  ====================================================================
(none)         nothing
APPLICATION    the agent's own tools
SYSTEM         the tools of the framework
ALL            both
=============  ====================================================================

Hidden and internal tools are never selected, tools for other chat styles neither. The scope says nothing about the
functions that job code may call.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass

from statek.chat_style import ChatStyle
from statek.exceptions import InvalidRequest
from statek.tools import ToolDef

__all__ = ["ToolsScope", "parse_tools_scope", "select_provider_tools"]

_CATEGORIES = ("ALL", "APPLICATION", "SYSTEM")
_SIGNS = re.compile(r"([+-])")
_MAX_CHARS = 10_000


@dataclass(frozen=True, slots=True)
class ToolsScope:
    """A parsed scope.

    Attributes:
        category: ``SYSTEM``, ``APPLICATION``, ``ALL``, or empty for none.
        changes: ``(adds, name)`` in the order written.
    """

    category: str = ""
    changes: tuple[tuple[bool, str], ...] = ()

    @property
    def is_blank(self) -> bool:
        """Whether it selects nothing at all."""
        return not self.category and not self.changes


def parse_tools_scope(text: str | None) -> ToolsScope:
    """Read a scope; None or a blank text selects nothing.

    Raises:
        InvalidRequest: an unknown category, a list without a name, or something that is no name; says which.
    """
    if text is None or not text.strip():
        return ToolsScope()
    if len(text) > _MAX_CHARS:
        raise InvalidRequest(f"LLM_TOOLS_SCOPE has {len(text)} characters, at most {_MAX_CHARS}")
    head, *rest = _SIGNS.split(text)
    category = head.strip().upper()
    if category and category not in _CATEGORIES:
        reason = f"{head.strip()[:80]!r} is no category; use SYSTEM, APPLICATION or ALL, then +names or -names"
        raise _broken(text, reason)
    changes: list[tuple[bool, str]] = []
    for sign, names in zip(rest[::2], rest[1::2], strict=True):
        for part in names.split(","):
            name = part.strip()
            if not name.isidentifier() or keyword.iskeyword(name):
                raise _broken(
                    text, f"{name[:80]!r} after {sign!r} is no tool name; write for example +docstr,python_cli"
                )
            changes.append((sign == "+", name))
    return ToolsScope(category, tuple(changes))


def select_provider_tools(scope: ToolsScope, tools: Sequence[ToolDef], style: ChatStyle) -> tuple[ToolDef, ...]:
    """The tools that a provider is offered.

    Args:
        scope: what was asked for.
        tools: every tool of the job, its agent's before those of the framework.
        style: chat style of the job.

    Raises:
        InvalidRequest: the scope names a tool that the job has not, that is kept from models, that is not for this
            chat style, or takes away one that it has not selected.
    """
    by_name: dict[str, ToolDef] = {}
    for tool in tools:
        by_name.setdefault(tool.name, tool)
    selected = {
        tool.name: tool
        for tool in by_name.values()
        if _is_offered(tool) and _fits(tool, style) and _in_category(tool, scope.category)
    }
    for adds, name in scope.changes:
        found = by_name.get(name)
        if found is None or not _is_offered(found):
            known = ", ".join(sorted(tool.name for tool in by_name.values() if _is_offered(tool))) or "none"
            raise InvalidRequest(
                f"LLM_TOOLS_SCOPE names tool {name!r}, which the agent does not offer; it offers: {known}"
            )
        if not _fits(found, style):
            wanted = ", ".join(sorted(target.name for target in found.targets))
            raise InvalidRequest(
                f"LLM_TOOLS_SCOPE names tool {name!r}, which is for {wanted} only, not for {style.name}"
            )
        if adds:
            selected[name] = found
        elif selected.pop(name, None) is None:
            raise InvalidRequest(f"LLM_TOOLS_SCOPE takes away tool {name!r}, which it has not selected")
    return tuple(selected.values())


def _broken(text: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"LLM_TOOLS_SCOPE {text.strip()[:200]!r}: {what}")


def _is_offered(tool: ToolDef) -> bool:
    return not (tool.hidden or tool.internal)


def _fits(tool: ToolDef, style: ChatStyle) -> bool:
    return not tool.targets or style in tool.targets


def _in_category(tool: ToolDef, category: str) -> bool:
    if category == "ALL":
        return True
    return bool(category) and tool.system == (category == "SYSTEM")
