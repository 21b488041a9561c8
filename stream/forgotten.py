"""Users who are forgotten: how a manifest names them, and what is left of their samples."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stream.samples import Samples

Mask = npt.NDArray[np.bool_]

#: Stands in the place of the id of a user who was forgotten; no event can have it.
NOBODY = ""
#: Stands in the place of the id of an impression of such a user.
SOME_IMPRESSION = "-"


def digest_of(user: str) -> str:
    """Names a user without telling who it is: whoever knows an id can see whether it was forgotten."""
    return blake2b(user.encode(), digest_size=16, key=b"asmg:forget").hexdigest()


def named(ids: Sequence[str], forgotten: Collection[str]) -> Mask:
    """[len(ids)] whether a user is one of these (`digest_of`)."""
    return np.fromiter((digest_of(one) in forgotten for one in ids), np.bool_, len(ids))


def without(samples: Samples, forgotten: Collection[str]) -> Samples:
    """The samples with nobody in the place of these users (`digest_of`), without their histories and hashes.

    All rows keep their places, so whatever is drawn for other rows is drawn alike.
    """
    if not forgotten:
        return samples
    users = samples.users.to_pylist()
    gone = named(users, forgotten)
    if not gone.any():
        return samples
    theirs = gone[samples.user]
    lengths = np.diff(samples.history_offsets)
    kept = np.repeat(~theirs, lengths)
    ids = samples.impression_id.to_numpy(zero_copy_only=False).copy()
    ids[theirs & (ids != "")] = SOME_IMPRESSION
    return replace(
        samples,
        users=pa.array([NOBODY if out else one for one, out in zip(users, gone, strict=True)], pa.string()),
        impression_id=pa.array(ids, pa.string()),
        history_offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(np.where(theirs, 0, lengths))]),
        history=samples.history[kept],
        row_hash=np.where(theirs, np.uint64(0), samples.row_hash),
    )


def of_nobody(samples: Samples) -> Mask:
    """[n] whether a sample was one of a user who is forgotten."""
    nobody = np.fromiter((one == NOBODY for one in samples.users.to_pylist()), np.bool_, len(samples.users))
    found: Mask = nobody[samples.user]
    return found


def nobodys(samples: Samples) -> int:
    """How many of the samples were those of users who are forgotten."""
    return int(np.count_nonzero(of_nobody(samples)))
