"""One experiment: what was asked, its folder, and where in it things lie.

| in the folder         | what                                                          |
|-----------------------|---------------------------------------------------------------|
| settings.json         | what the figures depend on; another experiment is refused     |
| periods/              | D_1..D_T as Arrow streams                                     |
| runs/METHOD-seedS.jsonl | a line per finished period                                  |
| parts/METHOD-seedS/   | Θ_t, every one that generators may read; the last Θ*_t and ω_t |
| report.*, *.png       | the outcome so far                                            |
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asmg.experiment.ledger import Ledger, write_whole
from asmg.experiment.periods import Protocol
from metagen.settings import MetagenSettings
from stream.errors import ConfigurationError, DataError
from stream.samples import Samples
from stream.store import ParquetStore
from trainer.kafka import BASE_CODE
from trainer.settings import TrainerSettings
from trainer.source import sha256_of

#: Held by whoever runs the experiment.
LOCK = ".lock"

#: Says whose the folder is.
SETTINGS = "settings.json"

#: Of 31 periods the paper pre-trains on these many; of others in proportion.
PRETRAINED, OF = 10, 31

#: Settings that no figure depends on, or that the method decides.
_WITHOUT = {
    "device", "threads", "metrics_port", "tau", "gate_window", "gate_margin", "gate_jump", "generator",
    "strategy", "shadow", "shadow_metrics_port",
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What the workers of an experiment must know; small, so that it can be sent to processes."""

    folder: Path
    dataset: str
    source: str  # the name of the events: changes with the input and with every choice
    protocol: Protocol
    periods: int
    trainer: TrainerSettings
    metagen: MetagenSettings
    seed: int  # of the first run; each further one has the next
    stream: Mapping[str, int]  # settings of the stream that shape samples

    @property
    def pretrained(self) -> int:
        """How many periods Θ_0 is trained on before the first update; none in a stream."""
        return round(self.periods * PRETRAINED / OF) if self.protocol == "paper" else 0

    @property
    def scored(self) -> int:
        """The first period that a trained model is scored on."""
        return max(self.pretrained, 1) + 1

    def samples(self, period: int) -> Samples:
        """D_t, as `claim` wrote it."""
        return Samples.decode(self._period(period).read_bytes())

    def claim(self, periods: Sequence[Samples]) -> None:
        """Make the folder this experiment's, and write D_1..D_T for the workers."""
        write_whole(self.folder / SETTINGS, json.dumps(self.settings(), indent=2).encode() + b"\n")
        for number, samples in enumerate(periods, start=1):
            write_whole(self._period(number), samples.encode())

    def kept(self) -> bool:
        """Whether all periods are written."""
        return all(self._period(number).exists() for number in range(1, self.periods + 1))

    def ledger(self, method: str, run: int) -> Ledger:
        """What is finished of a method's run, from 0."""
        return Ledger(self.folder / "runs" / f"{_file(method, self.seed + run)}.jsonl")

    def store(self, method: str, run: int) -> ParquetStore:
        """Where the parts of a method's run are; each has its own, so that deleting concerns nobody else."""
        return ParquetStore(self.folder / "parts" / _file(method, self.seed + run))

    def check(self) -> None:
        """Raises: ConfigurationError: the folder is another experiment's, or something else's."""
        path, mine = self.folder / SETTINGS, self.settings()
        if not path.exists():
            if any(child.name != LOCK for child in self.folder.iterdir()):
                raise ConfigurationError(f"{self.folder} holds what is no experiment; choose another folder")
            return
        try:
            theirs = json.loads(path.read_bytes())
        except ValueError as error:
            raise DataError(f"{path} cannot be read: {error}") from error
        if (other := _first_other(theirs, mine)) is not None:
            name, there, here = other
            raise ConfigurationError(
                f"{self.folder} was made with other settings: {name} was {there}, now {here}; choose another"
            )

    def settings(self) -> dict[str, Any]:
        """All that the figures depend on, but for methods and number of seeds."""
        trainer, metagen = (
            one.model_dump(mode="json", exclude=_WITHOUT) for one in (self.trainer, self.metagen)
        )
        told = {"dataset": self.dataset, "source": self.source, "protocol": self.protocol}
        if self.trainer.base is not None:
            told[BASE_CODE] = sha256_of(self.trainer.base)
        return told | {
            "periods": self.periods,
            "seed": self.seed,
            "trainer": trainer,
            "metagen": metagen,
            "stream": dict(self.stream),
        }

    def _period(self, number: int) -> Path:
        return self.folder / "periods" / f"{number:03d}.arrow"


def _file(method: str, seed: int) -> str:
    return f"{method.replace(' ', '-')}-seed{seed}"


def _first_other(theirs: Any, mine: Mapping[str, Any], before: str = "") -> tuple[str, Any, Any] | None:
    """The name of the first setting that differs, what it was and what it is."""
    for name in {**mine, **theirs} if isinstance(theirs, dict) else mine:
        there, here = (one.get(name) if isinstance(one, dict) else None for one in (theirs, mine))
        if isinstance(here, dict):
            if (found := _first_other(there, here, f"{before}{name}.")) is not None:
                return found
        elif there != here:
            return f"{before}{name}", there, here
    return None
