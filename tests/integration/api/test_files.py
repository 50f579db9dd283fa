"""Files of a job, from the sandbox to the caller."""

from __future__ import annotations

from pathlib import Path

import pytest

from statek.exceptions import NotFound
from statek.executors.views import FileView
from tests.integration.api.conftest import Serve, code

WRITE = """
import os
os.makedirs('plots/deep')
with open('plots/deep/large.bin', 'wb') as file:
    file.write(bytes(range(256)) * 4096 + b'end')
with open('small.txt', 'w') as file:
    file.write('hé')
open('empty', 'w').close()
os.symlink('/etc/passwd', 'stolen')
os.chmod('small.txt', 0o600)
"""
LARGE = bytes(range(256)) * 4096 + b"end"


async def test_files_of_the_newest_commit(serve: Serve, tmp_path: Path) -> None:
    async with serve([code(WRITE), code("open('small.txt', 'w').write('new'); os.remove('empty')\nexit()")]) as served:
        client = served.client
        id_ = await served.ask(client.submit, "helper")
        assert await served.ask(client.files, id_) == []
        await served.ask(client.wait, id_)
        expected = [FileView("plots/deep/large.bin", len(LARGE), 0o644), FileView("small.txt", 3, 0o600)]
        assert await served.ask(client.files, id_) == expected == await served.service.files(id_)

        async def read(path: str) -> bytes:
            return b"".join(await served.ask(lambda: list(client.file(id_, path))))

        assert await read("plots/deep/large.bin") == LARGE
        assert await read("/work/small.txt") == b"new"
        assert b"".join([piece async for piece in served.service.file(id_, "small.txt")]) == b"new"


async def test_a_file_that_is_not_there(serve: Serve) -> None:
    async with serve([code("if empty: exit()" + WRITE), code("exit()")]) as served:
        client = served.client
        for empty in (True, False):
            id_ = await served.ask(client.submit, "helper", shared_vars={"empty": empty})
            await served.ask(client.wait, id_)
        texts = []
        for id_, path in (("j1", "a"), ("j2", "../etc/passwd"), ("j2", "stolen"), ("j3", "a")):
            with pytest.raises(NotFound) as raised:
                await served.ask(lambda id_=id_, path=path: list(client.file(id_, path)))
            texts.append(str(raised.value))
        there = "it has 'empty', 'plots/deep/large.bin', 'small.txt'"
        assert texts == [
            "job j1 has no file 'a'; nothing was kept in /work",
            f"job j2 has no file '../etc/passwd'; {there}",
            f"job j2 has no file 'stolen'; {there}",
            "job j3 does not exist; this store has 2 job(s)",
        ]
