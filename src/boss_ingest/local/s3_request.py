"""What a PutObject request says before its body: where to, how much, with which metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from boss_ingest.local.aws_errors import AwsError
from boss_ingest.local.s3_body import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_METADATA_BYTES = 2048
MOST_KEY_BYTES = 1024
_META = "x-amz-meta-"


def address(raw_path: str) -> tuple[str, str]:
    """Bucket and key of a path in path style, decoded; either may be empty."""
    bucket, _, key = raw_path.partition("?")[0].lstrip("/").partition("/")
    return unquote(bucket), unquote(key, errors="surrogateescape")


def check_key(key: str) -> None:
    """Raises AwsError for a key that is too long, not UTF-8, or tries to climb out of its bucket."""
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        raise AwsError("InvalidURI", "Couldn't parse the specified URI: the key is not UTF-8.") from None
    if length > MOST_KEY_BYTES:
        raise AwsError("KeyTooLongError", "Your key is too long")
    if "\0" in key or any(part in (".", "..") for part in key.replace("\\", "/").split("/")):
        raise AwsError("InvalidURI", "Couldn't parse the specified URI.")


def user_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """The user metadata, names in lower case. Raises AwsError MetadataTooLarge beyond 2 KB."""
    found = {
        name[len(_META) :].lower(): value for name, value in headers.items() if name.lower().startswith(_META)
    }
    size = sum(len(f"{name}{value}".encode("utf-8", "surrogateescape")) for name, value in found.items())
    if size > MOST_METADATA_BYTES:
        raise AwsError("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
    return found


def body_size(headers: Mapping[str, str], *, wrapped: bool) -> int:
    """How many bytes the object will have. Raises AwsError when the request does not say."""
    stated = headers.get("x-amz-decoded-content-length" if wrapped else "Content-Length", "")
    if not stated.isdigit():
        raise AwsError("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
    if int(stated) > MOST_BYTES:
        raise AwsError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size.")
    return int(stated)
