"""The canary: who gets the challenger, what an impression's id tells of its model, and how both models do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh3_64_intdigest

from stream.records import Kind

#: Seed of the hash of user ids: with one of its own, who is in the canary has to do with nothing else.
SEED = 20_407
#: What a score is written as that lies beyond: four digits would make it 0 or 1, and its LogLoss infinite.
LEAST, MOST = 1e-15, 0.9999

#: Ends of ids as `marks` makes them: the kind's letter, the version, the score.
_OURS = (
    r"^[0-9a-f]{32}-[0-9]{1,9}-(?P<kind>[ste])(?P<version>[0-9]{1,18})"
    r"-(?P<score>0\.[0-9]{1,7}|[1-9](?:\.[0-9]{1,3})?e-[01][0-9])$"
)


class Arm(msgspec.Struct, frozen=True):
    """One of the two models over the last impressions of its answers; None before the first of them."""

    kind: Kind
    impressions: int = 0
    clicks: int = 0
    click_through: float | None = None  # clicks / impressions
    logloss: float | None = None  # nats, of the scores that were answered


class Canary(msgspec.Struct, frozen=True):
    """How champion and challenger do on what was shown."""

    share: float  # of users who get the challenger, 0 to 0.5
    arms: tuple[Arm, Arm]  # the kind that serves, then the other


def challenger_of(champion: Kind) -> Kind:
    """What stands beside the kind that serves: for comparisons, and for the users of the canary."""
    return "theta" if champion == "star" else "star"


def of_challenger(user: str, share: float) -> bool:
    """Whether a user is among this share of all: always the same ones, and of a larger share all of them."""
    return xxh3_64_intdigest(user.encode(), SEED) / 2**64 < share


def marks(kind: Kind, version: int, scores: Sequence[float]) -> list[str]:
    """What ids of an answer's impressions end with: its model, and four digits of the score of each."""
    return [f"-{kind[0]}{version}-{min(max(score, LEAST), MOST):.4g}" for score in scores]


@dataclass(frozen=True, eq=False)
class Told:
    """What n impression ids tell, m of which have been given by an answer under a canary."""

    ours: npt.NDArray[np.bool_]  # [n] whether it is one of the m
    kind: npt.NDArray[np.object_]  # [m] first letter of the kind of model that showed it
    version: npt.NDArray[np.int64]  # [m]
    score: npt.NDArray[np.float64]  # [m] probability of a click, within LEAST and MOST


def read_marks(ids: pa.StringArray) -> Told:
    """The marks of these ids."""
    found = pc.extract_regex(ids, _OURS)
    ours = found.is_valid()
    kind, version, score = found.filter(ours).flatten()
    return Told(
        ours=ours.to_numpy(zero_copy_only=False),
        kind=kind.to_numpy(zero_copy_only=False),
        version=version.cast(pa.int64()).to_numpy(),
        score=np.clip(score.cast(pa.float64()).to_numpy(), LEAST, MOST),
    )


class Window:
    """The last impressions of one kind."""

    def __init__(self, kind: Kind, size: int) -> None:
        self._kind, self._size, self._taken = kind, size, 0
        self._losses, self._clicked = np.zeros(size), np.zeros(size, np.bool_)

    def take(self, score: npt.NDArray[np.float64], clicked: npt.NDArray[np.bool_]) -> None:
        """Further impressions [m], oldest first."""
        score, clicked = score[-self._size :], clicked[-self._size :]
        places = (self._taken + np.arange(len(score))) % self._size
        self._losses[places] = -np.log(np.where(clicked, score, 1 - score))
        self._clicked[places] = clicked
        self._taken += len(score)

    def arm(self) -> Arm:
        """How they went."""
        if not (count := min(self._taken, self._size)):
            return Arm(self._kind)
        clicks, loss = int(self._clicked[:count].sum()), float(self._losses[:count].mean())
        return Arm(self._kind, count, clicks, clicks / count, loss)
