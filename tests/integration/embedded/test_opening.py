"""The ways to open the store of a process, and what is refused with which words."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import dbzero as db0
import pytest

import statek
from statek import durable, runtime
from statek.exceptions import ConfigurationError, InvalidRequest, StoreError
from statek.settings import StatekSettings, get_statek_settings

from .model import Pad


def test_the_documents_order_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    db0.init("here")
    service = statek.init(settings=StatekSettings(driver="process"))
    store = statek.open_prefix("notes")
    pad = store.commit_sync(Pad)
    assert service.data_dir == tmp_path / "here"
    assert store.prefix == "notes"
    assert store is service.store
    assert (tmp_path / "here" / "store" / "notes.db0").is_file()
    assert store.read_sync(lambda: pad.hidden) == 1


def test_a_store_keeps_its_prefix(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    statek.open_prefix("notes")
    statek.close()
    again = statek.init(settings=settings)
    assert again.store.prefix == "notes"
    assert statek.open_prefix("notes") is again.store
    with pytest.raises(ConfigurationError) as error:
        statek.open_prefix("other")
    assert str(error.value) == (
        "the prefix notes is open, and one data directory has one prefix; call statek.open_prefix('other') "
        "before the store is first used, in another data directory"
    )


def test_another_prefix_than_the_one_that_is_there_is_refused(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    statek.open_prefix("notes")
    statek.close()
    statek.init(settings=settings)
    with pytest.raises(ConfigurationError) as error:
        statek.open_prefix("other")
    assert str(error.value) == (
        f"the store {settings.data_dir / 'store'} holds the prefix notes; one data directory has one prefix, "
        "choose another data directory for other"
    )


@pytest.mark.parametrize("name", ["../x", "", "A", "x" * 101])
def test_illegal_prefix_names_are_refused(settings: StatekSettings, name: str) -> None:
    statek.init(settings=settings)
    with pytest.raises(InvalidRequest) as error:
        statek.open_prefix(name)
    assert str(error.value) == f"prefix name {name!r} is not [a-z0-9_-]{{1,100}}"
    assert not settings.data_dir.exists()


def test_reading_only_is_refused(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    with pytest.raises(InvalidRequest) as error:
        statek.open_prefix("notes", "r")
    assert str(error.value) == "a prefix is opened 'rw', not 'r': other processes read through the service"


def test_a_prefix_that_the_application_has_open_is_not_taken_over(tmp_path: Path) -> None:
    db0.init(str(tmp_path))
    db0.open("mine", "rw")
    with pytest.raises(ConfigurationError) as error:
        statek.init()
    assert str(error.value) == (
        "dbzero has the prefix mine open already, and the service cannot take over objects in use; "
        "open it with statek.open_prefix instead of dbzero.open, or call dbzero.close() first"
    )


def test_a_prefix_opened_past_the_service_is_found_at_the_first_use(settings: StatekSettings, tmp_path: Path) -> None:
    service = statek.init(settings=settings)
    db0.init(str(tmp_path / "elsewhere"), prefix="mine")
    with pytest.raises(ConfigurationError, match="dbzero has the prefix mine open already"):
        _ = service.store


def test_two_folders_are_refused(settings: StatekSettings, tmp_path: Path) -> None:
    db0.init(str(tmp_path / "one"))
    with pytest.raises(ConfigurationError) as error:
        statek.init(settings=settings)
    assert str(error.value) == (
        f"dbzero.init names the folder {tmp_path / 'one'}, statek.init names {settings.data_dir}; name one of them"
    )


def test_a_prefix_that_dbzero_wrote_alone_is_not_overlooked(tmp_path: Path) -> None:
    db0.init(str(tmp_path))
    db0.open("old", "rw")
    db0.close()
    db0.init(str(tmp_path))
    with pytest.raises(ConfigurationError) as error:
        statek.init()
    assert str(error.value) == (
        f"{tmp_path} holds old.db0, which dbzero wrote without the service's flush guard; "
        f"move one prefix to {tmp_path / 'store'} to hand it over, or name another folder"
    )


def test_a_prefix_that_dbzero_wrote_alone_can_be_handed_over(settings: StatekSettings) -> None:
    folder = settings.data_dir / "store"
    folder.mkdir(parents=True)
    db0.init(str(folder), prefix="old")
    db0.tags(Pad()).add("desk")
    db0.commit()
    db0.close()
    store = statek.init(settings=settings).store
    assert store.prefix == "old"
    assert store.read_sync(lambda: [pad.hidden for pad in db0.find(Pad, "desk")]) == [1]


def test_calling_init_twice_is_refused(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    with pytest.raises(ConfigurationError) as error:
        statek.init(settings=settings)
    assert str(error.value) == (
        f"statek.init was called before, for {settings.data_dir}; statek.close() ends that first"
    )


def test_other_settings_after_init_are_refused(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    assert runtime.embedded(settings).settings == settings
    with pytest.raises(ConfigurationError) as error:
        statek.start_statek([], settings=replace(settings, pool_size=2), until_idle=True)
    assert str(error.value) == "other settings are in force since statek.init; give them there"


def test_writing_outside_a_store_function_is_refused(settings: StatekSettings) -> None:
    pad = statek.init(settings=settings).store.commit_sync(Pad)
    with pytest.raises(StoreError) as error:
        pad.hidden = 2
    assert str(error.value).startswith("durable objects change only inside a write of the store")


def test_objects_are_there_after_a_restart(settings: StatekSettings) -> None:
    def make() -> Pad:
        pad = Pad()
        durable.tag(pad, "desk")
        pad.add("first")
        return pad

    statek.init(settings=settings).store.commit_sync(make)
    statek.close()
    store = statek.init(settings=settings).store
    assert store.read_sync(lambda: [note.text for pad in durable.find(Pad, "desk") for note in pad.notes]) == ["first"]


def test_the_store_is_closed_when_the_process_ends_by_itself(settings: StatekSettings) -> None:
    program = (
        "import sys, statek\n"
        "store = statek.init(sys.argv[1]).open_prefix('notes')\n"
        "store.commit_sync(lambda: None)\n"
        "store.blocks.put_many_sync({})\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(settings.data_dir)], capture_output=True, text=True, timeout=50
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (settings.data_dir / "store" / "statek" / "notes.clean").is_file()


def test_start_statek_takes_what_the_documents_give_in_their_order(settings: StatekSettings) -> None:
    statek.start_statek([], None, settings, 3, "anthropic", until_idle=True)
    assert get_statek_settings() == replace(settings, default_llm_api_provider="anthropic")
    with pytest.raises(ConfigurationError, match="other settings are in force"):
        statek.start_statek([], provider="openai", until_idle=True)


async def test_start_statek_says_what_to_do_inside_a_loop() -> None:
    assert asyncio.get_running_loop()
    with pytest.raises(RuntimeError) as error:
        statek.start_statek([])
    assert str(error.value) == "an event loop is running: await start_statek_async(...) instead of start_statek(...)"
