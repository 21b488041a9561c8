"""Dead letters against a real Kafka: a mapping is mended, and what it had lost comes in once, killed or not.

A replay that dies is one whose writer fails: what it had queued is gone with it.
"""

import gc
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from foreign_shop import STREAM, Shop, T, clicks, fill, samples_of, settings, views
from waiting import until

from stream import kafka
from stream.dead.marks import DONE, END, HEADER
from stream.dead.replay import Asked, Replay, Report
from stream.errors import BrokerError
from stream.settings import IngestSettings

pytestmark = pytest.mark.integration

#: Impressions; every fourth is clicked, and 6 records of the two topics are broken for good.
COUNT, EVENTS, BROKEN = 120, 150, 6


@pytest.fixture
def shop(bootstrap: str) -> Shop:
    return Shop(bootstrap)


def replayed(shop: Shop, given: IngestSettings, **asked: object) -> Report:
    client = kafka.consumer(shop.broker, wait=10)
    try:
        replay = Replay(
            shop.broker, client, shop.topics, given, STREAM, Asked(**asked), lambda _: lambda *_: None
        )
        return replay()
    finally:
        client.close()


def buried(shop: Shop, given: IngestSettings, count: int) -> None:
    """Ingests until there are so many dead letters."""
    with shop.at_work(given):
        until(lambda: len(shop.records(shop.topics.dead_letters)) >= count)


class Dies:
    """Has a replay die at one of its writes; what it had written before has arrived, or never does."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, at: Callable[[int, dict], bool], arrived: bool
    ) -> None:
        self._monkeypatch, self._at, self._arrived = monkeypatch, at, arrived
        self._write, self._count = kafka.Writer.write, 0

    def __enter__(self) -> None:
        dies = self

        def write(writer: kafka.Writer, topic: str, *given: object, **named: object) -> None:
            dies._count += 1
            if dies._at(dies._count, dict(named["headers"])):
                if dies._arrived:
                    writer.flush()
                raise BrokerError("killed")
            dies._write(writer, topic, *given, **named)

        self._monkeypatch.setattr(kafka.Writer, "write", write)

    def __exit__(self, *_: object) -> None:
        self._monkeypatch.setattr(kafka.Writer, "write", self._write)


def by_outcome(report: Report) -> Counter[str]:
    found: Counter[str] = Counter()
    for (_, outcome), count in report.letters.items():
        found[outcome] += count
    return found


def test_a_mended_mapping_brings_in_what_died_once_wherever_the_replay_is_killed(shop, tmp_path, monkeypatch):
    seen, taken = fill(shop, COUNT)
    shop.put(seen, {"visitor": {"id": "u"}, "product": {"sku": 1}, "view": "long",
                    "at": T // 1000 + COUNT, "pad": "x" * 950_000})  # fmt: skip
    shop.flush()
    right = settings(views(seen), clicks(taken))
    wrong = settings(views(seen, time="moment"), clicks(taken, item="code"))
    with shop.at_work(right):
        shop.until_events(EVENTS + 1)
    calm = shop.numbered()
    calm_periods = samples_of(shop, tmp_path / "calm", T + 10_000_000)

    shop.again()
    letters = EVENTS + 1 + BROKEN
    buried(shop, wrong, letters)
    assert shop.events() == []
    plan = replayed(shop, right, dry=True)
    assert (plan.events, plan.late) == (EVENTS + 1, 0)
    assert by_outcome(plan) == {"replayed": EVENTS + 1, "still dead": BROKEN}
    assert (shop.events(), len(shop.records(shop.topics.dead_letters))) == ([], letters)

    deaths = (
        (lambda count, _: count == 1, True),  # nothing is written
        (lambda count, _: count == 30, False),  # `begin` has arrived, of the events some or none
        (lambda count, _: count == 30, True),  # of the events those before
        (lambda _, headers: headers.get(HEADER) == DONE, True),  # all of them
        (lambda _, headers: headers.get(HEADER) == END, True),
    )
    for at, arrived in deaths:
        with Dies(monkeypatch, at, arrived), pytest.raises(BrokerError, match="killed") as death:
            replayed(shop, right)
        del death
        gc.collect()  # its producer too: it would go on in the background
    last = replayed(shop, right)
    assert (last.events, last.letters.total()) == (
        0,
        BROKEN,
    )  # the others are done, as one that died had said
    assert [sorted(one) for one in shop.numbered()] == [sorted(one) for one in calm]
    times: list[list[int]] = [[], [], [], []]
    for one in shop.records(shop.topics.events):
        if one.key() is not None:
            times[one.partition()].append(json.loads(one.value())["ts"])
    assert times == [sorted(one) for one in times]
    with shop.at_work(right):  # an ingest that goes on takes rows of a replay for none of its own
        shop.put(seen, {"visitor": {"id": "u"}, "product": {"sku": 1}, "view": "new", "at": T // 1000 + 500})
        shop.flush()
        shop.until_events(EVENTS + 2)
    periods = samples_of(shop, tmp_path / "replayed", T + 10_000_000)
    assert sum(one.count for one in periods) == sum(one.count for one in calm_periods) + 1
    assert periods[0].hash() == calm_periods[0].hash()
    assert periods[-1].counts["late"] == periods[-1].counts["duplicate"] == 0


def asmg(shop: Shop, folder: Path, *arguments: str) -> str:
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "ASMG_KAFKA_BOOTSTRAP": str(shop.broker["bootstrap.servers"]),
        "ASMG_KAFKA_PREFIX": shop.topics.prefix,
    }
    command = [sys.executable, "-m", "asmg", "dead-letters", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_commands_tell_what_died_and_what_became_of_it(shop, tmp_path):
    seen = shop.topic("views")
    view = {"visitor": {"id": "u"}, "product": {"sku": 1}, "at": T // 1000}
    for n in range(3):
        shop.put(seen, view | {"view": f"v{n}"})
    shop.put(seen, view | {"view": "long", "pad": "x" * 950_000})
    shop.put(seen, b"{broken")
    shown = {"type": "impression", "impression_id": "p", "user_id": "w", "item_id": "i", "ts": T}
    shop.put(shop.topics.events, shown, key="w")
    shop.flush()
    buried(shop, settings(views(seen, item="sku")), 5)
    samples_of(shop, tmp_path, T + 10_000_000)  # windowing has passed their time
    for future in shop.admin.delete_records([TopicPartition(seen, 0, 5)]).values():
        future.result(20)
    table = views(seen)
    lines = [f"{name} = {json.dumps(value)}" for name, value in table.items()]
    (tmp_path / "asmg.toml").write_text("[[ingest.sources]]\n" + "\n".join(lines) + "\n")

    found = json.loads(asmg(shop, tmp_path, "list", "--json"))
    told = {one["reason"]: (one["letters"], one["replayed"]) for one in found["groups"]}
    assert found["letters"] == 5
    assert told["item: sku is missing"] == (4, 0)
    done = json.loads(asmg(shop, tmp_path, "replay", "--json", "--reason", "is missing"))
    assert {one["outcome"]: one["letters"] for one in done["letters"]} == {"replayed": 3, "gone": 1}
    assert (done["events"], done["late"]) == (3, 3)
    (line,) = [one for one in asmg(shop, tmp_path, "list").splitlines() if "sku is missing" in one]
    assert line.split()[:2] == ["4", "3"]
