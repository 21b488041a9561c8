"""The live view as Prometheus metrics: what was last told, and nothing that has passed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from stream.live.drift import Drift
from stream.live.recent import Minutes

#: What is told of a period that cannot be compared.
UNKNOWN = Drift(math.nan, math.nan)


@dataclass(frozen=True)
class Period:
    """The last period that closed, beside the one before it."""

    number: int = 0
    drift: Drift = UNKNOWN
    fates: dict[str, int] = field(default_factory=dict)  # fate -> events since the period before


@dataclass(frozen=True)
class View:
    """All that is shown, as of one moment."""

    minutes: Minutes
    fates: dict[str, int]  # fate -> events since the start
    period: Period
    behind: float  # records of `events` not read yet; NaN while Kafka has not told


class Board(Collector):
    """Shows the view it was given last, whole."""

    def __init__(self) -> None:
        self.view: View | None = None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The view's metrics; none before there is one."""
        if (view := self.view) is None:
            return
        now, period = view.minutes, view.period
        yield _by("asmg_live_events_per_second", "Records/s that Kafka took", "type", now.rates)
        yield _one("asmg_live_impressions", "Impressions in the last span of event time", now.impressions)
        yield _one("asmg_live_clicks", "Clicks that name an impression, in that span", now.clicks)
        yield _one("asmg_live_click_through", "Those clicks by those impressions", now.click_through)
        top = GaugeMetricFamily(
            "asmg_live_item_share",
            "Share of that span's clicks, of the most clicked",
            labels=["rank", "item"],
        )
        for rank, (item, share) in enumerate(now.top, 1):
            top.add_metric([str(rank), item], share)
        yield top
        yield _one("asmg_live_event_time_ms", "Largest event time, ms", now.newest)
        yield _by(
            "asmg_live_dead_letters", "Dead letters of the last span of Kafka's time", "reason", now.dead
        )
        yield _by("asmg_live_became", "Events since the start by what became of them", "became", view.fates)
        yield _one("asmg_live_lag_events", "Records of events that were not read yet", view.behind)
        yield _one("asmg_live_period", "Last period that closed", period.number)
        yield _by("asmg_live_period_became", "The same, of the last period alone", "became", period.fates)
        yield _one(
            "asmg_live_period_drift",
            "Jensen-Shannon distance of the items' shares of positives, period and the one before; 0 to 1",
            period.drift.distance,
        )
        yield _one(
            "asmg_live_period_new_items",
            "Share of the period's positives on items that the period before had no sample of",
            period.drift.new_items,
        )


def _one(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, value=value)


def _by(name: str, meaning: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for one, value in values.items():
        family.add_metric([one], value)
    return family
