"""Secrets show nowhere, whatever goes wrong: not said, logged, reported, posted, or seen in /proc.

Everything runs at --log-level debug, with the loggers of every library at DEBUG and a log of all of them,
in the command and in its workers. The secrets are the user's token, the job's keys (access key, secret key,
session token), the receipts of messages, and the params of plugins, which may hold tokens of others.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from boss_ingest.aws.account import Keys
from boss_ingest.aws.queue import Lease
from boss_ingest.boss.client import BossClient
from boss_ingest.boss.jobs import JobCredentials
from boss_ingest.config.loading import load_job_file
from boss_ingest.errors import IngestError
from tests.command import SOON_S, Ended
from tests.contract.throwaway_tls import certificates, tls_front
from tests.fault.proxy import Answer, Cut, Exchange, FaultProxy, Garbage, Hang, Noise, Reset, Rewrite, Tell
from tests.unit.aws.scripted_server import account, respond, scripted
from tests.volumes import Source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.command import Machine, Running
    from tests.fault.ground import Ground

SESSION, PARAM = "canary-session-token-7c1f", "canary-plugin-param-93ab"
DEBUG_PAGE = f"""<?xml version="1.0"?><Error><Code>SignatureDoesNotMatch</Code>
<Message>The request signature we calculated does not match: x-amz-security-token:{SESSION}</Message>
<StringToSign>{SESSION}</StringToSign></Error>"""
DEBUG_JSON = json.dumps({"__type": "x#InvalidSignatureException", "message": SESSION})

LISTENING = """
import logging, os
logging.basicConfig(level=logging.DEBUG, filename=os.path.join(os.environ["ALL_LOGS"], f"{os.getpid()}.log"))
for name in ("aiohttp.client", "aiohttp.internal", "asyncio", "botocore", "botocore.auth", "aiobotocore"):
    logging.getLogger(name).setLevel(logging.DEBUG)
"""  # a sitecustomize: every Python process of the command begins with it
PLUGIN = """
import io
from PIL import Image
from ingestclient.plugins.path import PathProcessor
from ingestclient.plugins.tile import TileProcessor

class Paths(PathProcessor):
    def setup(self, parameters):
        self.root = parameters["root"]
    def process(self, x_index, y_index, z_index, t_index=None):
        return f"{self.root}/z{z_index:04}_y0_x0.png"

class Tiles(TileProcessor):
    def setup(self, parameters):
        self.parameters = parameters
    def process(self, file_path, x_index, y_index, z_index, t_index=0):
        print("reading", file_path)
        if z_index in self.parameters["fails"]:
            raise RuntimeError("no licence for this slice")
        body = io.BytesIO()
        Image.open(file_path).save(body, "TIFF")
        return body
"""
BUG = """
from boss_ingest.engine.store import Store
async def put(self, *args, **kwargs):
    raise RuntimeError("a mistake of ours")
Store.put = put
"""


@dataclass
class Stage:
    """A command between a user's machine and a Boss, with a proxy that knows all that is secret."""

    ground: Ground
    machine: Machine
    proxy: FaultProxy
    source: Source
    job: Path | None = None
    fails: list[int] = field(default_factory=list)
    posted: list[str] = field(default_factory=list)
    processes: list[str] = field(default_factory=list)  # what /proc told of the command and its workers
    working: asyncio.Event = field(default_factory=asyncio.Event)  # the first PUT has come

    @property
    def all_logs(self) -> Path:
        return self.machine.directory / "all-logs"

    @property
    def secrets(self) -> set[str]:
        rows = self.ground.boss._state.database.read("SELECT access_key, secret_key FROM credentials")
        receipts = (seen.headers.get("x-amz-meta-receipt_handle", "") for seen in self.proxy.log)
        return {SESSION, PARAM, self.ground.boss.token, *(key for row in rows for key in row), *receipts} - {
            ""
        }

    async def start(self, *args: object) -> Running:
        plugin = {
            "params": {"root": self.source.client["path_processor"]["params"]["root_dir"], "api_token": PARAM}
        }
        tiles = {"params": {"fails": self.fails, "password": PARAM}}
        client = {
            "path_processor": {"class": "outspoken.Paths", **plugin},
            "tile_processor": {"class": "outspoken.Tiles", **tiles},
        }
        job = Source(self.source.volume, client, self.source.ingest_job)
        self.job = job.write_job(self.machine.directory / "job.json", self.proxy.url)
        running = await self.machine.start(
            "run", self.job, "--yes", "--log-level", "debug", "--workers", "1", *args
        )  # fmt: skip
        self.proxy.add("s3.PutObject", Tell("before", lambda _: self.look_at(running.pid)), times=None)
        return running

    def look_at(self, pid: int) -> None:
        """What others may read of a process and its children, and what the owner may."""
        self.working.set()
        for process in (pid, *_children(pid)):
            for name in ("cmdline", "environ"):
                self.processes.append(Path(f"/proc/{process}/{name}").read_text(errors="replace"))

    def heard(self, exchange: Exchange) -> None:
        """Give the keys a session token, as other Bosses do."""
        answer = exchange.answer.json()
        if isinstance(answer, dict) and answer.get("credentials"):
            answer["credentials"]["security_token"] = SESSION
            exchange.answer.replace_json(answer)

    def check(self, ended: Ended) -> None:
        """That no secret is in anything that was written, said, sent or seen."""
        texts = {"stdout": ended.out, "stderr": ended.err, "/proc": "\n".join(self.processes)}
        texts |= {f"posted {number}": body for number, body in enumerate(self.posted)}
        for path in self.machine.directory.rglob("*"):
            if path.is_file() and path != self.job and path.name != "intern.cfg":
                texts[str(path)] = path.read_text(errors="replace")
        secrets = self.secrets
        for name, text in texts.items():
            for secret in secrets:
                assert secret not in text, f"{secret} is in {name}"


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


@pytest.fixture
async def stage(ground: Ground, machine: Machine, slices: Source) -> AsyncIterator[Stage]:
    await slices.make_channel(ground.boss)
    async with FaultProxy(ground.boss.url) as proxy:
        one = Stage(ground, machine, proxy, slices)
        one.all_logs.mkdir()
        (machine.cwd / "sitecustomize.py").write_text(LISTENING)
        (machine.cwd / "outspoken.py").write_text(PLUGIN)
        machine.env |= {
            "AWS_ENDPOINT_URL": proxy.url, "ALL_LOGS": str(one.all_logs), "PYTHONPATH": str(machine.cwd),
            "PYTHONASYNCIODEBUG": "1",
        }  # fmt: skip
        proxy.add("rest.create", Rewrite(lambda exchange: one.posted.append(exchange.request.body.decode())))
        yield one


Trouble = Callable[[Stage], object]
TROUBLES: dict[str, tuple[Trouble, set[int]]] = {
    "all is well": (lambda _: None, {0}),
    "S3 is slow, resets, cuts and answers garbage": (
        lambda stage: [
            stage.proxy.add("s3.PutObject", fault)
            for fault in (Answer(503, "SlowDown"), Reset("during"), Cut(20), Garbage(), Noise())
        ],
        {0},
    ),
    "keys are refused, and the refusal repeats them": (
        lambda stage: stage.proxy.add("s3.", Answer(403, body=DEBUG_PAGE.encode()), times=2),
        {0},
    ),
    "keys have ended": (
        lambda stage: [stage.proxy.add(on, Answer(403, "ExpiredToken"), times=2) for on in ("s3.", "sqs.")],
        {0},
    ),
    "the Boss repeats the token in a debug page": (
        lambda stage: stage.proxy.add(
            "rest.status", Answer(500, body=b"Token " + stage.ground.boss.token.encode()), times=3
        ),
        {0},
    ),
    "the token is refused": (
        lambda stage: stage.proxy.add("rest.", Answer(401, body=b'{"detail": "Invalid token."}'), times=None),
        {5},
    ),
    "a plugin raises": (lambda stage: stage.fails.append(2), {3}),
    "a bug": (
        lambda stage: (stage.machine.cwd / "sitecustomize.py").write_text(LISTENING + BUG),
        {1},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TROUBLES)
async def test_no_secret_shows_when(name: str, stage: Stage) -> None:
    arm, codes = TROUBLES[name]
    arm(stage)
    stage.proxy.add("rest.join", Rewrite(stage.heard), times=None)
    running = await stage.start()
    ended = await running.ended()
    assert ended.code in codes, ended.all
    stage.check(ended)
    assert any(stage.all_logs.iterdir())
    if codes == {0}:
        assert len(stage.secrets) > 5
        assert len(stage.processes) > 4
        assert stage.posted
        assert any("session-token" in value or "x-amz-security-token" in name.lower()
                   for seen in stage.proxy.log for name, value in seen.headers.items())  # fmt: skip


async def test_no_secret_shows_when_it_is_stopped_at_once(stage: Stage) -> None:
    stage.proxy.add("rest.join", Rewrite(stage.heard), times=None)
    stage.proxy.add("s3.PutObject", Hang("before"), times=None)
    running = await stage.start()
    await stage.working.wait()
    running.process.send_signal(signal.SIGINT)
    await running.says("once more to stop at once")
    running.process.send_signal(signal.SIGINT)
    ended = await running.ended(timeout_s=SOON_S)
    assert ended.code == 130, ended.all
    stage.check(ended)


async def test_no_secret_shows_when_the_connection_is_not_trusted(stage: Stage, tmp_path: Path) -> None:
    async with tls_front(stage.proxy.url, certificates(tmp_path)) as url:
        ended = await (await stage.start("--host", url)).ended()
    assert ended.code == 7, ended.all
    stage.check(ended)


@pytest.mark.parametrize(
    "answer",
    [
        respond("403 Forbidden", DEBUG_PAGE.encode()),
        respond("400 Bad Request", DEBUG_JSON.encode()),
        respond("307 Temporary Redirect", Location=f"https://elsewhere.example/?token={SESSION}"),
        respond("200 OK", SESSION.encode()),
        b"not http\r\n\r\n",
    ],
    ids=["repeated in XML", "repeated in JSON", "redirect", "garbage", "noise"],
)  # fmt: skip
async def test_no_exception_of_aws_holds_a_secret(answer: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    lease = Lease("m", f"receipt-{SESSION}", "{}", 1e9, 1)
    async with scripted(answer) as server, account(server.url) as opened:
        queue = opened.upload_queue(f"{server.url}/1/q")
        for call in (
            opened.bucket("tiles").put("k", b"body", metadata={"receipt_handle": lease.receipt}),
            opened.bucket("tiles").put("k", b"body", metadata={"receipt_handle": f"{lease.receipt}\n"}),
            queue.lease(1, wait_s=0, lease_s=60), queue.acknowledge(lease), queue.depth(),
        ):  # fmt: skip
            with pytest.raises(IngestError) as caught:
                await call
            told = (
                "".join(traceback.format_exception(caught.value))
                + repr(caught.value)
                + str(vars(caught.value))
            )
            assert "hush" not in told
            assert SESSION not in told
        assert "hush" not in repr(opened) + repr(queue)
    assert "hush" not in caplog.text
    assert SESSION not in caplog.text


def test_nothing_that_holds_a_secret_prints_it(tmp_path: Path, slices: Source) -> None:
    secret = SecretStr(SESSION)
    job = slices.job("http://127.0.0.1:1")
    job["client"]["tile_processor"]["params"]["token"] = SESSION
    (tmp_path / "job.json").write_text(json.dumps(job))
    holders: list[Any] = [
        Keys(SESSION, secret, secret), JobCredentials(SESSION, secret, secret),
        Lease("m", SESSION, "{}", 1.0, 1), BossClient("https://boss.example", secret),
        load_job_file(tmp_path / "job.json"),
    ]  # fmt: skip
    for holder in holders:
        assert SESSION not in repr(holder) + str(holder) + f"{holder!a}", type(holder)


async def test_the_check_is_not_blind(stage: Stage) -> None:
    (stage.all_logs / "1.log").write_text(f"token {stage.ground.boss.token}")
    with pytest.raises(AssertionError, match=r"is in .*1\.log"):
        stage.check(Ended(0, "", ""))
