"""The array reader on S3, Google Cloud Storage and plain HTTP: servers on loopback, and what goes wrong."""

import asyncio
import base64
import gzip
import shutil
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from boss_ingest.errors import ConfigError, MissingSourceError, SourceError
from boss_ingest.plugins import array_location
from boss_ingest.plugins.array import ArrayReader
from boss_ingest.plugins.reader import Box, Setup
from boss_ingest.plugins.zarr import ZarrReader
from tests.arrays import (
    JOB,
    SHAPE_ZYX,
    VOLUME,
    write_n5,
    write_ome,
    write_precomputed,
    write_zarr2,
    write_zarr3,
)
from tests.contract.moto_server import running_moto, second_opinion
from tests.contract.rclone_server import ACCESS_KEY, SECRET_KEY, running_rclone

ALL = Box((0, 0, 0), SHAPE_ZYX)
FORMATS = {
    "zarr2": write_zarr2,
    "zarr3": write_zarr3,
    "n5": write_n5,
    "precomputed": write_precomputed,
    "ome": lambda path: write_ome(path, "0.4", {"0": VOLUME}),
}


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch, tmp_path):
    for name in (
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GCE_METADATA_ROOT", "127.0.0.1:1")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)


def credentials(monkeypatch, access_key="admin", secret_key="admin"):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret_key)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


async def opened(url, kind=ArrayReader, **params):
    reader = kind()
    name = "url" if kind is ArrayReader else "cloud_path"
    await reader.open(Setup({}, {name: url, **params}, JOB, None))
    return reader


async def read(url, box=ALL, **params):
    reader = await opened(url, **params)
    try:
        return await reader.read(box)
    finally:
        await reader.close()


async def refusal(url, **params):
    with pytest.raises(SourceError) as caught:
        await read(url, **params)
    said = str(caught.value)
    assert "tensorstore_spec" not in said
    assert "source locations" not in said
    return said


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    """A folder `bucket` with one volume of each format."""
    folder = tmp_path_factory.mktemp("remote")
    for name, write in FORMATS.items():
        write(folder / "bucket" / name)
    return folder


@pytest.fixture(scope="module")
def moto(volumes):
    with running_moto() as url:
        s3 = second_opinion("s3", url)
        s3.create_bucket(Bucket="bucket")
        s3.create_bucket(Bucket="public", ACL="public-read")
        for file in (volumes / "bucket").rglob("*"):
            if file.is_file():
                key = file.relative_to(volumes / "bucket").as_posix()
                s3.put_object(Bucket="bucket", Key=key, Body=file.read_bytes())
                s3.put_object(Bucket="public", Key=key, Body=file.read_bytes(), ACL="public-read")
        yield url


class TestS3:
    @pytest.mark.parametrize("name", FORMATS)
    async def test_every_format_from_moto(self, moto, name, monkeypatch):
        credentials(monkeypatch)
        assert (await read(f"s3://bucket/{name}", endpoint_url=moto) == VOLUME).all()

    async def test_every_format_from_rclone_at_the_endpoint_of_the_environment(self, volumes, monkeypatch):
        credentials(monkeypatch, ACCESS_KEY, SECRET_KEY)
        async with running_rclone(volumes) as url:
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
            for name in FORMATS:
                assert (await read(f"s3://bucket/{name}/") == VOLUME).all(), name

    async def test_the_zarr_plugin_too(self, moto, monkeypatch):
        credentials(monkeypatch)
        monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
        reader = await opened("s3://bucket", ZarrReader, volume_name="zarr2")
        assert (await reader.read(ALL) == VOLUME).all()
        assert (await reader.describe()).where == "s3://bucket/zarr2"
        await reader.close()

    async def test_a_public_bucket_needs_no_keys(self, moto, monkeypatch):
        assert (await read("s3://public/zarr3", endpoint_url=moto, anonymous=True) == VOLUME).all()
        credentials(monkeypatch, "wrong", "keys")
        assert (await read("s3://public/zarr3", endpoint_url=moto, anonymous=True) == VOLUME).all()

    async def test_a_private_one_refuses_and_says_so(self, moto):
        said = await refusal("s3://bucket/zarr3", endpoint_url=moto, anonymous=True)
        assert "s3://bucket/zarr3" in said
        assert "access is refused (HTTP 403)" in said
        assert "credentials" in said

    @pytest.mark.parametrize("url", ["s3://bucket/nothing", "s3://no-such-bucket/zarr2"])
    async def test_nothing_there(self, moto, url, monkeypatch):
        credentials(monkeypatch)
        assert url in await refusal(url, endpoint_url=moto)

    async def test_chunks_that_cloud_volume_stores_with_a_content_encoding(self, moto, monkeypatch):
        credentials(monkeypatch)
        s3 = second_opinion("s3", moto)
        for item in s3.list_objects_v2(Bucket="bucket", Prefix="precomputed/")["Contents"]:
            body = s3.get_object(Bucket="bucket", Key=item["Key"])["Body"].read()
            key = item["Key"].replace("precomputed", "packed")
            s3.put_object(Bucket="bucket", Key=key, Body=gzip.compress(body), ContentEncoding="gzip")
        assert (await read("s3://bucket/packed", endpoint_url=moto) == VOLUME).all()

    async def test_a_missing_object_is_missing_when_chunks_must_be_there(self, moto, monkeypatch):
        credentials(monkeypatch)
        second_opinion("s3", moto).delete_object(Bucket="public", Key="zarr2/0.0.0")
        reader = await opened("s3://public/zarr2", endpoint_url=moto, missing_chunks="error")
        with pytest.raises(MissingSourceError, match="s3://public/zarr2"):
            await reader.read(Box((0, 0, 0), (16, 16, 16)))
        with pytest.raises(SourceError, match="missing in part"):
            await reader.read(ALL)

    async def test_a_server_that_is_gone_is_asked_a_bounded_number_of_times(self, monkeypatch):
        credentials(monkeypatch)
        async with asyncio.timeout(30):
            said = await refusal("s3://bucket/v", endpoint_url="http://127.0.0.1:1")
        assert "s3://bucket/v/" in said
        assert "Could not connect" in said

    async def test_a_bucket_of_an_impossible_name(self):
        assert "s3://B_/v cannot be read" in await refusal("s3://B_/v")


@asynccontextmanager
async def serving(handle):
    """A server on loopback; yields its URL."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def static(folder):
    async def handle(request):
        file = folder / request.match_info["path"]
        if not file.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(file)

    return handle


class TestHttp:
    @pytest.mark.parametrize("name", FORMATS)
    async def test_every_format_from_a_static_server(self, volumes, name):
        async with serving(static(volumes)) as url:
            assert (await read(f"{url}/bucket/{name}") == VOLUME).all()
            assert (await read(f"{url}/bucket/", array=name) == VOLUME).all()

    async def test_password_and_query_are_sent_and_never_shown(self, volumes):
        async def guarded(request):
            if request.headers.get("Authorization") != f"Basic {base64.b64encode(b'me:pa55').decode()}":
                raise web.HTTPUnauthorized
            if request.query.get("key") != "s3cret":
                raise web.HTTPForbidden
            return await static(volumes)(request)

        async with serving(guarded) as url:
            full = url.replace("//", "//me:pa55@") + "/bucket/{}?key=s3cret"
            reader = await opened(full.format("zarr2"), missing_chunks="error")
            assert (await reader.read(ALL) == VOLUME).all()
            shown = f"{reader.locate(ALL)} {await reader.describe()} "
            shown += await refusal(full.format("nothing")) + await refusal(f"{url}/bucket/zarr2?key=s3cret")
        assert "pa55" not in shown
        assert "s3cret" not in shown
        assert f"{url}/bucket/zarr2" in shown

    @pytest.mark.parametrize(
        ("status", "says"), [(500, "attempts failed"), (403, "access is refused (HTTP 403)"), (400, "HTTP")]
    )
    async def test_a_refusal_is_told_without_the_body(self, status, says):
        async def refuse(request):
            return web.Response(status=status, text="a long page")

        async with serving(refuse) as url:
            said = await refusal(f"{url}/v", format="zarr")
        assert f"{url}/v/" in said
        assert says in said
        assert "long page" not in said

    @pytest.mark.parametrize("to", ["file:///etc/passwd", "http://127.0.0.1:1/v"])
    async def test_a_redirect_is_not_followed(self, to):
        async def redirect(request):
            return web.Response(status=302, headers={"Location": to})

        async with serving(redirect) as url:
            assert "sends us elsewhere (HTTP 302)" in await refusal(f"{url}/v")

    async def test_a_server_that_has_a_page_for_everything(self):
        async def page(request):
            return web.Response(text="<html>not found</html>", content_type="text/html")

        async with serving(page) as url:
            assert "is not JSON" in await refusal(f"{url}/v")

    async def test_a_bad_minute_is_bridged(self, volumes):
        failed = set()

        async def flaky(request):
            if request.path not in failed:
                failed.add(request.path)
                raise web.HTTPServiceUnavailable
            return await static(volumes)(request)

        async with serving(flaky) as url:
            async with asyncio.timeout(60):
                corner = await read(f"{url}/bucket/zarr3", Box((0, 0, 0), (16, 16, 16)))
        assert (corner == VOLUME[:16, :16, :16]).all()

    async def test_a_server_that_hangs_is_waited_for_with_a_bound(self, monkeypatch, volumes):
        waits = asyncio.Event()

        async def hang(request):
            if request.path.endswith("0.0.0"):
                await waits.wait()
            return await static(volumes)(request)

        monkeypatch.setattr("boss_ingest.plugins.array_volume.READ_TIMEOUT_S", 0.3)
        async with serving(hang) as url:
            reader = await opened(f"{url}/bucket/zarr2")
            with pytest.raises(SourceError, match=f"{url}/bucket/zarr2.* did not answer in time"):
                await reader.read(ALL)
            waits.set()
            await reader.close()

    async def test_missing_chunks_are_fill_or_an_error(self, volumes, tmp_path):
        shutil.copytree(volumes / "bucket/zarr2", tmp_path / "v")
        (tmp_path / "v/0.0.0").unlink()
        corner = Box((0, 0, 0), (16, 16, 16))
        async with serving(static(tmp_path)) as url:
            assert not (await read(f"{url}/v", corner)).any()
            strict = await opened(f"{url}/v", missing_chunks="error")
            with pytest.raises(MissingSourceError, match="is not there"):
                await strict.read(corner)
            with pytest.raises(SourceError, match="missing in part"):
                await strict.read(ALL)


async def test_a_google_bucket(volumes, monkeypatch, tmp_path):
    async def objects(request):
        bucket, _, key = request.match_info["path"].removeprefix("storage/v1/b/").partition("/o/")
        file = volumes / bucket / key
        if not file.is_file():
            raise web.HTTPNotFound
        return web.Response(body=file.read_bytes(), headers={"x-goog-generation": "1"})

    async with serving(objects) as url:
        monkeypatch.setenv("TENSORSTORE_GCS_HTTP_URL", url)
        assert (await read("gs://bucket/zarr3") == VOLUME).all()
        reader = await opened("gs://bucket", ZarrReader, volume_name="zarr2")
        assert (await reader.read(ALL) == VOLUME).all()
        assert "gs://bucket/nothing" in await refusal("gs://bucket/nothing")


class TestLocation:
    def test_anonymous_google_goes_by_the_public_url(self):
        found = array_location.find("gs://bucket/a b/v", param="url", anonymous=True)
        assert found.store == {"driver": "http", "base_url": "https://storage.googleapis.com/bucket/a%20b/v/"}
        assert found.shown == "gs://bucket/a b/v"

    def test_the_params_endpoint_wins(self):
        env = {"AWS_ENDPOINT_URL_S3": "http://a", "AWS_ENDPOINT_URL": "http://b", "AWS_REGION": "eu-west-1"}
        store = array_location.find("s3://bucket/v", param="url", env=env).store
        assert (store["endpoint"], store["aws_region"], store["path"]) == ("http://a", "eu-west-1", "v/")
        store = array_location.find("s3://bucket/v", param="url", env=env, endpoint_url="http://c/").store
        assert store["endpoint"] == "http://c"

    @pytest.mark.parametrize(
        ("url", "says"),
        [
            ("ftp://host/v", "ftp:// cannot be read"),
            ("file://host/v", "names a host, host"),
            ("s3:///v", "names no bucket or host"),
            ("", "must name a folder or a URL"),
        ],
    )
    def test_what_cannot_be(self, url, says):
        with pytest.raises(ConfigError, match=r"params\.url") as caught:
            array_location.find(url, param="params.url")
        assert says in str(caught.value)
