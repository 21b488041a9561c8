"""The strategies by name."""

from __future__ import annotations

from trainer.settings import TrainerSettings
from trainer.strategies.contract import Strategy
from trainer.strategies.direct import Batches, Distilled, Incremental


def strategy_of(settings: TrainerSettings) -> Strategy:
    """The strategy that the settings name, as before its first lesson."""
    match settings.strategy:
        case "iu" | "iu-activity":
            return Incremental()
        case "incctr":
            return Distilled()
        case name:
            return Batches(int(name.removeprefix("bu-")))
