"""The grid of `--tune`: the base's learning rate for every method alike, then one setting of its own.

| method                                  | own setting                    | values                |
|-----------------------------------------|--------------------------------|-----------------------|
| incctr                                  | trainer.distillation           | 0.1, 0.2, 0.3, 0.5    |
| spmf                                    | trainer.replay                 | 0.25, 0.5, 1          |
| sml, sml-mf                             | trainer.transfer_learning_rate | 1e-4, 1e-3, 1e-2      |
| asmg-linear, average                    | metagen.k                      | 2, 3, 5               |
| ema                                     | metagen.decay                  | 0.3, 0.5, 0.7         |
| asmg-gru-*, asmg-plus, iu-calibrated    | metagen.learning_rate          | 3e-3, 1e-2            |
| iu, bu-*, iu-activity                   | none                           |                       |

A generator on `iu-activity` has the own setting of the same generator on `iu`. The value that is given
(default, preset or --set) is tried as well, since its run is there anyway.
"""

from __future__ import annotations

from collections.abc import Sequence

from asmg.experiment.methods import Method

#: A setting, SECTION.NAME, and the values to try.
Axis = tuple[str, Sequence[object]]

#: The paper's 1e-3 (4.1.4), and what a base needs that is to be well trained (method.md).
RATE: Axis = ("trainer.learning_rate", (1e-3, 3e-3, 5e-3, 1e-2))

_TRANSFER: Axis = ("trainer.transfer_learning_rate", (1e-4, 1e-3, 1e-2))
_WINDOW: Axis = ("metagen.k", (2, 3, 5))
_GENERATOR: Axis = ("metagen.learning_rate", (3e-3, 1e-2))

#: By strategy, of methods that have no generator.
OF_STRATEGY: dict[str, Axis] = {
    "incctr": ("trainer.distillation", (0.1, 0.2, 0.3, 0.5)),
    "spmf": ("trainer.replay", (0.25, 0.5, 1.0)),
    "sml": _TRANSFER,
    "sml-mf": _TRANSFER,
}

#: By generator; one that is not here trains by Adam.
OF_GENERATOR: dict[str, Axis] = {
    "asmg-linear": _WINDOW,
    "average": _WINDOW,
    "ema": ("metagen.decay", (0.3, 0.5, 0.7)),
}


def own(method: Method) -> Axis | None:
    """The setting of the method's own, None where it has none."""
    if method.metagen is None:
        return OF_STRATEGY.get(method.strategy)
    return OF_GENERATOR.get(str(method.metagen["generator"]), _GENERATOR)
