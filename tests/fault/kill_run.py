"""One run of the kill tests: a job begins, a blow falls, whoever is left goes on; then all is compared."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from boss_ingest.errors import ExitCode
from boss_ingest.local.job_plan import read_plan
from boss_ingest.local.job_store import State
from tests.command import SOON_S
from tests.fault.kill_books import Books
from tests.fault.kill_boss import LEASE_S, BossProcess
from tests.fault.kill_client import Client
from tests.fault.kill_moment import Moment
from tests.fault.kill_plan import Blow
from tests.fault.proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fault.kill_plan import Plan
    from tests.volumes import Source

_LONGEST_S = 300.0
_SIGNALS = {
    Blow.KILL: signal.SIGKILL,
    Blow.STOP: signal.SIGSTOP,
    Blow.TERM: signal.SIGTERM,
    Blow.INTERRUPT: signal.SIGINT,
    Blow.BOTH: signal.SIGKILL,
}


@dataclass(slots=True)
class Verdict:
    """How a run went; good when it has no problems."""

    plan: Plan
    tasks: int = 0
    lost_voxels: int = 0
    wrong_voxels: int = 0
    set_aside: int = 0
    struck: bool = False
    problems: list[str] = field(default_factory=list)

    def expect(self, good: bool, problem: str) -> None:
        """Note a problem unless all is well."""
        if not good:
            self.problems.append(problem)


async def play(plan: Plan, source: Source, folder: Path) -> Verdict:
    """Play one run in a folder of its own. What goes wrong in it is in the verdict."""
    verdict = Verdict(plan, tasks=read_plan(source.job("")).message_count)
    async with AsyncExitStack() as stack:
        boss = await stack.enter_async_context(BossProcess(folder / "boss"))
        clients = []
        for name in ("first", "second"):
            line = await stack.enter_async_context(FaultProxy(boss.url))
            client = Client(name, folder / name, line, boss.token)
            source.write_job(client.cwd / "job.json", line.url)
            stack.callback(client.switch_off)
            clients.append(client)
        run = _Run(plan, verdict, boss, Books(boss.folder), *clients)
        try:
            async with asyncio.timeout(_LONGEST_S):
                await run.to_the_end()
        except TimeoutError:
            verdict.problems.append(f"not at its end after {_LONGEST_S:g} s; {run.state}")
        await boss.start()
        await _compare(verdict, source, boss)
        for client in clients:
            ends = await client.all_processes_end(within_s=SOON_S)
            verdict.expect(ends, f"processes of the {client.name} client are left: {client.processes()}")
            verdict.expect(not client.litter, f"the {client.name} client leaves {client.litter}")
            verdict.set_aside += sum(event["event"] == "SetAside" for event in client.events)
        strays = run.books.strays(was_killed=plan.blow.ends_boss)
        verdict.expect(not strays, f"the Boss keeps files of nothing: {strays}")
    verdict.expect(not verdict.set_aside, f"{verdict.set_aside} tasks were set aside")
    return verdict


async def _compare(verdict: Verdict, source: Source, boss: BossProcess) -> None:
    stored = await source.stored(boss.url, token=boss.token)
    differs = stored != source.wanted
    verdict.lost_voxels = int(np.sum(differs & (stored == 0)))
    verdict.wrong_voxels = int(np.sum(differs & (stored != 0)))
    found = f"{verdict.lost_voxels} voxels are lost and {verdict.wrong_voxels} are wrong"
    verdict.expect(not differs.any(), found)


class _Run:
    """The clients of one run, and what is done to them."""

    def __init__(
        self, plan: Plan, verdict: Verdict, boss: BossProcess, books: Books, first: Client, second: Client
    ) -> None:
        self.books = books
        self._plan = plan
        self._verdict = verdict
        self._boss = boss
        self._first, self._second = first, second
        self._struck = asyncio.Event()
        self._goes_on = asyncio.Event()  # the request of the moment, when it is held up
        self._victim = first
        self._at_work: list[Client] = []  # when the blow falls; others have only the patience of a person
        self._dying: asyncio.Task[None] | None = None

    @property
    def state(self) -> str:
        """Where things stand, for a person."""
        up = [client.name for client in (self._first, self._second) if client.is_up]
        jobs = [job.state.name for job in self.books.jobs()]
        return f"up: {up}; struck: {self._struck.is_set()}; jobs: {jobs}"

    async def to_the_end(self) -> None:
        """From the first request to a complete job."""
        both = (self._first, self._second)[: self._plan.clients]
        moment = Moment(self._plan, self._strike, is_drained=self.books.is_drained)
        for client in both:
            moment.wait_on(client)
        await self._first.start("run", "job.json", "--yes")
        if len(both) > 1:
            await self._until(lambda: bool(self.books.jobs()))
            await self._join(self._second)
        if not self._plan.stage.operation:
            await self._strike_at_any_time()
        await self._until(self._struck.is_set)
        moment.pass_by()
        self._verdict.struck = self._struck.is_set()
        if self._verdict.struck:
            await self._after_the_blow()
        for client in (self._first, self._second):
            await self._see_the_end_of(client)
        await self._go_on()

    async def _until(self, happened: Callable[[], bool]) -> None:
        """Return once it has happened, or nobody is up any more who could make it happen."""
        while not happened() and (self._first.is_up or self._second.is_up):  # noqa: ASYNC110 - in files
            await asyncio.sleep(0.01)

    async def _join(self, client: Client) -> None:
        named = () if client.remembers_the_job else ("job.json",)
        await client.start("join", *named, "--job-id", self.books.jobs()[0].id)

    async def _strike_at_any_time(self) -> None:
        await self._until(lambda: bool(self._first.line.log))
        await asyncio.sleep(self._plan.any_time_s)
        if self._first.is_up:
            await self._strike(self._first)

    async def _strike(self, victim: Client) -> None:
        self._victim = victim
        self._check_books("when the blow falls")
        self._at_work = [one for one in (self._first, self._second) if one.is_at_work]
        blow = self._plan.blow
        if blow in _SIGNALS:
            victim.signal(_SIGNALS[blow])
        self._struck.set()
        if blow.ends_boss:
            amid = self._plan.stage.moment == "during"
            self._dying = asyncio.create_task(self._kill_boss(after_s=self._plan.delay_s if amid else 0.0))
            if not amid:
                await self._dying
        if blow is Blow.STOP and self._plan.held:
            await self._goes_on.wait()

    def _check_books(self, when: str) -> None:
        lost = self.books.lost()
        self._verdict.expect(not lost, f"deleted but not stored {when}: {lost}")

    async def _kill_boss(self, *, after_s: float = 0.0) -> None:
        await asyncio.sleep(after_s)
        await self._boss.kill()

    async def _after_the_blow(self) -> None:
        """Bring back who was struck, if that can be."""
        match self._plan.blow:
            case Blow.STOP:
                await self._outlast_the_leases()
                self._victim.signal(signal.SIGCONT)
                self._goes_on.set()
            case Blow.INTERRUPT:
                await self._interrupt_again()
            case Blow.BOSS | Blow.BOTH:
                if self._dying is not None:
                    await self._dying
                self._check_books("as the Boss lies dead")
                await asyncio.sleep(self._plan.down_s)
                await self._boss.start()

    async def _interrupt_again(self) -> None:
        """Who presses Ctrl-C twice does not want to wait."""
        await self._victim.has_said("once more")
        self._victim.signal(signal.SIGINT)
        began_s = time.monotonic()
        await self._victim.ended()
        took_s = time.monotonic() - began_s
        self._verdict.expect(took_s < SOON_S, f"it took {took_s:.1f} s to stop at once")

    async def _outlast_the_leases(self) -> None:
        """Another client gets what the one that was stopped has leased, and perhaps finishes the job."""
        other = self._second if self._victim is self._first else self._first
        if not other.is_up and self.books.jobs():
            await self._join(other)
        if other.is_up and self._plan.outlasted:
            await other.ended()
        else:
            await asyncio.sleep(LEASE_S + 0.5)

    async def _see_the_end_of(self, client: Client) -> None:
        if not client.was_started:
            return
        code = await client.ended()
        good = self._good_ends(client)
        said = f"it said:\n{client.err}"
        self._verdict.expect(code in good, f"the {client.name} client ended with {code}, not {good}; {said}")
        self._verdict.expect("Traceback" not in client.err, f"the {client.name} client has a bug; {said}")
        if code == ExitCode.INTERRUPTED and self.books.jobs():
            told = "boss-ingest join --job-id" in client.err or "boss-ingest jobs" in client.err
            self._verdict.expect(told, f"the {client.name} client does not say how to go on; {said}")

    def _good_ends(self, client: Client) -> set[int]:
        """The exit codes that the README promises."""
        blow = self._plan.blow
        if not self._struck.is_set():
            return {ExitCode.COMPLETE}
        if client is self._victim and blow.ends_client:
            return {-signal.SIGKILL}
        if client is self._victim and blow in {Blow.TERM, Blow.INTERRUPT}:
            return {ExitCode.INTERRUPTED} | ({ExitCode.COMPLETE} if self._is_complete else set())
        if blow.ends_boss and client not in self._at_work:
            return {ExitCode.COMPLETE, ExitCode.GAVE_UP}
        return {ExitCode.COMPLETE}

    @property
    def _is_complete(self) -> bool:
        return [job.state for job in self.books.jobs()] == [State.COMPLETE]

    async def _go_on(self) -> None:
        """What whoever was struck does next: join the job, or make it when it did not come to be."""
        if await self._victim.ended() != ExitCode.COMPLETE:
            if self.books.jobs():
                await self._join(self._victim)
            else:
                await self._victim.start("run", "job.json", "--yes")
            code = await self._victim.ended()
            self._verdict.expect(code == 0, f"going on ended with {code}; it said:\n{self._victim.err}")
        self._verdict.expect(self._is_complete, f"the job is not complete; {self.state}")
