"""The file system of an image."""

from __future__ import annotations

from pathlib import Path

import pytest

from images import rootfs
from statek.exceptions import ConfigurationError


def test_the_loader_is_that_of_the_image_and_not_this_machine_s_own(tmp_path: Path) -> None:
    own, name = tmp_path / "lib/x86_64-linux-gnu", "ld-linux-x86-64.so.2"
    for folder in (own, tmp_path / "lib64"):
        folder.mkdir(parents=True)
    (tmp_path / "lib64" / name).symlink_to(f"/lib/x86_64-linux-gnu/{name}")  # as in the package: absolute
    with pytest.raises(ConfigurationError) as raised:
        rootfs._loader(tmp_path)
    assert str(raised.value) == "the unpacked packages hold no dynamic loader"
    (own / name).touch()
    assert rootfs._loader(tmp_path) == own / name
