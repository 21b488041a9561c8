"""What `bench.stream` sends, compares and reckons; the contestants themselves need a Kafka and minutes."""

import ast
from pathlib import Path

import numpy as np
import pytest

import bench.stream
from asmg.experiment.periods import windowed
from bench.shop import CLICKED, shop
from bench.stream.exact import compare
from bench.stream.run import ratios
from bench.stream.speed import Speed
from stream.records import Manifest
from stream.replay import CLICK, EVENTS
from stream.samples import hash_of
from stream.settings import StreamSettings

SETTINGS = StreamSettings(period_count=1)


def manifests(source, count):
    return [
        Manifest(
            period=place + 1,
            parent="",
            reason="count",
            count=len(one),
            positives=int(one.label.sum()),
            sha256=hash_of(one.row_hash),
        )
        for place, one in enumerate(windowed(source, count, SETTINGS))
    ]


def test_the_shop_has_an_even_rate_and_clicks_only_what_it_showed_before() -> None:
    source = shop(4_600, users=50, items=30, rate=200.0, seed=1)
    assert source.events.schema.equals(EVENTS)
    assert len(source) == 4_600
    assert np.all(np.diff(source.events["ts"].to_numpy()) == 5)
    shown: dict[str, tuple[str, str]] = {}
    clicked = set()
    for one in source.events.to_pylist():
        what = (one["user_id"], one["item_id"])
        if one["kind"] == CLICK:
            assert shown[one["impression_id"]] == what
            assert one["impression_id"] not in clicked
            clicked.add(one["impression_id"])
        else:
            shown[one["impression_id"]] = what
    assert len(clicked) == pytest.approx(CLICKED * len(shown), abs=1)


def test_the_same_shop_has_the_same_name_and_events_and_another_seed_others() -> None:
    one, other = (shop(500, 20, 10, 100.0, seed) for seed in (1, 2))
    again = shop(500, 20, 10, 100.0, 1)
    assert one.name == again.name != other.name
    assert one.events.equals(again.events)
    assert not one.events.equals(other.events)


def test_periods_that_are_the_same_do_not_differ() -> None:
    source = shop(2_000, 30, 20, 100.0, seed=1)
    found = compare(source, 4, SETTINGS, manifests(source, 4))
    assert (found.periods, found.samples, found.differing) == (4, source.samples, 0)


def test_a_period_with_another_hash_and_one_that_is_missing_are_counted() -> None:
    source = shop(2_000, 30, 20, 100.0, seed=1)
    first, second, third, _ = manifests(source, 4)
    wrong = Manifest(
        period=2, parent="", reason="count", count=second.count, positives=second.positives, sha256="0"
    )
    assert compare(source, 4, SETTINGS, [first, wrong, third]).differing == 2
    more = [*manifests(source, 4), third]
    assert compare(source, 4, SETTINGS, more).differing == 1


def test_ratios_are_of_medians_by_time_and_by_cpu() -> None:
    ours = [Speed(2, 1_000, seconds, seconds * 2) for seconds in (1.0, 2.0, 10.0)]
    theirs = [Speed(1, 100, 1.0, 0.5)]
    found = ratios({"windowing": ours, "quix": theirs})
    assert found == {"quix": {"passed": 5.0, "cpu": 1.25}}


@pytest.mark.parametrize("name", ["quix", "faust"])
def test_a_framework_s_job_imports_nothing_of_ours(name: str) -> None:
    tree = ast.parse((Path(bench.stream.__file__).parent / f"{name}_job.py").read_text())
    imported = {
        alias.name.split(".")[0] if isinstance(node, ast.Import) else str(node.module).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not imported & {"stream", "trainer", "metagen", "serving", "asmg", "bench", "numpy"}
