"""The ingest endpoints: every shape of answer a client has to tell apart."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from boss_ingest.local import credentials, job_store, rest_jobs
from boss_ingest.local.boss import LocalBoss
from boss_ingest.local.database import Database
from boss_ingest.local.faults import Http, Lose
from boss_ingest.local.queues import upload_queue
from tests.local_jobs import NAMES, Client, job_file

if TYPE_CHECKING:
    from pathlib import Path

    from boss_ingest.local.settings import Settings

TILES = job_file(tile=(512, 512), x=[0, 1024], y=[0, 512], z=[0, 3])
CHUNKS = job_file(chunk=(1024, 512, 16), x=[0, 1024], y=[0, 512], z=[0, 16])


async def ready(boss: LocalBoss) -> None:
    await boss.prepare(**NAMES, datatype="uint8", extent={"x": [0, 4096], "y": [0, 4096], "z": [0, 64]})


def changed(config: dict[str, Any], **job: Any) -> dict[str, Any]:
    return config | {"ingest_job": config["ingest_job"] | job}


async def test_a_job_is_created_listed_and_joined(client: Client, boss: LocalBoss) -> None:
    status, job = await client.ask("POST", "/v1/ingest/", TILES)
    assert (status, job["tile_count"], job["ingest_type"], job["status"]) == (201, 6, 0, 0)
    assert job["upload_queue"] == f"{boss.url}/000000000000/local-boss-upload-{job['id']}"
    _, listed = await client.ask("GET", "/latest/ingest/")
    assert [(one["id"], one["completed_on"]) for one in listed["ingest_jobs"]] == [(job["id"], None)]
    joined = await client.join(job["id"])
    assert joined.answer["credentials"]["security_token"] is None
    assert joined.answer["resource"]["channel"] == {
        "type": "image",
        "datatype": "uint8",
        "base_resolution": 0,
    }
    assert len(joined.answer["resource"]["lookup_key"].split("&")) == 3
    assert joined.index_queue.endswith(f"local-boss-{job['id']}-index")
    status, counts = await client.ask("GET", f"/v1/ingest/{job['id']}/status")
    assert counts == {"id": job["id"], "status": 1, "total_message_count": 6, "current_message_count": 6}


async def test_a_volumetric_job_has_one_queue(client: Client) -> None:
    joined = await client.start(CHUNKS)
    job = joined.answer["ingest_job"]
    assert (job["ingest_type"], job["ingest_queue"], job["tile_index_queue"]) == (1, None, None)
    assert joined.bucket == "ingest.local.boss"


@pytest.mark.parametrize(
    ("config", "status", "code"),
    [
        ({}, 400, 1004),
        (TILES | {"schema": {"name": "../etc/passwd", "validator": "BossValidatorV02"}}, 400, 1004),
        (changed(TILES, ingest_type="cubic"), 400, 1004),
        (changed(TILES, extent={"x": [0, 1]}), 400, 1004),
        (changed(CHUNKS, chunk_size={"x": 500, "y": 512, "z": 16}), 400, 1004),
        (changed(TILES, tile_size={"x": 512, "y": 512, "z": 1, "t": 0}), 400, 9001),
        (TILES | {"database": NAMES | {"channel": "unknown"}}, 404, 4000),
    ],
)
async def test_a_config_that_will_not_do_is_refused(
    client: Client, config: Any, status: int, code: int
) -> None:
    answered, body = await client.ask("POST", "/v1/ingest/", config)
    assert (answered, body["code"]) == (status, code)


async def test_a_missing_channel_is_called_none(client: Client) -> None:
    _, body = await client.ask("POST", "/v1/ingest/", TILES | {"database": NAMES | {"collection": "nope"}})
    assert body["message"] == "Collection None not found"


async def test_what_the_boss_does_not_check_passes(client: Client) -> None:
    odd = changed(TILES, resolution=7, extent={"x": [100, 700], "y": [0, 99999], "z": [5, 9], "t": [0, 1]})
    assert (await client.ask("POST", "/v1/ingest/", odd))[0] == 201


async def test_only_the_creator_and_bossadmin_may_touch_a_job(client: Client, boss: LocalBoss) -> None:
    job = (await client.start(TILES)).id
    async with (
        Client(boss, "mallory") as mallory,
        Client(boss, "bossadmin") as admin,
        Client(boss, None) as nobody,
    ):
        for who in (mallory, nobody):
            for path in (f"/v1/ingest/{job}", f"/v1/ingest/{job}/status"):
                status, body = await who.ask("GET", path)
                assert (status, body["code"]) == (403, 3003)
        assert (await mallory.ask("DELETE", f"/v1/ingest/{job}"))[1]["message"].endswith(
            "cancel an ingest job"
        )
        assert (await mallory.ask("GET", "/v1/ingest/"))[1] == {"ingest_jobs": []}
        assert len((await admin.ask("GET", "/v1/ingest/"))[1]["ingest_jobs"]) == 1
        assert (await admin.ask("GET", f"/v1/ingest/{job}"))[0] == 200
        assert (await nobody.ask("GET", "/v1/ingest/"))[1]["code"] == 9001
        assert (await nobody.ask("POST", "/v1/ingest/", TILES))[0] == 401


async def test_a_wrong_token_is_answered_by_the_framework(boss: LocalBoss) -> None:
    async with Client(boss, None) as nobody:
        status, body = await nobody.ask("GET", "/v1/ingest/", Authorization="Token wrong")
    assert (status, body) == (401, {"detail": "Invalid token."})


async def test_urls_that_are_none(client: Client) -> None:
    assert (await client.ask("GET", "/ping/"))[1] == {"ip": "127.0.0.1"}
    assert (await client.ask("POST", "/v1/ingest", TILES))[0] == 301
    assert (await client.ask("GET", "/v0.4/ingest/"))[1]["code"] == 9003
    assert (await client.ask("GET", "/v1/ingest/99/status"))[1]["code"] == 4004
    assert (await client.ask("GET", f"/v1/ingest/{10**30}"))[1]["code"] == 4004
    assert (await client.ask("PATCH", "/v1/ingest/1"))[0] == 405
    assert (await client.ask("GET", "/v1/nowhere/"))[1] == {"detail": "Not found."}


async def test_a_job_stays_preparing_until_it_is_joined(settings: Settings) -> None:
    async with LocalBoss(replace(settings, populate_s=3600.0)) as boss, Client(boss) as client:
        await ready(boss)
        job = await client.create(TILES)
        status, joined = await client.ask("GET", f"/v1/ingest/{job}")
        assert (status, joined["ingest_job"]["status"], joined["credentials"]) == (200, 0, None)
        status, body = await client.complete(job)
        assert (status, body["code"]) == (400, 1006)
    async with LocalBoss(settings) as boss, Client(boss) as client:
        assert (await client.join(job)).answer["credentials"]


async def test_a_failed_fill_is_reported_by_the_join(settings: Settings) -> None:
    async with LocalBoss(replace(settings, populate_fails=True)) as boss, Client(boss) as client:
        await ready(boss)
        job = await client.create(TILES)
        while (answer := await client.ask("GET", f"/v1/ingest/{job}"))[0] == 200:
            pass
        assert answer[1]["code"] == 9001
        assert f"Delete the ingest job with id {job} and try again." in answer[1]["message"]
        assert (await client.ask("DELETE", f"/v1/ingest/{job}"))[0] == 204


async def test_several_time_samples_of_a_volume_fail_to_fill(client: Client) -> None:
    job = await client.create(changed(CHUNKS, extent=CHUNKS["ingest_job"]["extent"] | {"t": [0, 3]}))
    while (answer := await client.ask("GET", f"/v1/ingest/{job}"))[0] == 200:
        pass
    assert answer[1]["code"] == 9001


async def test_a_cancelled_job_is_gone_in_three_ways(client: Client) -> None:
    tiles, chunks = (await client.start(TILES)).id, (await client.start(CHUNKS)).id
    for job in (tiles, chunks):
        assert await client.ask("DELETE", f"/v1/ingest/{job}") == (204, b"")
        assert (await client.ask("GET", f"/v1/ingest/{job}/status"))[1]["code"] == 2004
        assert (await client.complete(job))[1]["message"] == "Ingest job has already been cancelled."
        assert (await client.ask("DELETE", f"/v1/ingest/{job}"))[1]["code"] == 9001
    assert "NonExistentQueue" in (await client.ask("GET", f"/v1/ingest/{tiles}"))[1]["message"]
    assert (await client.ask("GET", f"/v1/ingest/{chunks}"))[1]["code"] == 2004
    assert (await client.ask("GET", "/v1/ingest/"))[1] == {"ingest_jobs": []}


async def test_completion_tells_how_long_the_quiet_period_lasts(settings: Settings) -> None:
    async with LocalBoss(replace(settings, quiet_period_s=180)) as boss, Client(boss) as client:
        await ready(boss)
        job = await client.start(CHUNKS)
        status, body = await client.complete(job.id)
        assert (status, body["message"]) == (400, "Upload queue is not empty")
        async with job.clients() as (sqs, _):
            await job.receive(sqs)
        assert await client.complete(job.id) == (202, {"job_status": 6, "wait_secs": 180})
        status, body = await client.complete(job.id)
        assert (status, body["job_status"], 0 < body["wait_secs"] < 180) == (400, 6, True)
        assert isinstance(body["wait_secs"], float)


async def test_after_the_quiet_period_a_job_is_verified_and_complete(settings: Settings) -> None:
    async with LocalBoss(replace(settings, quiet_period_s=0.1)) as boss, Client(boss) as client:
        await ready(boss)
        job = await client.start(CHUNKS)
        async with job.clients() as (sqs, _):
            await job.receive(sqs)
        assert (await client.complete(job.id))[0] == 202
        while (answer := await client.complete(job.id))[0] == 400:
            assert answer[1]["job_status"] == 6
        assert answer == (202, {"job_status": 5, "wait_secs": 0})
        await client.finish(job.id)
        assert (await client.ask("GET", f"/v1/ingest/{job.id}/status"))[1]["status"] == 2
        status, joined = await client.ask("GET", f"/v1/ingest/{job.id}")
        assert (status, set(joined)) == (200, {"ingest_job"})


async def test_a_message_that_comes_back_reopens_the_job_and_the_second_wait_is_stale(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=1000.0)
    for module in (job_store, rest_jobs):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: clock.now))
    async with LocalBoss(replace(settings, quiet_period_s=180)) as boss, Client(boss) as client:
        await ready(boss)
        job = await client.start(CHUNKS)
        async with job.clients() as (sqs, _):
            await job.receive(sqs)
            assert (await client.complete(job.id))[1] == {"job_status": 6, "wait_secs": 180}
            boss._state.queues.get(upload_queue(job.id)).release()
            assert (await client.complete(job.id))[1]["code"] == 1006
            assert (await client.ask("GET", f"/v1/ingest/{job.id}/status"))[1]["status"] == 1
            await job.receive(sqs)
            clock.now += 180.0
            assert await client.complete(job.id) == (202, {"job_status": 6, "wait_secs": 0})
            assert await client.complete(job.id) == (400, {"job_status": 6, "wait_secs": 180.0})


async def test_concurrent_completions_have_one_winner(client: Client) -> None:
    job = await client.start(CHUNKS)
    async with job.clients() as (sqs, _):
        await job.receive(sqs)
        await client.complete(job.id)
        answers = await asyncio.gather(*(client.complete(job.id) for _ in range(8)))
    assert sum(body == {"job_status": 5, "wait_secs": 0} for _, body in answers) <= 1
    assert all(status in (202, 204) for status, _ in answers)


async def test_a_join_may_find_no_credentials(settings: Settings) -> None:
    async with LocalBoss(replace(settings, null_credentials=1)) as boss, Client(boss) as client:
        await ready(boss)
        job = await client.start(CHUNKS)
        assert job.answer["credentials"] is None
        boss.faults.add("server.credentials", Lose())
        assert (await client.join(job.id)).answer["credentials"] is None
        assert (await client.join(job.id)).answer["credentials"] is not None


@pytest.mark.parametrize("knob", [{"credential_delay_s": 3600.0}, {"credential_life_s": 0.0}])
async def test_keys_that_are_too_new_or_too_old_are_unknown(
    settings: Settings, knob: dict[str, float]
) -> None:
    async with LocalBoss(replace(settings, **knob)) as boss, Client(boss) as client:  # type: ignore[arg-type]  # floats
        await ready(boss)
        job = await client.start(CHUNKS)
        async with job.clients() as (sqs, s3):
            with pytest.raises(ClientError, match="InvalidClientTokenId"):
                await job.receive(sqs)
            with pytest.raises(ClientError, match="InvalidAccessKeyId"):
                await s3.put_object(Bucket=job.bucket, Key="k", Body=b"")


async def test_keys_live_from_a_little_after_their_minting_until_a_little_after_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(credentials, "time", SimpleNamespace(time=lambda: clock.now))
    database = Database(tmp_path / "c.sqlite", credentials.SCHEMA)
    known = credentials.Credentials(database, delay_s=10.0, life_s=100.0, lag_s=5.0)
    first, second = (
        known.mint(job=job, bucket="b", upload_queue="u", index_queue=None).access_key for job in (1, 2)
    )

    def alive(now: float) -> list[bool]:
        clock.now = now
        return [known.find(key) is not None for key in (first, second)]

    assert alive(1009.0) == [False, False]
    assert alive(1010.0) == [True, True]
    known.revoke(1)
    assert alive(1014.0) == [True, True]
    assert alive(1015.0) == [False, True]
    assert alive(1110.0) == [False, False]
    await database.committed()
    database.close()


async def test_scripted_faults_of_the_boss_look_like_the_boss(client: Client, boss: LocalBoss) -> None:
    boss.faults.add("rest.status", Http(400, 9001, "throttled"), match=lambda call: call.job_id == 1)
    boss.faults.add("rest.status", Http(503, message="no upstream", headers={"Retry-After": "1"}))
    job = (await client.start(TILES)).id
    assert await client.ask("GET", f"/v1/ingest/{job}/status") == (
        400, {"status": 400, "code": 9001, "message": "throttled"}
    )  # fmt: skip
    assert await client.ask("GET", f"/v1/ingest/{job}/status") == (503, {"detail": "no upstream"})
    assert (await client.ask("GET", f"/v1/ingest/{job}/status"))[0] == 200


async def test_the_kind_boss_has_no_quirks(settings: Settings) -> None:
    async with LocalBoss(replace(settings, faithful=False)) as boss, Client(boss) as client:
        await ready(boss)
        job = await client.start(TILES)
        await client.ask("DELETE", f"/v1/ingest/{job.id}")
        assert (await client.ask("GET", f"/v1/ingest/{job.id}"))[1]["code"] == 2004
