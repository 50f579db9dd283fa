from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.access import (
    AccessRequest,
    Acl,
    AclRule,
    Decision,
    DefaultAcl,
    Policy,
    Reach,
    ResourceKind,
    acl_of,
    decide,
    parse_acl,
)
from statek.exceptions import AccessDenied, InvalidRequest

POLICY = Policy(agent_class="SupervisedAgent", role="calendar_assistant")
MEMBER_KINDS = [
    ResourceKind.READ_ATTRIBUTE,
    ResourceKind.WRITE_ATTRIBUTE,
    ResourceKind.METHOD,
    ResourceKind.ITEM,
    ResourceKind.DOCSTRING,
]

names = st.sampled_from(["a", "ab", "abc", "a_c", "b", "B1", "title"])
patterns = st.one_of(names, names.map(lambda name: name + "*"), st.just("*"))
rules = st.builds(AclRule, st.booleans(), patterns, st.frozensets(names, max_size=3))


def allowed(acl: str | None, name: str, policy: Policy = POLICY, **fields: object) -> bool:
    parsed = None if acl is None else parse_acl(acl)
    request = AccessRequest(ResourceKind.READ_ATTRIBUTE, name, type_name="Meeting", acl=parsed, **fields)
    return decide(request, policy).allowed


@given(st.lists(rules, max_size=8))
def test_every_acl_reads_back_as_it_was_written(written: list[AclRule]) -> None:
    assert parse_acl("\n".join(str(rule) for rule in written)) == Acl(tuple(written))


@given(st.lists(rules, max_size=8), names, st.frozensets(names, max_size=2))
def test_the_last_matching_rule_decides_and_none_denies(
    written: list[AclRule], name: str, agent: frozenset[str]
) -> None:
    matching = [
        rule
        for rule in written
        if (not rule.scope or rule.scope & agent)
        and (rule.pattern == name or (rule.pattern[-1] == "*" and name[: len(rule.pattern) - 1] == rule.pattern[:-1]))
    ]
    pair = [*sorted(agent), "", ""]
    request = AccessRequest(ResourceKind.METHOD, name, acl=Acl(tuple(written)))
    expected = matching[-1].grants if matching else False
    assert expected == decide(request, Policy(agent_class=pair[0], role=pair[1], default_acl=DefaultAcl.GRANT)).allowed


@given(st.text(max_size=200))
def test_any_text_parses_and_every_line_is_a_rule_or_ignored(text: str) -> None:
    acl = parse_acl(text)
    assert len([line for line in text.split("\n") if line.strip()]) == len(acl.rules) + len(acl.ignored)


@given(names, st.sampled_from(MEMBER_KINDS), st.sampled_from(Reach), st.booleans())
def test_a_leading_underscore_is_never_reachable(name: str, kind: ResourceKind, reach: Reach, container: bool) -> None:
    policy = Policy(default_acl=DefaultAcl.GRANT)
    for private in (f"_{name}", f"__{name}__"):
        request = AccessRequest(kind, private, acl=parse_acl("+*"), reach=reach, container=container)
        assert decide(request, policy) == Decision(
            False,
            "names with a leading underscore are private",
            "use the object's public names",
            f"{kind.value} {private}",
        )


def test_a_line_with_a_colon_but_no_agent_is_no_rule() -> None:
    assert parse_acl("+title:\n+room : ,\n-room") == Acl((AclRule(False, "room"),), ("+title:", "+room : ,"))


def test_a_scope_names_the_agent_by_class_or_by_role() -> None:
    acl = "-*\n+title: SupervisedAgent\n+room: calendar_assistant\n+secret: Auditor"
    assert [allowed(acl, name) for name in ("title", "room", "secret")] == [True, True, False]
    assert [allowed(acl, name, Policy()) for name in ("title", "room", "secret")] == [False, False, False]


def test_without_an_acl_the_way_to_the_object_and_the_settings_decide() -> None:
    grant, strict = Policy(default_acl=DefaultAcl.GRANT), Policy(default_acl=DefaultAcl.GRANT, strict=True)
    ways = [(None, Reach.EXPLICIT), (None, Reach.ATTRIBUTE), ("+title", Reach.ATTRIBUTE), ("", Reach.EXPLICIT)]
    assert [allowed(acl, "title", reach=reach) for acl, reach in ways] == [True, False, True, False]
    assert [allowed(acl, "title", grant, reach=reach) for acl, reach in ways] == [True, True, True, False]
    assert [allowed(acl, "title", strict, reach=reach) for acl, reach in ways] == [False, False, True, False]


def test_a_plain_container_follows_what_gave_it() -> None:
    assert allowed(None, "append", Policy(strict=True), container=True, reach=Reach.ATTRIBUTE)


def test_a_denial_names_the_rule_and_how_to_ask() -> None:
    request = AccessRequest(
        ResourceKind.METHOD, "cancel", type_name="Meeting", acl=parse_acl("+*\n-cancel: calendar_assistant")
    )
    with pytest.raises(AccessDenied) as caught:
        decide(request, POLICY).require()
    assert str(caught.value) == (
        "call method Meeting.cancel denied by rule -cancel: calendar_assistant in the STATEK-ACL of Meeting; "
        "the application opens it by a line +cancel in the STATEK-ACL section of Meeting's docstring"
    )
    assert caught.value.rule == "rule -cancel: calendar_assistant in the STATEK-ACL of Meeting"


def test_an_allowed_decision_returns() -> None:
    decide(AccessRequest(ResourceKind.TOOL, "reserve_room"), POLICY).require()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "reserve_room"}, True),
        ({"name": "reserve_room", "offered": False}, False),
        ({"name": "reserve_room", "hidden": True}, False),
        ({"name": "_send"}, False),
        ({"name": "reserve_room", "hidden": True, "hidden_block": True}, True),
        ({"name": "_send", "hidden_block": True}, True),
        ({"name": "_send", "hidden_block": True, "offered": False}, False),
        ({"name": "__import__", "hidden_block": True}, False),
    ],
)
def test_tools(fields: dict[str, object], expected: bool) -> None:
    assert expected == decide(AccessRequest(kind=ResourceKind.TOOL, **fields), POLICY).allowed


def test_documents_are_offered_by_name() -> None:
    cases = [("guide", True), ("guide", False), ("_private", True)]
    requests = [AccessRequest(ResourceKind.DOCUMENT, name, offered=offered) for name, offered in cases]
    assert [decide(request, POLICY).allowed for request in requests] == [True, False, False]


def test_a_class_with_an_acl_may_be_described_its_members_one_by_one() -> None:
    acl = parse_acl("+title")
    asked = [AccessRequest(ResourceKind.DOCSTRING, name, acl=acl) for name in ("", "title", "room")]
    assert [decide(request, POLICY).allowed for request in asked] == [True, True, False]


def test_an_acl_is_inherited_unless_the_subclass_writes_its_own() -> None:
    class Base:
        """Base.

        STATEK-ACL:
            +title
        """

    class Undocumented(Base):
        pass

    class Documented(Base):
        """Says nothing about access."""

    class Own(Base):
        """Own.

        STATEK-ACL:
            -*
        """

    base = Acl((AclRule(True, "title"),))
    assert [base, base, base, Acl((AclRule(False, "*"),)), None] == [
        acl_of(cls) for cls in (Base, Undocumented, Documented, Own, int)
    ]


def test_the_default_acl_by_name() -> None:
    assert [DefaultAcl.parse(text) for text in ("deny", " Grant ", DefaultAcl.DENY)] == [
        DefaultAcl.DENY,
        DefaultAcl.GRANT,
        DefaultAcl.DENY,
    ]
    with pytest.raises(InvalidRequest, match=r"^default ACL 'maybe' is unknown; use DENY or GRANT$"):
        DefaultAcl.parse("maybe")
