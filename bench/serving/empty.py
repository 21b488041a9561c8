"""A route of FastAPI that computes nothing: `python -m bench.serving.empty PORT_FILE CPU`."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response

app = FastAPI()


@app.post("/rank")
async def rank(request: Request) -> Response:
    """Nothing is computed."""
    await request.body()
    return Response(b'{"items":[]}', media_type="application/json")


def main() -> None:
    """Answer on a free port, which goes into the file, on the CPU that is named second."""
    os.sched_setaffinity(0, {int(sys.argv[2])})
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    Path(sys.argv[1]).write_text(str(listener.getsockname()[1]))
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")).run([listener])


if __name__ == "__main__":
    main()
