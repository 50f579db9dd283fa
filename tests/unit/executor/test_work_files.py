"""Files of the work directory in a checkpoint."""

from __future__ import annotations

import stat

from sandbox_runner.wire.frames import File


def test_files_survive_with_mode_and_content(host, start, tmp_path):
    step = host.run(
        "import os\nos.makedirs('a/b')\nopen('a/b/x.txt', 'w').write('hello')\nos.chmod('a/b/x.txt', 0o640)\n"
        "open('big', 'wb').write(bytes(range(256)) * 2000)\nos.symlink('/etc/passwd', 'link')\nos.mkfifo('pipe')",
        echo=False,
    )
    assert [(f.path, oct(f.mode), f.size_bytes) for f in step.finished.files] == [
        ("big", "0o644", 512_000),
        ("a/b/x.txt", "0o640", 5),
    ]
    assert step.lost == {"link": "a symbolic link is not kept", "pipe": "a special file is not kept"}
    assert host.run("pass").sent == {}
    folder = tmp_path / "fresh"
    other = start(work_dir=folder)
    assert other.restore(host.commit(step)) == {}
    assert (folder / "a/b/x.txt").read_text() == "hello"
    assert stat.S_IMODE((folder / "a/b/x.txt").stat().st_mode) == 0o640
    assert (folder / "big").read_bytes() == bytes(range(256)) * 2000
    again = other.run("pass")
    assert (again.sent, len(again.finished.files)) == ({}, 2)
    changed = other.run("f = open('big', 'r+b'); f.seek(5); f.write(b'zz'); f.close(); del f", echo=False)
    assert 256 << 10 <= changed.sent_bytes < (256 << 10) + 100


def test_limits_are_named(start):
    host = start(work_bytes=10, work_files=2)
    step = host.run("for n in 'abcd': open(n, 'w').write('123456' if n == 'b' else '12345')", echo=False)
    assert [f.path for f in step.finished.files] == ["a", "c"]
    assert step.lost == {
        "b": "limit work_bytes is 10, it needs 6 more",
        "d": "limit work_files is 2",
    }


def test_a_path_out_of_the_directory_is_refused(host, start, tmp_path):
    commit = host.commit(host.run("pass"))
    commit.files = [File("../out", 0o644, 0, []), File("ok", 0o644, 0, [])]
    folder = tmp_path / "inside"
    other = start(work_dir=folder)
    assert other.restore(commit) == {"../out": "cannot be restored: its path is not a plain relative path"}
    assert sorted(path.name for path in folder.iterdir()) == ["ok"]
