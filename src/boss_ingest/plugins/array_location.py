"""Where an array lies, in tensorstore's words: a folder, or a file://, s3://, gs:// or http(s):// URL."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from boss_ingest.errors import ConfigError, Problem
from boss_ingest.plugins.objects import s3_store_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMES = ("file", "s3", "gs", "http", "https")
_URL = re.compile(r"https?://[^\s'\"]+")


@dataclass(frozen=True, slots=True)
class Location:
    """A folder of keys. `shown` is what people call it, without passwords and the query of a URL."""

    store: Mapping[str, Any]  # tensorstore's spec of the key-value store, its path "" or ending in "/"
    shown: str
    folder: Path | None = None  # when it is on a local disk

    def child(self, path: str) -> Location:
        """The folder at that path below; "" is this one."""
        if not path:
            return self
        return replace(
            self,
            store={**self.store, "path": f"{self.store.get('path', '')}{path}/"},
            shown=f"{self.shown.rstrip('/')}/{path}",
            folder=self.folder / path if self.folder else None,
        )


def find(
    url: str,
    *,
    param: str,
    endpoint_url: str | None = None,
    anonymous: bool = False,
    env: Mapping[str, str] = os.environ,
) -> Location:
    """From what the job file names under `param`, its full path there. Looks at nothing. Raises ConfigError.

    An `endpoint_url` wins over AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL.
    """
    if "://" not in url:
        return _local(url, param)
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise _wrong(
            param, shown(url), f"{parts.scheme}:// cannot be read", f"there are {', '.join(_SCHEMES)}"
        )
    if parts.scheme == "file":
        if parts.netloc not in {"", "localhost"}:
            raise _wrong(param, url, f"names a host, {parts.netloc}", "it takes three slashes: file:///")
        return _local(unquote(parts.path), param)
    if not parts.hostname:
        raise _wrong(param, shown(url), "names no bucket or host", "write it as in s3://bucket/volume.zarr")
    path = _folder(parts.path.lstrip("/"))
    if parts.scheme == "s3":
        return Location(_s3(parts.netloc, env, endpoint_url, anonymous) | {"path": path}, url)
    if parts.scheme == "gs" and not anonymous:
        return Location({"driver": "gcs", "bucket": parts.netloc, "path": path}, url)
    if parts.scheme == "gs":  # the driver for buckets always looks for credentials; the public URL takes none
        base = f"https://storage.googleapis.com/{parts.netloc}/{quote(path)}"
        return Location({"driver": "http", "base_url": base}, url)
    base = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/", fragment=""))
    return Location({"driver": "http", "base_url": base}, shown(url))


def _s3(bucket: str, env: Mapping[str, str], endpoint_url: str | None, anonymous: bool) -> dict[str, Any]:
    store = s3_store_spec(bucket, env=env)
    if endpoint_url:
        store |= {"endpoint": endpoint_url.rstrip("/")}
        store.setdefault("aws_region", "us-east-1")
    if anonymous:
        store["aws_credentials"] = {"type": "anonymous"}
    return store


def shown(url: str) -> str:
    """The URL as it may be shown: without user, password, query and fragment."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def without_secrets(text: str) -> str:
    """The text, each http(s) URL in it as it may be shown."""
    return _URL.sub(lambda match: shown(match[0]), text)


def _local(path: str, param: str) -> Location:
    if not path:
        raise _wrong(param, '""', "must name a folder or a URL", "")
    folder = Path(path)
    return Location({"driver": "file", "path": _folder(str(folder.resolve()))}, path, folder)


def _folder(path: str) -> str:
    return f"{path}/" if path and not path.endswith("/") else path


def _wrong(param: str, value: str, rule: str, fix: str) -> ConfigError:
    return ConfigError(f"{value} is out of reach", problems=(Problem(param, value, rule, fix),))
