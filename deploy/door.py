"""The door of the stack: `python -m deploy.door PORT TO` hands connections to PORT on to 127.0.0.1:TO.

Serving listens on loopback alone unless it asks for tokens; in a container that is the container's own.
Compose publishes PORT on the host's 127.0.0.1, so whoever comes in here could come in without containers too.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

#: Bytes handed on at a time.
PIECE = 1 << 16


async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All that one side says, to the other; its end too."""
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()


async def let_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: int) -> None:
    """One caller, until both sides have said all; hung up on where serving does not listen."""
    with contextlib.closing(writer), contextlib.suppress(OSError):
        inside, answers = await asyncio.open_connection("127.0.0.1", to)
        with contextlib.closing(answers):
            await asyncio.gather(hand_on(reader, answers), hand_on(inside, writer))


async def door(port: int, to: int) -> None:
    """Stands open until cancelled. Raises: OSError: the port is taken."""
    server = await asyncio.start_server(lambda reader, writer: let_in(reader, writer, to), "0.0.0.0", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(door(int(sys.argv[1]), int(sys.argv[2])))
