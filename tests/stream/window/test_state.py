"""Impressions against a dictionary by (user, impression_id)."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.window import state
from stream.window.kernels import NEVER
from stream.window.state import Impressions

keys = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abcde")), min_size=1, max_size=12)


def of(impressions: Impressions, some: list[tuple[int, str]]) -> list[int]:
    users = np.array([user for user, _ in some], np.int32)
    return impressions.of(users, [name for _, name in some]).tolist()


def settled(impressions: Impressions) -> dict[tuple[int, str], int]:
    return {(int(impressions.user[slot]), impressions.names[slot]): int(slot) for slot in impressions.slots()}


@given(st.lists(keys, max_size=6), st.sets(st.integers(0, 60)))
def test_each_key_has_one_slot_before_and_after_sweeping(
    batches: list[list[tuple[int, str]]], gone: set[int]
) -> None:
    impressions, known = Impressions(), dict[tuple[int, str], int]()
    for some in batches:
        for key, slot in zip(some, of(impressions, some), strict=True):
            assert known.setdefault(key, slot) == slot
    assert settled(impressions) == known
    assert all(impressions[key] == slot for key, slot in known.items())
    assert len(impressions) == len(known)

    for slot in known.values():
        impressions.ts[slot] = NEVER if slot in gone else 10 + slot
    impressions._kept = -state.SWEEP
    named = np.array([-1, *sorted(known.values())[:1]], np.int32)
    moved = impressions.sweep(10, named)
    assert moved is not None
    kept = {key: slot for key, slot in known.items() if slot not in gone or slot in named}
    assert settled(impressions) == {key: moved[slot] for key, slot in kept.items()}
    assert sorted(settled(impressions).values()) == list(range(len(kept)))
    assert all(impressions.ts[moved[slot]] in (NEVER, 10 + slot) for slot in kept.values())
    assert moved[-1] == -1

    for some in batches:  # what is gone gets a slot again, what stayed keeps its own
        for key, slot in zip(some, of(impressions, some), strict=True):
            assert key not in kept or slot == moved[kept[key]]
    assert set(settled(impressions)) == set(known)
