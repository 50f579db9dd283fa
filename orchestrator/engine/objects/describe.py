"""What an agent may see of an application class, decided once per class and way of reaching it.

Every yes or no comes from ``statek.access.decide``; this module only asks it for each public name and
remembers the answers for as long as the job's agent and settings stay the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from orchestrator.engine.objects.surface import MemberKind, Surface, surface_of
from statek.access import AccessRequest, Decision, Policy, Reach, ResourceKind, acl_of, decide
from statek.docstring import ParsedDoc, parse_docstring

__all__ = ["COLLECTION_DOCS", "Describer", "TypeDescription"]

MAX_DOC_CHARS = 2_000
"""Longest description of one class or method."""

MAX_REMEMBERED = 4_096
"""Decisions remembered per class; names come from the application, the bound is against surprises."""

COLLECTION_DOCS = {
    "list": "A durable list; changes are written to the store.",
    "dict": "A durable dict; changes are written to the store. Its order is the store's, not that of insertion.",
    "set": "A durable set; changes are written to the store.",
}


class TypeDescription:
    """One class as one agent sees it, for objects reached in one way."""

    def __init__(self, cls: type, policy: Policy, *, explicit: bool) -> None:
        self._cls = cls
        self._policy = policy
        self._explicit = explicit
        self._decisions: dict[tuple[ResourceKind, str], Decision] = {}
        self.surface: Surface = surface_of(cls)
        # Objects of one class that are reached in different ways may show different names.
        self.key = self.surface.key if explicit else f"{self.surface.key}#reached"
        self._methods: dict[str, list[str]] | None = None
        self._stored: set[str] = set()

    def decision(self, kind: ResourceKind, name: str) -> Decision:
        """Ask whether the agent may do this with that name of the object."""
        found = self._decisions.get((kind, name))
        if found is None:
            request = AccessRequest(
                kind=kind,
                name=name,
                type_name=self._cls.__name__,
                acl=acl_of(self._cls),
                reach=Reach.EXPLICIT if self._explicit else Reach.ATTRIBUTE,
            )
            found = decide(request, self._policy)
            if len(self._decisions) < MAX_REMEMBERED:
                self._decisions[kind, name] = found
        return found

    def readable(self, name: str) -> bool:
        """Tell whether the attribute may be read."""
        return self.decision(ResourceKind.READ_ATTRIBUTE, name).allowed

    def closed_because(self, stored: list[str]) -> str | None:
        """Give the reason why nothing of an object may be read; None if something may.

        Args:
            stored: names of the stored fields of the object.
        """
        members = self.surface.members.values()
        for name in stored:
            if self.readable(name):
                return None
        for member in members:
            if member.kind is MemberKind.METHOD:
                if self.decision(ResourceKind.METHOD, member.name).allowed:
                    return None
            elif self.readable(member.name):
                return None
        name = stored[0] if stored else next((member.name for member in members), "")
        if not name:
            return None
        refused = self.decision(ResourceKind.READ_ATTRIBUTE, name)
        return f"{refused.rule}; {refused.advice}" if refused.advice else refused.rule

    def meet(self, stored: Iterable[str]) -> None:
        """Note the stored fields of an object: they are the object's, not the class's, and no entry may lack them."""
        if len(self._stored) < MAX_REMEMBERED:
            self._stored.update(stored)

    def entry(self) -> dict[str, Any]:
        """Give the entry of the handles bundle, with the fields of every object met so far."""
        members = self.surface.members
        fields = {name for name in self._stored if self.readable(name)}
        fields |= {m.name for m in members.values() if m.kind is not MemberKind.METHOD and self.readable(m.name)}
        writable = [name for name in sorted(fields) if name not in members or members[name].writable]
        return {
            "key": self.key,
            "name": self.surface.name,
            "kind": "object",
            "doc": _class_doc(self._cls),
            "fields": sorted(fields),
            "writable": [name for name in writable if self.decision(ResourceKind.WRITE_ATTRIBUTE, name).allowed],
            "methods": self._described_methods(),
        }

    def _described_methods(self) -> dict[str, list[str]]:
        if self._methods is None:
            self._methods = {
                member.name: [_signature_text(self._cls, member.name), _method_doc(member.function)]
                for member in self.surface.members.values()
                if member.kind is MemberKind.METHOD
                and not member.is_async
                and self.decision(ResourceKind.METHOD, member.name).allowed
            }
        return self._methods


class Describer:
    """Gives type descriptions for one agent; cached per class and way of reaching."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._types: dict[type, dict[bool, TypeDescription]] = {}

    def of(self, cls: type, *, explicit: bool) -> TypeDescription:
        """Describe a class; how its object was reached matters only where no ACL decides."""
        explicit = explicit or acl_of(cls) is not None
        ways = self._types.setdefault(cls, {})
        found = ways.get(explicit)
        if found is None:
            found = ways[explicit] = TypeDescription(cls, self.policy, explicit=explicit)
        return found


def _class_doc(cls: type) -> str:
    doc = vars(cls).get("__doc__")
    parsed = parse_docstring(doc if isinstance(doc, str) else None)
    return _bounded("\n\n".join(part for part in (parsed.brief, parsed.extra) if part))


def _method_doc(function: Any) -> str:
    parsed = parse_docstring(getattr(function, "__doc__", None))
    parts = [parsed.brief, parsed.extra, *_sections(parsed)]
    return _bounded("\n".join(part for part in parts if part))


def _sections(parsed: ParsedDoc) -> list[str]:
    lines: list[str] = []
    if parsed.args:
        lines.append("Args:")
        lines += [f"    {item.name}: {item.text}" for item in parsed.args]
    if parsed.returns is not None:
        kind = f"{parsed.returns.type_text}: " if parsed.returns.type_text else ""
        lines.append(f"Returns: {kind}{parsed.returns.text}")
    if parsed.raises:
        lines.append("Raises:")
        lines += [f"    {item.name}: {item.text}" for item in parsed.raises]
    return lines


def _signature_text(cls: type, name: str) -> str:
    """Give the signature as a caller of the bound method sees it, without parameters that begin with an underscore."""
    found = inspect.getattr_static(cls, name)
    bound = not isinstance(found, staticmethod)
    function = found.__func__ if isinstance(found, staticmethod | classmethod) else found
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return "(...)"
    parameters = list(signature.parameters.values())
    if bound and parameters and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        del parameters[0]
    shown = [parameter for parameter in parameters if not parameter.name.startswith("_")]
    try:
        return _bounded(str(signature.replace(parameters=shown)))
    except Exception:  # noqa: BLE001 -- the repr of a default value is application code
        return "(...)"


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_DOC_CHARS else text[:MAX_DOC_CHARS] + "..."
