"""TLS on loopback: a certificate authority that lasts one test, and a front that speaks TLS for a server."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trustme

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: the authority to trust, and 127.0.0.1's own certificate and key."""

    ca_bundle: Path
    chain: Path
    key: Path


def certificates(directory: Path) -> Certificates:
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1")
    found = Certificates(directory / "ca.pem", directory / "chain.pem", directory / "key.pem")
    authority.cert_pem.write_to_path(found.ca_bundle)
    for blob in server.cert_chain_pems:
        blob.write_to_path(found.chain, append=True)
    server.private_key_pem.write_to_path(found.key)
    return found


@asynccontextmanager
async def tls_front(plain_url: str, pem: Certificates) -> AsyncIterator[str]:
    """Yields an https URL; what comes there goes to `plain_url` byte by byte, the Host header too."""
    to = urlsplit(plain_url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem.chain, pem.key)
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        with suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
            back, forth = await asyncio.open_connection(to.hostname, to.port)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pump(reader, forth))
                    both.create_task(_pump(back, writer))
            except* (ConnectionError, ssl.SSLError):
                pass
            finally:
                forth.close()
                writer.close()
        serving.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield "https://{}:{}".format(*server.sockets[0].getsockname())
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(1 << 16):
        writer.write(piece)
        await writer.drain()
    writer.close()
