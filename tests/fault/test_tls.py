"""TLS of all three services: certificates are checked, `--ca-bundle` is enough, no redirect leads away."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import trustme
from pydantic import SecretStr

from boss_ingest.aws.queue import Lease
from boss_ingest.boss.client import BossClient
from boss_ingest.boss.keys import LookupIds, TileKey
from boss_ingest.errors import (
    ConfigError,
    GaveUpError,
    IngestError,
    RefusedError,
    ThrottledError,
    TransientError,
)
from tests.command import Machine
from tests.contract.throwaway_tls import Certificates, certificates, tls_front
from tests.unit.aws.scripted_server import Request, Script, account, respond, scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.fault.ground import Ground
    from tests.volumes import Source

TOKEN = "0123456789abcdef" * 2
KEY = TileKey(LookupIds(1, 2, 3), 0, 0, 0, 0, 0).encode()


@pytest.fixture
def pem(tmp_path: Path) -> Certificates:
    return certificates(tmp_path)


def unusable(folder: Path, why: str) -> Certificates:
    """An authority to trust, and a certificate of its that is good for nothing here."""
    authority = trustme.CA()
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    of_whom = "boss.example" if why == "of another host" else "127.0.0.1"
    ends = (
        {"not_after": yesterday, "not_before": yesterday - dt.timedelta(days=9)} if why == "expired" else {}
    )
    leaf = authority.issue_cert(of_whom, **ends)
    found = Certificates(folder / "ca2.pem", folder / "chain2.pem", folder / "key2.pem")
    (trustme.CA() if why == "of another authority" else authority).cert_pem.write_to_path(found.ca_bundle)
    for blob in leaf.cert_chain_pems:
        blob.write_to_path(found.chain, append=True)
    leaf.private_key_pem.write_to_path(found.key)
    return found


@asynccontextmanager
async def machine_of(ground: Ground, url: str, folder: Path) -> AsyncIterator[Machine]:
    """A computer that reaches SQS and S3 at `url`, and says how the REST side was reached."""
    async with Machine(folder / "machine", ground.boss.token) as machine:
        machine.env["AWS_ENDPOINT_URL"] = url
        yield machine


async def test_a_job_runs_with_the_bundle_and_not_without(
    ground: Ground, slices: Source, pem: Certificates, tmp_path: Path
) -> None:
    await slices.make_channel(ground.boss)
    async with tls_front(ground.boss.url, pem) as url, machine_of(ground, url, tmp_path) as machine:
        job = slices.write_job(tmp_path / "job.json", url)
        refused = await machine.run("run", job, "--yes")
        assert refused.code == 7, refused.all
        assert "--ca-bundle" in refused.err
        assert not ground.faults.calls
        ended = await machine.run("run", job, "--yes", "--ca-bundle", pem.ca_bundle)
        assert ended.code == 0, ended.all
    assert len(ground.stored_tiles()) == 4


@pytest.mark.parametrize("why", ["of another host", "expired", "of another authority"])
async def test_a_certificate_that_is_good_for_nothing_is_refused_by_all_three(
    why: str, ground: Ground, tmp_path: Path
) -> None:
    bad = unusable(tmp_path, why)
    async with tls_front(ground.boss.url, bad) as url:
        async with BossClient(url, SecretStr(TOKEN), ca_bundle=bad.ca_bundle, give_up_s=0.0) as boss:
            with pytest.raises(GaveUpError, match="no trusted connection"):
                await boss.jobs()
        async with account(url, ca_bundle=bad.ca_bundle) as aws:
            for call in (
                aws.bucket("tiles").put(KEY, b"body", metadata={}),
                aws.upload_queue(f"{url}/1/q").lease(1, wait_s=0, lease_s=60),
                aws.upload_queue(f"{url}/1/q").acknowledge(Lease("m", "receipt", "", 0.0, 1)),
            ):
                with pytest.raises(GaveUpError, match="no trusted connection") as caught:
                    await call
                assert url.removeprefix("https://") in caught.value.what
                told_of_the_bundle = str(bad.ca_bundle) in caught.value.hint
                assert told_of_the_bundle == (why == "of another authority"), "else it would be no help"
    assert not ground.faults.calls


async def test_a_run_whose_sqs_and_s3_show_an_untrusted_certificate_ends_at_once_and_says_what_to_do(
    ground: Ground, slices: Source, pem: Certificates, tmp_path: Path
) -> None:
    """The Boss itself is trusted, and the job made: it can be gone on with."""
    await slices.make_channel(ground.boss)
    async with tls_front(ground.boss.url, pem) as url, machine_of(ground, url, tmp_path) as machine:
        ended = await machine.run("run", slices.write_job(tmp_path / "job.json", ground.boss), "--yes")
        assert ended.code == 7, ended.all
        assert f"no trusted connection to {url.removeprefix('https://')}" in ended.err
        assert "--ca-bundle" in ended.err
        assert len(ground.faults.calls) > 0
        assert not ground.stored_tiles()


async def test_one_connection_of_many_that_is_not_trusted_ends_it_too(
    pem: Certificates, tmp_path: Path
) -> None:
    """A balancer behind which one server has another's certificate: who knows what else is wrong with it."""
    good, bad = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    other = unusable(tmp_path, "of another host")
    good.load_cert_chain(pem.chain, pem.key)
    bad.load_cert_chain(other.chain, other.key)
    contexts = iter([good, bad])

    def next_of_the_servers(found: ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        found.context = next(contexts)

    good.sni_callback = next_of_the_servers  # type: ignore[assignment]  # asyncio gives it SSLObjects
    refused = respond("503 Slow Down", b"<Error><Code>SlowDown</Code></Error>", Connection="close")
    async with (
        scripted(refused, tls=good) as server,
        account(server.url, ca_bundle=pem.ca_bundle) as aws,
    ):
        bucket = aws.bucket("tiles")
        with pytest.raises(ThrottledError):
            await bucket.put(KEY, b"body", metadata={})
        with pytest.raises(GaveUpError, match="no trusted connection"):
            await bucket.put(KEY, b"body", metadata={})
    assert len(server.requests) == 1


@dataclass
class Trap:
    """Two servers: one that sends everybody on to the other, and the other."""

    first: Script
    second: Script
    ca_bundle: Path

    @property
    def asked_of_the_second(self) -> list[str]:
        return [request.start for request in self.second.requests]


@asynccontextmanager
async def trap(status: str, target: str, pem: Certificates) -> AsyncIterator[Trap]:
    """`target` is where to: https on another port, or plain http."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem.chain, pem.key)
    async with AsyncExitStack() as stack:
        second = await stack.enter_async_context(
            scripted(respond("200 OK", b"{}"), tls=tls if target == "https" else None)
        )

        async def send_on(request: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(respond(status, Location=second.url + request.start.split()[1]))

        first = await stack.enter_async_context(scripted(send_on, tls=tls))
        yield Trap(first, second, pem.ca_bundle)


@pytest.mark.parametrize("target", ["https", "http"])
@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
async def test_a_redirect_carries_neither_token_nor_keys_anywhere(
    status: str, target: str, pem: Certificates
) -> None:
    async with trap(status, target, pem) as servers:
        url = servers.first.url
        async with BossClient(url, SecretStr(TOKEN), ca_bundle=servers.ca_bundle, give_up_s=0.0) as boss:
            for call in (boss.jobs(), boss.join(7), boss.create({}), boss.complete(7)):
                with pytest.raises(IngestError, match="sends us on to") as caught:
                    await call
                assert TOKEN not in str(caught.value)
        async with account(url, ca_bundle=servers.ca_bundle) as aws:
            with pytest.raises((RefusedError, TransientError)):
                await aws.bucket("tiles").put(KEY, b"body", metadata={})
            with pytest.raises((RefusedError, TransientError)):
                await aws.upload_queue(f"{url}/1/q").lease(1, wait_s=0, lease_s=60)
        assert len(servers.first.requests) == 6
        assert servers.asked_of_the_second == []


@pytest.mark.parametrize("what", ["rest", "sqs", "s3"])
async def test_http_to_another_machine_is_refused_before_anything_is_sent(
    what: str, ground: Ground, machine: Machine, slices: Source, tmp_path: Path
) -> None:
    await slices.make_channel(ground.boss)
    job = slices.write_job(tmp_path / "job.json", "http://boss.example" if what == "rest" else ground.boss)
    if what != "rest":
        machine.env[f"AWS_ENDPOINT_URL_{what.upper()}"] = "http://aws.example"
    ended = await machine.run("run", job, "--yes")
    assert ended.code == (4 if what == "rest" else 2), ended.all
    assert "--allow-http" in ended.err
    assert not ground.stored_tiles()


def test_a_boss_in_the_clear_is_loopback_or_asked_for() -> None:
    for url in (
        "http://127.0.0.1.nip.io",
        "http://localhost.example",
        "http://0.0.0.0",
        "http://[::ffff:8.8.8.8]",
    ):
        with pytest.raises(ConfigError, match="for all to read"):
            BossClient(url, SecretStr(TOKEN))
    assert BossClient("http://[::1]:8123", SecretStr(TOKEN)).base_url
