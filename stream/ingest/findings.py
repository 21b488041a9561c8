"""What a sample of foreign topics says: kinds, what is dropped and why, times, rates, the join. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stream.ingest.advice import advice
from stream.ingest.fields import UNITS
from stream.ingest.mapping import Mapped, Mapping
from stream.ingest.sample import Sample, Seen
from stream.ingest.spans import iso, tidy
from stream.settings import StreamSettings
from stream.window.log import Click, Impression

#: An example is shown up to so many characters, and of so many reasons and kinds the most frequent.
_EXAMPLE, _MOST = 160, 8

_YEAR = 365 * 86_400_000


@dataclass(frozen=True)
class Looked:
    """A topic's sample, and what the mapping makes of each record."""

    sample: Sample
    mapped: list[Mapped]
    unit: str  # time_unit of its first table

    @classmethod
    def at(cls, sample: Sample, mapping: Mapping, unit: str) -> Looked:
        """The sample under the mapping."""
        return cls(sample, [one.mapped(mapping) for one in sample.records], unit)


def findings(looked: Sequence[Looked], stream: StreamSettings) -> dict[str, Any]:
    """Everything there is to say, as `--json` writes it."""
    topics = [_topic(one, stream) for one in looked]
    join = _join(looked)
    return {
        "topics": topics,
        "join": join,
        "usable": any(one["impressions"] + one["clicks"] for one in topics),
        "warnings": advice(topics, join, stream),
    }


def _topic(looked: Looked, stream: StreamSettings) -> dict[str, Any]:
    events = [event for one in looked.mapped for event in one.events]
    impressions = [one for one in events if isinstance(one, Impression)]
    clicks = [one for one in events if isinstance(one, Click)]
    span = _span(events)
    left_out = Counter(one.left_out for one in looked.mapped if one.left_out)
    return {
        "topic": looked.sample.topic,
        "partitions": looked.sample.partitions,
        "records": len(looked.mapped),
        "older_records": looked.sample.cut,
        "impressions": len(impressions),
        "clicks": len(clicks),
        "left_out": sum(left_out.values()),
        "left_out_kinds": dict(left_out.most_common(_MOST)),
        "dropped": sum(bool(one.reason) for one in looked.mapped),
        "reasons": _reasons(looked),
        "fields": {
            "users": len({one.user_id for one in events}),
            "items": len({one.item_id for one in events}),
            "with_categories": _share(sum(bool(one.categories) for one in events), len(events)),
            "clicks_with_impression_id": _share(
                sum(one.impression_id is not None for one in clicks), len(clicks)
            ),
            "impression_ids_repeated": len(impressions)
            - len({(one.user_id, one.impression_id) for one in impressions}),
            "example": _built(events[-1]) if events else None,
        },
        "per_second": {"impressions": _rate(len(impressions), span), "clicks": _rate(len(clicks), span)},
        "times": _times(looked, stream),
    }


def _reasons(looked: Looked) -> list[dict[str, Any]]:
    """Reasons that differ in what they quote alone are one, with the first of them as its example."""
    first: dict[str, tuple[Seen, str]] = {}
    counts: Counter[str] = Counter()
    for seen, mapped in zip(looked.sample.records, looked.mapped, strict=True):
        if mapped.reason:
            kind = re.sub(r"'[^']*'|\"[^\"]*\"|\d+(\.\d+)?", "…", mapped.reason)
            counts[kind] += 1
            first.setdefault(kind, (seen, mapped.reason))
    found = []
    for kind, count in counts.most_common(_MOST):
        seen, reason = first[kind]
        found.append(
            {
                "reason": reason,
                "count": count,
                "example": {
                    "partition": seen.partition,
                    "offset": seen.offset,
                    "value": (seen.value or b"")[:_EXAMPLE].decode(errors="replace"),
                },
            }
        )
    return found


def _times(looked: Looked, stream: StreamSettings) -> dict[str, Any]:
    """From when to when, how far times run back in a partition, how many are ahead of Kafka's clock."""
    newest: dict[int, int] = {}
    back, future, times, kafkas = [], 0, [], []
    for seen, mapped in zip(looked.sample.records, looked.mapped, strict=True):
        if not mapped.events:
            continue
        ts, at = mapped.events[0].ts, seen.record.timestamp
        before = newest.get(seen.partition, ts)
        back.append(max(0, before - ts))
        times.append(ts)
        if at is not None:
            kafkas.append(at)
            if ts > at + stream.max_skew:
                future += 1
                continue  # it would make all after it seem to run back
        newest[seen.partition] = max(before, ts)
    if not times:
        return {
            "first": None,
            "last": None,
            "back": 0.0,
            "back_p999_ms": 0,
            "late": 0.0,
            "future": 0.0,
            "unit": None,
        }
    runs_back = np.array(back)
    return {
        "first": iso(min(times)),
        "last": iso(max(times)),
        "back": _share(int(np.count_nonzero(runs_back)), len(times)),
        "back_p999_ms": int(np.quantile(runs_back, 0.999, method="higher")),
        "late": _share(int(np.count_nonzero(runs_back > stream.lateness)), len(times)),
        "future": _share(future, len(times)),
        "unit": _other_unit(float(np.median(times)), float(np.median(kafkas)), looked.unit)
        if kafkas
        else None,
    }


def _other_unit(median: float, kafka_median: float, unit: str) -> str | None:
    """The unit under which times would be near Kafka's, where under this one they are far from it."""
    if unit not in UNITS or abs(median - kafka_median) < 10 * _YEAR:
        return None
    number = median / UNITS[unit]
    near = [one for one, size in UNITS.items() if abs(number * size - kafka_median) < 2 * _YEAR]
    return near[0] if near else None


def _join(looked: Sequence[Looked]) -> dict[str, Any]:
    """How many clicks find their impression, of those whose impression the sample would hold.

    The samples begin somewhere: a click soon after has its impression before. So of a sample that is cut only
    clicks of its later half count, and no delay longer than half of it can be seen.
    """
    shown: dict[tuple[str, str], int] = {}
    whose: dict[str, str] = {}
    clicks: list[Click] = []
    begin, last, cut = -1, 0, False
    for one in looked:
        impressions = [
            event for mapped in one.mapped for event in mapped.events if isinstance(event, Impression)
        ]
        clicks += [event for mapped in one.mapped for event in mapped.events if isinstance(event, Click)]
        for event in impressions:
            identifier, user = str(event.impression_id), str(event.user_id)
            shown[user, identifier] = min(event.ts, shown.get((user, identifier), event.ts))
            whose[identifier] = user
        if impressions and one.sample.cut:
            begin, cut = max(begin, _covered_from(one)), True
        last = max([last, *(event.ts for event in impressions)])
    half = max(0, last - begin) // 2 if cut else 0
    named = [click for click in clicks if click.impression_id is not None]
    considered = [click for click in named if not cut or begin + half <= click.ts <= last]
    delays, other_user, early = [], 0, 0
    for click in considered:
        at = shown.get((str(click.user_id), str(click.impression_id)))
        if at is None:
            other_user += str(click.impression_id) in whose
        elif click.ts < at:
            early += 1
        else:
            delays.append(click.ts - at)
    p50, p90, p99 = (
        (int(one) for one in np.quantile(delays, (0.5, 0.9, 0.99), method="higher"))
        if delays
        else (None,) * 3
    )
    return {
        "impressions": len(shown),
        "clicks": len(clicks),
        "clicks_without_id": len(clicks) - len(named),
        "considered": len(considered),
        "found": len(delays),
        "before_their_impression": early,
        "under_another_user": other_user,
        "rate": _share(len(delays), len(considered)) if considered else None,
        "delay_ms": {"p50": p50, "p90": p90, "p99": p99},
        "longest_seen_ms": half if cut else None,
        "window_ms": tidy(p99 + 1) if p99 is not None else None,
    }


def _covered_from(looked: Looked) -> int:
    """From when on a cut sample holds all impressions: each partition's begins elsewhere."""
    first: dict[int, int] = {}
    for seen, mapped in zip(looked.sample.records, looked.mapped, strict=True):
        if mapped.events and isinstance(mapped.events[0], Impression):
            first.setdefault(seen.partition, mapped.events[0].ts)
    return max(first.values(), default=-1)


def _built(event: Impression | Click) -> dict[str, Any]:
    kind = "click" if isinstance(event, Click) else "impression"
    return {"type": kind} | {name: getattr(event, name) for name in event.__struct_fields__}


def _span(events: Sequence[Impression | Click]) -> float:
    """Seconds that most of the events lie in: a few with wrong times do not count."""
    if len(events) < 2:
        return 0.0
    low, high = np.quantile([one.ts for one in events], (0.005, 0.995))
    return float(high - low) / 990


def _rate(count: int, seconds: float) -> float | None:
    return round(count / seconds, 3) if seconds > 0 else None


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
