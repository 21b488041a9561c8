"""What came in the last minutes, counted in slots of time: rates, clicks and impressions, clicked items."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass

from stream.live.slots import SLOTS, Slots
from stream.settings import LiveSettings
from stream.window.log import Click, Event, Impression

#: What a record of `events` can be.
KINDS = ("impression", "click", "tick", "unusable")


@dataclass(frozen=True)
class Minutes:
    """What the last minutes were like."""

    rates: dict[str, float]  # kind -> records/s that Kafka took, over the last whole slots of `rates_over`
    impressions: int  # of the last `span` of event time
    clicks: int  # that name an impression, of the last `span` of event time
    top: list[tuple[str, float]]  # items clicked most often in that span, and their share of all its clicks
    newest: int  # the largest event time, ms; 0 before the first event
    dead: dict[str, int]  # reason -> dead letters of the last `span` of Kafka's time

    @property
    def click_through(self) -> float:
        """Clicks that name an impression by impressions; NaN where nothing was shown.

        A click and its impression may lie on either side of the span's end, so it can exceed 1.
        """
        return self.clicks / self.impressions if self.impressions else float("nan")


class Recent:
    """Counts events and dead letters; forgets what lies beyond the spans of the settings.

    Memory grows with the distinct items clicked in a slot and the slots, not with the stream.
    """

    def __init__(self, settings: LiveSettings, max_skew: int) -> None:
        self._settings, self._max_skew = settings, max_skew
        self._kinds: Slots = Slots(settings.rates_over)
        self._shown: Slots = Slots(settings.span)
        self._items: Slots = Slots(settings.span)
        self._dead: Slots = Slots(settings.span)
        self._newest = 0

    def event(self, event: Event, taken_at: int) -> None:
        """One record of `events` that Kafka took then, in ms."""
        self._kinds.add(KINDS[event.kind], taken_at)
        if not isinstance(event, Impression | Click) or event.ts > taken_at + self._max_skew:
            return  # an event from the future would leave everything before it behind
        self._newest = max(self._newest, event.ts)
        if isinstance(event, Click):
            self._items.add(str(event.item_id), event.ts)
            if event.impression_id is None:
                return
        self._shown.add(KINDS[event.kind], event.ts)

    def dead_letter(self, reason: str, taken_at: int) -> None:
        """One dead letter that Kafka took then, in ms."""
        self._dead.add(reason, taken_at)

    def told(self, now: int) -> Minutes:
        """What is known at that time of the wall clock, in ms."""
        whole = self._kinds.slot(now) - 1  # the slot that lasts is not full yet
        kinds, seconds = self._kinds.count(whole), self._kinds.width * SLOTS / 1000
        shown = self._shown.count(self._shown.slot(self._newest))
        items = self._items.count(self._items.slot(self._newest))
        clicks = items.total()
        return Minutes(
            rates={kind: kinds[kind] / seconds for kind in KINDS},
            impressions=shown["impression"],
            clicks=shown["click"],
            top=[(item, count / clicks) for item, count in _most(items, self._settings.top)],
            newest=self._newest,
            dead=dict(self._dead.count(self._dead.slot(now))),
        )


def _most(items: Counter[str], top: int) -> list[tuple[str, int]]:
    """The most frequent, those of equal counts by id."""
    return heapq.nsmallest(top, items.items(), key=lambda one: (-one[1], one[0]))
