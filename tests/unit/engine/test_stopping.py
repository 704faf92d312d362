"""How the pipeline rests before the queue is drained: stopped, hopeless, killed, or without its queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from boss_ingest.engine import events
from boss_ingest.engine.options import Options
from boss_ingest.engine.pipeline import End
from boss_ingest.errors import (
    CredentialsError,
    GaveUpError,
    QueueGoneError,
    RefusedError,
    SourceError,
    ThrottledError,
    TransientError,
)
from tests.doubles.upload_rig import Step, TileRig
from tests.doubles.warped_time import in_warped_time

ALL = {0, 1, 2, 3, 4}
PASSING = [TransientError, ThrottledError, CredentialsError]


def reset() -> Exception:
    return TransientError("connection reset")


class Killed(BaseException):
    """Stands for the death of the process at this very step."""


def options(**changes: object) -> Options:
    return Options(memory_bytes=1, workers=1, **changes)  # type: ignore[arg-type]  # whatever a test changes


@pytest.mark.parametrize(
    ("step", "service"),
    [
        ("put", "S3"),
        ("index", "SQS SendMessage"),
        ("lease", "SQS ReceiveMessage"),
        ("ack", "SQS DeleteMessage"),
    ],
)
def test_what_never_works_ends_the_run_with_exit_code_7_though_all_else_does(
    step: Step, service: str
) -> None:
    @in_warped_time
    async def check() -> None:
        rig = TileRig(options=options(give_up_s=100.0))
        rig.trouble.add(step, reset, times=None)
        with pytest.raises(GaveUpError, match=f"{service} has accepted nothing") as caught:
            await rig.run()
        assert caught.value.exit_code == 7
        assert rig.deleted == set()

    check()


@in_warped_time
async def test_a_queue_that_goes_away_ends_the_run_by_its_name() -> None:
    rig = TileRig(tiles=40, tasks=2)

    async def drop_it(step: Step, z: int | None) -> None:
        if (step, z) == ("ack", 5):
            rig.upload.delete()

    rig.trouble.hook = drop_it
    with pytest.raises(QueueGoneError):
        await rig.run()
    assert rig.deleted <= rig.stored


@in_warped_time
async def test_a_stop_finishes_what_is_in_flight_and_leases_nothing_more() -> None:
    rig = TileRig(tiles=30, tasks=4)

    async def stop_at_once(step: Step, _: int | None) -> None:
        if step == "read":
            rig.stop.request() if not rig.stop.draining.is_set() else None
            await asyncio.sleep(5.0)

    rig.trouble.hook = stop_at_once
    assert await rig.run() is End.STOPPED
    assert rig.tally.stored == len(rig.deleted) == len(rig.stored)
    assert 1 <= rig.tally.stored <= 4
    assert rig.tally.in_work == 0
    assert len(rig.of(events.Stopping)) == 1


@in_warped_time
async def test_a_stop_waits_no_longer_than_the_grace_period() -> None:
    rig = TileRig(tiles=30, tasks=4, options=options(grace_s=10.0))
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    async def hang(step: Step, _: int | None) -> None:
        if step == "put":
            rig.stop.request() if not rig.stop.draining.is_set() else None
            await asyncio.sleep(3600)

    rig.trouble.hook = hang
    assert await rig.run() is End.STOPPED
    assert loop.time() - began_s < 20
    assert rig.deleted == set()


@in_warped_time
async def test_a_second_stop_drops_what_is_in_flight() -> None:
    rig = TileRig(tiles=30, tasks=4, options=options(grace_s=1000.0))
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    async def hang(step: Step, _: int | None) -> None:
        if step == "put":
            await asyncio.sleep(3600)

    async def impatient() -> None:
        await asyncio.sleep(5)
        rig.stop.request()
        await asyncio.sleep(5)
        rig.stop.request()

    rig.trouble.hook = hang
    async with asyncio.TaskGroup() as group:
        group.create_task(impatient())
        run = group.create_task(rig.run())
    assert run.result() is End.STOPPED
    assert loop.time() - began_s < 20
    assert rig.deleted == set()


@in_warped_time
async def test_a_killed_client_is_followed_by_another_and_nothing_is_lost() -> None:
    rig = TileRig(tiles=12, tasks=3)
    await rig.fill()

    async def die(step: Step, z: int | None) -> None:
        if z == 5 and step == "index":
            raise Killed

    rig.trouble.hook = die
    with pytest.raises(BaseExceptionGroup):
        await rig.pipeline().run()
    assert rig.deleted <= rig.stored & rig.indexed
    rig.trouble.hook = None
    rig.new_client()
    assert await rig.pipeline().run() is End.DRAINED
    assert rig.deleted == rig.stored == rig.indexed == set(range(12))


@in_warped_time
async def test_when_nothing_at_all_works_it_stops_early() -> None:
    rig = TileRig(tiles=200, tasks=8, options=options(hopeless_after=10))
    rig.trouble.add("read", lambda: SourceError("wrong folder"), times=None)
    assert await rig.run() is End.HOPELESS
    assert 10 <= len(rig.set_aside) < 40
    assert rig.deleted == set()


@in_warped_time
async def test_many_failures_among_successes_are_not_hopeless() -> None:
    rig = TileRig(tiles=60, tasks=8, options=options(hopeless_after=10))
    for z in range(0, 60, 2):
        rig.trouble.add("read", lambda: SourceError("missing"), z=z, times=None)
    assert await rig.run() is End.DRAINED
    assert rig.set_aside == set(range(0, 60, 2))
    assert rig.deleted == set(range(1, 60, 2))


@pytest.mark.parametrize("work", [lambda: KeyError("bug"), lambda: ZeroDivisionError("bug")])
def test_a_bug_of_ours_is_not_hidden_and_deletes_nothing(work: Callable[[], Exception]) -> None:
    @in_warped_time
    async def check() -> None:
        rig = TileRig()
        rig.trouble.add("put", work, z=2)
        with pytest.raises(ExceptionGroup):
            await rig.run()
        assert 2 not in rig.deleted

    check()


@pytest.mark.parametrize("step", ["lease", "depth"])
def test_a_queue_that_refuses_us_ends_the_run_as_a_service_that_does_not_work(step: Step) -> None:
    """Exit code 3 would say that tasks were set aside."""

    @in_warped_time
    async def check() -> None:
        rig = TileRig()
        rig.trouble.add(step, lambda: RefusedError("InvalidAddress"), times=None)
        with pytest.raises(GaveUpError, match="InvalidAddress") as caught:
            await rig.run()
        assert caught.value.exit_code == 7
        assert rig.set_aside == set()

    check()
