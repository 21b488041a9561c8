"""The last period that each stage has done, and how far each lags behind, from Kafka alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stream.positions import Position
from trainer.announced import Announced


@dataclass(frozen=True)
class Stages:
    """The last period that each stage has done, and how far each lags behind the one before."""

    closed: int
    trained: int
    generated: int  # 0 until the generator's window is full
    decided: int
    windowing_lag: int  # records of `events` that windowing has not taken yet

    @classmethod
    def of(cls, announced: Announced, windowed: Mapping[int, Position]) -> Stages:
        """From what is announced, and where windowing is."""
        stars = [version for kind, version in announced.models if kind == "star"]
        return cls(
            closed=max(len(announced.manifests) - 1, 0),
            trained=announced.last_theta(),
            generated=max(stars, default=0),
            decided=announced.last_decided(),
            windowing_lag=sum(position.waiting for position in windowed.values()),
        )

    @property
    def lag(self) -> dict[str, int]:
        """Windowing in events; trainer and metagen in closed periods."""
        return {
            "window_events": self.windowing_lag,
            "train_periods": self.closed - self.trained,
            "metagen_periods": self.closed - self.decided,
        }
