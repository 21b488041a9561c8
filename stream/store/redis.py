"""The hot store: the parts that are used now, in Redis. Any of them may be gone at any moment."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisError, TimeoutError
from redis.retry import Retry

from stream.errors import ConfigurationError, CorruptArtefact, MissingArtefact, StoreAway, StoreError
from stream.settings import RedisSettings
from stream.store.base import canonical, require_name

#: Bytes of a part that travel in one command, so that Redis, which does one thing at a time, stays free. A
#: little less than 4 MiB: with Redis' header, 4 MiB would take 5 of jemalloc's.
CHUNK = (4 << 20) - 1024

#: Milliseconds after which what a killed writer left behind is gone.
WRITING_TTL = 60_000

#: Bytes read from a socket at a time.
_READ = 1 << 20

# A part is one hash: field `bytes` is its length, fields 0, 1, … its canonical Arrow IPC stream in chunks. It
# is written under a key of its own and renamed, so a reader sees it whole or not at all, and whatever takes
# it away (TTL, our bound, Redis' own maxmemory) takes all of it. `used` orders the keys by their last use: by
# a count, so no clock that jumps changes it.

#: Makes room for ARGV[1] bytes under a bound of ARGV[2] and notes that KEYS[2] is being written.
_RESERVE = """
local function bytes(key) return tonumber(redis.call('HGET', key, 'bytes') or nil) end
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('ZADD', KEYS[1], (tonumber(last[2]) or 0) + 1, KEYS[2])
redis.call('HSET', KEYS[2], 'bytes', ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
local total, held = 0, {}
for _, key in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    local size = bytes(key)
    if size then
        total = total + size
        if key ~= KEYS[2] then held[#held + 1] = {key, size} end
    else
        redis.call('ZREM', KEYS[1], key)
    end
end
for _, one in ipairs(held) do
    if total <= tonumber(ARGV[2]) then break end
    redis.call('UNLINK', one[1])
    redis.call('ZREM', KEYS[1], one[1])
    total = total - one[2]
end
"""

#: Gives KEYS[2], written in ARGV[1] chunks, its name KEYS[3], unless it was taken away meanwhile.
_FINISH = """
redis.call('ZREM', KEYS[1], KEYS[2])
if redis.call('HLEN', KEYS[2]) ~= ARGV[1] + 1 then
    redis.call('UNLINK', KEYS[2])
    return
end
redis.call('RENAME', KEYS[2], KEYS[3])
redis.call('PEXPIRE', KEYS[3], ARGV[2])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('ZADD', KEYS[1], (tonumber(last[2]) or 0) + 1, KEYS[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

#: Notes that KEYS[2] was used, if there is room for a note; 1 where it is there, else 0.
_TOUCH = """
if redis.call('PEXPIRE', KEYS[2], ARGV[1]) == 0 then
    redis.call('ZREM', KEYS[1], KEYS[2])
    return 0
end
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.pcall('ZADD', KEYS[1], (tonumber(last[2]) or 0) + 1, KEYS[2])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
"""


class RedisStore:
    """Parts in a Redis 6 or newer: those used last, of at most `redis.max_bytes` of content together.

    What Redis itself counts is more by 400 bytes a part and its allocator's rounding: measured, 0 to 10 %. A
    Redis may be shared: every key begins with `redis.prefix`.
    """

    def __init__(self, settings: RedisSettings) -> None:
        """Connects when it is first asked. Raises: ConfigurationError: URL and files do not fit."""
        self._redis = _client(settings)
        self._settings = settings
        self._used = f"{settings.prefix}used"
        self._reserve, self._finish, self._touch = map(
            self._redis.register_script, (_RESERVE, _FINISH, _TOUCH)
        )

    def put(self, table: pa.Table) -> str:
        """Keep the table as long as it is used and there is room; its name.

        Raises: StoreAway; StoreError: Redis refuses it, or it is larger than all that may be kept.
        """
        stream = canonical(table)
        name = hashlib.sha256(stream).hexdigest()
        if stream.size > self._settings.max_bytes:
            raise StoreError(f"Redis keeps no part larger than redis.max_bytes, {self._settings.max_bytes}")
        key = self._key(name)
        with self._answers() as on_time:
            if self._touch(keys=[self._used, key], args=[self._settings.ttl]):
                return name
            writing = f"{self._settings.prefix}writing:{name}:{uuid.uuid4().hex}"
            room = [stream.size, self._settings.max_bytes, WRITING_TTL]
            self._reserve(keys=[self._used, writing], args=room)
            chunks = memoryview(stream)
            places = range(0, stream.size, CHUNK)
            for number, place in enumerate(places):
                on_time()
                if not self._write(writing, number, chunks[place : place + CHUNK]):
                    return name
            self._finish(keys=[self._used, writing, key], args=[len(places), self._settings.ttl])
        return name

    def get(self, name: str) -> pa.Table:
        """The table of that name.

        Raises: MissingArtefact: there is none (any more); CorruptArtefact: its content is another;
        StoreAway; StoreError: Redis refuses.
        """
        key = self._key(name)
        with self._answers() as on_time:
            # A Redis that is full begins no transaction, and what it has is wanted all the same.
            with self._redis.pipeline(transaction=False) as both:
                both.hget(key, "0")
                both.hlen(key)
                first, fields = both.execute()
            chunks = [first]
            for number in range(1, fields - 1):
                on_time()
                chunks.append(self._redis.hget(key, str(number)))
            if None in chunks:  # gone, or while it was read; what is left, if anything, is no part
                self._forget(key)
                raise MissingArtefact(f"{self} has no part {name}")
            self._touch(keys=[self._used, key], args=[self._settings.ttl])
        stream = b"".join(chunks)
        if hashlib.sha256(stream).hexdigest() != name:
            raise CorruptArtefact(f"{self} has another content under {key} than its name says")
        try:
            return pa.ipc.open_stream(pa.py_buffer(stream)).read_all()
        except (pa.ArrowException, OSError, ValueError) as error:
            raise CorruptArtefact(f"{self} has no table under {key}: {_first_line(error)}") from error

    def has(self, name: str) -> bool:
        """Whether a part of that name is there now. Raises: StoreAway; StoreError: Redis refuses."""
        with self._answers():
            return bool(self._redis.exists(self._key(name)))

    def delete(self, name: str) -> None:
        """Forget the part; nothing happens where there is none. Raises: StoreAway; StoreError."""
        key = self._key(name)
        with self._answers():
            self._forget(key)

    def __str__(self) -> str:
        told = self._redis.connection_pool.connection_kwargs
        return f"Redis at {told.get('path') or '{host}:{port}'.format(**told)}"

    def _write(self, writing: str, number: int, chunk: memoryview) -> bool:
        """Whether what is being written is wanted still; Redis or a newer part may have taken its room."""
        with self._redis.pipeline(transaction=True) as together:
            together.hset(writing, str(number), chunk)
            together.pexpire(writing, WRITING_TTL)
            together.hexists(writing, "bytes")
            *_, wanted = together.execute()
        if not wanted:
            self._forget(writing)
        return bool(wanted)

    def _forget(self, key: str) -> None:
        self._redis.unlink(key)
        self._redis.zrem(self._used, key)

    def _key(self, name: str) -> str:
        return f"{self._settings.prefix}part:{require_name(name)}"

    @contextmanager
    def _answers(self) -> Iterator[_OnTime]:
        """What goes wrong with Redis within, as errors of the store."""
        try:
            yield _OnTime(self._settings.timeout)
        except (ConnectionError, TimeoutError) as error:
            raise StoreAway(f"{self} does not answer: {_first_line(error)}") from error
        except RedisError as error:
            raise StoreError(f"{self} refuses: {_first_line(error)}") from error


class _OnTime:
    """Asked between chunks: a Redis that answers each of many chunks just in time is slow all the same."""

    def __init__(self, timeout: int) -> None:
        """timeout: ms for all of a part."""
        self._timeout, self._deadline = timeout, time.monotonic() + timeout / 1000

    def __call__(self) -> None:
        if time.monotonic() > self._deadline:
            raise TimeoutError(f"a part took longer than redis.timeout, {self._timeout} ms")


def _client(settings: RedisSettings) -> Redis:
    url = settings.url.get_secret_value()
    seconds = settings.timeout / 1000
    options: dict[str, object] = {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "socket_read_size": _READ,
        "retry": Retry(NoBackoff(), 0),  # who has something behind it does better than to wait
    }
    if settings.username is not None:
        options["username"] = settings.username
    if settings.password is not None:
        options["password"] = settings.password.get_secret_value()
    files = {
        "ssl_ca_certs": settings.ca_file,
        "ssl_certfile": settings.cert_file,
        "ssl_keyfile": settings.key_file,
    }
    if url.startswith("rediss://"):
        options |= {name: str(file) for name, file in files.items() if file is not None}
    elif any(files.values()):
        raise ConfigurationError("redis.ca_file, cert_file and key_file are for a redis.url with rediss://")
    try:
        return Redis.from_url(url, **options)
    except ValueError:  # whose text may hold a piece of the password
        raise ConfigurationError("redis.url cannot be used: docs/store.md has its forms") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
