"""A loop that ran, made up: what the topics said and what serving took up."""

from __future__ import annotations

import pytest

from serving.board import Swap
from stream.records import Announcement, Manifest, Score, Serve, encode
from stream.topics import Topics
from trainer.announced import Announced

#: Figures of what `announced` tells: per period the samples, and the scores of Θ and, from period 3, of Θ*.
PERIODS = 4
COUNTS = {"used": 90, "pending": 0, "late": 5, "delayed": 2, "duplicate": 2, "dead": 1, "produced": 100}


@pytest.fixture
def topics() -> Topics:
    return Topics("test.")


@pytest.fixture
def announced(topics: Topics) -> Announced:
    """Four periods of 20 samples, all trained; Θ* from period 2, scored from 3, serving from 4."""
    told, parent = Announced(topics), ""
    for period in range(PERIODS + 1):
        manifest = Manifest(
            period=period,
            parent=parent,
            reason="settings" if period == 0 else "end" if period == PERIODS else "count",
            count=20 if period else 0,
            counts={name: count * period // PERIODS for name, count in COUNTS.items()},
            busy_seconds=0.5 * period,
            closed_at=10_000 * period,
            last_event_at=10_000 * period - 200 if period else 0,
        )
        parent = manifest.hash()
        told.take(topics.periods, encode(manifest))
    for period in range(1, PERIODS + 1):
        told.take(
            topics.models,
            encode(
                Announcement(
                    kind="theta",
                    version=period,
                    parts={"user": f"theta-{period}"},
                    parents={},
                    score=Score(auc=0.7, logloss=0.5, rows=20),
                    seconds={"read": 9.0, "train": 1.0, "write": 0.5},
                )
            ),
        )
        if period > 1:
            told.take(
                topics.models,
                encode(
                    Announcement(
                        kind="star",
                        version=period,
                        parts={"user": f"star-{period}"},
                        parents={},
                        score=Score(auc=0.75, logloss=None, rows=20) if period > 2 else None,
                        seconds={"generate": 2.0, "sweep": 0.25, "write": 0.25, "wait": 9.0},
                    )
                ),
            )
        kind = "star" if period == PERIODS else "theta"
        told.take(topics.serve, encode(Serve(period=period, kind=kind, version=period, reason="because")))
    return told


@pytest.fixture
def swaps() -> dict[int, Swap]:
    """Of all periods but the first, which an earlier process of serving took up."""
    return {
        period: Swap(period, "star" if period == PERIODS else "theta", period, 10_000 * period + 1_000, 0.125)
        for period in range(2, PERIODS + 1)
    }
