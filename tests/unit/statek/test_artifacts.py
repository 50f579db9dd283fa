"""Names and contents of a hostile side become files of the host."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statek.artifacts import JobFiles, copy_file, copy_files
from statek.exceptions import InvalidRequest, NotFound
from statek.executors.views import FileView


def content(path: str) -> list[bytes]:
    """What the file of that path holds."""
    return [b"content of ", path.encode()]


def test_files_are_copied_below_a_folder(tmp_path: Path) -> None:
    copies = copy_files(tmp_path / "out", ["a.txt", "plots/2024/b.png"], content)
    assert copies == [tmp_path / "out/a.txt", tmp_path / "out/plots/2024/b.png"]
    assert [path.read_bytes() for path in copies] == [b"content of a.txt", b"content of plots/2024/b.png"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in copies] == [0o644, 0o644]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.txt", "plots"]


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/.", "a\0b"])
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        copy_files(tmp_path / "out", [path], content)
    assert str(raised.value) == f"{path!r} is not a plain relative path"
    assert list(tmp_path.rglob("*")) == []


@given(st.text(st.sampled_from("./a\0b\n\x1b \u202e"), max_size=12))
@settings(max_examples=200)
def test_a_copy_is_below_the_folder_whatever_its_name(path: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        top = Path(name) / "out"
        try:
            [copy] = copy_files(top, [path], content)
        except InvalidRequest:
            assert not top.exists()
        else:
            assert copy.resolve().is_relative_to(top.resolve())
            assert copy.read_bytes() == b"".join(content(path))


def test_no_link_is_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.txt").write_text("kept")
    top = tmp_path / "out"
    top.mkdir()
    (top / "sub").symlink_to(outside)
    (top / "file").symlink_to(outside / "kept.txt")

    with pytest.raises(InvalidRequest) as folder:
        copy_files(top, ["sub/kept.txt"], content, overwrite=True)
    assert str(folder.value) == f"{top / 'sub'} is there and is not a folder; 'sub/kept.txt' is not copied"
    with pytest.raises(InvalidRequest) as file:
        copy_files(top, ["file"], content, overwrite=True)
    assert str(file.value) == f"{top / 'file'} is there and is not a plain file; it is left alone"
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("kept.txt", "kept")]


def test_a_file_and_a_folder_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as raised:
        copy_files(tmp_path, ["a", "a/b"], content)
    assert str(raised.value) == f"{tmp_path / 'a'} is there and is not a folder; 'a/b' is not copied"


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_text("mine")
    with pytest.raises(InvalidRequest) as raised:
        copy_file(target, [b"theirs"])
    assert (str(raised.value), target.read_text()) == (f"{target} is there already; it is not overwritten", "mine")
    assert copy_file(target, [b"the", b"irs"], overwrite=True) == 6
    assert target.read_text() == "theirs"


def test_a_copy_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise NotFound("gone")

    with pytest.raises(NotFound):
        copy_file(tmp_path / "a", broken())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotFound) as missing:
        copy_file(tmp_path / "no" / "a", [])
    assert str(missing.value) == f"there is no folder {tmp_path / 'no'} to write a into"


class Source:
    """Two files."""

    def files_sync(self, id_: str) -> list[FileView]:
        assert id_ == "j1"
        return [FileView("a", 12, 0o755), FileView("d/b", 14, 0o644)]

    def file_sync(self, id_: str, path: str) -> Iterator[bytes]:
        assert id_ == "j1"
        yield from content(path)


def test_a_job_s_files_are_a_mapping(tmp_path: Path) -> None:
    files = JobFiles("j1", Source())
    assert (list(files), len(files), files["a"].size_bytes, "b" in files) == (["a", "d/b"], 2, 12, False)
    assert files.read_bytes("d/b") == b"content of d/b"
    assert files.copy_to(tmp_path) == [tmp_path / "a", tmp_path / "d/b"]
    assert repr(files) == "JobFiles(['a', 'd/b'])"
