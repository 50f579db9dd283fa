from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import pytest

from orchestrator.engine.objects.describe import Describer
from orchestrator.engine.objects.surface import MAX_NAME_CHARS, MemberKind, is_public_name, surface_of
from statek.access import DefaultAcl, Policy


class Base:
    """Base.

    STATEK-ACL:
        +*
        -closed
    """

    shared = 1
    _private = 2

    def greet(self, name: str = "you", *, _host: int = 0) -> str:
        """Greet somebody.

        Args:
            name: whom.
        """
        return name


@dataclass
class Child(Base):
    title: str
    late: int = 5
    hidden: ClassVar[int] = 1
    __statek_last_write_wins__ = ("late",)

    class Nested:
        pass

    @property
    def computed(self):
        return 1

    @functools.cached_property
    def cached(self):
        return 1

    @classmethod
    def make(cls, what):
        return what

    @staticmethod
    def plain(what):
        return what

    async def slow(self):
        return 1

    async def stream(self):
        yield 1

    def closed(self):
        return 1


@pytest.mark.parametrize("name", ["a", "title", "été", "x" * MAX_NAME_CHARS])
def test_public_names(name):
    assert is_public_name(name) is True


@pytest.mark.parametrize(
    "name", ["", "_a", "__class__", "a.b", "a b", "1a", "a\0", "\ud800", "x" * (MAX_NAME_CHARS + 1), None, 1, b"a"]
)
def test_names_that_are_never_looked_up(name):
    assert is_public_name(name) is False


def test_surface_lists_public_members_by_kind():
    surface = surface_of(Child)
    kinds = {name: member.kind for name, member in surface.members.items()}
    assert kinds == {
        "shared": MemberKind.FIELD,
        "greet": MemberKind.METHOD,
        "title": MemberKind.FIELD,
        "late": MemberKind.FIELD,
        "hidden": MemberKind.FIELD,
        "computed": MemberKind.PROPERTY,
        "cached": MemberKind.PROPERTY,
        "make": MemberKind.METHOD,
        "plain": MemberKind.METHOD,
        "slow": MemberKind.METHOD,
        "stream": MemberKind.METHOD,
        "closed": MemberKind.METHOD,
    }
    assert [name for name, member in surface.members.items() if member.is_async] == ["slow", "stream"]
    assert surface.last_write_wins == frozenset({"late"})
    assert surface.computed is True
    assert surface.text_method == ""
    assert surface_of(Child) is surface


def test_plain_class_computes_nothing():
    assert surface_of(Base).computed is False


def test_llm_repr_comes_before_str():
    class Shown:
        def __str__(self):
            return "str"

        def __llm_repr__(self):
            return "llm"

    assert surface_of(Shown).text_method == "__llm_repr__"


def test_methods_are_described_as_a_caller_sees_them():
    description = Describer(Policy(default_acl=DefaultAcl.DENY)).of(Child, explicit=False)
    description.meet(["title", "closed", "_x"])
    entry = description.entry()
    assert entry["methods"] == {
        "greet": ["(name: 'str' = 'you') -> 'str'", "Greet somebody.\nArgs:\n    name: whom."],
        "make": ["(what)", ""],
        "plain": ["(what)", ""],
    }
    assert entry["fields"] == ["cached", "computed", "hidden", "late", "shared", "title"]
    assert entry["writable"] == ["hidden", "late", "shared", "title"]
    assert entry["key"] == f"{__name__}:Child"


def test_fields_met_once_stay_in_the_description():
    description = Describer(Policy()).of(Child, explicit=True)
    description.meet(["one"])
    description.meet(["two"])
    assert {"one", "two"} <= set(description.entry()["fields"])


def test_reach_matters_only_without_an_acl():
    class Open:
        def method(self):
            return 1

    describer = Describer(Policy())
    assert describer.of(Child, explicit=False) is describer.of(Child, explicit=True)
    reached = describer.of(Open, explicit=False)
    assert reached is not describer.of(Open, explicit=True)
    assert reached.key.endswith("#reached")
    assert reached.closed_because([]).startswith("STATEK_DEFAULT_ACL=DENY")
    assert describer.of(Open, explicit=True).closed_because([]) is None
