"""Logs by chance: what a partition may meet, small enough that nearly everything meets."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from oracle import LATER, MAX_TS, Record, click, impression, record, ticked

from stream.settings import StreamSettings

Log = list[Record]

#: Few of each, so that nearly everything meets; some are alike, some sort otherwise as UTF-16 or as numbers.
USERS = ("u", "u", "u\0", 7, "é")
ITEMS = ("a", "b", 10, "9", "\uffff", "😀")
IMPRESSIONS = ("p", 7, "7", "ü")
BAD = (
    None,
    b"",
    b"{",
    b"[]",
    b'{"type":"tick","watermark":-1,"end":true}',
    b'{"type":"purchase","user_id":"u","item_id":"a","ts":3}',
    b'{"type":"click","user_id":"u","item_id":"a","ts":"3"}',
    b'{"type":"click","user_id":"","item_id":"a","ts":3}',
    b'{"type":"impression","user_id":"u","item_id":"a","ts":3}',
    b'{"type":"click","user_id":"u","item_id":"a","ts":3,"impression_id":"\\udc00"}',
)

SETTINGS = st.builds(
    StreamSettings,
    lateness=st.sampled_from([0, 3, 7, 7, 1000]),
    window=st.sampled_from([0, 1, 5, 12]),
    memory=st.sampled_from([1, 2, 6, 1000]),
    max_skew=st.sampled_from([0, 5]),
)
#: What a test leaves to chance; hypothesis makes it smaller when a test fails.
CHANCES = st.randoms(use_true_random=False)
#: The largest time in a log, less where its times lie.
MOST = 60
#: Where the times of a log lie: at zero, now, at the end of time.
BASES = st.sampled_from([0, 1_764_000_000_000, MAX_TS - MOST])


def categories_of(item: object) -> list[object]:
    """Made from the item, so that complete ties are equal rows."""
    return [item, "c", 3][: len(str(item).encode()) % 4]


@st.composite
def events(draw: st.DrawFn, max_size: int = 40) -> list[dict[str, Any]]:
    """Impressions and clicks whose times rise by and large; clicks mostly of what was shown just before."""
    found: list[dict[str, Any]] = []
    shown: list[tuple[object, object]] = []
    now = 0
    for _ in range(draw(st.integers(0, max_size))):
        now = min(MOST, now + draw(st.sampled_from([0, 1, 0, 2, 4])))
        ts = max(0, now - draw(st.sampled_from([0, 0, 0, 1, 3, 7])))
        user, item = draw(st.sampled_from(USERS)), draw(st.sampled_from(ITEMS))
        identifier = draw(st.sampled_from(IMPRESSIONS))
        categories = categories_of(item)
        more: dict[str, Any] = {"categories": categories} if categories or draw(st.booleans()) else {}
        kind = draw(st.sampled_from(["impression", "click", "lonely", "impression", "click"]))
        if kind == "impression":
            shown.append((user, identifier))
            found.append(impression(identifier, user, item, ts, **more))
        elif kind == "lonely":
            found.append(click(user, item, ts, **more, impression_id=None))
        else:
            if draw(st.integers(0, 4)):
                user, identifier = draw(st.sampled_from([*shown[-4:], (user, identifier)]))
            found.append(click(user, item, ts, impression_id=identifier, categories=[ts % 3]))
    return found


@st.composite
def logs(draw: st.DrawFn, max_size: int = 40) -> Log:
    """Any log: late, future, malformed and repeated records, ticks and ends."""
    base = draw(BASES)
    log: Log = []
    for place, event in enumerate(draw(events(max_size))):
        now = base + event["ts"]
        kind = draw(st.sampled_from(["", "", "", "", "again", "", "", "", "bad", "tick", "", "end"]))
        if kind == "again" and log:
            log.append(draw(st.sampled_from(log[-6:])))
        elif kind == "bad":
            log.append(Record(draw(st.sampled_from(BAD)), source=b"s", row=1))
        elif kind in ("tick", "end"):
            log.append(ticked(max(0, now - draw(st.sampled_from([4, 9, 1, 0]))), end=kind == "end"))
        source, row = draw(
            st.sampled_from([(b"s", place)] * 4 + [(b"s", 1), (b"t", 1), (None, 1), (b"s", -1)])
        )
        timestamp = draw(st.sampled_from([LATER] * 9 + [now - 6, now - 5, now - 1, now]))
        value = json.dumps(event | {"ts": now}, ensure_ascii=draw(st.booleans())).encode()
        log.append(Record(value, timestamp, source, row))
    if draw(st.integers(0, 3)):
        log.append(ticked(min(base + 2000, MAX_TS), end=True))
    return log


@st.composite
def pieces(draw: st.DrawFn, log: Sequence[Record]) -> list[Sequence[Record]]:
    """The log cut anywhere; now and then into single records, now and then with empty pieces."""
    if draw(st.integers(0, 3)) == 0:
        return [[one] for one in log]
    places = sorted(draw(st.lists(st.integers(0, len(log)), max_size=6)))
    return [log[first:last] for first, last in itertools.pairwise([0, *places, len(log)])]


def long_log(seed: int) -> Log:
    """A thousand events of three users, so that histories are full and ids come again and again."""
    chance = random.Random(seed)
    log: Log = []
    now = 0
    for row in range(1000):
        now += chance.choice([0, 0, 0, 1, 1, 6])
        ts = max(0, now - chance.choice([0, 0, 0, 1, 2, 9]))
        user, item = chance.choice(USERS[:3]), chance.choice(ITEMS)
        identifier = chance.randrange(12)
        event = chance.choice(
            [
                impression(identifier, user, item, ts, categories=categories_of(item)),
                click(user, item, ts, impression_id=identifier),
                click(user, "nothing", ts),
            ]
        )
        log.append(record(event, source=b"s", row=row))
        if chance.random() < 0.05:
            log += chance.choices(log[-20:], k=2)
        if chance.random() < 0.02:
            log.append(ticked(now - 2, end=chance.random() < 0.3))
    return [*log, ticked(now + 1000, end=True)]
