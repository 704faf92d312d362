"""Retrying: only what may work in a moment, with renewal of keys, and with an end."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Mapping

import pytest

from boss_ingest.aws.bucket import Body, Stored
from boss_ingest.engine.events import Event, Retrying
from boss_ingest.engine.limiter import PutLimiter
from boss_ingest.engine.retry import Retrier, pause_s
from boss_ingest.engine.store import Store
from boss_ingest.engine.tally import Tally
from boss_ingest.errors import CredentialsError, GaveUpError, RefusedError, ThrottledError, TransientError
from tests.doubles.warped_time import WarpedLoop, in_warped_time


class Scripted:
    """A request that fails with each of the given errors in turn, and then works."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.sent = 0

    async def __call__(self) -> str:
        self.sent += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def now_s() -> float:
    return asyncio.get_running_loop().time()


def retrier(
    events: list[Event] | None = None, renewed: list[Exception] | None = None, give_up_s=900.0
) -> Retrier:
    async def renew(error: CredentialsError) -> None:
        if renewed is not None:
            renewed.append(error)

    return Retrier(
        renew=renew, give_up_s=give_up_s, tally=Tally(), observe=(events if events is not None else []).append
    )


@in_warped_time
async def test_a_transient_error_is_tried_again_and_told() -> None:
    events: list[Event] = []
    request = Scripted(TransientError("reset"), TransientError("reset"))
    assert await retrier(events)("S3", request, what="PUT k") == "done"
    assert request.sent == 3
    assert [event.what for event in events if isinstance(event, Retrying)] == ["PUT k", "PUT k"]


@in_warped_time
async def test_a_refused_request_is_not_sent_again() -> None:
    request = Scripted(RefusedError("EntityTooLarge"))
    with pytest.raises(RefusedError):
        await retrier()("S3", request, what="PUT k")
    assert request.sent == 1


@in_warped_time
async def test_refused_keys_are_renewed_before_the_next_try() -> None:
    renewed: list[Exception] = []
    error = CredentialsError("ExpiredToken")
    assert await retrier(renewed=renewed)("S3", Scripted(error), what="PUT k") == "done"
    assert renewed == [error]


@in_warped_time
async def test_retry_after_is_honoured() -> None:
    start_s = now_s()
    await retrier()("S3", Scripted(ThrottledError("SlowDown", retry_after_s=30.0)), what="PUT k")
    assert now_s() - start_s == pytest.approx(30.0)


@in_warped_time
async def test_nothing_is_tried_past_the_lease() -> None:
    sent_s: list[float] = []

    async def request() -> None:
        sent_s.append(now_s())
        raise TransientError("reset")

    until_s = now_s() + 170.0
    with pytest.raises(TransientError):
        await retrier()("S3", request, what="PUT k", until_s=until_s)
    assert until_s - 25.0 < max(sent_s) <= until_s
    assert now_s() == max(sent_s), "what is not tried again is let go at once"


@in_warped_time
async def test_a_long_silence_of_one_service_ends_the_run_with_exit_code_7() -> None:
    with pytest.raises(GaveUpError, match="S3 has accepted nothing") as caught:
        await retrier(give_up_s=0.0)("S3", Scripted(*[TransientError("no route")] * 1000), what="PUT k")
    assert caught.value.exit_code == 7
    assert "no route" in str(caught.value)


def test_pauses_grow_with_full_jitter_up_to_a_ceiling() -> None:
    assert all(0 <= pause_s(1) <= 0.4 for _ in range(200))
    longest = max(pause_s(50) for _ in range(200))
    assert 10 < longest <= 20


@in_warped_time
async def test_an_hour_in_which_nothing_was_asked_is_no_silence() -> None:
    """As while the Boss verifies, and then asks for tiles again."""
    retry = retrier(give_up_s=900.0)
    assert await retry("S3", Scripted(), what="PUT k") == "done"
    loop = asyncio.get_running_loop()
    assert isinstance(loop, WarpedLoop)
    loop.advance(3600.0)
    assert await retry("S3", Scripted(TransientError("reset")), what="PUT k") == "done"


class Storm:
    """An S3 that refuses everything from the fifth second on for `storm_s`, and tasks that put and put."""

    def __init__(self, storm_s: float, *, tasks: int, after_s: float) -> None:
        self.storm_s, self.tasks, self.after_s = storm_s, tasks, after_s
        self.sent: Counter[int] = Counter()
        self.accepted: Counter[int] = Counter()  # by seconds since the start
        self.start_s = 0.0

    async def run(self) -> None:
        random.seed(1)  # one run in sixty is a little slower to recover than the bounds allow
        self.start_s = now_s()
        self.tally = Tally()
        events: list[Event] = []
        store = Store(self, PutLimiter(64), retrier(events), self.tally)
        end_s = self.start_s + 5 + self.storm_s + self.after_s

        async def task(number: int) -> None:
            while now_s() < end_s:
                await store.put(f"{number}", b"", metadata={}, until_s=math.inf)

        async with asyncio.TaskGroup() as group:
            for number in range(self.tasks):
                group.create_task(task(number))

    async def put(self, key: str, body: Body, *, metadata: Mapping[str, str]) -> Stored:
        began_s = now_s() - self.start_s
        self.sent[int(began_s)] += 1
        await asyncio.sleep(0.04)
        if 5 <= began_s < 5 + self.storm_s:
            raise ThrottledError("SlowDown", code="SlowDown")
        self.accepted[int(now_s() - self.start_s)] += 1
        return Stored(key, 0, "etag")


@pytest.mark.parametrize("tasks", [72, 2000])
@in_warped_time
async def test_a_storm_of_refusals_is_not_answered_with_one(tasks: int) -> None:
    storm = Storm(60.0, tasks=tasks, after_s=5.0)
    await storm.run()
    assert storm.sent[4] > 1500
    assert storm.sent[6] < storm.sent[4] / 3, "a second later"
    assert all(storm.sent[second] < 40 for second in range(10, 65))
    assert max(storm.sent.values()) <= 1.02 * storm.sent[4], "nor when it ends"


@pytest.mark.parametrize("storm_s", [3.0, 10.0, 60.0])
@in_warped_time
async def test_when_a_storm_ends_all_is_as_before_within_about_two_seconds(storm_s: float) -> None:
    storm = Storm(storm_s, tasks=72, after_s=6.0)
    await storm.run()
    end = int(5 + storm_s)
    assert storm.accepted[end + 1] > 0.75 * storm.accepted[4]
    assert storm.accepted[end + 3] > 0.98 * storm.accepted[4]


@in_warped_time
async def test_who_was_told_when_to_come_back_comes_back_then_though_others_are_served() -> None:
    retry = retrier()
    start_s = now_s()

    async def told() -> float:
        await retry("S3", Scripted(ThrottledError("SlowDown", retry_after_s=60.0)), what="PUT a")
        return now_s() - start_s

    async def served() -> None:
        await asyncio.sleep(10.0)
        await retry("S3", Scripted(), what="PUT b")

    waited_s, _ = await asyncio.gather(told(), served())
    assert waited_s == pytest.approx(60.0)


@in_warped_time
async def test_one_answer_that_asks_to_wait_for_ever_ends_its_task_and_not_the_run() -> None:
    """Somebody's maintenance page, while all other PUTs go on."""
    with pytest.raises(ThrottledError):
        await retrier(give_up_s=899.0)(
            "S3",
            Scripted(ThrottledError("maintenance", retry_after_s=900.0)),
            what="PUT k",
            until_s=now_s() + 170.0,
        )


@in_warped_time
async def test_who_asks_to_wait_longer_than_patience_lasts_is_asked_once_more_before_giving_up() -> None:
    request = Scripted(ThrottledError("busy", retry_after_s=900.0))
    began_s = now_s()
    assert await retrier(give_up_s=600.0)("SQS ReceiveMessage", request, what="receive") == "done"
    assert now_s() - began_s == pytest.approx(600.0)
    silent = Scripted(*[ThrottledError("busy", retry_after_s=900.0)] * 9)
    with pytest.raises(GaveUpError, match="nothing for 600 s"):
        await retrier(give_up_s=600.0)("SQS ReceiveMessage", silent, what="receive")
