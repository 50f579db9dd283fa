"""Packages of the image's release from the mirrors of this machine, as another release gets them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from images import packages

pytestmark = pytest.mark.timeout(180)


def test_another_release_gets_the_packages_without_touching_its_own_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Path("/var/lib/apt/lists")
    before = sorted((path.name, path.stat().st_mtime_ns) for path in own.iterdir())
    # The machine's own release counts as one of those that are not the image's, as on Debian 13.
    monkeypatch.setattr(packages, "_MOVING", (*packages._MOVING, packages.host_release()))
    [deb] = packages.download_packages(["libpython3.11-minimal"], tmp_path, host="another")
    fields = subprocess.run(["dpkg-deb", "-f", deb, "Package", "Version"], check=True, capture_output=True, text=True)
    name, version = (line.partition(": ")[2] for line in fields.stdout.splitlines())
    assert (name, version.startswith("3.11.2-")) == ("libpython3.11-minimal", True)
    assert sorted((path.name, path.stat().st_mtime_ns) for path in own.iterdir()) == before
