"""aiobotocore's SQS client: it writes the calls and reads the answers; the requests go out by our own way.

It hears nothing of the machine's own AWS set-up: no profile, credentials, config file, instance metadata or
AWS variable. It signs nothing, tries nothing twice and opens no connection: each request is handed to `send`,
whose bounds, proxies, clock and keys are those of the PUTs. Importing this takes 0.15 s of CPU, so it is
imported in a thread, while there is something else to wait for (`boss_ingest.aws.sqs`).
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import UNSIGNED
from botocore.loaders import Loader

from boss_ingest import __version__

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Send = Callable[[dict[str, str], bytes], Awaitable[bytes]]
    """Sends one request of these headers and body; returns the body of an answer that is SQS's."""

    Call = Callable[..., Awaitable[dict[str, Any]]]

_NOT_OURS = {"content-length", "user-agent"}
"""Headers that the transport writes itself."""

_NOWHERE = "us-east-1", "https://sqs.invalid"  # `send` knows region and URL

_CONFIG = AioConfig(
    signature_version=UNSIGNED,
    parameter_validation=False,
    retries={"total_max_attempts": 1, "mode": "standard"},
    defaults_mode="legacy",
    disable_request_compression=True,
    user_agent=f"boss-ingest/{__version__}",  # botocore's own is made anew at every request
)


async def calls(send: Send) -> Mapping[str, Call]:
    """What SQS can be asked, by the names of its API, for example `ReceiveMessage`."""

    async def through(request: Any, **_: object) -> AioAWSResponse:
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        body = await send({name: headers[name] for name in headers.keys() - _NOT_OURS}, request.body)
        return AioAWSResponse(request.url, 200, {}, _Whole(body))

    region, url = _NOWHERE
    async with _SESSION.create_client("sqs", region_name=region, endpoint_url=url, config=_CONFIG) as client:
        client.meta.events.register("before-send.sqs", through)
    return {action: getattr(client, name) for name, action in client.meta.method_to_api_mapping.items()}


class _Whole:
    """The body of an answer, as aiohttp's answers give theirs."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self) -> bytes:
        return self._body


class _Loader(Loader):  # type: ignore[misc]  # botocore tells no types
    """Loads what describes SQS, but not the list of all services everywhere, which takes longer."""

    def load_data_with_path(self, name: str) -> tuple[Any, str]:
        return ({"partitions": []}, "") if name == "endpoints" else super().load_data_with_path(name)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _deaf_session() -> AioSession:
    """A session with every setting at its default, heard from neither environment nor config file."""
    defaults = {
        name: (None, None, default, convert)
        for name, (_, _, default, convert) in AioSession.SESSION_VARIABLES.items()
    }
    nowhere = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    session = AioSession(session_vars=defaults | nowhere)
    loader = _Loader([_Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    session.register_component("data_loader", loader)
    for kind in ("service-2", "endpoint-rule-set-1"):
        loader.load_service_model("sqs", kind)
    return session


for _name in ("botocore", "aiobotocore"):  # what they log for debugging has receipts in it
    _logger = logging.getLogger(_name)
    _logger.setLevel(max(_logger.level, logging.INFO))
_SESSION = _deaf_session()
