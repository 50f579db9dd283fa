"""Bad input gets one clear error that names it, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.calendar_assistant.main import main as calendar_assistant
from orchestrator.app import open_service, open_store
from orchestrator.engine.service import Service
from orchestrator.sandboxes import runner_files
from orchestrator.sandboxes.link import LinkLimits, RunnerLink
from orchestrator.sandboxes.process import UnsafeProcessDriver
from orchestrator.store.store import Store
from sandbox_runner.wire.v1 import runner_pb2 as pb
from statek.agents.agent import SupervisedAgent
from statek.exceptions import ConfigurationError, InvalidRequest, NotFound, RunnerViolation, StoreLocked
from statek.model import ModelReply, ModelRequest
from statek.settings import StatekSettings, set_statek_settings
from statek.testing import ScriptedModel
from tests.integration.limits.conftest import Open, code, consoles
from tests.support.fake_runner import FakeRunner

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.timeout(120)


async def test_unknown_agent(open_with: Open) -> None:
    async with open_with([]) as service:
        with pytest.raises(NotFound) as caught:
            await service.submit("nobody")
    assert str(caught.value) == "agent 'nobody' is not registered here; registered: helper"


async def test_missing_model(data_dir: Path) -> None:
    settings = StatekSettings.load({"data_dir": data_dir, "driver": "process", "pool_size": 0}, environ={})
    agent = SupervisedAgent(role="plain", _system_prompt="Work.")
    async with open_service(settings, [agent], model=ScriptedModel([])) as service:
        with pytest.raises((InvalidRequest, ConfigurationError)) as caught:
            await service.submit("plain")
        assert await service.jobs() == []
    assert "MODEL" in str(caught.value)
    assert "plain" in str(caught.value)


SUBMISSIONS: list[tuple[dict[str, Any], str]] = [
    ({"chat_style": 3}, "a chat style is given by its name, not as int"),
    ({"chat_style": "loud"}, "chat style 'loud' is unknown"),
    ({"locale": []}, "a locale is a text such as EN-US, not list"),
    ({"locale": "EN-XX"}, "locale 'EN-XX': country 'XX' is unknown"),
    ({"warmup_code": 3}, "a warmup must be text or blocks, not int"),
    ({"warmup_code": "if"}, "warmup block 1, code line 1: invalid syntax"),
    ({"warmup_code": "-" * 100_000 + "1"}, "warmup block 1: nested too deeply"),
    ({"warmup_code": "f(b'x')  #STATEK: as tool"}, "warmup block 1, line 1: argument \"b'x'\" must be of texts"),
    ({"post_processing": 3}, "post-processors are given as themselves or as text, not as int"),
    ({"post_processing": "Nope()"}, "POST_PROCESSORS 'Nope()': Nope is not known"),
    ({"tools": 3}, "agent 'helper': tools must be a list of tools, not int"),
    ({"tools": ["x"]}, "a tool must be callable, not str"),
    ({"provider_config": 3}, "provider_config is given as a mapping or a file, not as int"),
    ({"provider_config": "/no/such"}, "provider_config /no/such cannot be read: No such file or directory"),
    ({"user": object()}, "job parameter 'user'"),
    ({"shared_vars": 3}, "shared_vars must map names to values, not be of type int"),
    ({"shared_vars": {"for": 1}}, "startup variable 'for' must be a Python name"),
    ({"shared_vars": {3: 1}}, "startup variable 3 must be a Python name"),
    ({"message": 3}, "message must be text, not int"),
    ({"tenant": 3}, "tenant must be text, not int"),
    ({"principal": 3}, "principal must be text, not int"),
]


async def submit(service: Service, given: dict[str, Any]) -> None:
    """Submit a job; what only a definition takes goes into one that is made first."""
    if given.keys() & {"tools", "warmup_code", "provider_config"}:
        given = {"job_def": service._agents["helper"].create_job_def(**given)}
    await service.submit("helper", **given)


async def test_every_bad_submission_is_refused_in_one_sentence_and_makes_no_job(open_with: Open) -> None:
    async with open_with([], pool_size=0) as service:
        told: list[tuple[str, str]] = []
        for given, start in SUBMISSIONS:
            with pytest.raises((InvalidRequest, ConfigurationError)) as caught:
                await submit(service, given)
            told.append((str(caught.value)[: len(start)], str(caught.value)))
        assert await service.jobs() == []
    assert [found for found, _ in told] == [start for _, start in SUBMISSIONS]
    assert [text for _, text in told if "\n" in text or len(text) > 500] == []


BROKEN_PROMPTS = {
    "model": ("# MODEL: x/rl=" + "9" * 5000, "key MODEL: model 'x/rl="),
    "scope": ("# LLM_TOOLS_SCOPE: SOME", "key LLM_TOOLS_SCOPE: LLM_TOOLS_SCOPE 'SOME': 'SOME' is no category"),
    "processors": ("# POST_PROCESSORS: " + "(" * 5000, "key POST_PROCESSORS: POST_PROCESSORS "),
    "turns": ("# MAX_TURNS: 1e9", "key MAX_TURNS: MAX_TURNS '1e9' must be a number or none"),
}


def test_prompts_check_says_one_line_for_each_broken_file(data_dir: Path) -> None:
    for name, (line, _) in BROKEN_PROMPTS.items():
        (data_dir / f"{name}.md").write_text(f"{line}\n# System Prompt\nx\n")
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli.main", "prompts", "check", str(data_dir)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert [error[: len(start)] for error, start in zip(done.stderr.splitlines(), starts(data_dir), strict=True)] == (
        starts(data_dir)
    )


def starts(folder: Path) -> list[str]:
    """How the lines about the broken files begin."""
    return [
        f"statek: error[configuration]: prompt file {folder}/{name}.md, line 1, {BROKEN_PROMPTS[name][1]}"
        for name in sorted(BROKEN_PROMPTS)
    ]


@pytest.mark.parametrize(
    ("setting", "name", "content", "told"),
    [
        ("prompt_files_dir", "helper.md", "# MODEL: x/rl=" + "9" * 5000, "helper.md, line 1, key MODEL: model 'x/rl="),
        ("warmup_defs_dir", "helper.py", "-" * 100_000 + "1", "helper.py: warmup block 1: nested too deeply"),
    ],
)
def test_a_start_with_a_broken_file_is_one_line(
    data_dir: Path, setting: str, name: str, content: str, told: str
) -> None:
    folder = data_dir / "files"
    folder.mkdir()
    (folder / name).write_text(f"{content}\n# System Prompt\nx\n" if name.endswith(".md") else content)
    (data_dir / "app.py").write_text(
        "from statek.agents.agent import SupervisedAgent\n"
        "def agents():\n    return SupervisedAgent('helper', _metadata={'MODEL': 'x/y'})\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli.main", "--data-dir", str(data_dir / "d"), "run", "app.py"],
        cwd=data_dir,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "STATEK_DRIVER": "process",
            f"STATEK_{setting.upper()}": str(folder),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    errors = [line for line in done.stderr.splitlines() if "error" in line]
    assert (done.returncode != 0, len(errors), "Traceback" in done.stderr) == (True, 1, False), done.stderr
    assert told in errors[0]


@pytest.mark.parametrize(
    ("content", "named"),
    [(None, "No such file"), ("directory", "Is a directory"), ("no calendar at all", "not an iCalendar file")],
)
def test_ics_that_cannot_be_imported(
    data_dir: Path, content: str | None, named: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATEK_DRIVER", "process")
    file = data_dir / "mine.ics"
    if content == "directory":
        file.mkdir()
    elif content is not None:
        file.write_text(content)
    status = calendar_assistant(["--ics", str(file), "--data-dir", str(data_dir / "d")])
    [line] = capsys.readouterr().err.strip().splitlines()
    assert status == 2
    assert line.startswith("calendar_assistant: error[")
    assert str(file) in line
    assert named in line


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\xff\xfe\x00broken", "is not UTF-8 (byte 0)"), (b"", "has no line '# System Prompt'")],
)
def test_broken_prompt_file(data_dir: Path, content: bytes, reason: str) -> None:
    file = data_dir / "plain.md"
    file.write_bytes(content)
    set_statek_settings(StatekSettings.load({"prompt_files_dir": data_dir}, environ={}))
    try:
        with pytest.raises(ConfigurationError) as caught:
            SupervisedAgent(role="plain", _metadata={"MODEL": "scripted/test"})
    finally:
        set_statek_settings(None)
    assert str(caught.value) == f"prompt file {file} {reason}"


@pytest.mark.parametrize("prefix", ["../evil", "..", "a/../b", "/tmp/evil", "", "a\0b"])
def test_prefix_name_that_leads_elsewhere(data_dir: Path, prefix: str) -> None:
    with pytest.raises((ConfigurationError, InvalidRequest)) as caught:
        Store.open(data_dir / "store", prefix=prefix)
    assert repr(prefix)[1:-1] in str(caught.value)
    assert not (data_dir / "evil").exists()


@pytest.mark.parametrize("protocol", [0, 99])
async def test_runner_that_speaks_another_protocol(data_dir: Path, protocol: int) -> None:
    link = RunnerLink(data_dir / "host.sock", limits=LinkLimits())
    await link.listen()
    runner = FakeRunner(data_dir / "host.sock")
    try:
        await runner.send(hello=pb.Hello(protocol=protocol, python_version="3.11"))
        with pytest.raises(RunnerViolation) as caught:
            await link.wait_hello(10)
    finally:
        await runner.aclose()
        await link.aclose()
    assert str(protocol) in str(caught.value)
    assert "protocol" in str(caught.value)


async def of_another_version(data_dir: Path, generation: int) -> UnsafeProcessDriver:
    """A driver of real runners whose code, all else as it is, speaks another generation of the protocol."""
    cache = data_dir / "cache"
    driver = UnsafeProcessDriver(cache=cache)
    site = await runner_files.prepare_site("base")
    (cache / "runner-site").mkdir(parents=True)
    (cache / "runner-site" / site.name).symlink_to(site)
    folder = await runner_files.prepare_code("base", cache=cache)
    file = folder / "sandbox_runner" / "supervisor.py"
    source = file.read_text()
    assert source.count("\nPROTOCOL = 1\n") == 1
    file.write_text(source.replace("\nPROTOCOL = 1\n", f"\nPROTOCOL = {generation}\n"))
    for compiled in file.parent.glob("__pycache__/supervisor.*"):
        compiled.unlink()
    return driver


async def test_a_service_whose_runners_speak_another_protocol_says_so_and_loses_nothing(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = StatekSettings.load({"data_dir": data_dir / "d", "driver": "process", "pool_size": 0}, environ={})
    agent = SupervisedAgent(role="helper", _system_prompt="Work.", _metadata={"MODEL": "scripted/test"})
    replies = [code("kept = [41]"), code("exit(kept[0] + 1)")]
    asked = asyncio.Event()

    class Silent:
        async def complete(self, request: ModelRequest) -> ModelReply:
            if request.turn:
                asked.set()
                await asyncio.Event().wait()
            return ModelReply(text=replies[0])

    async with open_service(settings, [agent], model=Silent()) as service:
        id_ = await service.submit("helper")
        await asked.wait()
    driver = await of_another_version(data_dir, 7)
    try:
        async with open_service(settings, [agent], model=ScriptedModel(replies), driver=driver) as service:
            stalled = await service.wait(id_)
            (variable,) = await service.variables(id_)
    finally:
        await driver.aclose()
    assert stalled.status == "STARTED"
    assert stalled.reason == ("no sandbox: no runner could be started: protocol: generation 7 is not spoken here, 1 is")
    assert (variable.name, variable.value) == ("kept", [41])
    assert "protocol: generation 7 is not spoken here, 1 is" in caplog.text
    async with open_service(settings, [agent], model=ScriptedModel(replies)) as service:
        summary = await service.wait(id_)
    assert (summary.status, summary.exit_status, summary.failure, summary.reason) == ("DONE", "42", None, "")


HOLD = """
import sys
from pathlib import Path
from orchestrator.store.store import Store
store = Store.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
store.close()
"""


@pytest.fixture
def held(data_dir: Path) -> Iterator[int]:
    """Another process that has the store open; its pid."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data_dir / "store")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "open\n"
    yield process.pid
    process.stdin.close()
    process.wait()
    process.stdout.close()


def test_store_of_another_process(data_dir: Path, held: int) -> None:
    with pytest.raises(StoreLocked) as caught:
        open_store(StatekSettings.load({"data_dir": data_dir}, environ={}))
    assert str(held) in str(caught.value)


def test_second_run_at_once_is_one_sentence(data_dir: Path, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    (data_dir / "app.py").write_text(
        "from statek.agents.agent import Agent\ndef agents():\n    return Agent('a', _metadata={'MODEL': 'x/y'})\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli.main", "--data-dir", str(data_dir), "run", "app.py"],
        cwd=data_dir,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "STATEK_DRIVER": "process"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if "error" in line]
    assert len(errors) == 1, done.stderr
    assert str(held) in errors[0]
    assert "Traceback" not in done.stderr


def test_data_directory_that_cannot_be_written(data_dir: Path) -> None:
    (data_dir / "file").write_text("")
    with pytest.raises(ConfigurationError) as caught:
        open_store(StatekSettings.load({"data_dir": data_dir / "file" / "d"}, environ={}))
    assert str(data_dir / "file" / "d") in str(caught.value)


@pytest.fixture
def small_disk(data_dir: Path) -> Iterator[Path]:
    """A file system of 48 MB; these tests need root to mount one."""
    folder = data_dir / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.root
async def test_full_disk_makes_jobs_wait_and_loses_nothing(small_disk: Path) -> None:
    settings = StatekSettings.load({"data_dir": small_disk / "d", "driver": "process", "pool_size": 1}, environ={})
    agent = SupervisedAgent(role="helper", _system_prompt="Work.", _metadata={"MODEL": "scripted/test"})
    filler = small_disk / "filler"
    full = asyncio.Event()

    def fill(_request: object) -> str:
        with filler.open("wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
                    file.flush()
            except OSError:
                full.set()
        return code("import random\nsecond = random.randbytes(1 << 20)\nprint(len(first), len(second))")

    replies = [
        code("import random\nfirst = random.randbytes(1 << 20)"),
        fill,
        code("print(len(first), len(second))\nexit('done')"),
    ]
    async with open_service(settings, [agent], model=ScriptedModel(replies)) as service:
        id_ = await service.submit("helper")
        async with asyncio.timeout(60):
            while not service.statistics()["full"]:
                await asyncio.sleep(0.01)
        assert full.is_set()
        assert (await service.jobs())[0].status == "STARTED"
        filler.unlink()
        async with asyncio.timeout(60):
            summary = await service.wait(id_)
        shown = consoles(await service.job(id_))
        assert service.statistics()["full"] == ""
    assert (summary.status, summary.exit_status, summary.failure) == ("DONE", "done", None)
    assert shown[1:] == [["1048576 1048576"], ["1048576 1048576"]]
    async with open_service(settings, [agent], model=ScriptedModel([])) as service:
        assert consoles(await service.job(id_)) == shown
