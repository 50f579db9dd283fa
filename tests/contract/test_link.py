from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orchestrator.sandboxes.inbound_messages import ExecutorFrame, HelloInfo, RunnerReady
from orchestrator.sandboxes.link import LinkLimits, RunnerLink
from orchestrator.sandboxes.step import StepLimits
from sandbox_runner.wire.v1 import runner_pb2 as pb
from statek.exceptions import InvalidRequest, RunnerLost, RunnerViolation
from tests.support.fake_runner import FakeRunner

LIMITS = StepLimits(frame_bytes=64 << 10)


async def lost(link: RunnerLink) -> tuple[type, str]:
    error = await asyncio.wait_for(asyncio.shield(link.lost), 10)
    return type(error), str(error)


async def test_hello_is_answered_and_reported(link: RunnerLink, dialled: FakeRunner) -> None:
    await dialled.greet()

    assert await link.wait_hello(5) == HelloInfo(1, "3.11", "", 0, seccomp=False, separate_uids=False)


async def test_claim_carries_every_limit(link: RunnerLink, dialled: FakeRunner) -> None:
    await dialled.greet()
    await link.wait_hello(5)

    ready, limits = await asyncio.gather(link.claim(LIMITS, 5), dialled.accept_claim())

    assert ready == RunnerReady(7, 1.0)
    assert {name: getattr(limits, name) for name in limits.DESCRIPTOR.fields_by_name} == {
        name: getattr(LIMITS, name) for name in StepLimits.__slots__
    }
    with pytest.raises(InvalidRequest, match=r"^a runner is claimed once$"):
        await link.claim(LIMITS, 5)


async def test_a_claim_with_larger_frames_than_the_link_takes(link: RunnerLink, dialled: FakeRunner) -> None:
    await dialled.greet()

    with pytest.raises(InvalidRequest, match=r"^frame_bytes is 65537, the link takes 1 to 65536$"):
        await link.claim(StepLimits(frame_bytes=(64 << 10) + 1), 5)


async def test_no_hello_is_a_loss(link: RunnerLink) -> None:
    with pytest.raises(RunnerLost, match=r"^the runner sent no Hello within 0.01 s$"):
        await link.wait_hello(0.01)


async def test_no_ready_is_a_loss(link: RunnerLink, dialled: FakeRunner) -> None:
    await dialled.greet()
    with pytest.raises(RunnerLost, match=r"^the runner sent no Ready within 0.01 s$"):
        await link.claim(LIMITS, 0.01)


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        (0, "protocol: generation 0 is not spoken here, 1 is"),
        (2, "protocol: generation 2 is not spoken here, 1 is"),
    ],
)
async def test_unknown_protocol(link: RunnerLink, dialled: FakeRunner, protocol: int, expected: str) -> None:
    await dialled.send(hello=pb.Hello(protocol=protocol))

    assert await lost(link) == (RunnerViolation, expected)


async def test_garbage_bytes(link: RunnerLink, dialled: FakeRunner) -> None:
    await dialled.send_raw(b"\xff" * 100)

    assert await lost(link) == (RunnerViolation, "decode: 100 bytes are not a FromRunner")


@pytest.mark.parametrize(("seq", "shown"), [(1, 1), (3, 3), (0, 0)])
async def test_sequence_numbers(link: RunnerLink, dialled: FakeRunner, seq: int, shown: int) -> None:
    await dialled.greet()
    await dialled.send_raw(pb.FromRunner(seq=seq, pong=pb.Pong()).SerializeToString())

    assert await lost(link) == (RunnerViolation, f"seq: message {shown} came where 2 was due")


async def test_second_hello(link: RunnerLink, dialled: FakeRunner) -> None:
    await dialled.greet()
    await dialled.send(hello=pb.Hello(protocol=1))

    assert await lost(link) == (RunnerViolation, "turn: hello as message 2")


async def test_pong_that_nobody_asked_for(link: RunnerLink, dialled: FakeRunner) -> None:
    await dialled.greet()
    await dialled.send(pong=pb.Pong(nonce=1_000_000))

    assert await lost(link) == (RunnerViolation, "turn: pong 1000000 was not asked for")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"ready": pb.Ready(pid=1)}, "turn: Ready without a claim that waits for it"),
        ({"executor": b"x"}, "turn: an executor spoke before the claim"),
        ({"executors": pb.ExecutorFrames(frames=[b"x"])}, "turn: an executor spoke before the claim"),
        ({"death": pb.ExecutorDeath(cause=pb.CAUSE_CRASHED)}, "turn: an executor spoke before the claim"),
    ],
)
async def test_out_of_turn_before_the_claim(
    link: RunnerLink, dialled: FakeRunner, body: dict[str, object], expected: str
) -> None:
    await dialled.greet()
    await dialled.send(**body)

    assert await lost(link) == (RunnerViolation, expected)


async def test_death_before_ready(link: RunnerLink, dialled: FakeRunner) -> None:
    await dialled.greet()
    claim = asyncio.create_task(link.claim(LIMITS, 5))
    await dialled.hear()
    await dialled.send(death=pb.ExecutorDeath(cause=pb.CAUSE_CRASHED, detail="no landlock"))

    with pytest.raises(RunnerLost, match=r"^the executor did not start: no landlock$"):
        await claim


async def test_frames_of_one_message_come_in_their_order(link: RunnerLink, dialled: FakeRunner) -> None:
    heard: asyncio.Queue[object] = asyncio.Queue()
    link.receive_with(heard.put)
    await dialled.greet()
    await link.wait_hello(5)
    await asyncio.gather(link.claim(LIMITS, 5), dialled.accept_claim())
    await dialled.send(executors=pb.ExecutorFrames(frames=[b"a", b"b"]))
    await dialled.send(executor=b"c")

    found = [await asyncio.wait_for(heard.get(), 5) for _ in range(3)]

    assert found == [ExecutorFrame(b"a"), ExecutorFrame(b"b"), ExecutorFrame(b"c")]


async def test_what_follows_a_violation_in_one_message_is_not_heard(link: RunnerLink, dialled: FakeRunner) -> None:
    heard = []

    async def hear(message: object) -> None:
        heard.append(message)
        raise RunnerViolation("turn: no")

    link.receive_with(hear)
    await dialled.greet()
    await link.wait_hello(5)
    await asyncio.gather(link.claim(LIMITS, 5), dialled.accept_claim())
    await dialled.send(executors=pb.ExecutorFrames(frames=[b"a", b"b"]))

    assert await lost(link) == (RunnerViolation, "turn: no")
    assert heard == [ExecutorFrame(b"a")]


async def test_a_flood_of_small_frames_in_few_messages_is_slowed_down_as_one_in_many(
    socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await real(0)

    link = RunnerLink(socket_path, limits=LinkLimits(messages_per_second=100, burst_seconds=1))
    await link.listen()
    runner = FakeRunner(socket_path)
    try:
        heard: asyncio.Queue[object] = asyncio.Queue()
        link.receive_with(heard.put)
        await runner.greet()
        await link.wait_hello(5)
        await asyncio.gather(link.claim(StepLimits(), 5), runner.accept_claim())
        monkeypatch.setattr("orchestrator.sandboxes.link.asyncio.sleep", sleep)
        for _ in range(20):
            await runner.send(executors=pb.ExecutorFrames(frames=[b"a"] * 16))
        for _ in range(320):
            await asyncio.wait_for(heard.get(), 5)
    finally:
        await runner.aclose()
        await link.aclose()
    assert max(slept) > 1.5


async def test_second_stream(link: RunnerLink, dialled: FakeRunner, socket_path: Path) -> None:
    await dialled.greet()
    second = FakeRunner(socket_path)
    await second.send(hello=pb.Hello(protocol=1))

    assert await lost(link) == (RunnerViolation, "one-stream: a second stream was opened")
    await second.aclose()


async def test_a_message_larger_than_a_frame_never_reaches_the_decoder(link: RunnerLink, dialled: FakeRunner) -> None:
    await dialled.greet()
    await dialled.send(executor=b"x" * (1 << 20))

    assert (await lost(link))[0] is RunnerLost


async def test_silence_after_a_ping_is_a_loss(link: RunnerLink, dialled: FakeRunner) -> None:
    await dialled.greet()

    assert await lost(link) == (RunnerLost, "the runner did not answer a ping within 0.2 s")


async def test_pings_are_answered(link: RunnerLink, dialled: FakeRunner) -> None:
    await dialled.greet()
    nonces = []
    for _ in range(3):
        message = await dialled.hear()
        assert message is not None
        nonces.append(message.ping.nonce)
        await dialled.send(pong=pb.Pong(nonce=message.ping.nonce))

    assert nonces == [1, 2, 3]
    assert not link.lost.done()


async def test_an_answer_that_is_read_before_its_ping_is_told_to_be_written_counts(
    link: RunnerLink, dialled: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    await dialled.greet()
    answered = asyncio.Event()
    send = link._send

    async def send_and_be_slow_to_tell(message: pb.ToRunner) -> None:
        await send(message)
        await answered.wait()  # as on a busy machine, where the loop learns of both at once

    monkeypatch.setattr(link, "_send", send_and_be_slow_to_tell)
    nonces = []
    for _ in range(3):
        message = await dialled.hear()
        assert message is not None
        nonces.append(message.ping.nonce)
        answered.clear()
        await dialled.send(pong=pb.Pong(nonce=message.ping.nonce))
        while link._pong_nonce < message.ping.nonce:
            await asyncio.sleep(0)
        answered.set()

    assert nonces == [1, 2, 3]
    assert not link.lost.done()


async def test_the_end_of_the_stream_is_a_loss(link: RunnerLink, dialled: FakeRunner) -> None:
    await dialled.greet()
    await dialled.aclose()

    assert (await lost(link))[0] is RunnerLost


async def test_closing_the_link_ends_the_stream_and_removes_the_socket(
    link: RunnerLink, dialled: FakeRunner, socket_path: Path
) -> None:
    await dialled.greet()
    await link.aclose()
    await link.aclose()

    assert not socket_path.exists()
    with pytest.raises(RunnerLost, match=r"^the link was closed$"):
        await link.send_frame(b"")


async def test_a_flood_is_slowed_down(socket_path: Path) -> None:
    link = RunnerLink(socket_path, limits=LinkLimits(messages_per_second=50, burst_seconds=0.1))
    await link.listen()
    runner = FakeRunner(socket_path)
    await runner.greet()
    await link.wait_hello(5)
    pongs = 30
    link._ping_nonce = pongs
    started = asyncio.get_running_loop().time()
    for nonce in range(1, pongs + 1):
        await runner.send(pong=pb.Pong(nonce=nonce))
    async with asyncio.timeout(10):
        while link._pong_nonce < pongs:
            await asyncio.sleep(0)

    # 31 messages, 5 at once, the others at 50 in a second.
    assert asyncio.get_running_loop().time() - started >= 0.4
    await link.aclose()
    await runner.aclose()


async def test_a_socket_path_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 100) / "host.sock"

    with pytest.raises(InvalidRequest, match=r"^socket path has \d+ bytes, 107 at most: "):
        await RunnerLink(path).listen()
