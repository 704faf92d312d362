"""The files of a job wherever they lie: `"filesystem": "local" | "s3" | "s3_copy"`, behind one interface.

S3 is read with the user's own AWS credentials (environment, profile, role; none for a public bucket), never
the job's. `endpoint_url` names another server; else AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL do, for the job's
own buckets too. AWS_REGION or AWS_DEFAULT_REGION name a region. `root_dir` is the prefix of the keys there,
and what is read stays below it.
"""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeVar

from boss_ingest.errors import ConfigError, MissingSourceError, Problem, SourceAwayError, SourceError
from boss_ingest.plugins.files import READ_TIMEOUT_S, Folder
from boss_ingest.plugins.object_copies import Copies

Filesystem = Literal["local", "s3", "s3_copy"]

COPY_TIMEOUT_S = 3600.0
"""For one copy; a task gives up earlier, and finds the copy there when it comes back."""

_PART_BYTES = 16 << 20
_CONCURRENCY = 64
_AWAY = ("UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED")
_UNREACHED = "does its server answer? endpoint_url in the params, AWS_ENDPOINT_URL_S3 and AWS_REGION name it"
_RETRIES = 4  # beginning after a second, doubling

_NO_SUCH_RANGE = ("OUT_OF_RANGE", "FAILED_PRECONDITION: Requested byte range")
"""How tensorstore begins to say that an answer had fewer bytes than it asked for."""

T = TypeVar("T")


class Objects(ABC):
    """Files or objects, named by the paths that a path processor makes. Errors name the path, or the S3 URL.

    The `_now` twins block, for the classic processors; one instance serves one of the two faces.
    """

    @classmethod
    def open(
        cls,
        filesystem: Filesystem,
        *,
        bucket: str = "",
        endpoint_url: str = "",
        temp_dir: str | None = None,
        root_dir: str | None = None,
        allow_outside_root: bool = False,
        section: str = "client.tile_processor",
    ) -> Objects:
        """Looks at nothing yet. Raises ConfigError without a bucket, or without what it takes to read S3.

        An `endpoint_url` wins over the environment. Without a `root_dir` there is nothing to stay inside of.
        """
        if filesystem == "local":
            return LocalObjects(Folder(root_dir or "", allow_outside=allow_outside_root or root_dir is None))
        return S3Objects(
            bucket,
            endpoint_url=endpoint_url,
            copies=Copies(temp_dir),
            root_dir=None if allow_outside_root else root_dir,
            section=section,
            through_copies=filesystem == "s3_copy",
        )

    keeps_files: bool
    """Whether everything is read from a file on this machine anyway."""

    @abstractmethod
    async def read(self, path: str, *, most_bytes: int) -> bytes:
        """All of it. Raises MissingSourceError, SourceError, also when it has more than `most_bytes`."""

    @abstractmethod
    async def local_path(self, path: str) -> Path:
        """A file to open at once: a copy of an S3 object may go when it wasn't asked for in three minutes.

        Raises SourceError, MissingSourceError. A local file need not be there.
        """

    @abstractmethod
    async def close(self) -> None:
        """Remove all copies; safe to repeat."""

    @abstractmethod
    def where(self, path: str) -> str:
        """What a person calls it: the path, or the s3:// URL."""

    def read_now(self, path: str, *, most_bytes: int) -> bytes:
        """As `read`, blocking."""
        return _now(lambda: self.read(path, most_bytes=most_bytes))

    def local_path_now(self, path: str) -> Path:
        """As `local_path`, blocking."""
        return _now(lambda: self.local_path(path))

    def close_now(self) -> None:
        """As `close`, blocking. Not calling it leaves the copies until the interpreter ends."""
        _now(self.close)


class LocalObjects(Objects):
    """Files below a folder."""

    keeps_files = True

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    async def read(self, path: str, *, most_bytes: int) -> bytes:
        """In a thread."""
        return await self._folder.read(path, most_bytes=most_bytes)

    async def local_path(self, path: str) -> Path:
        """The path itself, checked in a thread."""
        await self._folder.check_in_time(path)
        return Path(path)

    async def close(self) -> None:
        """There is nothing to remove."""

    def where(self, path: str) -> str:
        """The path."""
        return path


class S3Objects(Objects):
    """Objects of one bucket; the key is the path as it is. Raises ConfigError."""

    def __init__(
        self,
        bucket: str,
        *,
        endpoint_url: str = "",
        copies: Copies,
        root_dir: str | None = None,
        section: str = "client.tile_processor",
        through_copies: bool = False,
    ) -> None:
        if not bucket:
            problem = Problem(f"{section}.params.bucket", "", "must be given", "name the S3 bucket")
            raise ConfigError("reading from S3 takes a bucket", problems=(problem,))
        self._bucket = bucket
        self._root = root_dir
        self._copies = copies
        self.keeps_files = through_copies
        self._section = section
        self._store, self._only = _store(bucket, endpoint_url, section)

    async def read(self, path: str, *, most_bytes: int) -> bytes:
        """One small request to see that it isn't too large, one for all of it; or from its copy."""
        if self.keeps_files:
            copy = await self.local_path(path)
            return await Folder("", allow_outside=True).read(str(copy), most_bytes=most_bytes)
        key = self._key(path)
        async with _bounded(self.where(path), READ_TIMEOUT_S):
            try:
                await self._range(key, most_bytes, most_bytes + 1)
            except _NoSuchRangeError:  # as it should be; or the server knows no ranges
                body, _ = await self._range(key, 0, None)
                if len(body) <= most_bytes:
                    return body
        raise SourceError(
            f"{self.where(path)} has more than {most_bytes} bytes, too many for the image of one tile",
            hint="cut it into one image a tile, or correct ingest_job.tile_size",
        )

    async def local_path(self, path: str) -> Path:
        """A copy, fetched part by part, once for all who ask for it."""
        key = self._key(path)
        try:
            return await self._copies.get(key, lambda into: self._fetch(key, into))
        except OSError as error:
            raise SourceError(
                f"{self.where(path)} cannot be copied to {error.filename or 'the temporary folder'}: "
                f"{error.strerror or error}",
                hint="give it a folder with room: temp_dir in the params, or the variable TMPDIR",
            ) from error

    async def close(self) -> None:
        """Remove all copies."""
        await self._copies.close()

    def where(self, path: str) -> str:
        """The s3:// URL."""
        return f"s3://{self._bucket}/{path}"

    def _key(self, path: str) -> str:
        key = path.replace(os.sep, "/")
        if self._root is not None:
            root = self._root.replace(os.sep, "/")
            prefix = root if not root or root.endswith("/") else f"{root}/"
            if not key.startswith(prefix) or ".." in key.removeprefix(prefix).split("/"):
                raise SourceError(
                    f"{self.where(path)} lies outside of root_dir {self._root!r}",
                    hint='if that is intended, set `"allow_outside_root": true` '
                    "under client.path_processor.params",
                )
        return key

    async def _fetch(self, key: str, into: Path) -> None:
        """Write the object to that file. Raises SourceError, OSError."""
        versions: set[bytes] = set()
        with into.open("wb") as file:
            async with _bounded(self.where(key), COPY_TIMEOUT_S):
                async for begin, part, version in self._parts(key):
                    if begin == 0:
                        versions.clear()
                        file.truncate(0)
                    versions.add(version)
                    file.seek(begin)
                    await asyncio.to_thread(file.write, part)
        if len(versions) > 1:
            raise SourceError(f"{self.where(key)} was replaced while it was read")

    async def _parts(self, key: str) -> AsyncIterator[tuple[int, bytes, bytes]]:
        """Where each part of the object begins, its bytes, and which version of the object they are of.

        Where the server turns out to know no ranges, the last part is the whole.
        """
        begin = 0
        while True:
            try:
                part, version = await self._range(key, begin, begin + _PART_BYTES)
            except _NoSuchRangeError as error:
                if error.past_the_end:
                    return
                break
            yield begin, part, version
            begin += len(part)
        try:
            part, version = await self._range(key, begin, None)
        except _NoSuchRangeError:
            begin = 0
            part, version = await self._range(key, 0, None)
        yield begin, part, version

    async def _range(self, key: str, begin: int, end: int | None) -> tuple[bytes, bytes]:
        """Those bytes, and which version of the object they are of.

        Raises _NoSuchRangeError when the object ends before `end`, MissingSourceError, SourceError.
        """
        try:
            found = await self._store.read(key, byte_range=slice(begin, end))
        except ValueError as error:
            if str(error).startswith(_NO_SUCH_RANGE):
                raise _NoSuchRangeError(error) from error
            raise _refused(self.where(key), error) from error
        if found.state == "missing":
            await self._check_bucket(key)
            raise MissingSourceError(
                f"{self.where(key)} is not there",
                hint="check bucket, root_dir, base_filename and extension in the params",
            )
        return found.value, found.stamp.generation

    async def _check_bucket(self, key: str) -> None:
        """Raises ConfigError when it is the bucket that is not there: then no key of it is merely missing.

        Servers say 404 to both; only when they are asked for a list of keys, tensorstore hands on which.
        """
        try:
            await self._store.list(self._only(key, key + "\0"))
        except ValueError as error:
            if "NoSuchBucket" in str(error):
                field = f"{self._section}.params.bucket"
                problem = Problem(field, repr(self._bucket), "there is no such bucket", "correct its name")
                raise ConfigError(f"the bucket {self._bucket} does not exist", problems=(problem,)) from error
            # any other answer tells nothing: who may read need not be allowed to list


def s3_store_spec(
    bucket: str, *, endpoint_url: str = "", env: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """Tensorstore's words for a bucket, as the environment tells how to reach it. Looks at nothing."""
    endpoint = endpoint_url or env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL")
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION")
    spec: dict[str, Any] = {"driver": "s3", "bucket": bucket}
    if endpoint:
        spec |= {"endpoint": endpoint.rstrip("/"), "aws_region": region or "us-east-1"}
    elif region:
        spec["aws_region"] = region
    if env.get("AWS_ACCESS_KEY_ID") and env.get("AWS_SECRET_ACCESS_KEY"):
        spec["aws_credentials"] = {"type": "environment"}
    elif not _may_have_credentials(env):  # asking would only fill the screen with what is not there
        spec["aws_credentials"] = {"type": "anonymous"}
    return spec


def _may_have_credentials(env: Mapping[str, str]) -> bool:
    names = ("AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
             "AWS_CONTAINER_CREDENTIALS_FULL_URI")  # fmt: skip
    files = (env.get("AWS_SHARED_CREDENTIALS_FILE") or Path.home() / ".aws/credentials",
             env.get("AWS_CONFIG_FILE") or Path.home() / ".aws/config")  # fmt: skip
    on_ec2 = env.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true"
    return on_ec2 or any(env.get(name) for name in names) or any(Path(file).is_file() for file in files)


def _store(bucket: str, endpoint_url: str, section: str) -> tuple[Any, Any]:
    """The bucket, and what makes a range of keys. Raises ConfigError."""
    try:
        tensorstore = import_module("tensorstore")
    except ImportError as error:
        raise ConfigError(
            f"reading from S3 needs tensorstore: {error}", hint="pip install 'boss-ingest[s3]'"
        ) from error
    context = tensorstore.Context(
        {"s3_request_concurrency": {"limit": _CONCURRENCY}, "s3_request_retries": {"max_retries": _RETRIES}}
    )
    try:
        opening = tensorstore.KvStore.open(s3_store_spec(bucket, endpoint_url=endpoint_url), context=context)
        return opening.result(READ_TIMEOUT_S), tensorstore.KvStore.KeyRange
    except (ValueError, TimeoutError) as error:
        problem = Problem(f"{section}.params.bucket", repr(bucket), _fact(error), "name the S3 bucket")
        raise ConfigError(f"the bucket {bucket} cannot be opened", problems=(problem,)) from error


class _NoSuchRangeError(Exception):
    """The object ends before the range does; or, when `past_the_end`, before it begins.

    Also what a server gives that answers a range with less than the headers it takes (rclone).
    """

    def __init__(self, error: ValueError) -> None:
        super().__init__(str(error))
        self.past_the_end = "http_response_code='416'" in str(error)


@asynccontextmanager
async def _bounded(where: str, timeout_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise SourceError(
            f"{where} could not be read within {timeout_s:g} s",
            hint=_UNREACHED,
        ) from error


def _refused(where: str, error: ValueError) -> SourceError:
    hint = _UNREACHED
    if any(f"http_response_code='{code}'" in str(error) for code in (400, 401, 403)):
        hint = "check AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: may they read this bucket?"
    kind = SourceAwayError if str(error).startswith(_AWAY) else SourceError
    return kind(f"{where} cannot be read: {_fact(error)}", hint=hint)


def _fact(error: Exception) -> str:
    return str(error).split(" [", 1)[0] or type(error).__name__  # then come the server's headers and body


def _now(ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run it to its end in a thread of its own: the caller's may have an event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(ask())).result()
