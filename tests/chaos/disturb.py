"""The loop over real clicks twice, in peace and with everything killed at every step; then the verdict.

Starts a Kafka and a Redis of its own, runs both, and hands them to verify.py, a process of its own, whose one
line and exit status are the outcome. `disturb.py --help` says what can be chosen.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from kills import Kills, plan_of
from loop import Failed, Loop, Peace, Shop
from nodes import Kafka, OneNode, ThreeNodes
from redis_server import RedisServer

from asmg.options import source_of

HERE = Path(__file__).parent


def compare(
    broker: Kafka, calm: Path, disturbed: Path, shop: Shop, count: int
) -> subprocess.CompletedProcess[str]:
    """What verify.py says of two runs, whose folders' names are their topics' prefixes."""
    runs = [part for one in (calm, disturbed) for part in (f"{one.name}.", str(one / "store"))]
    command = [str(HERE / "verify.py"), broker.bootstrap, *runs, str(shop.events), str(count)]
    return subprocess.run([sys.executable, *command], check=False, capture_output=True, text=True)


def run(folder: Path, broker: Kafka, shop: Shop, disturbance: Peace, redis: RedisServer | None = None) -> int:
    """A run in that folder, under topics of its name; how often it was disturbed. Raises: Failed."""
    return Loop(folder, broker, redis, f"{folder.name}.", shop, disturbance).run()


def shop_of(data: Path, until: str, periods: int) -> Shop:
    """A slice of a data set in so many periods."""
    _, source = source_of(data, None, until=date.fromisoformat(until))
    return Shop(data, until, periods, len(source))


@contextmanager
def started(kafka: Kafka) -> Iterator[Kafka]:
    """Kafka while the context lasts."""
    kafka.start()
    try:
        yield kafka
    finally:
        kafka.stop()


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="asmg-chaos-") as name:
        yield Path(name)


def main() -> int:
    """The exit status: verify.py's, or 2 where a run did not come to its end."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--kills", type=int, default=66)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--data", type=Path, default=HERE.parents[2] / "shared" / "data" / "diginetica")
    words.add_argument("--until", default="2016-01-05", help="clicks before this day (UTC)")
    words.add_argument("--periods", type=int, default=14)
    words.add_argument("--nodes", type=int, choices=(1, 3), default=1, help="of Kafka")
    words.add_argument("--keep", type=Path, help="a new folder for logs, stores and Kafka, which stays")
    given = words.parse_args()
    shop = shop_of(given.data, given.until, given.periods)
    print(f"{shop.events:,} events, {shop.period_count:,} a period", file=sys.stderr)
    nodes = {1: OneNode, 3: ThreeNodes}[given.nodes]
    with _folder(given.keep) as folder, started(nodes(folder / "kafka")) as broker:
        calm, disturbed = folder / "calm", folder / "disturbed"
        redis = RedisServer(folder).start()
        try:
            run(calm, broker, shop, Peace())
            kills = run(disturbed, broker, shop, Kills(plan_of(given.kills, given.seed)), redis)
        except Failed as failure:
            print(f"chaos: {failure}", file=sys.stderr)
            return 2
        finally:
            redis.stop()
        verdict = compare(broker, calm, disturbed, shop, kills)
    print(verdict.stderr, end="", file=sys.stderr)
    print(verdict.stdout, end="")
    return verdict.returncode


if __name__ == "__main__":
    sys.exit(main())
