"""What `asmg bench stream` sends and how it reckons."""

import numpy as np

from asmg.bench_stream import Speeds, clicks
from stream.replay import CLICK, EVENTS


def test_the_clicks_are_those_of_count_and_seed_and_in_order() -> None:
    source = clicks(5_000, 1)
    assert source.events.schema.equals(EVENTS)
    assert len(source) == source.samples == 5_000
    assert set(source.events["kind"].to_pylist()) == {CLICK}
    assert np.all(np.diff(source.events["ts"].to_numpy()) >= 0)
    assert source.events.equals(clicks(5_000, 1).events)
    assert source.name == clicks(5_000, 1).name
    assert len({source.name, clicks(5_001, 1).name, clicks(5_000, 2).name}) == 3


def test_a_ratio_compares_speeds_and_not_seconds() -> None:
    found = Speeds(events=1_000, periods=3, timed=900, seconds=9.0, limit_seconds=2.0).described()
    assert found["events_per_second"] == 100
    assert found["limit_events_per_second"] == 500
    assert found["ratio"] == 0.2
