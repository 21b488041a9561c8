"""The bench of stores measures what it says, on tables too small to matter."""

from bench.store.__main__ import measured


def test_every_store_is_measured_and_so_is_a_loss() -> None:
    found = measured(rows=50, repeats=2)
    assert list(found["seconds"]) == ["folder", "redis", "redis before folder"]
    assert all(one > 0 for by in found["seconds"].values() for one in by.values())
    assert found["get_after_loss_seconds"] > 0
