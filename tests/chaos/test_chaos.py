"""The loop over real clicks, whatever is done to it: a process of its own says that nothing differs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from disturb import compare, run, shop_of, started
from faults import FULL, READ_ONLY, TURNS, Disk, Pauses, disk
from kills import Kills, plan_of
from loop import Peace, Shop
from nodes import Kafka, OneNode
from redis_server import RedisServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

KILLS = 12


class Runs:
    """An undisturbed run, and others compared with it."""

    def __init__(self, folder: Path, broker: Kafka, shop: Shop) -> None:
        self.folder, self.broker, self.shop = folder, broker, shop
        run(folder / "calm", broker, shop, Peace())

    def verdict(self, name: str, count: int) -> str:
        """What verify.py says of a run, in its last line; all that is wrong comes with it."""
        said = compare(self.broker, self.folder / "calm", self.folder / name, self.shop, count)
        return said.stderr + said.stdout


@pytest.fixture(scope="module")
def runs(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    folder = tmp_path_factory.mktemp("chaos")
    with started(OneNode(folder / "kafka")) as broker:
        yield Runs(folder, broker, shop_of(shared / "data" / "diginetica", "2016-01-02", 12))


def exact(runs: Runs, count: int) -> str:
    """The verdict on a run that lost nothing, counted nothing twice and differs in nothing."""
    events = runs.shop.events
    return f"chaos: events {events} samples {events} kills {count} lost 0 duplicated 0 differing 0\n"


def test_workers_kafka_and_redis_killed_at_named_steps_change_nothing(
    runs: Runs, redis_server: RedisServer
) -> None:
    kills = run(runs.folder / "killed", runs.broker, runs.shop, Kills(plan_of(KILLS, seed=0)), redis_server)
    assert kills == KILLS
    assert runs.verdict("killed", kills) == exact(runs, kills)


def test_workers_and_kafka_that_stand_still_on_machines_whose_clocks_jump_change_nothing(runs: Runs) -> None:
    pauses = run(runs.folder / "paused", runs.broker, runs.shop, Pauses())
    assert pauses == len(TURNS)
    assert runs.verdict("paused", pauses) == exact(runs, pauses)


def test_a_disk_that_is_full_and_then_read_only_ends_workers_in_one_line_and_changes_nothing(
    runs: Runs,
) -> None:
    with disk(runs.folder / "disk" / "store") as mounted:
        if not mounted:
            pytest.skip("only root may mount a small file system to fill")
        faults = Disk(runs.folder / "disk" / "store")
        count = run(runs.folder / "disk", runs.broker, runs.shop, faults)
        assert faults.said == {FULL, READ_ONLY}
        assert runs.verdict("disk", count) == exact(runs, count)
