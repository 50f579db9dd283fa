"""The one access decision: may this job use this tool, attribute, method, item, document or docstring?

Pure: everything that the answer depends on is in the ``AccessRequest`` and the ``Policy``. The STATEK-ACL grammar, one
rule a line: ``+name``, ``-name``, ``+prefix*``, ``-*``, each optionally followed by ``: A, B``, the agents
that the rule is for (agent class name or role). The last rule that matches decides; an ACL without a
match denies. Lines of any other form are no rules.

What decides, in order:

1. A name with a leading underscore (dunder names too) is never reachable.
2. A tool must be offered to the job; a hidden or internal one only inside a hidden warmup block.
3. An ACL of the object's class decides for its members.
4. To a parent a job hands on what it was given explicitly, and what an ACL or the default ACL opens.
5. Without an ACL: ``strict`` denies; an object given explicitly grants its public members; one reached
   only through an attribute follows the default ACL (DENY unless set otherwise).
"""

from __future__ import annotations

import enum
import functools
import re
from dataclasses import dataclass

from statek.docstring import parse_docstring
from statek.exceptions import AccessDenied, InvalidRequest

__all__ = [
    "AccessRequest",
    "Acl",
    "AclRule",
    "Decision",
    "DefaultAcl",
    "Policy",
    "Reach",
    "ResourceKind",
    "acl_of",
    "decide",
    "parse_acl",
]

_RULE = re.compile(r"\s*(?P<sign>[+-])(?P<name>[A-Za-z_][A-Za-z0-9_]*\*?|\*)\s*(?::(?P<scope>.*))?")


class ResourceKind(enum.Enum):
    """What the job wants to use, and how."""

    TOOL = "call tool"
    READ_ATTRIBUTE = "read attribute"
    WRITE_ATTRIBUTE = "write attribute"
    METHOD = "call method"
    ITEM = "use item operation"
    DOCUMENT = "read document"
    DOCSTRING = "read the docstring of"
    HAND_ON = "hand on"
    TELL = "tell job"


class Reach(enum.Enum):
    """How the job came to the object."""

    EXPLICIT = "given explicitly"
    """A startup variable, or the result of a tool or method."""
    ATTRIBUTE = "reached through an attribute"


class DefaultAcl(enum.Enum):
    """What holds for a class without a STATEK-ACL that is reached only through an attribute."""

    DENY = "DENY"
    GRANT = "GRANT"

    @classmethod
    def parse(cls, text: str | DefaultAcl) -> DefaultAcl:
        """The default of that name, in any letter case.

        Raises:
            InvalidRequest: neither DENY nor GRANT.
        """
        if isinstance(text, DefaultAcl):
            return text
        try:
            return cls(text.strip().upper())
        except ValueError:
            raise InvalidRequest(f"default ACL {text!r} is unknown; use DENY or GRANT") from None


@dataclass(frozen=True, slots=True)
class AclRule:
    """One line of a STATEK-ACL.

    Attributes:
        grants: True for ``+``.
        pattern: a name, a prefix ending in ``*``, or ``*``.
        scope: agent class names or roles that it is for; empty for every agent.
    """

    grants: bool
    pattern: str
    scope: frozenset[str] = frozenset()

    def matches(self, name: str, agent_names: frozenset[str]) -> bool:
        """Whether the rule speaks about ``name`` for an agent of these names."""
        if self.scope and not self.scope & agent_names:
            return False
        if self.pattern.endswith("*"):
            return name.startswith(self.pattern[:-1])
        return name == self.pattern

    def __str__(self) -> str:
        scope = f": {', '.join(sorted(self.scope))}" if self.scope else ""
        return f"{'+' if self.grants else '-'}{self.pattern}{scope}"


@dataclass(frozen=True, slots=True)
class Acl:
    """A parsed STATEK-ACL.

    Attributes:
        rules: in the order written.
        ignored: non-blank lines that are no rules, for the application's own checks.
    """

    rules: tuple[AclRule, ...] = ()
    ignored: tuple[str, ...] = ()

    def has_access(self, resource: str, agent: object = None) -> bool:
        """Whether an agent may use a name, by the one access decision.

        Args:
            resource: name of an attribute or method.
            agent: an agent, or the name of a class or role; without one, rules with a scope are skipped.
        """
        if isinstance(agent, str):
            policy = Policy(agent_class=agent, role=agent)
        elif agent is None:
            policy = Policy()
        else:
            policy = Policy(agent_class=type(agent).__name__, role=str(getattr(agent, "role", "")))
        return decide(AccessRequest(ResourceKind.METHOD, resource, acl=self), policy).allowed

    def last_match(self, name: str, agent_names: frozenset[str] = frozenset()) -> AclRule | None:
        """The rule that decides about ``name``, or None when none speaks about it."""
        for rule in reversed(self.rules):
            if rule.matches(name, agent_names):
                return rule
        return None


def parse_acl(text: str) -> Acl:
    """Parse the lines of a STATEK-ACL section."""
    rules: list[AclRule] = []
    ignored: list[str] = []
    for line in text.split("\n"):
        if not line.strip():
            continue
        match = _RULE.fullmatch(line)
        scope = frozenset(part.strip() for part in (match["scope"] or "").split(",") if part.strip()) if match else None
        # A colon without a name after it is no scope; reading it as "every agent" would widen a grant.
        if match is None or (match["scope"] is not None and not scope):
            ignored.append(line.strip())
        else:
            rules.append(AclRule(match["sign"] == "+", match["name"], scope or frozenset()))
    return Acl(tuple(rules), tuple(ignored))


@functools.lru_cache(maxsize=4096)
def acl_of(cls: type) -> Acl | None:
    """The STATEK-ACL of a class: its own, else that of the nearest base class that has one, else None.

    Inherited, because a subclass without a docstring of its own must not open what its base closed.
    """
    for base in cls.__mro__:
        doc = base.__dict__.get("__doc__")
        acl = parse_docstring(doc).acl if isinstance(doc, str) else None
        if acl is not None:
            return parse_acl(acl)
    return None


@dataclass(frozen=True, slots=True)
class Policy:
    """Who asks, and the settings in force.

    Attributes:
        agent_class: class name of the job's agent.
        role: its role.
        default_acl: for classes without an ACL that are reached only through an attribute.
        strict: every class needs an ACL.
    """

    agent_class: str = ""
    role: str = ""
    default_acl: DefaultAcl = DefaultAcl.DENY
    strict: bool = False

    @property
    def agent_names(self) -> frozenset[str]:
        """The names that a rule's scope may give this agent."""
        return frozenset(name for name in (self.agent_class, self.role) if name)


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """One question.

    Attributes:
        kind: what the job wants to use.
        name: tool, attribute, method, item operation or document; empty for the docstring of a class itself.
        type_name: class of the object, for the messages; empty for tools and documents.
        acl: ACL of that class, None when it has none.
        reach: how the job came to the object.
        container: the object is a plain durable list, dict or set, which has no class to carry an ACL: it was
            granted with the attribute or call that gave it, and its items are decided when they are used.
        offered: the tool or document is among the agent's.
        hidden: the tool is hidden.
        hidden_block: the question comes from a hidden warmup block.
        same_tenant: of a job that is to be told something: it has the same owner as the one whose tool tells it.
        related: it acts for the same principal, or has the same first parent.
    """

    kind: ResourceKind
    name: str
    type_name: str = ""
    acl: Acl | None = None
    reach: Reach = Reach.EXPLICIT
    container: bool = False
    offered: bool = True
    hidden: bool = False
    hidden_block: bool = False
    same_tenant: bool = True
    related: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer.

    Attributes:
        allowed: yes or no.
        rule: what decided.
        advice: how access is asked for; empty when allowed.
        subject: what was asked, for messages.
    """

    allowed: bool
    rule: str
    advice: str = ""
    subject: str = ""

    def require(self) -> None:
        """Return when allowed.

        Raises:
            AccessDenied: otherwise; the message names the rule and how access is asked for.
        """
        if not self.allowed:
            advice = f"; {self.advice}" if self.advice else ""
            raise AccessDenied(f"{self.subject} denied by {self.rule}{advice}", rule=self.rule)


def decide(request: AccessRequest, policy: Policy) -> Decision:
    """Answer one question; see the module's order of rules."""
    kind, name = request.kind, request.name
    if kind is ResourceKind.TOOL:
        allowed, rule, advice = _decide_tool(request, policy)
    elif kind is ResourceKind.DOCUMENT:
        allowed, rule, advice = _decide_document(request)
    elif kind is ResourceKind.TELL:
        allowed, rule, advice = _decide_telling(request)
    elif kind is ResourceKind.HAND_ON:
        allowed, rule, advice = _decide_handing_on(request, policy)
    elif name == "" and kind is ResourceKind.DOCSTRING and request.acl is not None:
        # The class itself: its members are asked for one by one.
        allowed, rule, advice = True, "a class with a STATEK-ACL may be described", ""
    elif name.startswith("_"):
        allowed, rule, advice = False, "names with a leading underscore are private", "use the object's public names"
    else:
        allowed, rule, advice = _decide_member(request, policy)
    target = f"{request.type_name}.{name}" if request.type_name and name else request.type_name or name
    return Decision(allowed, rule, advice, f"{kind.value} {target}".rstrip())


def _decide_tool(request: AccessRequest, policy: Policy) -> tuple[bool, str, str]:
    name = request.name
    if name.startswith("__"):
        return False, "names with two leading underscores are private", "use the tools in the prompt"
    if not request.offered:
        advice = f"the application offers it by adding {name} to the _tools of agent {policy.role!r}"
        return False, f"tool {name} is not offered to this job", advice
    if request.hidden or name.startswith("_"):
        kind = "hidden" if request.hidden else "internal"
        if request.hidden_block:
            return True, f"{kind} tools are open to hidden warmup blocks", ""
        return False, f"tool {name} is {kind}", "only hidden warmup blocks may call it"
    return True, f"tool {name} is offered to this job", ""


def _decide_document(request: AccessRequest) -> tuple[bool, str, str]:
    name = request.name
    if name.startswith("_"):
        return False, "names with a leading underscore are private", "use list_of_documents() for the names"
    if not request.offered:
        return False, f"document {name!r} is not offered to this agent", "use list_of_documents() for the names"
    return True, "the document is offered to this agent", ""


def _decide_telling(request: AccessRequest) -> tuple[bool, str, str]:
    """What a tool pushes on behalf of its job; what the application pushes itself is not asked about."""
    ask = "the application pushes it outside of a job's tools"
    if not request.same_tenant:
        return False, "a job's tools tell jobs of its own tenant only", ask
    if not request.related:
        return False, "a job's tools tell jobs of the same principal or of its family only", ask
    return True, "the job is of the same tenant, and of the same principal or family", ""


def _decide_handing_on(request: AccessRequest, policy: Policy) -> tuple[bool, str, str]:
    """Whoever is given the object has it explicitly, which is more than a job has that reached it by the way."""
    if request.acl is not None or request.container or request.reach is Reach.EXPLICIT:
        return True, "it was given explicitly, or its STATEK-ACL decides for whoever has it", ""
    if policy.default_acl is DefaultAcl.GRANT:
        return True, "STATEK_DEFAULT_ACL=GRANT", ""
    ask = f"the application opens it by the STATEK-ACL section of {request.type_name}'s docstring"
    return False, f"{request.type_name} has no STATEK-ACL and was reached through an attribute", ask


def _decide_member(request: AccessRequest, policy: Policy) -> tuple[bool, str, str]:
    type_name = request.type_name or "the class"
    section = f"the STATEK-ACL section of {type_name}'s docstring"
    if request.acl is not None:
        rule = request.acl.last_match(request.name, policy.agent_names)
        ask = f"the application opens it by a line +{request.name} in {section}"
        if rule is None:
            return False, f"the STATEK-ACL of {type_name} has no rule for {request.name} (default deny)", ask
        return rule.grants, f"rule {rule} in the STATEK-ACL of {type_name}", "" if rule.grants else ask
    if request.container:
        return True, "a plain container is granted with what gave it", ""
    ask = f"the application opens it by {section}"
    if policy.strict:
        return False, f"strict: {type_name} has no STATEK-ACL", ask
    if request.reach is Reach.EXPLICIT:
        return True, f"{type_name} was given explicitly and has no STATEK-ACL", ""
    default = policy.default_acl
    reason = f"STATEK_DEFAULT_ACL={default.value}: {type_name} has no STATEK-ACL and was reached through an attribute"
    return default is DefaultAcl.GRANT, reason, "" if default is DefaultAcl.GRANT else ask
