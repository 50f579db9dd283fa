"""What every ``KVStore`` must do, asked of each."""

from __future__ import annotations

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statek.exceptions import InvalidRequest
from statek.kv_store import MAX_KEY_BYTES, KVStore
from tests.integration.store.conftest import OpenKV

pytestmark = pytest.mark.timeout(120)

HOSTILE = [
    "a", "A", "..", ".", "../../etc/passwd", "/", "//a//", "a/b", "a/b/c", "a+", "a+/b", "%", "%2e", "a\0b", "a\nb",
    " ", "*", "?", "[a]", "{x}", "\\", "~", "$HOME", "a.lock", "ä", "\U0001f600", "-", "_", "con", "x" * MAX_KEY_BYTES,
    "/" * MAX_KEY_BYTES, "x" * 120, "x" * 121, "x" * 240,
]  # fmt: skip


@pytest.fixture
def kv(open_kv: OpenKV) -> KVStore:
    return open_kv()


def test_a_key_has_the_value_that_it_was_given_last(kv: KVStore) -> None:
    assert (kv.get("k"), kv.exists("k"), kv.delete("k")) == (None, False, False)
    kv.set("k", b"one")
    kv.set("k", b"two")
    assert (kv.get("k"), kv.exists("k")) == (b"two", True)
    assert (kv.delete("k"), kv.get("k"), kv.exists("k"), kv.delete("k")) == (True, None, False, False)


def test_every_key_is_its_own(kv: KVStore) -> None:
    for key in HOSTILE:
        kv.set(key, key.encode())
    assert {key: kv.get(key) for key in HOSTILE} == {key: key.encode() for key in HOSTILE}
    assert sorted(kv.list()) == sorted(HOSTILE)
    assert sorted(kv.list("x")) == sorted(key for key in HOSTILE if key.startswith("x"))
    assert list(kv.list("nothing begins so")) == []
    for key in HOSTILE:
        assert kv.delete(key)
    assert list(kv.list()) == []


@pytest.mark.parametrize("key", ["", "x" * (MAX_KEY_BYTES + 1), "ä" * MAX_KEY_BYTES, "\ud800"])
def test_a_bad_key_is_refused_by_every_method(kv: KVStore, key: str) -> None:
    for ask in (kv.get, kv.exists, kv.delete):
        with pytest.raises(InvalidRequest):
            ask(key)
    with pytest.raises(InvalidRequest):
        kv.set(key, b"")
    with pytest.raises(InvalidRequest):
        kv.compare_and_set(key, None, b"")


@pytest.mark.parametrize("value", [b"", b"\0", bytes(range(256)), b"\r\n" * 1000, b"x" * (20 << 20)], ids=len)
def test_values_come_back_as_they_were(kv: KVStore, value: bytes) -> None:
    kv.set("k", value)
    assert kv.get("k") == value
    assert kv.exists("k")


def test_compare_and_set(kv: KVStore) -> None:
    assert not kv.compare_and_set("k", b"", b"x")
    assert kv.compare_and_set("k", None, b"one")
    assert not kv.compare_and_set("k", None, b"two")
    assert not kv.compare_and_set("k", b"other", b"two")
    assert kv.get("k") == b"one"
    assert kv.compare_and_set("k", b"one", b"")
    assert kv.get("k") == b""
    assert kv.compare_and_set("k", b"", b"three")
    assert sorted(kv.list()) == ["k"]


def test_of_two_writers_that_expect_the_same_one_succeeds(open_kv: OpenKV) -> None:
    first, second = open_kv(), open_kv()
    first.set("counter", b"0")
    turns, failures = 20, list[BaseException]()
    start = threading.Barrier(2)

    def count(kv: KVStore) -> None:
        try:
            start.wait(30)
            for _ in range(turns):
                while True:
                    found = kv.get("counter")
                    assert found is not None
                    if kv.compare_and_set("counter", found, str(int(found) + 1).encode()):
                        break
        except BaseException as error:  # noqa: BLE001 -- shown below
            failures.append(error)

    writers = [threading.Thread(target=count, args=(kv,)) for kv in (first, second)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(100)
    assert failures == []
    assert first.get("counter") == second.get("counter") == str(2 * turns).encode()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["set", "delete", "cas"]), st.sampled_from("abc"), st.binary(max_size=3), st.booleans()
        )
    )
)
def test_it_is_a_map(kv: KVStore, changes: list[tuple[str, str, bytes, bool]]) -> None:
    model: dict[str, bytes] = {}
    for key in list(kv.list()):
        kv.delete(key)
    for what, key, value, right in changes:
        if what == "set":
            kv.set(key, value)
            model[key] = value
        elif what == "delete":
            assert kv.delete(key) is (model.pop(key, None) is not None)
        else:
            expected = model.get(key) if right else b"never"
            assert kv.compare_and_set(key, expected, value) is right
            if right:
                model[key] = value
        assert {name: kv.get(name) for name in kv.list()} == model
