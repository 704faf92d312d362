"""aiobotocore's SQS client: it writes the calls and reads the answers; the requests go out by our own way.

It hears nothing of the machine's own AWS set-up: no profile, credentials, config file, instance metadata or
AWS variable. It signs nothing, tries nothing twice, looks for no endpoint and opens no connection: each call,
once written, is handed to `send`, whose bounds, proxies, clock and keys are those of the PUTs. Importing this
takes 0.15 s of CPU, so it is imported in a thread, while there is something else to wait for
(`boss_ingest.aws.sqs`).
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.config import AioConfig
from aiobotocore.parsers import create_parser
from aiobotocore.session import AioSession
from botocore import UNSIGNED
from botocore.loaders import Loader

from boss_ingest import __version__

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Send = Callable[[dict[str, str], bytes], Awaitable[bytes]]
    """Sends one request of these headers and body; returns the body of an answer that is SQS's."""

    Call = Callable[..., Awaitable[dict[str, Any]]]

_NOWHERE = "us-east-1", "https://sqs.invalid"  # `send` knows region and URL

_CONFIG = AioConfig(
    signature_version=UNSIGNED,
    parameter_validation=False,
    retries={"total_max_attempts": 1, "mode": "standard"},
    defaults_mode="legacy",
    disable_request_compression=True,
    user_agent=f"boss-ingest/{__version__}",  # botocore's own is made anew at every request
)

_ACCEPTED = AioAWSResponse(_NOWHERE[1], 200, {}, None)


async def calls(send: Send) -> Mapping[str, Call]:
    """What SQS can be asked, by the names of its API, for example `ReceiveMessage`."""

    async def through(model: Any, params: Any, **_: object) -> tuple[AioAWSResponse, dict[str, Any]]:
        headers = {name.lower(): value for name, value in params["headers"].items() if name != "User-Agent"}
        told = {"status_code": 200, "headers": {}, "body": await send(headers, params["body"])}
        return _ACCEPTED, await parser.parse(told, model.output_shape)

    region, url = _NOWHERE
    async with _SESSION.create_client("sqs", region_name=region, endpoint_url=url, config=_CONFIG) as client:
        parser = create_parser(client.meta.service_model.resolved_protocol)
        client.meta.events.register("before-call.sqs", through)
    return {action: getattr(client, name) for name, action in client.meta.method_to_api_mapping.items()}


class _Loader(Loader):  # type: ignore[misc]  # botocore tells no types
    """Loads what describes SQS, but not where it or any other service is, which takes longer."""

    def load_data_with_path(self, name: str) -> tuple[Any, str]:
        return ({"partitions": []}, "") if name == "endpoints" else super().load_data_with_path(name)

    def list_available_services(self, type_name: str) -> list[str]:
        return ["sqs"] if type_name == "service-2" else []


def _deaf_session() -> AioSession:
    """A session with every setting at its default, heard from neither environment nor config file."""
    defaults = {
        name: (None, None, default, convert)
        for name, (_, _, default, convert) in AioSession.SESSION_VARIABLES.items()
    }
    nowhere = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    session = AioSession(session_vars=defaults | nowhere, include_builtin_handlers=False)
    loader = _Loader([_Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    session.register_component("data_loader", loader)
    loader.load_service_model("sqs", "service-2")
    return session


for _name in ("botocore", "aiobotocore"):  # what they log for debugging has receipts in it
    _logger = logging.getLogger(_name)
    _logger.setLevel(max(_logger.level, logging.INFO))
_SESSION = _deaf_session()
