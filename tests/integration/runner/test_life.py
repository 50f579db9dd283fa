"""Steps, calls and every way to die, with real processes."""

from __future__ import annotations

import asyncio
import signal

import psutil
import pytest

from orchestrator.sandboxes.step import CallAnswer, CallRequest, Death, DeathCause, Outcome, StepResult
from sandbox_runner.wire import values
from tests.integration.runner.conftest import Running, all_gone


async def test_output_and_variables(runner: Running) -> None:
    await runner.run("x = 41")
    end = await runner.run("print('hi')\nprint(x + 1)")

    assert isinstance(end, StepResult)
    assert (end.outcome, runner.printed()) == (Outcome.OK, ["hi", "42"])
    assert [item.names for item in end.workspace.components] == [("x",)]


async def test_much_output_at_once_comes_whole_and_in_its_order(runner: Running) -> None:
    """What gathers while the stream is busy goes in few messages, none of them more than the host takes."""
    code = "for n in range(300):\n    print(n)\nfor n in range(3):\n    print(str(n) * 9_000)\n"
    end = await runner.run(code + "x = [str(n) * 50 for n in range(3000)]")

    assert isinstance(end, StepResult)
    assert runner.printed() == [*map(str, range(300)), *(str(n) * 9_000 for n in range(3))]
    assert sum(map(len, end.new_blocks.values())) > 500_000


async def test_a_call_goes_to_the_host_and_back(runner: Running) -> None:
    async def echo(request: CallRequest) -> CallAnswer:
        arguments = values.decode(request.args)
        assert isinstance(arguments, list)
        return CallAnswer(value=values.encode(arguments[0]))

    runner.handler.call = echo  # type: ignore[method-assign]
    end = await runner.run("print(echo(1, 'two'))")

    assert isinstance(end, StepResult)
    assert (end.error_message, runner.printed()) == ("", ['[1,"two"]'])


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("while True: pass", id="loop"),
        pytest.param("import time\ntime.sleep(60)", id="sleep"),
        pytest.param(
            "import signal\nfor n in range(1, 65):\n"
            "    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nwhile True: pass",
            id="ignores-signals",
        ),
        pytest.param("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", id="stops-itself"),
        pytest.param("10 ** 10 ** 8", id="one-long-operation"),
    ],
)
async def test_deadline(runner: Running, code: str) -> None:
    end = await runner.run(code, deadline_seconds=0.2)

    assert isinstance(end, Death)
    assert (end.cause, end.detail) == (DeathCause.DEADLINE, "the step ran past its deadline")


async def test_the_clock_runs_again_after_a_call(runner: Running) -> None:
    async def answer(request: CallRequest) -> CallAnswer:
        return CallAnswer(value=values.encode(None))

    runner.handler.call = answer  # type: ignore[method-assign]
    end = await runner.run("for n in range(20): echo()\nwhile True: pass", deadline_seconds=0.3)

    assert isinstance(end, Death)
    assert (end.cause, end.detail) == (DeathCause.DEADLINE, "the step ran past its deadline")


async def test_later_steps_have_their_deadline_too(runner: Running) -> None:
    for _ in range(5):
        assert isinstance(await runner.run("x = 1", deadline_seconds=0.3), StepResult)
    end = await runner.run("while True: pass", deadline_seconds=0.3)

    assert isinstance(end, Death)
    assert (end.cause, end.detail) == (DeathCause.DEADLINE, "the step ran past its deadline")


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        ("import ctypes\nctypes.string_at(0)", "ended by signal 11 (SIGSEGV)"),
        ("import os\nos._exit(42)", "left with exit code 42"),
        ("import os\nos._exit(0)", "left with exit code 0"),
        ("import os\nos.abort()", "ended by signal 6 (SIGABRT)"),
    ],
)
async def test_crash(runner: Running, code: str, detail: str) -> None:
    end = await runner.run(code)

    assert isinstance(end, Death)
    assert (end.cause, end.detail) == (DeathCause.CRASHED, detail)


@pytest.mark.parametrize("runner", [["--limit-address-space"]], indirect=True)
async def test_memory_limit_without_a_cgroup(runner: Running) -> None:
    end = await runner.run("b = bytearray(2 << 30)")

    assert isinstance(end, StepResult)
    assert (end.outcome, end.error_type) == (Outcome.ERROR, "MemoryError")


FIND_SOCKET = """
import os, stat, struct
for n in range(3, 64):
    try:
        if stat.S_ISSOCK(os.fstat(n).st_mode):
            fd = n
            break
    except OSError:
        pass
"""


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        (
            "os.write(fd, struct.pack('<IB', 1 << 30, 3))\nwhile True: pass",
            "frame of 1073741824 bytes, at most 1048576 are accepted",
        ),
        (
            "os.write(fd, struct.pack('<IB', 2, 4) + b'\\x1a\\x00')\nwhile True: pass",
            "frame of kind 4 holds a message of kind 3",
        ),
        (
            "os.write(fd, struct.pack('<IB', 2, 2) + b'\\x12\\x00')\nwhile True: pass",
            "number: step is 0, expected 1 to 9223372036854775807",
        ),
    ],
)
async def test_a_hostile_executor_is_a_violation(runner: Running, code: str, detail: str) -> None:
    end = await runner.run(FIND_SOCKET + code, deadline_seconds=20)

    assert isinstance(end, Death)
    assert (end.cause, end.detail) == (DeathCause.VIOLATION, detail)


async def test_a_stopped_supervisor_is_noticed_by_pings(runner: Running) -> None:
    step = asyncio.create_task(runner.run("import time\ntime.sleep(60)", deadline_seconds=50))
    runner.supervisor.send_signal(signal.SIGSTOP)
    end = await step

    assert isinstance(end, Death)
    assert end.cause is DeathCause.LOST
    await all_gone(runner.processes)


async def test_a_killed_supervisor_is_a_loss_and_leaves_nothing(runner: Running) -> None:
    step = asyncio.create_task(runner.run("while True: pass", deadline_seconds=50))
    runner.supervisor.kill()
    end = await step

    assert isinstance(end, Death)
    assert end.cause is DeathCause.LOST
    await all_gone(runner.processes)


async def test_a_killed_zygote_leaves_nothing(runner: Running) -> None:
    step = asyncio.create_task(runner.run("while True: pass", deadline_seconds=50))
    runner.processes[0].kill()
    end = await step

    assert isinstance(end, Death)
    assert end.cause is DeathCause.LOST
    await all_gone(runner.processes)


async def test_closing_the_link_ends_every_process(runner: Running) -> None:
    assert len(runner.processes) == 3
    await runner.link.aclose()

    await all_gone(runner.processes)


@pytest.mark.root  # nobody else may look into a process that keeps itself from being looked into
async def test_the_zygote_is_single_threaded_and_knows_no_grpc(runner: Running) -> None:
    maps = {entry.path for entry in psutil.Process(runner.process.pid).memory_maps()}

    assert runner.processes[0].num_threads() == 1
    assert [path for path in maps if "grpc" in path or "upb" in path] == []
