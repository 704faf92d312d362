"""Retrying: only what may work in a moment, with renewal of keys, and with an end."""

import asyncio

import pytest

from boss_ingest.engine.events import Event, Retrying
from boss_ingest.engine.retry import Retrier, pause_s
from boss_ingest.engine.tally import Tally
from boss_ingest.errors import CredentialsError, GaveUpError, RefusedError, ThrottledError, TransientError
from tests.doubles.warped_time import WarpedLoop, in_warped_time


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("boss_ingest.engine.retry.asyncio.sleep", sleep)
    return waits


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


def retrier(
    events: list[Event] | None = None, renewed: list[Exception] | None = None, give_up_s=900.0
) -> Retrier:
    async def renew(error: CredentialsError) -> None:
        if renewed is not None:
            renewed.append(error)

    return Retrier(
        renew=renew, give_up_s=give_up_s, tally=Tally(), observe=(events if events is not None else []).append
    )


async def test_a_transient_error_is_tried_again_and_told() -> None:
    events: list[Event] = []
    request = Scripted(TransientError("reset"), TransientError("reset"))
    assert await retrier(events)("S3", request, what="PUT k") == "done"
    assert request.sent == 3
    assert [event.what for event in events if isinstance(event, Retrying)] == ["PUT k", "PUT k"]


async def test_a_refused_request_is_not_sent_again() -> None:
    request = Scripted(RefusedError("EntityTooLarge"))
    with pytest.raises(RefusedError):
        await retrier()("S3", request, what="PUT k")
    assert request.sent == 1


async def test_refused_keys_are_renewed_before_the_next_try() -> None:
    renewed: list[Exception] = []
    error = CredentialsError("ExpiredToken")
    assert await retrier(renewed=renewed)("S3", Scripted(error), what="PUT k") == "done"
    assert renewed == [error]


async def test_retry_after_is_honoured(no_waiting: list[float]) -> None:
    await retrier()("S3", Scripted(ThrottledError("SlowDown", retry_after_s=30.0)), what="PUT k")
    assert no_waiting == [30.0]


async def test_nothing_is_tried_past_the_lease() -> None:
    request = Scripted(*[TransientError("reset")] * 1000)
    now_s = asyncio.get_running_loop().time()
    with pytest.raises(TransientError):
        await retrier()("S3", request, what="PUT k", until_s=now_s)
    assert request.sent < 5


async def test_a_long_silence_of_one_service_ends_the_run_with_exit_code_7() -> None:
    with pytest.raises(GaveUpError, match="S3 has accepted nothing") as caught:
        await retrier(give_up_s=0.0)("S3", Scripted(*[TransientError("no route")] * 1000), what="PUT k")
    assert caught.value.exit_code == 7
    assert "no route" in str(caught.value)


async def test_a_long_pause_between_requests_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    retry = retrier(give_up_s=900.0)
    assert await retry("S3", Scripted(), what="PUT a") == "done"
    loop = asyncio.get_running_loop()
    hour_later_s = loop.time() + 3600.0
    monkeypatch.setattr(loop, "time", lambda: hour_later_s)
    assert await retry("S3", Scripted(TransientError("reset")), what="PUT b") == "done"


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
