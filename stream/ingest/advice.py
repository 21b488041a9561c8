"""What should be looked at before one's own topics are ingested, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stream.ingest.spans import said, tidy
from stream.settings import StreamSettings


def advice(topics: Sequence[Mapping[str, Any]], join: Mapping[str, Any], stream: StreamSettings) -> list[str]:
    """A sentence for everything in the findings that should be looked at."""
    found = []
    for one in topics:
        name, times = one["topic"], one["times"]
        if not one["records"]:
            found.append(f"{name}: it holds no record")
        elif not one["impressions"] + one["clicks"]:
            found.append(f"{name}: none of {one['records']:,} records is usable")
        if times["unit"]:
            found.append(
                f"{name}: its times are {times['first']} to {times['last']}, far from when Kafka got them: "
                f'set time_unit = "{times["unit"]}"'
            )
        elif times["future"]:
            found.append(
                f"{name}: {times['future']:.1%} of the times lie more than {said(stream.max_skew)} ahead of "
                "Kafka's clock; windowing takes those for dead (stream.max_skew): is time_unit right?"
            )
        if times["late"]:
            enough = said(tidy(times["back_p999_ms"] + 1))
            found.append(
                f"{name}: {times['late']:.1%} of the times run back further than stream.lateness "
                f"({said(stream.lateness)}); 999 of 1000 would be in time with {enough}"
            )
        if repeated := one["fields"]["impression_ids_repeated"]:
            found.append(
                f"{name}: {repeated:,} impressions repeat an id of their user, and only "
                "the first of an id counts: with an id that items shown together share, set slate"
            )
    return found + _of_join(join)


def _of_join(join: Mapping[str, Any]) -> list[str]:
    found = []
    if join["clicks_without_id"] and join["impressions"]:
        found.append(
            f"{join['clicks_without_id']:,} of {join['clicks']:,} clicks name no impression: each is a "
            "positive of its own, for which a negative is drawn"
        )
    if join["under_another_user"]:
        found.append(
            f"{join['under_another_user']:,} clicks name an impression of another user, and are dead: "
            "do both topics have the same kind of user id?"
        )
    if join["clicks"] > join["clicks_without_id"] and not join["impressions"]:
        found.append(
            "clicks name impressions, and no topic with impressions is mapped: those clicks are dead"
        )
    elif join["clicks"] > join["clicks_without_id"] and not join["considered"]:
        found.append("no click lies in the later half of the impressions that were read: raise --records")
    elif join["rate"] is not None and join["rate"] < 0.5:
        found.append(
            f"{join['rate']:.0%} of the clicks find their impression: do impression (or slate) and user "
            "name the same in both?"
        )
    seen, p99 = join["longest_seen_ms"], join["delay_ms"]["p99"]
    if seen is not None and p99 is not None and p99 > 0.8 * seen:
        found.append(f"delays may be longer than the {said(seen)} that this sample can show: raise --records")
    return found
