"""A warm start and the live loop after it come to what a streamed run comes to, and nobody sees the seam."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from confluent_kafka import Message
from rich.console import Console
from waiting import until
from working import at_work

from asmg.config import Settings, load
from asmg.warmup import said, warm_up
from metagen.rebuild import rebuild
from metagen.worker import generate
from stream import kafka
from stream.archive.worker import archive
from stream.close.closer import settle_settings
from stream.close.read import PeriodReader
from stream.errors import ConfigurationError
from stream.history.archived import Archive
from stream.history.steps import until_its_end
from stream.ingest.worker import ingest
from stream.replay import Choices, Source, open_source
from stream.replay.worker import Plan, replay
from stream.settings import IngestSettings, KafkaSettings
from stream.store import ParquetStore
from stream.topics import Topics
from stream.window.worker import window
from trainer.announced import Announced
from trainer.kafka import Workplace
from trainer.lineage import chain
from trainer.worker import train

pytestmark = pytest.mark.integration

#: Seconds that a worker may take for all periods: what it runs is compiled at its first.
DEADLINE = 120.0
#: Rows at which history ends: in the middle of a period, with impressions and clicks open.
SOME, MORE = 830, 1655


class Killed(Exception):
    """Stands for kill -9."""


@cache
def events() -> Source:
    return open_source("synthetic", None, Choices(events=2400))


def part(first: int, last: int) -> Source:
    return Source(f"{events().name}-{first}-{last}", events().events.slice(first, last - first))


class Shop:
    """Topics of their own, a store, and whoever works there."""

    def __init__(
        self,
        bootstrap: str,
        folder: Path,
        trainer: Mapping[str, Any] = MappingProxyType({}),
        metagen: Mapping[str, Any] = MappingProxyType({}),
        **stream: Any,
    ) -> None:
        self.settings: Settings = load(
            {
                "home": folder,
                "stream": {
                    "partitions": 2,
                    "period_count": 200,
                    "lateness": "1s",
                    "window": "60s",
                    "metrics_port": 0,
                    **stream,
                },
                "trainer": {"embedding": 4, "batch": 64, "metrics_port": 0, **trainer},
                "metagen": {"k": 2, "tau": 1, "metrics_port": 0, **metagen},
            }
        )
        prefix = f"test-warmup-{uuid.uuid4().hex[:8]}."
        self.broker: dict[str, object] = {"bootstrap.servers": bootstrap}
        partitions = self.settings.stream.partitions
        self.topics: Topics = kafka.ensure_topics(self.broker, KafkaSettings(prefix=prefix), partitions)
        self.store = ParquetStore(folder / "store")
        self.announced = Announced(self.topics)
        self._follower = kafka.Follower(self.broker, self.announced.followed)

    def place(self) -> Workplace:
        reader = PeriodReader(self.broker, self.topics, self.store)
        return Workplace(self.broker, self.topics, self.store, reader, seed=3)

    def look(self) -> Announced:
        while found := self._follower.poll(0.1):
            for one in found:
                self.announced.take(one.topic(), one.value())
        return self.announced

    def warm_up(self, history: Source | Archive, periods: int) -> dict[str, Any]:
        """`asmg warmup` on that file or archive."""
        stop, console = threading.Event(), Console(stderr=True)
        steps = until_its_end(history) if isinstance(history, Source) else history.until_its_end()
        found = warm_up(self.place(), self.store, self.settings, steps, periods, stop, console)
        assert found is not None
        said(found)
        self.look()
        return found

    def settle(self) -> None:
        """What a window worker does first."""
        settle_settings(self.broker, self.topics, self.settings.stream, threading.Event())

    def live(self, source: Source) -> None:
        """The loop on these events, until it is through with them."""
        stream = self.settings.stream
        plan = Plan(self.topics.events, stream.lateness, stream.window)
        with self.loop() as failed:
            replay(source, self.broker, plan, stop=threading.Event())
            until(lambda: any(failed) or self._through(), DEADLINE)

    @contextmanager
    def loop(self) -> Iterator[list[list[BaseException]]]:
        """The workers while the context lasts; what each of them raises."""
        stream, trainer, metagen = self.settings.stream, self.settings.trainer, self.settings.metagen
        with ExitStack() as works:
            yield [
                works.enter_context(at_work(window, self.broker, self.topics, self.store, stream)),
                works.enter_context(at_work(train, self.place(), trainer)),
                works.enter_context(at_work(generate, self.place(), trainer, metagen)),
            ]

    def archive(self) -> Archive:
        """`asmg archive` until it has every period."""
        periods = len(self.announced.manifests) - 1
        with at_work(archive, self.broker, self.topics, self.store, 0):
            until(lambda: len(self._archived()) == periods, DEADLINE)
        return Archive.of(self.broker, self.topics, self.store)

    def _archived(self) -> list[Message]:
        client = kafka.consumer(self.broker, wait=10)
        low, end = kafka.offsets(client, self.topics.archive, 0)
        found = kafka.between(client, self.topics.archive, 0, low, end)
        client.close()
        return found

    def _through(self) -> bool:
        closed = self.look().manifests[-1:]
        return [(one.reason, one.period) for one in closed] == [("end", self.announced.last_decided())]

    def models(self) -> dict[tuple[str, int], dict[str, str]]:
        """Of every model the names of its parts, which are hashes: tables, MLP, moments, ω, h, Θ*."""
        return {name: one.parts for name, one in self.announced.models.items()}

    def periods(self) -> list[tuple[int, str, str]]:
        return [(one.period, one.reason, one.sha256) for one in self.announced.manifests]

    def served(self) -> str:
        """What the gate said last."""
        kind, version, _ = self.words()[-1]
        return f"{kind}/{version}"

    def histories(self) -> dict[bytes, bytes]:
        """By user the last that serving is told of their positives."""
        follower = kafka.Follower(self.broker, {(self.topics.histories, one): 0 for one in range(2)})
        found = {}
        while not follower.caught_up:
            found |= {one.key(): one.value() for one in follower.poll(0.1)}
        follower.close()
        return found

    def words(self) -> list[tuple[str, int, str]]:
        return [(one.kind, one.version, one.reason) for _, one in sorted(self.announced.gate.items())]

    def dying(self, monkeypatch: pytest.MonkeyPatch, topic: str, after: int) -> None:
        """From the write of that number to the topic on, whoever writes is killed."""
        write, left = kafka.Writer.write, [after]

        def written(mine: kafka.Writer, name: str, *arguments: Any, **named: Any) -> None:
            if name == topic:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
            write(mine, name, *arguments, **named)

        monkeypatch.setattr(kafka.Writer, "write", written)


@pytest.fixture(autouse=True)
def _stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.nice", lambda _by: 0)


def same(one: Shop, other: Shop) -> None:
    """Periods, models (their parts, and all that they were made of) and the gate's words."""
    assert one.periods() == other.periods()
    assert [made.hash() for made in one.announced.manifests] == [
        made.hash() for made in other.announced.manifests
    ]
    assert one.models() == other.models()
    assert {name: made.hash() for name, made in one.announced.models.items()} == {
        name: made.hash() for name, made in other.announced.models.items()
    }
    assert one.words() == other.words()


def test_a_warm_start_and_the_live_loop_come_to_what_the_streamed_run_comes_to(
    bootstrap: str, tmp_path: Path
) -> None:
    streamed = Shop(bootstrap, tmp_path / "streamed")
    streamed.live(events())
    warm = Shop(bootstrap, tmp_path / "warm")
    found = warm.warm_up(part(0, MORE), periods=7)
    assert (found["periods"], found["pretrained"]["periods"], found["serves"]) == (7, 0, warm.served())
    assert len(warm.announced.manifests) == 8
    warm.live(part(MORE, len(events())))
    assert warm.announced.manifests[-1].period > 8
    same(warm, streamed)

    again = Shop(bootstrap, tmp_path / "again")
    assert again.warm_up(streamed.archive(), periods=10)["periods"] == 10
    expected = {name: one.hash() for name, one in streamed.announced.models.items() if name[1] <= 10}
    assert {name: one.hash() for name, one in again.announced.models.items()} == expected


def test_a_warm_start_with_theta_0_goes_on_like_a_stream_from_that_theta_0_whoever_was_killed(
    bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamed = Shop(bootstrap, tmp_path / "streamed")
    begun = streamed.warm_up(part(0, SOME), periods=0)
    assert begun["serves"] is None
    streamed.live(part(SOME, len(events())))

    warm = Shop(bootstrap, tmp_path / "warm")
    for topic, after in ((warm.topics.samples, 3), (warm.topics.periods, 0), (warm.topics.models, 4)):
        with monkeypatch.context() as patch:
            warm.dying(patch, topic, after)
            with pytest.raises(Killed):
                warm.warm_up(part(0, MORE), periods=4)
        if topic != warm.topics.models:
            with pytest.raises(ConfigurationError, match="broken off: run `asmg warmup` again"):
                warm.settle()
    found = warm.warm_up(part(0, MORE), periods=4)
    assert (found["pretrained"]["periods"], found["serves"]) == (3, warm.served())
    assert warm.warm_up(part(0, MORE), periods=4) == found
    for other, periods in ((part(0, MORE - 1), 4), (part(0, MORE), 5)):
        with pytest.raises(ConfigurationError, match="began with another history"):
            warm.warm_up(other, periods)
    warm.live(part(MORE, len(events())))
    assert {"theta", "star", "ema"} == {kind for kind, _ in warm.announced.models}
    same(warm, streamed)

    models = warm.announced.models
    last = models["star", warm.announced.last_decided()]
    links = list(chain(warm.announced, last))
    assert all(link.holds for link in links)
    assert {"theta/0", "period/0"} <= {link.parent for link in links}
    for model in (models["theta", 0], models["theta", 1], last):
        assert rebuild(warm.place(), warm.announced, model).differing == []
    assert warm.histories() == streamed.histories()


def test_under_other_settings_a_loop_is_made_beside_the_one_that_serves_on(
    bootstrap: str, tmp_path: Path
) -> None:
    old = Shop(bootstrap, tmp_path)
    old.live(events())  # to the end, while the archive of its first periods is made use of
    first = replace(old.archive(), periods=old.archive().periods[:6])
    words, models = old.words(), old.models()

    base = {"embedding": 6, "base": "examples.dcn:DCN"}
    other = Shop(bootstrap, tmp_path, base, {"k": 3, "d": 2}, partitions=3, period_count=150)
    found = other.warm_up(first, periods=6)
    assert (found["periods"], found["pretrained"]["periods"], found["serves"]) == (8, 2, other.served())
    assert ("star", 6) in other.announced.models
    source = {
        "topic": old.topics.events,
        "kind_field": "type",
        "impression_values": ["impression"],
        "click_values": ["click"],
        "user": "user_id",
        "item": "item_id",
        "impression": "impression_id",
        "categories": "categories",
        "time": "ts",
    }
    brought = IngestSettings.model_validate({"metrics_port": 0, "sources": [source]})
    stream = other.settings.stream
    with other.loop() as failed, at_work(ingest, other.broker, other.topics, brought, stream) as mine:
        until(lambda: any([*failed, mine]) or other.look().last_decided() >= 9, DEADLINE)
    counts = other.announced.manifests[9].counts
    fates = ("used", "pending", "late", "delayed", "duplicate", "dead")
    assert counts["produced"] == sum(counts[one] for one in fates)
    assert counts["late"] > 0  # what is in the archive already
    assert counts["delayed"] == counts["duplicate"] == counts["dead"] == 0
    star = other.announced.models["star", 9].settings["metagen"]
    assert (star["k"], star["d"]) == (3, 2)
    assert other.announced.models["theta", 9].settings["trainer"]["base"] == base["base"]
    old.look()
    assert (old.words(), old.models()) == (words, models)


def test_a_stream_that_has_begun_is_refused_with_the_mend(bootstrap: str, tmp_path: Path) -> None:
    shop = Shop(bootstrap, tmp_path)
    shop.settle()
    with pytest.raises(ConfigurationError, match=r"begun already, without history .* another kafka\.prefix"):
        shop.warm_up(part(0, SOME), periods=0)
    other = Shop(bootstrap, tmp_path, period_count=300)
    other.topics = shop.topics
    with pytest.raises(ConfigurationError, match=r"stream\.period_count is 300, but .* begun with 200"):
        other.warm_up(part(0, SOME), periods=0)
