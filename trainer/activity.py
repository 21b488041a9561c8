"""What happened to each row of a table: counts that generators read beside the parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from stream.samples import Samples
from trainer.catalogue import Catalogue, Ints, look_up_codes

#: `last_seen` of a row that no sample has named yet: no period has this number. Those before 1, which Θ_0 is
#: pre-trained on, have negative ones.
NEVER = 0

#: A row unseen for this many periods counts as one unseen for ever.
LONG = 5

#: `activity_inputs` of a row that no sample has named.
INACTIVE = np.array([-0.5, 0.5, -1.0], np.float32)


@dataclass(frozen=True, eq=False)
class Activity:
    """Per row of one table, as of the end of period t; drawn negatives count nowhere."""

    positives: Ints  # [rows] samples of period t with label 1 that name the row
    impressions: Ints  # [rows] samples of period t that name it
    positives_so_far: Ints  # [rows] those with label 1 of all periods up to t
    last_seen: Ints  # [rows] the last period with a sample that names it, NEVER if none

    def __len__(self) -> int:
        return len(self.positives)


def no_activity(rows: int) -> Activity:
    """That of rows no sample has named."""
    return Activity(*(np.zeros(rows, np.int64) for _ in range(4)))


def activity_inputs(
    activity: Activity, period: int, rows: int, which: slice | Ints | None = None
) -> npt.NDArray[np.float32]:
    """[rows, 3] c, a and s of each row at the end of `period`; rows it has not met are inactive.

    c = log(1 + positives of the period) - 0.5; a = min(periods since last seen, LONG) / LONG - 0.5;
    s = log(1 + positives so far) / 2 - 1 (method.md, ASMG+). which: of these rows only, ascending; `rows` is
    how many they are.
    """
    if which is not None:
        if not isinstance(which, slice):
            which = which[: np.searchsorted(which, len(activity))]
        activity = Activity(*(getattr(activity, field.name)[which] for field in fields(activity)))
    known = len(activity)
    since = np.where(activity.last_seen == NEVER, LONG, np.minimum(period - activity.last_seen, LONG))
    inputs = np.tile(INACTIVE, (rows, 1))
    inputs[:known, 0] = np.log1p(activity.positives) - 0.5
    inputs[:known, 1] = since / LONG - 0.5
    inputs[:known, 2] = np.log1p(activity.positives_so_far) / 2 - 1
    return inputs


def activity_after(
    samples: Samples, catalogue: Catalogue, period: int, before: Mapping[str, Activity]
) -> dict[str, Activity]:
    """The activity at the end of `period` for every table, from D_t and the period before.

    A sample names its user, its target item and that sample's categories; histories name nothing. The
    catalogue must have been extended by D_t.
    """
    everyone = np.arange(len(samples))
    items = look_up_codes(catalogue.items, samples.items, samples.item)
    named = {
        "user": (look_up_codes(catalogue.users, samples.users, samples.user), everyone),
        "item": (catalogue.item_row[items], everyone),
    }
    if catalogue.categories is not None:
        rows = look_up_codes(catalogue.categories, samples.categories, samples.category)
        named["category"] = (rows, np.repeat(everyone, np.diff(samples.category_offsets)))
    table_rows = catalogue.table_rows()
    return {
        table: _after(rows, samples.label[of] == 1, period, before.get(table), table_rows[table])
        for table, (rows, of) in named.items()
    }


def _after(
    rows: Ints, positive: np.typing.NDArray[np.bool_], period: int, before: Activity | None, size: int
) -> Activity:
    named = rows >= 0  # a user who is forgotten has no row
    if not named.all():
        rows, positive = rows[named], positive[named]
    impressions = np.bincount(rows, minlength=size).astype(np.int64)
    positives = np.bincount(rows[positive], minlength=size).astype(np.int64)
    so_far, last_seen = positives.copy(), np.where(impressions > 0, period, NEVER).astype(np.int64)
    if before is not None:
        known = len(before)
        so_far[:known] += before.positives_so_far
        last_seen[:known] = np.where(impressions[:known] > 0, period, before.last_seen)
    return Activity(positives, impressions, so_far, last_seen)
