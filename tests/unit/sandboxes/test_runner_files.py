from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from orchestrator.sandboxes import runner_files
from orchestrator.sandboxes.runner_files import flavour_digest, flavour_folder, image_tag, run_setup, site_folder
from statek.exceptions import ConfigurationError, InvalidRequest


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(runner_files.PROJECT_ROOT / "images" / "base", tmp_path / "images" / "base")
    (tmp_path / "sandbox_runner").mkdir()
    (tmp_path / "sandbox_runner" / "__main__.py").write_text("pass\n")
    monkeypatch.setattr(runner_files, "PROJECT_ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["..", "../base", "", "a/b", "Base", ".hidden", "x" * 41])
def test_flavour_that_could_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        flavour_folder(name)
    assert str(caught.value) == f"image flavour {name!r} is not a name of [a-z0-9][a-z0-9_.-]{{0,39}}"


def test_unknown_flavour_is_named_with_those_that_exist(checkout: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        flavour_folder("torch")
    assert str(caught.value) == f"there is no image flavour 'torch' in {checkout / 'images'}; known: base"


def test_digest_changes_with_everything_that_goes_in(checkout: Path) -> None:
    def digests() -> tuple[str, str]:
        return flavour_digest("base"), flavour_digest("base", folder_only=True)

    first = digests()
    assert digests() == first
    (checkout / "sandbox_runner" / "more.py").write_text("pass\n")
    second = digests()
    assert (second[0] != first[0], second[1] == first[1]) == (True, True)
    (checkout / "images" / "base" / "packages.txt").write_text("zlib1g\n")
    third = digests()
    assert (third[0] != second[0], third[1] != second[1]) == (True, True)
    assert flavour_digest("base", base_image="python:3.12") != third[0]


def test_digest_ignores_what_python_leaves_behind(checkout: Path) -> None:
    before = flavour_digest("base")
    cache = checkout / "sandbox_runner" / "__pycache__"
    cache.mkdir()
    (cache / "x.cpython-311.pyc").write_bytes(b"x")
    (cache / "x.py").write_bytes(b"x")
    assert flavour_digest("base") == before


def test_tag_and_site_carry_the_digest(checkout: Path) -> None:
    assert image_tag("base") == f"statek-runner:base-{flavour_digest('base')}"
    name = site_folder("base", cache=checkout).name
    assert name.startswith(f"base-{flavour_digest('base', folder_only=True)}-{sys.implementation.cache_tag}-")


def test_lock_of_every_flavour_has_a_hash_for_every_line() -> None:
    locks = sorted((runner_files.PROJECT_ROOT / "images").glob("*/requirements.txt"))
    assert locks != []
    for lock in locks:
        pins = re.findall(r"^[a-z][\w.-]*==\S+(.*)$", lock.read_text(), re.MULTILINE)
        assert pins != []
        assert [rest for rest in pins if not rest.endswith("\\")] == []


async def test_failed_set_up_says_what_and_its_last_words() -> None:
    program = "print('one'); print('two'); raise SystemExit(3)"
    with pytest.raises(ConfigurationError) as caught:
        await run_setup([sys.executable, "-c", program], what="making tea")
    assert str(caught.value) == "making tea failed (exit 3): one | two"
