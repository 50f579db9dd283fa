"""Export and import over the socket and on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.api.client import StatekClient
from statek.exceptions import InvalidArchive, NotFound
from statek.executors.porting import Imported
from tests.support.command_line import CommandLine

from .conftest import Serve, code
from .test_cli_past import APPLICATION

pytestmark = pytest.mark.timeout(180)


async def test_a_job_crosses_the_socket_both_ways(serve: Serve, tmp_path: Path) -> None:
    async with serve([code("big = 'x' * 300_000"), code("exit(len(big))")]) as served:
        id_ = await served.ask(served.client.submit, "helper")
        await served.ask(served.client.wait, id_)
        target = tmp_path / "job.statek"
        size = await served.ask(served.client.export_to, id_, target)
        assert target.stat().st_size == size
        found = await served.ask(served.client.import_from, target, request_id="r", principal="ben")
        again = await served.ask(served.client.import_from, target, request_id="r")
        summary = (await served.ask(served.client.job, "j2")).summary
        with pytest.raises(NotFound):
            await served.ask(served.client.export_to, "j9", tmp_path / "none")
        with pytest.raises(InvalidArchive, match="no archive"):
            await served.ask(served.client.import_job, [b"something", b" else"])
        with pytest.raises(InvalidArchive, match="cut off"):
            await served.ask(served.client.import_job, [])
        jobs = await served.ask(served.client.jobs)
    assert (found, again) == (Imported("j2"), Imported("j2", repeated=True))
    assert (summary.principal, summary.exit_status, summary.origin.split(" of store ")[0]) == ("ben", "300000", "j1")
    assert [job.id for job in jobs] == ["j1", "j2"]


async def test_a_broken_upload_leaves_nothing(serve: Serve) -> None:
    async with serve() as served:

        def broken(client: StatekClient) -> None:
            def pieces() -> object:
                yield b"stkjob01"
                raise RuntimeError("the line broke")

            client.import_job(pieces())  # type: ignore[arg-type]

        with pytest.raises(Exception, match=r"."):
            await served.ask(broken, served.client)
        assert await served.ask(served.client.jobs) == []


def test_the_commands(tmp_path: Path) -> None:
    statek = CommandLine(tmp_path, APPLICATION).ask

    assert statek("run", "demo.py")[0] == 0
    code_, out, err = statek("jobs", "export", "j1", "-o", "j1.statek")
    assert err.startswith("statek: ")
    assert err.endswith(" written to j1.statek\n")
    size = (tmp_path / "j1.statek").stat().st_size
    assert (code_, out, err) == (0, "", f"statek: {size} bytes written to j1.statek\n")
    code_, out, err = statek("jobs", "export", "j1", "-o", "j1.statek")
    assert (code_, err) == (2, "statek: error[invalid_request]: j1.statek is there already; it is not overwritten\n")
    code_, out, err = statek("jobs", "import", "j1.statek", "--request-id", "r")
    assert (code_, out, err) == (0, "j2\n", "statek: job j2 rests; statek push or statek fork lets it go on\n")
    code_, out, _ = statek("jobs", "import", "j1.statek", "--request-id", "r", "--json")
    assert (code_, json.loads(out)) == (0, {"id": "j2", "repeated": True, "lost": []})
    (tmp_path / "j1.statek").write_bytes(b"stkjob01 not any more")
    code_, out, err = statek("jobs", "import", "j1.statek")
    assert (code_, out, err.partition(": ")[2].partition("]")[0]) == (2, "", "error[invalid_archive")
    code_, out, _ = statek("jobs")
    assert (code_, [line.split()[0] for line in out.splitlines()]) == (0, ["ID", "j1", "j2"])
    assert "imported: it was j1 of store" in statek("show", "j2")[1]
