"""A state machine over everything that can happen to a job: at every moment what is deleted is stored.

Steps of the upload wait at a gate until a rule lets them succeed, fail, or succeed with the answer lost; in
between time passes, leases end, messages come twice, keys end, and the client is killed and started anew.
When nothing is left the client completes the job: then everything is stored, whatever happened before.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from boss_ingest.boss.jobs import JobState
from boss_ingest.engine.finish import finish
from boss_ingest.engine.pipeline import End
from boss_ingest.engine.rounds import Rounds
from boss_ingest.errors import CredentialsError, IngestError, SourceError, ThrottledError, TransientError
from tests.doubles.memory_boss import MemoryBoss
from tests.doubles.upload_rig import Step, TileRig
from tests.doubles.warped_time import WarpedLoop

TILES = 4
GATED = ("read", "put", "index", "ack")
PASSING = [TransientError, ThrottledError, CredentialsError]


@dataclass(slots=True)
class Held:
    step: Step
    z: int | None
    go: asyncio.Future[None] = field(repr=False)


class Upload(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        random.seed(7)
        self.loop = WarpedLoop(by_hand=True)
        self.rig = TileRig(TILES, tasks=3)
        self.held: list[Held] = []
        self.rig.trouble.hook = self.gate
        self.rig.on_renewal = self.keys_are_new
        self.keys_work = True
        self.boss = MemoryBoss(self.rig)
        self.loop.run_until_complete(self.rig.fill())
        self.start()

    def teardown(self) -> None:
        """Let everything work from now on: the job must come to its end, with nothing lost."""
        self.rig.trouble.hook = None
        for held in self.held:
            if not held.go.done():
                held.go.set_result(None)
        for _ in range(5000):
            if self.client.done():
                break
            self.loop.advance(5.0)
            self.settle()
        try:
            self.rig.check()
            assert self.rig.deleted | self.rig.set_aside == set(range(TILES))
            assert (self.boss.state is JobState.COMPLETE) is (self.client.result() is True)
            assert self.client.result() or self.rig.set_aside
        finally:
            self.client.cancel()
            self.settle()
            self.loop.close()

    async def gate(self, step: Step, z: int | None) -> None:
        if not self.keys_work and step != "read":
            raise CredentialsError("ExpiredToken")
        if step in GATED:
            self.held.append(Held(step, z, self.loop.create_future()))
            await self.held[-1].go

    def start(self) -> None:
        self.rig.tally.total = TILES
        self.client = self.loop.create_task(self.work())
        self.settle()

    async def work(self) -> bool:
        """As a client lives: whether it has seen the job complete."""
        rounds = Rounds(7, self.rig.tally)
        pipeline = self.rig.pipeline()
        while self.boss.state is not JobState.COMPLETE:
            assert await pipeline.run() is End.DRAINED
            if self.rig.tally.set_aside:
                return False
            if not await finish(
                self.boss,  # type: ignore[arg-type]  # all that finish asks of a client
                7,
                stop=self.rig.stop,
                observe=self.rig.events.append,
                verify_timeout_s=86400.0,
            ):
                await rounds.once_more(self.rig.stop)
        return True

    def keys_are_new(self) -> None:
        self.keys_work = True

    def settle(self) -> None:
        async def turns() -> None:
            for _ in range(40):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())
        self.held = [held for held in self.held if not held.go.done()]

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def works(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.held)).go.set_result(None)
        self.settle()

    @precondition(lambda self: self.held)
    @rule(data=st.data(), kind=st.sampled_from(PASSING), late=st.booleans())
    def fails(self, data: st.DataObject, kind: type[IngestError], late: bool) -> None:
        held = data.draw(st.sampled_from(self.held))
        self.rig.trouble.add(held.step, lambda: kind("it passes"), z=held.z, late=late)
        held.go.set_result(None)
        self.settle()

    @precondition(lambda self: any(held.step == "read" for held in self.held))
    @rule(data=st.data(), times=st.sampled_from([1, 1, 3]))
    def source_is_bad(self, data: st.DataObject, times: int) -> None:
        held = data.draw(st.sampled_from([held for held in self.held if held.step == "read"]))
        self.rig.trouble.add("read", lambda: SourceError("bad file"), z=held.z, times=times)
        held.go.set_result(None)
        self.settle()

    @rule(seconds=st.sampled_from([0.3, 5.0, 60.0, 100.0, 180.0]))
    def time_passes(self, seconds: float) -> None:
        self.loop.advance(seconds)
        self.settle()

    @rule()
    def all_goes_well_for_some_minutes(self) -> None:
        for _ in range(60):
            for held in self.held:
                held.go.set_result(None)
            self.loop.advance(5.0)
            self.settle()

    @rule()
    def keys_end(self) -> None:
        self.keys_work = False

    @precondition(lambda self: self.boss.state is not JobState.COMPLETE)
    @rule(z=st.integers(0, TILES - 1))
    def the_boss_loses_what_it_was_told_of_a_tile(self, z: int) -> None:
        self.boss.lost.add(z)

    @rule(again=st.booleans())
    def deliveries_come_twice(self, again: bool) -> None:
        self.rig.duplicates = again

    @precondition(lambda self: not self.client.done())
    @rule()
    def client_is_killed_and_started_anew(self) -> None:
        self.client.cancel()
        self.settle()
        assert self.client.cancelled()
        self.rig.new_client()
        self.start()

    @invariant()
    def what_is_deleted_is_stored(self) -> None:
        self.rig.check()

    @invariant()
    def the_client_goes_on_until_the_job_is_complete_or_tasks_are_set_aside(self) -> None:
        if self.client.done() and not self.client.cancelled():
            assert self.client.result() or self.rig.set_aside

    @invariant()
    def what_is_complete_is_stored_and_indexed(self) -> None:
        if self.boss.state is JobState.COMPLETE:
            assert self.rig.stored == self.rig.indexed == self.rig.deleted == set(range(TILES))


TestUpload = Upload.TestCase
TestUpload.settings = settings(max_examples=60, stateful_step_count=30, deadline=None, derandomize=True)
