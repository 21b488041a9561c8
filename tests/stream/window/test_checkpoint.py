"""A partition that goes on from a checkpoint goes on as if nothing had happened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from logs import SETTINGS, Log, logs
from oracle import MAX_TS, Run, click, impression, record, run, settings, ticked

from stream.errors import CorruptArtefact
from stream.settings import StreamSettings
from stream.window.checkpoint import pasts_table, rest_table, restore


@examples(max_examples=150, deadline=None)
@given(SETTINGS, logs(), st.data())
def test_a_restored_partition_goes_on_as_the_one_that_was_saved(
    settings: StreamSettings, log: Log, data: st.DataObject
) -> None:
    stop = data.draw(st.integers(0, len(log)))
    calm = run(settings, log[:stop])
    saved = calm.partition
    whole, rest = pasts_table(saved), rest_table(saved, 3, 17)
    base = whole.slice(0, whole.num_rows // 2)  # of some users; the delta has all of them
    restored = Run(restore(settings, [base, whole], rest, 3, 17), met=calm.met)
    assert restored.partition.counts == saved.counts
    calm.steps.clear()
    for one in (calm, restored):
        one.step([*log[stop:], ticked(MAX_TS, end=True)])
    assert restored.samples == calm.samples
    assert restored.hashes == calm.hashes
    assert restored.dead == calm.dead
    assert restored.histories == calm.histories
    assert restored.counts == calm.counts
    assert restored.partition.ends == calm.partition.ends


def test_a_checkpoint_of_another_place_is_refused() -> None:
    shown, clicked = record(impression("p", "u", "i", 1)), record(click("u", "j", 2))
    state = run(settings(), [shown, clicked, ticked(9)]).partition
    rest = rest_table(state, 0, 3)
    assert restore(settings(), [pasts_table(state)], rest, 0, 3).number == 1
    with pytest.raises(CorruptArtefact, match="partition 0, offset 3, not of 1, 3"):
        restore(settings(), [], rest, 1, 3)
    with pytest.raises(CorruptArtefact, match="cannot be read"):
        restore(settings(), [], pasts_table(state), 0, 3)
