"""The fault proxy before the servers it is made for: a local Boss and moto."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from boss_ingest.aws.account import Account, Keys
from boss_ingest.errors import ThrottledError, TransientError
from tests.contract.moto_server import running_moto, second_opinion
from tests.fault.ground import open_ground
from tests.fault.proxy import Answer, Exchange, FaultProxy, Rewrite
from tests.volumes import pattern, slices_source

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_whole_job_goes_through_it_to_a_local_boss(tmp_path: Path) -> None:
    async with open_ground(tmp_path) as ground, FaultProxy(ground.boss.url) as proxy:
        ground.boss._state.queues.origin = proxy.url
        source = slices_source(tmp_path / "slices", pattern((2, 512, 512)), 512)
        await source.make_channel(ground.boss)
        run = await ground.ingest(source.write_job(tmp_path / "job.json", ground.boss))
        assert run.exit_code == 0, run.error
        await source.assert_stored(ground.boss)
        assert proxy.calls["s3.PutObject"] == 2
        assert {"sqs.ReceiveMessage", "sqs.SendMessageBatch", "sqs.DeleteMessageBatch"} <= proxy.calls.keys()
        assert {seen.status for seen in proxy.log if seen.operation.startswith("s3.")} == {200}


def of_other_bytes(exchange: Exchange) -> None:
    exchange.answer.replace(ETag=f'"{0:032}"', x_amz_checksum_crc32=None)


async def test_it_stands_before_moto() -> None:
    """A real put_object through it, signed and checksummed, good and bad."""

    async def issue() -> Keys:
        return Keys("admin", SecretStr("admin"), None)

    with running_moto() as url:
        s3 = second_opinion("s3", url)
        await asyncio.to_thread(s3.create_bucket, Bucket="tiles")
        async with (
            FaultProxy(url) as proxy,
            Account(issue, queue_url=f"{proxy.url}/1/upload", concurrency=2, env={}) as account,
        ):
            bucket = account.bucket("tiles")
            stored = await bucket.put("a&b", b"body", metadata={"message_id": "m"})
            proxy.add("s3.PutObject", Answer(503, "SlowDown", retry_after_s=3))
            with pytest.raises(ThrottledError) as slow:
                await bucket.put("c", b"body", metadata={})
            assert slow.value.retry_after_s == 3
            proxy.add("s3.PutObject", Rewrite(of_other_bytes))
            with pytest.raises(TransientError, match="other bytes"):
                await bucket.put("d", b"body", metadata={})
        found = await asyncio.to_thread(s3.get_object, Bucket="tiles", Key="a&b")
        with found["Body"] as body:
            assert body.read() == b"body"
        assert found["ETag"].strip('"') == stored.etag
        assert found["Metadata"] == {"message_id": "m"}
