"""Where the packages of an image come from on a machine of another release."""

from __future__ import annotations

from pathlib import Path

import pytest

from images.packages import download_packages, source_lines
from statek.exceptions import ConfigurationError

KEYRING = Path("/keys/debian.gpg")
PRIMARY, SECURITY = "http://mirror.test/debian/", "http://mirror.test/debian-security/"


def test_the_mirrors_of_the_machine_are_asked_for_the_release_of_the_image() -> None:
    targets = [
        f"Packages {PRIMARY} trixie main",
        f"Translations {PRIMARY} trixie main",
        f"Packages {PRIMARY} trixie contrib",
        f"Packages {PRIMARY} trixie-updates main",
        f"Packages {PRIMARY} trixie-backports main",
        f"Packages {SECURITY} trixie-security main",
        f"Packages {PRIMARY} trixie main",
    ]
    assert source_lines(targets, "trixie", KEYRING) == [
        f"deb [signed-by=/keys/debian.gpg] {PRIMARY} bookworm main",
        f"deb [signed-by=/keys/debian.gpg] {PRIMARY} bookworm-updates main",
        f"deb [signed-by=/keys/debian.gpg] {SECURITY} bookworm-security main",
    ]


@pytest.mark.parametrize("suite", ["stable", "testing", "sid"])
def test_sources_may_name_the_release_by_what_it_is_now(suite: str) -> None:
    assert source_lines([f"Packages {PRIMARY} {suite} main"], "forky", KEYRING) == [
        f"deb [signed-by=/keys/debian.gpg] {PRIMARY} bookworm main"
    ]


def test_archives_of_others_are_left_out() -> None:
    targets = ["Packages http://a.test/ nodistro main", "Packages http://b.test/ trixie-pgdg main", "Packages", ""]
    assert source_lines(targets, "trixie", KEYRING) == []


def test_a_machine_that_is_no_debian_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "apt-get"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'Packages http://a.test/ubuntu/ noble main'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr("images.packages.KEYRINGS", (program,))
    with pytest.raises(ConfigurationError) as raised:
        download_packages(["zlib1g"], tmp_path, host="mantic")
    assert str(raised.value) == (
        "apt has no mirror of Debian for this system (mantic); the image is made of Debian 12 packages: "
        "where they cannot be had give BASE_IMAGE=<image with Python and pip>"
    )


def test_a_machine_without_the_keys_of_debian_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("images.packages.KEYRINGS", ())
    with pytest.raises(ConfigurationError) as raised:
        download_packages(["zlib1g"], tmp_path, host="trixie")
    assert str(raised.value).startswith("the keys of Debian's archive are missing (package debian-archive-keyring); ")
