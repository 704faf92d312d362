"""When new keys are asked for, and when they are put to use."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from boss_ingest.aws.keys import PROPAGATION_S, RENEW_AFTER_S, Keyring, Keys
from boss_ingest.errors import CredentialsError, GaveUpError, IngestError, JobGoneError, TransientError
from tests.doubles.warped_time import WarpedLoop

EXPIRED = CredentialsError("storing x: ExpiredToken (400)", code="ExpiredToken")


class Boss:
    """Issues numbered keys on a clock that only the test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.issued_at_s: list[float] = []
        self.in_use: list[str] = []
        self.error: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self._asleep: list[tuple[float, asyncio.Future[None]]] = []
        self.keyring = Keyring(self.issue, self.install, clock=lambda: self.now_s, sleep=self.sleep)

    async def issue(self) -> Keys:
        self.issued_at_s.append(self.now_s)
        await self.open.wait()
        if self.error:
            raise self.error
        return Keys(f"AKID{len(self.issued_at_s)}", SecretStr("secret"), None)

    def install(self, keys: Keys) -> None:
        self.in_use.append(keys.access_key)

    async def sleep(self, duration_s: float) -> None:
        waking = asyncio.get_running_loop().create_future()
        self._asleep.append((self.now_s + duration_s, waking))
        await waking

    async def let_pass(self, duration_s: float) -> None:
        until_s = self.now_s + duration_s
        while True:
            await self.settle()
            due = min(self._asleep, key=lambda sleeper: sleeper[0], default=None)
            if due is None or due[0] > until_s:
                break
            self._asleep.remove(due)
            self.now_s = max(self.now_s, due[0])
            if not due[1].done():
                due[1].set_result(None)
        self.now_s = until_s

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
async def boss() -> Boss:
    boss = Boss()
    await boss.keyring.start()
    return boss


async def test_refused_keys_are_renewed(boss: Boss) -> None:
    await boss.let_pass(1000)
    await boss.keyring.renew(because=EXPIRED)
    assert boss.in_use == ["AKID1", "AKID2"]


async def test_young_keys_are_given_time_to_become_known(boss: Boss) -> None:
    await boss.let_pass(PROPAGATION_S - 1)
    await boss.keyring.renew(because=EXPIRED)
    assert boss.in_use == ["AKID1"]
    await boss.let_pass(2)
    await boss.keyring.renew(because=EXPIRED)
    assert boss.in_use == ["AKID1", "AKID2"]


async def test_many_callers_cause_one_issue(boss: Boss) -> None:
    await boss.let_pass(1000)
    boss.open.clear()
    async with asyncio.TaskGroup() as group:
        for _ in range(50):
            group.create_task(boss.keyring.renew(because=EXPIRED))
        await boss.settle()
        boss.open.set()
    assert boss.in_use == ["AKID1", "AKID2"]
    assert len(boss.issued_at_s) == 2


async def test_keys_refused_again_and_again_are_renewed_ever_less_often(boss: Boss) -> None:
    for _ in range(3600):
        await boss.let_pass(1)
        await boss.keyring.renew(because=EXPIRED)
    gaps_s = [late - early for early, late in zip(boss.issued_at_s, boss.issued_at_s[1:], strict=False)]
    assert gaps_s == [20, 40, 80, 160, 320, 640, *[640] * (len(gaps_s) - 6)]


async def test_keys_that_have_worked_for_long_are_renewed_without_delay(boss: Boss) -> None:
    for _ in range(5):
        await boss.let_pass(2000)
        await boss.keyring.renew(because=EXPIRED)
        await boss.let_pass(PROPAGATION_S)
    assert len(boss.in_use) == 6


@pytest.mark.parametrize("error", [TransientError("502"), GaveUpError("silence"), TimeoutError()])
async def test_when_the_boss_does_not_answer_the_old_keys_stay(boss: Boss, error: Exception) -> None:
    await boss.let_pass(1000)
    boss.error = error
    await boss.keyring.renew(because=EXPIRED)
    await boss.keyring.renew(because=EXPIRED)
    assert boss.in_use == ["AKID1"]
    assert len(boss.issued_at_s) == 2, "the second call is too soon after the first"
    boss.error = None
    await boss.let_pass(41)
    await boss.keyring.renew(because=EXPIRED)
    assert boss.in_use == ["AKID1", "AKID3"]


async def test_that_the_job_is_gone_is_told(boss: Boss) -> None:
    await boss.let_pass(1000)
    boss.error = JobGoneError("cancelled")
    with pytest.raises(JobGoneError):
        await boss.keyring.renew(because=EXPIRED)
    assert boss.in_use == ["AKID1"]


async def test_a_wrong_clock_is_no_reason_to_renew(boss: Boss) -> None:
    await boss.let_pass(1000)
    await boss.keyring.renew(because=CredentialsError("skewed", code="RequestTimeTooSkewed"))
    assert boss.in_use == ["AKID1"]


async def test_keys_are_renewed_ahead_of_time_and_used_when_they_are_known(boss: Boss) -> None:
    async with running(boss):
        await boss.let_pass(0.9 * RENEW_AFTER_S - 1)
        assert len(boss.issued_at_s) == 1
        await boss.let_pass(0.1 * RENEW_AFTER_S + 1)
        assert len(boss.issued_at_s) == 2
        await boss.let_pass(PROPAGATION_S)
        assert boss.in_use == ["AKID1", "AKID2"]
        await boss.let_pass(RENEW_AFTER_S + PROPAGATION_S)
        assert boss.in_use == ["AKID1", "AKID2", "AKID3"]


async def test_new_keys_are_used_at_once_when_the_old_are_refused(boss: Boss) -> None:
    async with running(boss):
        while len(boss.issued_at_s) < 2:
            await boss.let_pass(1)
        assert boss.in_use == ["AKID1"]
        await boss.keyring.renew(because=EXPIRED)
        assert boss.in_use == ["AKID1", "AKID2"]
        await boss.let_pass(PROPAGATION_S + 1)
    assert boss.in_use == ["AKID1", "AKID2"]
    assert len(boss.issued_at_s) == 2


async def test_hosts_renew_at_different_moments() -> None:
    moments_s = set()
    for _ in range(20):
        boss = Boss()
        await boss.keyring.start()
        async with running(boss):
            await boss.let_pass(RENEW_AFTER_S)
        moments_s.add(boss.issued_at_s[1])
    assert len(moments_s) > 10


@pytest.mark.parametrize("error", [TransientError("502"), JobGoneError("cancelled")])
async def test_renewing_ahead_of_time_outlives_a_refusal(boss: Boss, error: IngestError) -> None:
    boss.error = error
    async with running(boss):
        await boss.let_pass(RENEW_AFTER_S + 100)
        assert 2 < len(boss.issued_at_s) < 6
        boss.error = None
        await boss.let_pass(1000)
    assert len(boss.in_use) == 2


async def test_new_keys_that_are_refused_give_way_to_the_old_and_are_tried_again_later(boss: Boss) -> None:
    async with running(boss):
        while boss.in_use[-1] == "AKID1":
            await boss.let_pass(1)
        await boss.keyring.renew(because=EXPIRED)
        assert boss.in_use == ["AKID1", "AKID2", "AKID1"]
        await boss.let_pass(200)
        assert boss.in_use == ["AKID1", "AKID2", "AKID1", "AKID2"]
        await boss.let_pass(1000)
    assert len(boss.issued_at_s) == 2, "the same keys: AWS had not known them yet"


async def test_of_many_refusals_of_new_keys_only_the_first_brings_the_old_ones_back(boss: Boss) -> None:
    async with running(boss):
        while boss.in_use[-1] == "AKID1":
            await boss.let_pass(1)
        async with asyncio.TaskGroup() as group:
            for _ in range(50):
                group.create_task(boss.keyring.renew(because=EXPIRED))
        await boss.let_pass(1)
        await boss.keyring.renew(because=EXPIRED)  # was under way
        assert boss.in_use == ["AKID1", "AKID2", "AKID1"]


async def test_old_keys_that_came_back_only_to_end_are_followed_by_the_new(boss: Boss) -> None:
    async with running(boss):
        while boss.in_use[-1] == "AKID1":
            await boss.let_pass(1)
        await boss.keyring.renew(because=EXPIRED)
        await boss.let_pass(15)
        await boss.keyring.renew(because=EXPIRED)
        assert boss.in_use == ["AKID1", "AKID2", "AKID1", "AKID2"]
    assert len(boss.issued_at_s) == 2


@settings(max_examples=15, deadline=None)
@given(slow_s=st.lists(st.sampled_from([0.0, 30.0, 300.0, 1e9]), min_size=1, max_size=20), seed=st.integers())
def test_while_the_old_keys_work_no_new_ones_stop_the_work(slow_s: list[float], seed: int) -> None:
    """Whatever the new ones are: at once known, late, or never."""
    day = Day(lambda n: (0.0, 1e9) if n == 0 else (slow_s[n % len(slow_s)], 1e9), seed)
    day.run()
    assert day.longest_refusal_s <= 4.0
    assert day.issued < 18


@settings(max_examples=15, deadline=None)
@given(
    lives_s=st.lists(st.floats(700.0, 9000.0), min_size=1, max_size=20),
    slow_s=st.floats(0.0, 15.0),
    seed=st.integers(),
)
def test_keys_that_end_at_any_time_stop_the_work_for_less_than_a_minute(
    lives_s: list[float], slow_s: float, seed: int
) -> None:
    day = Day(lambda n: (slow_s if n else 0.0, lives_s[n % len(lives_s)]), seed)
    day.run()
    assert day.longest_refusal_s < 60.0


class Day:
    """Three hours of a request every 2 s; `kinds`: how long keys are unknown, and how long they live."""

    def __init__(self, kinds: Callable[[int], tuple[float, float]], seed: int) -> None:
        random.seed(seed)
        self.kinds = kinds
        self.issued = 0
        self.longest_refusal_s = 0.0
        self.good: dict[str, tuple[float, float]] = {}
        self.in_use = ""

    def run(self) -> None:
        with asyncio.Runner(loop_factory=WarpedLoop) as runner:
            runner.run(self._work())

    async def _issue(self) -> Keys:
        now_s = asyncio.get_running_loop().time()
        slow_s, life_s = self.kinds(self.issued)
        name = f"AKID{self.issued}"
        self.issued += 1
        self.good[name] = now_s + slow_s, now_s + life_s
        return Keys(name, SecretStr("secret"), None)

    def _install(self, keys: Keys) -> None:
        self.in_use = keys.access_key

    async def _work(self) -> None:
        clock = asyncio.get_running_loop().time
        keyring = Keyring(self._issue, self._install, clock=clock)
        await keyring.start()
        renewal = asyncio.create_task(keyring.renew_ahead_of_time())
        refused_since_s: float | None = None
        for _ in range(3 * 1800):
            await asyncio.sleep(2.0)
            known_from_s, until_s = self.good[self.in_use]
            if known_from_s <= clock() < until_s:
                refused_since_s = None
                continue
            refused_since_s = refused_since_s or clock()
            self.longest_refusal_s = max(self.longest_refusal_s, clock() - refused_since_s)
            await keyring.renew(because=EXPIRED)
        renewal.cancel()
        await asyncio.gather(renewal, return_exceptions=True)


class running:  # noqa: N801 - reads as a verb
    def __init__(self, boss: Boss) -> None:
        self.boss = boss

    async def __aenter__(self) -> None:
        self.task = asyncio.create_task(self.boss.keyring.renew_ahead_of_time())

    async def __aexit__(self, *_: object) -> None:
        assert not self.task.done()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
