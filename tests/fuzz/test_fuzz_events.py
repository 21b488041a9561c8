"""Whatever bytes lie in `events`: an event, or a reason why there is none."""

from __future__ import annotations

import json

import msgspec
from fuzzing import fuzzed, spoiled, spoiled_json
from hypothesis import strategies as st
from valid import EVENTS

from stream.window.log import LONGEST_REASON, Click, Event, Impression, Tick, Unusable, decode

_BYTES = [json.dumps(one).encode() for one in EVENTS]


@fuzzed(st.lists(st.one_of(st.none(), spoiled(*_BYTES), spoiled_json(*EVENTS)), max_size=6))
def test_any_bytes_are_an_event_or_have_a_reason(values: list[bytes | None]) -> None:
    found: list[Event] = decode(values)
    assert found == [one for value in values for one in decode([value])]  # whoever stands beside it
    for one in found:
        assert isinstance(one, Impression | Click | Tick | Unusable)
        if isinstance(one, Unusable):
            assert 0 < len(one.reason) <= LONGEST_REASON
            assert "\n" not in one.reason
        msgspec.json.encode(one)
