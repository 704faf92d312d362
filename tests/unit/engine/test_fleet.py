"""The parent of several uploading processes: what it adds up, passes on, replaces and decides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from pydantic import SecretStr

from boss_ingest.aws import keys as aws_keys
from boss_ingest.aws.keys import Keys
from boss_ingest.boss.jobs import Job, JobState, Joined
from boss_ingest.config.job_file import JobFile
from boss_ingest.engine import events, fleet
from boss_ingest.engine import fleet_wire as wire
from boss_ingest.engine.fleet import Fleet
from boss_ingest.engine.options import Options
from boss_ingest.engine.pipeline import End
from boss_ingest.engine.stop import Stop
from boss_ingest.engine.tally import Tally
from boss_ingest.engine.upload import Work
from boss_ingest.engine.uploader import Access
from boss_ingest.engine.wanted import Wanted
from boss_ingest.errors import (
    ConfigError,
    CredentialsError,
    GaveUpError,
    IngestError,
    JobGoneError,
    QueueGoneError,
    SourceError,
)
from boss_ingest.plugins.loading import LoadedSource
from tests.job_files import tile_job

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


class Child:
    """A child process as its parent sees it; the test plays its part."""

    def __init__(self) -> None:
        self.told: list[wire.ToChild] = []
        self.alive = True
        self._heard = asyncio.Event()
        self._says: asyncio.Queue[wire.FromChild | None] = asyncio.Queue()

    def tell(self, message: wire.ToChild) -> None:
        self.told.append(message)
        self._heard.set()
        if isinstance(message, wire.Close):
            self.die()

    async def hear(self) -> wire.FromChild:
        message = await self._says.get()
        if message is None:
            raise EOFError
        return message

    def kill(self) -> None:
        self.die()

    async def gone(self) -> str:
        return "signal 9 (SIGKILL)"

    def say(self, *messages: wire.FromChild) -> None:
        for message in messages:
            self._says.put_nowait(message)

    def die(self) -> None:
        self.alive = False
        self._says.put_nowait(None)

    def all(self, kind: type[T]) -> list[T]:
        return [message for message in self.told if isinstance(message, kind)]

    async def hears(self, wanted: wire.ToChild | type[Any]) -> Any:
        """Wait until it was told this, or something of this kind."""
        async with asyncio.timeout(60.0):
            while True:
                for message in self.told:
                    if message == wanted or type(message) is wanted:
                        return message
                self._heard.clear()
                await self._heard.wait()


@dataclass
class Rig:
    """A fleet whose children the test plays; `children` in the order in which they were started."""

    work: Work
    happened: list[events.Event] = field(default_factory=list)
    issued: list[Keys | Exception] = field(default_factory=list)
    asked: int = 0
    children: list[Child] = field(default_factory=list)
    first_words: dict[int, wire.FromChild] = field(default_factory=dict)
    _started: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def tally(self) -> Tally:
        return self.work.tally

    def fleet(self) -> Fleet:
        job = Job(7, "col", "exp", "ch", JobState.UPLOADING, "tile", upload_queue="http://127.0.0.1/q")
        return Fleet(self.work, Joined(job), self.issue, Access(None, allow_http=True))

    async def issue(self) -> Keys:
        self.asked += 1
        given = self.issued.pop(0) if self.issued else key(self.asked)
        if isinstance(given, Exception):
            raise given
        return given

    async def start(self, _: int, *, silence_s: float) -> Child:
        assert silence_s == self.work.options.silence_s
        child = Child()
        child.say(self.first_words.get(len(self.children), wire.Ready()))
        self.children.append(child)
        self._started.set()
        return child

    async def child(self, number: int) -> Child:
        """That child, once it was started."""
        async with asyncio.timeout(60.0):
            while len(self.children) <= number:
                self._started.clear()
                await self._started.wait()
        return self.children[number]

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.happened if isinstance(event, kind)]


@pytest.fixture
async def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    job = JobFile.read(tile_job(), source=tmp_path / "job.json")
    happened: list[events.Event] = []
    source = LoadedSource("async", None, None, "some.Reader", (), builtin=True)
    options = Options(workers=1, memory_bytes=1000, processes=2, hopeless_after=3)
    work = Work(job, source, options, Tally(total=10), happened.append, Stop())
    rig = Rig(work, happened)
    monkeypatch.setattr(fleet.MemberProcess, "start", rig.start)
    monkeypatch.setattr(aws_keys, "PROPAGATION_S", 0.0)
    yield rig
    assert not any(child.alive for child in rig.children)


def key(number: int) -> Keys:
    return Keys(f"key {number}", SecretStr("secret"), None)


def progress(*told: events.Event, stored: int = 0, in_work: int = 0, **more: Any) -> wire.Progress:
    return wire.Progress(Tally(stored=stored, in_work=in_work).counts, told, **more)


def aside(name: str) -> events.SetAside:
    return events.SetAside(f"key of {name}", name, 3, SourceError("truncated"), back_s=100.0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60.0):
        while not condition():  # noqa: ASYNC110 - the fleet has no event for every message it takes
            await asyncio.sleep(0)


async def test_the_counts_of_all_are_those_of_one_client(rig: Rig) -> None:
    async with rig.fleet() as uploader:
        running = asyncio.create_task(uploader.run())
        one, two = rig.children
        one.say(progress(stored=3, in_work=2), progress(stored=5, in_work=1))
        two.say(progress(stored=4, in_work=3))
        await until(lambda: (rig.tally.stored, rig.tally.in_work) == (9, 4))
        one.say(progress(stored=6), wire.Ended(End.DRAINED))
        two.say(progress(stored=4), wire.Ended(End.DRAINED))
        assert await running is End.DRAINED
    assert (rig.tally.stored, rig.tally.in_work) == (10, 0)


async def test_each_begins_with_its_share_and_no_keys_but_those_of_the_one_join(rig: Rig) -> None:
    async with rig.fleet():
        begun = [(await child.hears(wire.Begin)) for child in rig.children]
    assert [begin.siblings.number for begin in begun] == [0, 1]
    assert {begin.options.concurrency for begin in begun} == {32}
    assert {begin.keys.access_key for begin in begun} == {"key 1"}
    assert {begin.joined.credentials for begin in begun} == {None}
    assert rig.asked == 1


async def test_what_one_sets_aside_the_other_does_not_try_and_it_is_told_once(rig: Rig) -> None:
    async with rig.fleet():
        one, two = rig.children
        one.say(progress(aside("m1"), in_work=1))
        assert await two.hears(wire.Elsewhere) == wire.Elsewhere("key of m1", "m1")
        two.say(progress(aside("m1")))
        two.say(progress(aside("m2")))
        await one.hears(wire.Elsewhere("key of m2", "m2"))
        assert one.all(wire.Elsewhere) == [wire.Elsewhere("key of m2", "m2")]
    assert [event.message_id for event in rig.of(events.SetAside)] == ["m1", "m2"]
    assert len(rig.tally.set_aside) == 2


async def test_one_that_dies_is_told_of_and_replaced_and_the_next_knows_what_it_must(rig: Rig) -> None:
    async with rig.fleet() as uploader:
        running = asyncio.create_task(uploader.run())
        one, two = rig.children
        await two.hears(wire.Run)
        two.say(progress(aside("m1"), stored=4, in_work=3))
        one.say(progress(in_work=1))
        await one.hears(wire.Elsewhere)
        two.die()
        three = await rig.child(2)
        begin = await three.hears(wire.Begin)
        assert (begin.siblings.number, begin.set_aside) == (1, ("m1",))
        await three.hears(wire.Run)
        assert (rig.tally.stored, rig.tally.in_work) == (4, 1)
        three.say(progress(stored=2), wire.Ended(End.DRAINED))
        one.say(wire.Ended(End.DRAINED))
        assert await running is End.DRAINED
    assert rig.tally.stored == 6
    assert rig.of(events.ProcessDied) == [events.ProcessDied(2, "signal 9 (SIGKILL)")]


async def test_one_that_dies_after_it_came_to_rest_is_waited_for_again(rig: Rig) -> None:
    async with rig.fleet() as uploader:
        running = asyncio.create_task(uploader.run())
        rig.children[0].say(wire.Ended(End.DRAINED))
        rig.children[0].die()
        three = await rig.child(2)
        await three.hears(wire.Run)
        rig.children[1].say(wire.Ended(End.DRAINED))
        three.say(wire.Ended(End.DRAINED))
        assert await running is End.DRAINED


async def test_when_they_die_again_and_again_and_nothing_is_stored_the_run_ends(rig: Rig) -> None:
    async with rig.fleet() as uploader:
        running = asyncio.create_task(uploader.run())
        for number in range(7):
            (await rig.child(number)).die()
        with pytest.raises(GaveUpError, match=r"die again and again.*SIGKILL"):
            await running
    assert len(rig.of(events.ProcessDied)) == 6


async def test_deaths_between_which_tasks_are_stored_do_not_add_up(rig: Rig) -> None:
    async with rig.fleet() as uploader:
        running = asyncio.create_task(uploader.run())
        for number in range(12):
            child = await rig.child(number)
            child.say(progress(stored=1))
            child.die()
        last = [await rig.child(12), await rig.child(13)]
        for child in last:
            child.say(wire.Ended(End.DRAINED))
        assert await running is End.DRAINED


async def test_the_first_error_ends_the_run_and_the_others_let_go(rig: Rig) -> None:
    async with rig.fleet() as uploader:
        running = asyncio.create_task(uploader.run())
        rig.children[1].say(wire.Failed(QueueGoneError("there is no queue")))
        with pytest.raises(QueueGoneError):
            await running
        await rig.children[0].hears(wire.Drop)


async def test_a_source_that_cannot_be_opened_is_told_before_anything_else(rig: Rig) -> None:
    rig.first_words[1] = wire.Failed(ConfigError("no such folder"))
    with pytest.raises(ConfigError, match="no such folder"):
        async with rig.fleet():
            pytest.fail("one of them cannot begin")


async def test_a_mistake_of_ours_comes_out_as_one(rig: Rig) -> None:
    async with rig.fleet() as uploader:
        running = asyncio.create_task(uploader.run())
        rig.children[1].say(wire.Broken("KeyError: 'z'", "Traceback …"))
        with pytest.raises(RuntimeError, match=r"process 2: KeyError"):
            await running


async def test_a_stop_drains_all_and_a_second_one_drops(rig: Rig) -> None:
    async with rig.fleet() as uploader:
        running = asyncio.create_task(uploader.run())
        rig.children[0].say(progress(in_work=2))
        rig.children[1].say(progress(in_work=3))
        await until(lambda: rig.tally.in_work == 5)
        rig.work.stop.request()
        for child in rig.children:
            await child.hears(wire.Drain)
            child.say(progress(events.Stopping(3)))
        rig.work.stop.request()
        for child in rig.children:
            await child.hears(wire.Drop)
            child.say(wire.Ended(End.STOPPED))
        assert await running is End.STOPPED
    assert rig.of(events.Stopping) == [events.Stopping(5)]


async def test_one_that_dies_while_all_are_to_stop_is_not_replaced(rig: Rig) -> None:
    async with rig.fleet() as uploader:
        running = asyncio.create_task(uploader.run())
        rig.work.stop.request()
        await rig.children[0].hears(wire.Drain)
        rig.children[0].die()
        rig.children[1].say(wire.Ended(End.STOPPED))
        assert await running is End.STOPPED


async def test_a_run_of_which_every_task_fails_is_hopeless_by_the_failures_of_all(rig: Rig) -> None:
    async with rig.fleet() as uploader:
        running = asyncio.create_task(uploader.run())
        one, two = rig.children
        one.say(progress(aside("m1"), aside("m2")))
        two.say(progress(aside("m3")))
        for child in (one, two):
            await child.hears(wire.Drain)
            child.say(wire.Ended(End.STOPPED))
        assert await running is End.HOPELESS


async def test_keys_that_are_refused_to_one_are_renewed_for_all(rig: Rig) -> None:
    async with rig.fleet():
        one, two = rig.children
        await until(lambda: bool(one.told and two.told))
        one.say(wire.Refused(CredentialsError("expired", code="ExpiredToken")))
        await one.hears(wire.Renewed)
        assert [type(message) for message in one.told] == [wire.Begin, wire.NewKeys, wire.Renewed]
        assert [type(message) for message in two.told] == [wire.Begin, wire.NewKeys]
        assert {message.keys.access_key for message in two.all(wire.NewKeys)} == {"key 2"}
        one.die()
        begin = await (await rig.child(2)).hears(wire.Begin)
        assert begin.keys.access_key == "key 2"
    assert rig.asked == 2


async def test_a_renewal_that_finds_the_job_gone_is_told_to_who_asked(rig: Rig) -> None:
    rig.issued = [key(1), JobGoneError("cancelled")]
    async with rig.fleet():
        (one, _) = rig.children
        one.say(wire.Refused(CredentialsError("expired", code="ExpiredToken")))
        answer: wire.Renewed = await one.hears(wire.Renewed)
        assert isinstance(answer.error, JobGoneError)


async def test_how_much_is_left_is_asked_by_one_and_known_to_all(rig: Rig) -> None:
    async with rig.fleet():
        one, two = rig.children
        one.say(progress(left=wire.Left(5, 2)))
        assert await two.hears(wire.Left) == wire.Left(5, 2)
        two.say(progress(stored=1, left=wire.Left(5, 2)))  # what it was told, not asked anew
        two.say(progress(stored=2, left=wire.Left(4, 2)))
        await one.hears(wire.Left)
        assert one.all(wire.Left) == [wire.Left(4, 2)]
        assert rig.tally.left == 6


async def test_each_knows_whether_the_others_are_busy(rig: Rig) -> None:
    async with rig.fleet():
        one, two = rig.children
        one.say(progress(in_work=1))
        assert await two.hears(wire.OthersBusy) == wire.OthersBusy(busy=True)
        assert one.all(wire.OthersBusy) == []
        one.say(progress(in_work=0))
        await two.hears(wire.OthersBusy(busy=False))


async def test_that_others_are_waited_for_is_told_once(rig: Rig) -> None:
    async with rig.fleet():
        one, two = rig.children
        one.say(progress(events.WaitingForOthers(1), in_work=1))
        two.say(progress(events.WaitingForOthers(1), in_work=1))
        await until(lambda: rig.tally.in_work == 2)
        assert len(rig.of(events.WaitingForOthers)) == 1
        one.say(progress(stored=1), progress(events.WaitingForOthers(1), stored=1))
        await until(lambda: len(rig.of(events.WaitingForOthers)) == 2)


async def test_another_round_is_for_the_same_processes(rig: Rig) -> None:
    async with rig.fleet() as uploader:
        for _ in range(2):
            running = asyncio.create_task(uploader.run())
            await asyncio.sleep(0)
            for child in rig.children:
                child.say(wire.Ended(End.DRAINED))
            assert await running is End.DRAINED
        assert [len(child.all(wire.Run)) for child in rig.children] == [2, 2]


async def test_going_back_to_what_was_set_aside_is_shared(rig: Rig) -> None:
    rig.work = replace(rig.work, wanted=Wanted(["key of m1", "key of m2"], alone=True))
    async with rig.fleet() as uploader:
        running = asyncio.create_task(uploader.run())
        one, two = rig.children
        begin = await one.hears(wire.Begin)
        assert (begin.wanted, begin.wanted_alone) == ({"key of m1", "key of m2"}, True)
        one.say(progress(events.Mended("key of m1", "m1"), stored=1))
        assert await two.hears(wire.Elsewhere) == wire.Elsewhere("key of m1")
        two.say(progress(aside("m2")))
        await one.hears(wire.Elsewhere)
        for child in (one, two):
            child.say(wire.Ended(End.SEARCHED))
        assert await running is End.SEARCHED
    wanted = rig.work.wanted
    assert (wanted.left, wanted.mended, wanted.failed_again) == (set(), 1, 1)


async def test_a_process_that_cannot_be_started_ends_the_run(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: int, **_options: object) -> Child:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(fleet.MemberProcess, "start", refuse)
    with pytest.raises(IngestError, match="Resource temporarily unavailable"):
        async with rig.fleet():
            pytest.fail("nothing was started")


async def test_one_that_starts_while_all_ends_is_ended(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    late, let_go = asyncio.Event(), asyncio.Event()

    async def start_late(number: int, *, silence_s: float) -> Child:
        late.set()
        await let_go.wait()
        return await rig.start(number, silence_s=silence_s)

    async with rig.fleet():
        monkeypatch.setattr(fleet.MemberProcess, "start", start_late)
        rig.children[0].die()
        await late.wait()
        asyncio.get_running_loop().call_soon(let_go.set)
