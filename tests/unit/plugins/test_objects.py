"""Files of a job on a disk and on S3, on two servers: moto, and rclone, which knows no ranges."""

import asyncio
import io
import os
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boss_ingest.errors import ConfigError, MissingSourceError, SourceError
from boss_ingest.plugins import object_copies, objects
from boss_ingest.plugins.object_copies import Copies
from boss_ingest.plugins.objects import Objects, s3_store_spec
from boss_ingest.plugins.reader import Setup, TileIndex
from boss_ingest.plugins.stack import StackChunkReader, StackReader
from boss_ingest.testing import check_chunk_reader, check_classic_tiles, check_tile_reader
from tests.contract.moto_server import running_moto, second_opinion
from tests.contract.rclone_server import ACCESS_KEY, SECRET_KEY, running_rclone

pytest.importorskip("tensorstore", reason="needs boss-ingest[s3]")

FILES = {
    "scans/a.png": b"one two three",
    "scans/deep/ü <1>&+.tif": bytes(range(256)) * 40,
    "scans/empty": b"",
    "secret": b"of others",
}


@pytest.fixture(scope="module")
def moto():
    with running_moto() as url:
        yield url


@asynccontextmanager
async def serving(kind, moto, folder, monkeypatch):
    """FILES in the bucket `lab`, and an environment that leads there."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    (folder / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    if kind == "rclone":
        (folder / "s3").mkdir()
        async with running_rclone(folder / "s3") as url:
            yield fill(url, ACCESS_KEY, SECRET_KEY, monkeypatch)
    else:
        yield fill(moto, "admin", "admin", monkeypatch)


@pytest.fixture(params=["moto", "rclone"])
async def server(request, tmp_path, moto, monkeypatch):
    async with serving(request.param, moto, tmp_path, monkeypatch) as client:
        yield client


def fill(url, access_key, secret_key, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    client = second_opinion("s3", url, access_key, secret_key)
    client.create_bucket(Bucket="lab")
    for key, body in FILES.items():
        client.put_object(Bucket="lab", Key=key, Body=body)
    return client


@pytest.fixture(params=["s3", "s3_copy"])
async def s3(request, server):
    opened = Objects.open(request.param, bucket="lab", root_dir="scans")
    yield opened
    await opened.close()


@pytest.fixture(params=["local", "moto", "rclone"])
async def either(request, tmp_path, moto, monkeypatch):
    """FILES below `scans`, on a disk or on S3."""
    if request.param == "local":
        monkeypatch.chdir(tmp_path)
        for key, body in FILES.items():
            (tmp_path / key).parent.mkdir(exist_ok=True, parents=True)
            (tmp_path / key).write_bytes(body)
        yield Objects.open("local", root_dir="scans")
        return
    async with serving(request.param, moto, tmp_path, monkeypatch):
        opened = Objects.open("s3", bucket="lab", root_dir="scans")
        yield opened
        await opened.close()


INSIDE = [key for key in FILES if key.startswith("scans/")]


@pytest.mark.parametrize("key", INSIDE)
async def test_an_object_is_read_whole(either, key):
    assert await either.read(key, most_bytes=len(FILES[key])) == FILES[key]


@pytest.mark.parametrize("key", INSIDE)
async def test_the_local_path_of_an_object_has_its_bytes_and_its_suffix(either, key):
    path = await either.local_path(key)
    assert path.read_bytes() == FILES[key]
    assert path.suffix == Path(key).suffix


def test_the_blocking_face_gives_the_same(either):
    key = INSIDE[1]
    assert either.read_now(key, most_bytes=1 << 20) == FILES[key]
    assert either.local_path_now(key).read_bytes() == FILES[key]
    either.close_now()


async def test_the_blocking_face_may_be_called_where_a_loop_runs(either):
    assert either.read_now(INSIDE[0], most_bytes=1 << 20) == FILES[INSIDE[0]]


async def test_what_is_too_large_is_refused_by_name(either):
    with pytest.raises(SourceError, match=r"a\.png has more than 12 bytes"):
        await either.read("scans/a.png", most_bytes=12)


async def test_what_is_not_there_is_missing_by_name(either):
    with pytest.raises(MissingSourceError, match=r"b\.png") as caught:
        await either.read("scans/b.png", most_bytes=100)
    assert caught.value.hint


@pytest.mark.parametrize("filesystem", ["s3", "s3_copy"])
async def test_a_bucket_that_is_not_there_is_a_mistake_in_the_job_file_and_nothing_missing(
    server, filesystem
):
    opened = Objects.open(filesystem, bucket="lap", root_dir="scans")
    for ask in (lambda: opened.read(INSIDE[0], most_bytes=100), lambda: opened.local_path(INSIDE[0])):
        with pytest.raises(ConfigError, match="the bucket lap does not exist") as caught:
            await ask()
        assert caught.value.problems[0].path == "client.tile_processor.params.bucket"
    await opened.close()


async def test_a_copy_of_what_is_not_there_is_missing_and_leaves_nothing(s3, tmp_path):
    with pytest.raises(MissingSourceError, match=r"s3://lab/scans/b\.png"):
        await s3.local_path("scans/b.png")
    assert not list((tmp_path / "tmp").rglob("*.png"))


@pytest.mark.parametrize("path", ["secret", "scans/../secret", "scansa.png", "scans/a/../../secret"])
async def test_what_lies_outside_of_the_root_is_refused(either, path):
    for ask in (either.read(path, most_bytes=100), either.local_path(path)):
        with pytest.raises(SourceError, match="outside of root_dir") as caught:
            await ask
        assert "allow_outside_root" in caught.value.hint


async def test_what_lies_outside_is_read_when_that_is_allowed_or_there_is_no_root(server):
    for told in ({"root_dir": "scans", "allow_outside_root": True}, {}):
        opened = Objects.open("s3", bucket="lab", **told)
        assert await opened.read("secret", most_bytes=100) == FILES["secret"]


@pytest.mark.parametrize("part_bytes", [1, 512, 1024, 10240, 10241])
async def test_a_copy_is_fetched_in_parts(s3, monkeypatch, part_bytes):
    monkeypatch.setattr(objects, "_PART_BYTES", max(part_bytes, 64))
    assert (await s3.local_path(INSIDE[1])).read_bytes() == FILES[INSIDE[1]]


async def test_an_object_that_is_replaced_while_it_is_copied_is_an_error(s3, server, monkeypatch):
    monkeypatch.setattr(objects, "_PART_BYTES", 1024)
    parts = s3._parts

    async def replaced(key):
        found = parts(key)
        yield await anext(found)
        server.put_object(Bucket="lab", Key=key, Body=b"other" * 2048)
        async for part in found:
            yield part

    monkeypatch.setattr(s3, "_parts", replaced)
    if "rclone" in os.environ["PYTEST_CURRENT_TEST"]:  # it comes whole in the end
        assert (await s3.local_path(INSIDE[1])).read_bytes() == b"other" * 2048
    else:
        with pytest.raises(SourceError, match="replaced"):
            await s3.local_path(INSIDE[1])
    server.put_object(Bucket="lab", Key=INSIDE[1], Body=FILES[INSIDE[1]])


async def test_who_asks_at_the_same_time_shares_one_copy(s3, monkeypatch):
    fetched = []
    fetch = s3._fetch

    async def counted(key, into):
        fetched.append(key)
        await fetch(key, into)

    monkeypatch.setattr(s3, "_fetch", counted)
    paths = await asyncio.gather(*(s3.local_path(INSIDE[0]) for _ in range(8)))
    assert {*paths, await s3.local_path(INSIDE[0])} == {paths[0]}
    assert fetched == [INSIDE[0]]


async def test_closing_removes_all_copies_and_may_be_repeated(s3, tmp_path):
    path = await s3.local_path(INSIDE[0])
    assert path.is_relative_to(tmp_path / "tmp")
    await s3.close()
    await s3.close()
    assert not list((tmp_path / "tmp").iterdir())


async def test_copies_go_where_temp_dir_says_and_an_unusable_one_is_an_error(server, tmp_path):
    (tmp_path / "scratch").mkdir()
    opened = Objects.open("s3_copy", bucket="lab", temp_dir=str(tmp_path / "scratch"))
    assert (await opened.local_path(INSIDE[0])).is_relative_to(tmp_path / "scratch")
    await opened.close()
    with pytest.raises(SourceError, match="nowhere") as caught:
        await Objects.open("s3_copy", bucket="lab", temp_dir=str(tmp_path / "nowhere")).local_path(INSIDE[0])
    assert "temp_dir" in caught.value.hint


@pytest.mark.parametrize("server", ["rclone"], indirect=True)  # moto lets everybody in
async def test_wrong_keys_are_a_source_error_that_says_where_to_look(server, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(SourceError, match="s3://lab/scans") as caught:
        await Objects.open("s3", bucket="lab").read(INSIDE[0], most_bytes=1000)
    assert not isinstance(caught.value, MissingSourceError)
    assert "AWS_PROFILE" in caught.value.hint


@pytest.mark.parametrize("server", ["moto"], indirect=True)  # rclone wants a signature
async def test_a_public_bucket_needs_no_credentials(server, monkeypatch):
    server.put_object(Bucket="lab", Key="public.png", Body=b"open", ACL="public-read")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert await Objects.open("s3", bucket="lab").read("public.png", most_bytes=1000) == b"open"


async def test_an_endpoint_of_its_own_wins_over_that_of_the_environment(server, monkeypatch):
    url = os.environ["AWS_ENDPOINT_URL"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    opened = Objects.open("s3", bucket="lab", endpoint_url=url)
    assert await opened.read(INSIDE[0], most_bytes=1000) == FILES[INSIDE[0]]


async def test_stacks_are_read_from_s3(s3, server):
    """The plugins that use all this, briefly; they are tested on a disk."""
    pixels = np.arange(600, dtype=np.uint16).reshape(20, 30)
    body = io.BytesIO()
    Image.fromarray(pixels).save(body, "TIFF")
    server.put_object(Bucket="lab", Key="scans/z0.tif", Body=body.getvalue())
    how = {"filesystem": "s3_copy" if s3.keeps_files else "s3", "bucket": "lab"}
    names = {"root_dir": "scans", "base_filename": "z<>", "extension": "tif"}
    extent = {"x": [0, 30], "y": [0, 20], "z": [0, 1], "t": [0, 1]}
    job = {"extent": extent, "tile_size": {"x": 30, "y": 20, "z": 1, "t": 1}}
    processors = ("ingestclient.plugins.stack.ZindexStackPathProcessor",
                  "ingestclient.plugins.stack.ZindexStackTileProcessor")  # fmt: skip
    for params in (how, how | {"images": "slices"}):
        told = Setup(names, params, job, Path())
        await check_tile_reader(StackReader, told, {TileIndex(0, 0, 0, 0): pixels})
        await asyncio.to_thread(check_classic_tiles, *processors, told, {TileIndex(0, 0, 0, 0): pixels})
    job = {"extent": extent, "chunk_size": {"x": 30, "y": 20, "z": 1}}
    await check_chunk_reader(StackChunkReader, Setup(names, how, job, Path()), pixels[np.newaxis])


async def test_a_server_that_is_not_there_is_a_source_error(server, monkeypatch):
    monkeypatch.setattr(objects, "_RETRIES", 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    with pytest.raises(SourceError, match="cannot be read") as caught:
        await Objects.open("s3", bucket="lab").read(INSIDE[0], most_bytes=1000)
    assert "AWS_ENDPOINT_URL_S3" in caught.value.hint


@pytest.mark.parametrize("bucket", ["", "no/bucket"])
def test_a_bucket_that_cannot_be_is_a_config_error(bucket):
    with pytest.raises(ConfigError) as caught:
        Objects.open("s3", bucket=bucket, section="client.chunk_processor")
    assert caught.value.problems[0].path == "client.chunk_processor.params.bucket"


KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
NOTHING = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/no",
    "AWS_SHARED_CREDENTIALS_FILE": "/no",
}


@pytest.mark.parametrize(
    ("env", "says"),
    [
        (KEYS, {"aws_credentials": {"type": "environment"}}),
        (NOTHING, {"aws_credentials": {"type": "anonymous"}}),
        (NOTHING | {"AWS_PROFILE": "lab"}, {}),
        ({}, {}),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, {"aws_region": "eu-west-1"}),
        (
            {"AWS_ENDPOINT_URL": "http://a/", "AWS_ENDPOINT_URL_S3": "http://b/", "AWS_REGION": "r"},
            {"endpoint": "http://b", "aws_region": "r"},
        ),
    ],
)
def test_the_environment_says_how_to_reach_a_bucket(env, says):
    assert s3_store_spec("lab", env=env) == {"driver": "s3", "bucket": "lab", **says}


async def write(into):
    into.write_bytes(b"12345678")


async def test_old_copies_make_room_and_recent_ones_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(object_copies, "KEPT_S", 0.0)
    for limits in ({"most_copies": 2}, {"most_bytes": 16}):
        copies = Copies(str(tmp_path), **limits)
        first, second = await copies.get("a", write), await copies.get("b", write)
        assert await copies.get("a", write) == first
        await copies.get("c", write)
        assert first.exists()
        assert not second.exists()
        assert (await copies.get("b", write)).exists()
        await copies.close()


async def test_what_a_task_was_just_given_is_not_taken_away(tmp_path):
    copies = Copies(str(tmp_path), most_copies=1)
    paths = [await copies.get(key, write) for key in "abc"]
    assert all(path.exists() for path in paths)
    await copies.close()


async def test_a_fetch_that_fails_is_tried_again_by_the_next(tmp_path):
    async def fail(into):
        into.write_bytes(b"half")
        raise SourceError("broken")

    copies = Copies(str(tmp_path))
    with pytest.raises(SourceError):
        await copies.get("a", fail)
    assert (await copies.get("a", write)).read_bytes() == b"12345678"
    await copies.close()


LEAVES_COPIES = """
import asyncio, os, sys
from boss_ingest.plugins.object_copies import Copies
async def write(into): into.write_bytes(b"x")
copies = Copies(sys.argv[1])
asyncio.run(copies.get("a", write))
{end}
"""


async def leave_copies(tmp_path, end):
    code = LEAVES_COPIES.format(end=end)
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code, str(tmp_path)], check=True)
    return list(tmp_path.iterdir())


async def test_copies_go_with_the_interpreter(tmp_path):
    assert not await leave_copies(tmp_path, "")


@pytest.mark.skipif(os.name != "posix", reason="there are no such locks")
async def test_what_a_killed_process_left_is_removed_later_and_what_is_in_use_is_not(tmp_path):
    in_use = Copies(str(tmp_path))
    path = await in_use.get("a", write)
    left = next(folder for folder in await leave_copies(tmp_path, "os._exit(0)") if folder != path.parent)
    long_ago = time.time() - 7200.0
    for folder in (left, path.parent):
        os.utime(folder, (long_ago, long_ago))
    later = Copies(str(tmp_path))
    await later.get("a", write)
    assert not left.exists()
    assert path.exists()
    await in_use.close()
    await later.close()
