"""The benchmark of generators measures what it names, at a size that takes no time."""

import json

import pytest
import torch

from bench.generator.measure import independence, measure
from bench.generator.work import Shape

SHAPE = Shape(ids=60, positives=600)


def test_every_generator_is_trained_swept_and_held_against_the_dense_computation() -> None:
    found = json.loads(json.dumps(measure([80, 160], [64], 1, torch.device("cpu"), SHAPE)))
    named = [(one["method"], one["rows"], one["batch"]) for one in found["training"]]
    assert named == [(name, rows, 64) for name in ("asmg-gru-multi", "asmg-plus") for rows in (80, 160)]
    assert all(one["seconds"] > 0 for one in found["training"])
    assert {one["method"] for one in found["sweep"]} == {"asmg-gru-multi", "asmg-plus"}
    assert found["limits"]
    assert [one["method"] for one in found["independence"]] == ["asmg-gru-multi", "asmg-plus"]


def test_tables_smaller_than_what_occurs_are_refused() -> None:
    with pytest.raises(ValueError, match="60 ids need as many rows, not 50"):
        measure([50], [64], 1, torch.device("cpu"), SHAPE)


def test_independence_is_the_time_at_the_most_rows_over_that_at_a_hundred_thousand() -> None:
    def at(rows: int, seconds: float) -> dict[str, object]:
        return {"method": "asmg-plus", "rows": rows, "batch": 256, "seconds": seconds}

    (found,) = independence([at(10_000, 1.0), at(100_000, 2.0), at(10_000_000, 3.0)])
    assert 1.5 in found.values()
