import math

import pytest

from stream.live.recent import Recent
from stream.live.slots import SLOTS, Slots
from stream.settings import LiveSettings
from stream.window.log import Click, Impression, Tick, Unusable

#: Slots of rates are a second long, those of the span a minute.
SETTINGS = LiveSettings(rates_over=SLOTS * 1_000, span=SLOTS * 60_000, top=2)


def shown(ts: int, item: str = "i") -> Impression:
    return Impression(impression_id="p", user_id="u", item_id=item, ts=ts)


def clicked(ts: int, item: str = "i", impression: str | None = "p") -> Click:
    return Click(user_id="u", item_id=item, ts=ts, impression_id=impression)


def test_rates_are_of_kafkas_time_over_the_last_whole_slots() -> None:
    recent = Recent(SETTINGS, max_skew=0)
    for at in range(0, 90_000, 100):  # ten a second for 90 s
        recent.event(shown(ts=5), at)
    recent.event(Tick(watermark=3), 89_500)
    recent.event(Unusable("broken"), 89_500)
    assert recent.told(90_000).rates == {
        "impression": 10.0, "click": 0.0, "tick": 1 / 30, "unusable": 1 / 30
    }  # fmt: skip
    assert recent.told(90_999).rates["impression"] == 10.0
    assert recent.told(105_000).rates["impression"] == 5.0
    assert set(recent.told(125_000).rates.values()) == {0.0}


def test_click_through_is_of_event_time_whenever_it_came() -> None:
    recent = Recent(SETTINGS, max_skew=0)
    hour = 3_600_000
    for ts in (1, hour, hour + 1, hour + 2, hour + 3):
        recent.event(shown(ts), 9 * hour)
    recent.event(clicked(2), 9 * hour)
    recent.event(clicked(hour + 1), 9 * hour)
    recent.event(clicked(hour + 2, impression=None), 9 * hour)
    now = recent.told(9 * hour)
    assert (now.impressions, now.clicks, now.click_through, now.newest) == (4, 1, 0.25, hour + 3)


def test_without_impressions_there_is_no_click_through() -> None:
    recent = Recent(SETTINGS, max_skew=0)
    recent.event(clicked(1, impression=None), 1)
    assert math.isnan(recent.told(1).click_through)


def test_the_most_clicked_items_come_first_with_their_share_of_all_clicks() -> None:
    recent = Recent(SETTINGS, max_skew=0)
    for item in "bbaacd":
        recent.event(clicked(1, item), 1)
    assert recent.told(1).top == [("a", 1 / 3), ("b", 1 / 3)]


def test_an_event_from_the_future_leaves_nothing_behind() -> None:
    recent = Recent(SETTINGS, max_skew=1_000)
    recent.event(shown(5_000), 5_000)
    recent.event(shown(6_001), 5_000)
    assert (recent.told(5_000).impressions, recent.told(5_000).newest) == (1, 5_000)


def test_dead_letters_are_forgotten_after_the_span() -> None:
    recent = Recent(SETTINGS, max_skew=0)
    recent.dead_letter("broken", 0)
    recent.dead_letter("broken", 60_000)
    assert recent.told(60_000).dead == {"broken": 2}
    assert recent.told(SLOTS * 60_000).dead == {"broken": 1}


@pytest.mark.parametrize("late", [0, 1])
def test_slots_keep_no_more_than_they_tell_of_and_one(late: int) -> None:
    slots = Slots(SLOTS)  # of a ms each
    for at in range(100):
        slots.add("a", at)
    slots.add("b", 99 - SLOTS - late)
    assert slots.count(99) == {"a": SLOTS}
    assert slots.count(98) == {"a": SLOTS, **({"b": 1} if not late else {})}
    assert len(slots._slots) == SLOTS + 1
