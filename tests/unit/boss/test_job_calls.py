"""Jobs are created once, and joined, watched, cancelled and completed through every answer a Boss gives."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from boss_ingest.boss.answers import BossRefusedError
from boss_ingest.boss.client import BossClient
from boss_ingest.boss.completion import Completed, QueueNotEmpty, Verifying, Wait
from boss_ingest.boss.jobs import Job, JobState, JobStatus
from boss_ingest.errors import ConfigError, ExitCode, GaveUpError, JobGoneError, NotAllowedError
from tests.scripted_boss import BROKEN, Reply, ScriptedBoss, refusal

SQS = "https://sqs.us-east-1.amazonaws.com/123456789012/production-boss"
JOB = {
    "id": 7, "collection": "c", "experiment": "e", "channel": "ch", "status": 1, "tile_count": 640,
    "ingest_queue": f"{SQS}-ingest-7", "upload_queue": f"{SQS}-upload-7", "ingest_type": 0,
}  # fmt: skip
RESOURCE = {"lookup_key": "4&9&27", "channel": {"type": "image", "datatype": "uint16", "base_resolution": 0}}
JOINED = {
    "ingest_job": {**JOB, "tile_index_queue": f"{SQS}-7-index"},
    "credentials": {"access_key": "AKIA7", "secret_key": "aws-s3cret", "security_token": None},
    "tile_bucket_name": "tiles.production.boss",
    "ingest_bucket_name": "ingest.production.boss",
    "KVIO_SETTINGS": {"cache_db": 0},
    "STATEIO_CONFIG": {"cache_state_db": 0},
    "OBJECTIO_CONFIG": {"id_index_new_chunk_threshold": "100"},
    "resource": RESOURCE,
    "ingest_lambda": "deprecated",
}
NO_QUEUE = refusal(400, 9001, "An error occurred (AWS.SimpleQueueService.NonExistentQueue) when calling")
SYSTEM = refusal(400, 9001, "throttled by AWS")
NO_SUCH_JOB = refusal(404, 4004, "The ingest job with id 7 does not exist")
CANCELLED = refusal(404, 2004, "The job with id 7 has been deleted")


def status_is(state: int, visible: int = 0) -> Reply:
    return Reply(
        200, {"id": 7, "status": state, "total_message_count": 640, "current_message_count": visible}
    )


class TestCreate:
    async def test_a_job_is_created_with_the_body_given(self, server: ScriptedBoss, boss: BossClient) -> None:
        server.answers("POST ingest/", Reply(201, {**JOB, "status": 0}))
        job = await boss.create({"schema": {"name": "boss-v0.1-schema"}})
        assert (job.id, job.state, job.ingest_type, job.tile_count) == (7, JobState.PREPARING, "tile", 640)
        assert json.loads(server.asked[0].body) == {"schema": {"name": "boss-v0.1-schema"}}

    async def test_a_volumetric_job_has_no_ingest_queue(self, server: ScriptedBoss, boss: BossClient) -> None:
        server.answers("POST ingest/", Reply(201, {**JOB, "ingest_queue": None, "ingest_type": 1}))
        job = await boss.create({})
        assert (job.ingest_type, job.ingest_queue) == ("volumetric", None)

    @pytest.mark.parametrize("reply", [BROKEN, Reply(502), Reply(503), SYSTEM, Reply(201, body=b"<html>")])
    async def test_an_ambiguous_failure_is_not_repeated_and_says_how_to_look(
        self, server: ScriptedBoss, boss: BossClient, reply: Reply
    ) -> None:
        server.answers("POST ingest/", reply)
        with pytest.raises(GaveUpError) as caught:
            await boss.create({})
        assert "`boss-ingest jobs`" in caught.value.hint
        assert len(server.asked) == 1

    async def test_being_throttled_is_known_to_have_created_nothing(
        self, server: ScriptedBoss, boss: BossClient
    ) -> None:
        server.answers("POST ingest/", Reply(429, {"detail": "Request was throttled."}))
        with pytest.raises(GaveUpError) as caught:
            await boss.create({})
        assert "nothing was created" in caught.value.hint

    @pytest.mark.parametrize(
        ("reply", "error", "told"),
        [
            (refusal(400, 1004, "bad schema"), ConfigError, "bad schema"),
            (refusal(404, 4000, "Collection None not found"), ConfigError, "database in the job file"),
            (refusal(409, 2006, "too large"), NotAllowedError, "bossingest"),
            (Reply(401, {"detail": "Invalid token."}), NotAllowedError, "Invalid token."),
            (Reply(418, body=b"<html>teapot"), BossRefusedError, "really a Boss"),
        ],
    )
    async def test_a_refusal_is_told_by_its_kind(
        self, server: ScriptedBoss, boss: BossClient, reply: Reply, error: type[Exception], told: str
    ) -> None:
        server.answers("POST ingest/", reply)
        with pytest.raises(error) as caught:
            await boss.create({})
        assert told in str(caught.value)


class TestJoin:
    async def test_a_client_gets_all_it_needs_to_upload(self, server: ScriptedBoss, boss: BossClient) -> None:
        server.answers("GET ingest/7", Reply(200, JOINED))
        joined = await boss.join(7)
        assert joined.job == Job(
            7, "c", "e", "ch", JobState.UPLOADING, "tile",
            f"{SQS}-upload-7", f"{SQS}-ingest-7", f"{SQS}-7-index", 640,
        )  # fmt: skip
        assert joined.credentials is not None
        assert joined.credentials.secret_key.get_secret_value() == "aws-s3cret"
        assert joined.credentials.session_token is None
        assert (joined.tile_bucket, joined.ingest_bucket) == (
            "tiles.production.boss",
            "ingest.production.boss",
        )
        assert (joined.datatype, joined.channel_type, joined.lookup_key) == ("uint16", "image", "4&9&27")
        assert joined.settings == {
            key: JOINED[key] for key in ("KVIO_SETTINGS", "STATEIO_CONFIG", "OBJECTIO_CONFIG", "resource")
        }
        assert "aws-s3cret" not in repr(joined)
        assert "AKIA7" not in repr(joined)

    async def test_a_session_token_is_taken_along(self, server: ScriptedBoss, boss: BossClient) -> None:
        keys = {"access_key": "a", "secret_key": "b", "security_token": "c"}
        server.answers("GET ingest/7", Reply(200, {**JOINED, "credentials": keys}))
        credentials = (await boss.join(7)).credentials
        assert credentials is not None
        assert credentials.session_token is not None
        assert credentials.session_token.get_secret_value() == "c"

    async def test_a_job_that_is_preparing_has_no_credentials_yet(
        self, server: ScriptedBoss, boss: BossClient
    ) -> None:
        preparing = {**JOINED, "ingest_job": {**JOB, "status": 0}, "credentials": None}
        server.answers("GET ingest/7", Reply(200, preparing))
        joined = await boss.join(7)
        assert (joined.job.state, joined.credentials) == (JobState.PREPARING, None)

    @pytest.mark.parametrize("state", [JobState.COMPLETE, JobState.FAILED])
    async def test_a_job_that_has_ended_may_be_all_the_body_holds(
        self, server: ScriptedBoss, boss: BossClient, state: JobState
    ) -> None:
        ended = {**JOB, "status": int(state), "upload_queue": None, "ingest_queue": None}
        server.answers("GET ingest/7", Reply(200, {"ingest_job": ended}))
        joined = await boss.join(7)
        assert joined.job.state is state
        assert (joined.credentials, joined.tile_bucket, joined.datatype, joined.lookup_key) == (
            None,
            None,
            "",
            "",
        )

    @pytest.mark.parametrize("state", [JobState.COMPLETE, JobState.COMPLETING])
    async def test_a_tile_job_whose_queue_is_gone_has_ended_well_when_its_status_says_so(
        self, server: ScriptedBoss, boss: BossClient, state: JobState
    ) -> None:
        server.answers("GET ingest/7", NO_QUEUE)
        server.answers("GET ingest/7/status", status_is(state))
        line = {"id": 7, "collection": "c", "experiment": "e", "channel": "ch", "status": 2, "ingest_type": 0}
        server.answers("GET ingest/", Reply(200, {"ingest_jobs": [line]}))
        joined = await boss.join(7)
        assert (joined.job.state, joined.job.channel, joined.credentials) == (state, "ch", None)

    async def test_a_complete_job_is_known_even_when_no_list_names_it(
        self, server: ScriptedBoss, boss: BossClient
    ) -> None:
        server.answers("GET ingest/7", NO_QUEUE)
        server.answers("GET ingest/7/status", status_is(2))
        server.answers("GET ingest/", Reply(500))
        assert (await boss.join(7)).job.state is JobState.COMPLETE

    @pytest.mark.parametrize("status", [CANCELLED, status_is(1), status_is(4)])
    async def test_a_tile_job_whose_queue_is_gone_otherwise_is_gone(
        self, server: ScriptedBoss, boss: BossClient, status: Reply
    ) -> None:
        server.answers("GET ingest/7", NO_QUEUE)
        server.answers("GET ingest/7/status", status)
        with pytest.raises(JobGoneError, match="job 7"):
            await boss.join(7)

    @pytest.mark.parametrize("reply", [NO_SUCH_JOB, CANCELLED])
    async def test_a_job_that_is_not_there_is_named(
        self, server: ScriptedBoss, boss: BossClient, reply: Reply
    ) -> None:
        server.answers("GET ingest/7", reply)
        with pytest.raises(JobGoneError, match="job 7") as caught:
            await boss.join(7)
        assert caught.value.exit_code is ExitCode.JOB_GONE

    async def test_a_queue_that_could_not_be_filled_means_starting_anew(
        self, server: ScriptedBoss, boss: BossClient
    ) -> None:
        server.answers("GET ingest/7", refusal(400, 9001, "Error generating ingest job messages Delete the"))
        with pytest.raises(JobGoneError) as caught:
            await boss.join(7)
        assert "create a new job" in caught.value.hint
        assert len(server.asked) == 1

    async def test_a_system_error_passes(self, server: ScriptedBoss, boss: BossClient) -> None:
        server.answers("GET ingest/7", SYSTEM, SYSTEM, Reply(200, JOINED))
        server.answers("GET ingest/7/status", status_is(1))
        assert (await boss.join(7)).job.id == 7

    async def test_a_system_error_that_does_not_pass_is_given_up(
        self, server: ScriptedBoss, boss: BossClient
    ) -> None:
        server.answers("GET ingest/7", SYSTEM)
        server.answers("GET ingest/7/status", SYSTEM)
        with pytest.raises(GaveUpError, match=r"joining job 7.*throttled by AWS.*tried 4 times"):
            await boss.join(7)
        assert server.lines.count("GET ingest/7") == 4

    async def test_another_users_job_cannot_be_joined(self, server: ScriptedBoss, boss: BossClient) -> None:
        server.answers("GET ingest/7", refusal(403, 3003, "Only the creator or admin can join an ingest job"))
        with pytest.raises(NotAllowedError) as caught:
            await boss.join(7)
        assert "user who created the job" in caught.value.hint
        assert len(server.asked) == 1

    @pytest.mark.parametrize("wrong", [{"status": 9}, {"id": "x"}, {"tile_count": -1}, {"upload_queue": 5}])
    async def test_a_body_that_makes_no_sense_never_becomes_a_job(
        self, server: ScriptedBoss, boss: BossClient, wrong: dict[str, object]
    ) -> None:
        server.answers("GET ingest/7", Reply(200, {**JOINED, "ingest_job": {**JOB, **wrong}}))
        with pytest.raises(GaveUpError, match="not as expected") as caught:
            await boss.join(7)
        assert "aws-s3cret" not in str(caught.value)


class TestStatusAndList:
    async def test_status_tells_state_and_counts(self, server: ScriptedBoss, boss: BossClient) -> None:
        server.answers("GET ingest/7/status", status_is(6, visible=12))
        assert await boss.status(7) == JobStatus(7, JobState.WAIT_ON_QUEUES, 640, 12)

    @pytest.mark.parametrize("reply", [NO_SUCH_JOB, CANCELLED])
    async def test_the_status_of_a_job_that_is_gone_says_so(
        self, server: ScriptedBoss, boss: BossClient, reply: Reply
    ) -> None:
        server.answers("GET ingest/7/status", reply)
        with pytest.raises(JobGoneError, match="job 7"):
            await boss.status(7)

    async def test_a_live_job_whose_queue_was_deleted_is_gone_and_not_waited_for(
        self, server: ScriptedBoss, boss: BossClient
    ) -> None:
        server.answers("GET ingest/7/status", NO_QUEUE)
        with pytest.raises(JobGoneError, match="queue of job 7 is gone"):
            await boss.status(7)
        assert len(server.asked) == 1

    async def test_jobs_are_listed_with_their_times(self, server: ScriptedBoss, boss: BossClient) -> None:
        line = {
            "id": 7, "collection": "c", "experiment": "e", "channel": "ch", "status": 1, "ingest_type": 1,
            "created_on": "2021-04-20T15:16:17.123456Z", "completed_on": None,
        }  # fmt: skip
        server.answers("GET ingest/", Reply(200, {"ingest_jobs": [line, {**line, "created_on": "soon"}]}))
        first, second = await boss.jobs()
        assert (first.id, first.state, first.ingest_type) == (7, JobState.UPLOADING, "volumetric")
        assert first.created_on == datetime(2021, 4, 20, 15, 16, 17, 123456, tzinfo=UTC)
        assert (first.completed_on, second.created_on) == (None, None)


class TestCancel:
    async def test_a_live_job_is_cancelled(self, server: ScriptedBoss, boss: BossClient) -> None:
        server.answers("DELETE ingest/7", Reply(204))
        await boss.cancel(7)
        assert server.lines == ["DELETE ingest/7"]

    @pytest.mark.parametrize("first", [BROKEN, Reply(502, body=b"<html>")])
    async def test_a_job_found_gone_after_an_ambiguous_failure_was_cancelled_by_us(
        self, server: ScriptedBoss, boss: BossClient, first: Reply
    ) -> None:
        server.answers("DELETE ingest/7", first, NO_QUEUE)
        server.answers("GET ingest/7/status", CANCELLED)
        await boss.cancel(7)

    async def test_a_job_that_was_live_when_the_server_stumbled_was_cancelled_by_us(
        self, server: ScriptedBoss, boss: BossClient
    ) -> None:
        server.answers("DELETE ingest/7", SYSTEM, NO_QUEUE)
        server.answers("GET ingest/7/status", status_is(1), CANCELLED)
        await boss.cancel(7)

    async def test_a_job_whose_cancelling_is_under_way_is_asked_for_again(
        self, server: ScriptedBoss, boss: BossClient
    ) -> None:
        server.answers("DELETE ingest/7", NO_QUEUE)
        server.answers("GET ingest/7/status", NO_QUEUE, CANCELLED)
        await boss.cancel(7)
        assert server.lines.count("DELETE ingest/7") == 2

    async def test_a_job_cancelled_before_is_told(self, server: ScriptedBoss, boss: BossClient) -> None:
        server.answers("DELETE ingest/7", NO_QUEUE)
        server.answers("GET ingest/7/status", CANCELLED)
        with pytest.raises(JobGoneError, match="cancelled before"):
            await boss.cancel(7)

    async def test_a_complete_job_cannot_be_cancelled(self, server: ScriptedBoss, boss: BossClient) -> None:
        server.answers("DELETE ingest/7", NO_QUEUE)
        server.answers("GET ingest/7/status", status_is(2))
        with pytest.raises(BossRefusedError, match="is complete"):
            await boss.cancel(7)

    async def test_a_job_that_never_was_is_named(self, server: ScriptedBoss, boss: BossClient) -> None:
        server.answers("DELETE ingest/7", NO_SUCH_JOB)
        with pytest.raises(JobGoneError, match="no ingest job 7"):
            await boss.cancel(7)


class TestComplete:
    @pytest.mark.parametrize(
        ("reply", "completion"),
        [
            (Reply(204), Completed()),
            (Reply(202, {"job_status": 5}), Verifying()),
            (Reply(202, {"job_status": 5, "wait_secs": 0}), Verifying()),
            (refusal(400, 1006, "Upload queue is not empty"), QueueNotEmpty()),
        ],
    )
    async def test_each_answer_has_its_own_type(
        self, server: ScriptedBoss, boss: BossClient, reply: Reply, completion: object
    ) -> None:
        server.answers("POST ingest/7/complete", reply)
        assert await boss.complete(7) == completion
        assert server.lines == ["POST ingest/7/complete"]

    @pytest.mark.parametrize(
        ("reply", "state", "wait_s"),
        [
            (Reply(202, {"job_status": 6, "wait_secs": 180}), JobState.WAIT_ON_QUEUES, 180.0),
            (Reply(202, {"job_status": 6, "wait_secs": 0}), JobState.WAIT_ON_QUEUES, 1.0),
            (Reply(400, {"job_status": 6, "wait_secs": 123.4}), JobState.WAIT_ON_QUEUES, 123.4),
            (Reply(400, {"wait_secs": 180, "info": "Internal queues not empty yet"}), None, 180.0),
            (Reply(400, {"wait_secs": "soon"}), None, 15.0),
            (Reply(400, {"wait_secs": 1e12}), None, 600.0),
            (Reply(400, {"wait_secs": -3}), None, 1.0),
            (Reply(400, body=b'{"wait_secs": NaN}'), None, 15.0),
            (refusal(400, 1006, "Tile ingest queue is not empty"), None, 15.0),
        ],
    )
    async def test_a_wait_is_told_in_sane_seconds(
        self, server: ScriptedBoss, boss: BossClient, reply: Reply, state: JobState | None, wait_s: float
    ) -> None:
        server.answers("POST ingest/7/complete", reply)
        completion = await boss.complete(7)
        assert isinstance(completion, Wait)
        assert (completion.state, completion.wait_s) == (state, wait_s)
        assert completion.why

    @pytest.mark.parametrize(
        ("state", "completion"),
        [
            (1, QueueNotEmpty()),
            (2, Completed()),
            (5, Verifying()),
            (6, Wait(JobState.WAIT_ON_QUEUES, 15.0, "hm")),
        ],
    )
    async def test_a_refusal_in_other_words_is_settled_by_the_status(
        self, server: ScriptedBoss, boss: BossClient, state: int, completion: object
    ) -> None:
        server.answers("POST ingest/7/complete", refusal(400, 1006, "hm"))
        server.answers("GET ingest/7/status", status_is(state))
        assert await boss.complete(7) == completion

    @pytest.mark.parametrize(
        ("status", "error"),
        [(status_is(0), BossRefusedError), (CANCELLED, JobGoneError), (status_is(4), JobGoneError)],
    )
    async def test_a_job_that_cannot_complete_is_told(
        self, server: ScriptedBoss, boss: BossClient, status: Reply, error: type[Exception]
    ) -> None:
        server.answers("POST ingest/7/complete", refusal(400, 1006, "You must cancel instead."))
        server.answers("GET ingest/7/status", status)
        with pytest.raises(error, match="job 7"):
            await boss.complete(7)

    @pytest.mark.parametrize("stumble", [SYSTEM, BROKEN, Reply(502, body=b"<html>"), Reply(202, body=b"huh")])
    async def test_asking_is_repeated_until_it_is_answered(
        self, server: ScriptedBoss, boss: BossClient, stumble: Reply
    ) -> None:
        server.answers("POST ingest/7/complete", stumble, stumble, Reply(204))
        assert await boss.complete(7) == Completed()
        assert len(server.asked) == 3
