"""dbzero's own list.pop and list.remove move the last element into the gap; ours keep the order."""

from __future__ import annotations

from pathlib import Path

import dbzero as db0
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.store.store import Store


@db0.memo(id="tests/list_order")
class Holder:
    def __init__(self, items: list[int]) -> None:
        self.items = items


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> object:
    opened = Store.open(Path(tmp_path_factory.mktemp("store")))
    yield opened
    opened.close()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(0, 5), max_size=8),
    st.lists(st.tuples(st.sampled_from(["pop", "remove", "del", "set"]), st.integers(-9, 9)), max_size=8),
)
def test_order_is_that_of_a_python_list(store: Store, items: list[int], operations: list[tuple[str, int]]) -> None:
    def outcome(target: object) -> list[object]:
        seen: list[object] = []
        for name, argument in operations:
            try:
                if name == "del":
                    del target[argument]  # type: ignore[attr-defined]
                elif name == "set":
                    target[argument] = 9  # type: ignore[index]
                else:
                    seen.append(getattr(target, name)(argument))
            except (IndexError, ValueError) as error:
                seen.append(type(error).__name__)
        return [*seen, list(target)]  # type: ignore[call-overload]

    assert store.write_sync(lambda: outcome(Holder(list(items)).items)) == outcome(list(items))
