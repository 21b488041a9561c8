"""The strategies by name."""

from __future__ import annotations

from trainer.settings import TrainerSettings
from trainer.strategies.contract import Strategy
from trainer.strategies.direct import Batches, Distilled, Incremental
from trainer.strategies.sml import Transferred
from trainer.strategies.spmf import Replayed


def strategy_of(settings: TrainerSettings, seed: int) -> Strategy:
    """The strategy that the settings name, as before its first lesson."""
    match settings.strategy:
        case "iu" | "iu-activity":
            return Incremental()
        case "incctr":
            return Distilled()
        case "spmf":
            return Replayed(settings.reservoir, seed)
        case "sml" | "sml-mf":
            return Transferred(settings.transfer_turns, seed)
        case name:
            return Batches(int(name.removeprefix("bu-")))
