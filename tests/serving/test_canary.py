"""Who is in the canary, what ids of impressions tell, and sums over what came back."""

from __future__ import annotations

import math
from statistics import fmean
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from serving.canary import LEAST, MOST, Arm, Window, marks, of_challenger, read_marks
from serving.impressions import Shown
from stream.records import KINDS, Kind

kinds = st.sampled_from(KINDS)
versions = st.integers(0, 10**12)
chances = st.floats(0, 1)


# shares


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3, 0.5])
def test_the_share_of_users_is_the_one_that_was_asked_for(share: float) -> None:
    chosen = sum(of_challenger(f"user-{one}", share) for one in range(10_000))
    deviation = (10_000 * share * (1 - share)) ** 0.5
    assert abs(chosen - 10_000 * share) < 3 * deviation


def test_the_users_of_a_share_never_change() -> None:
    assert [one for one in range(100) if of_challenger(f"user-{one}", 0.1)] == [16, 17, 19, 43, 53, 75, 86]


@given(st.text(), st.floats(0, 0.5), st.floats(0, 0.5))
def test_of_a_larger_share_are_all_of_the_smaller(user: str, one: float, other: float) -> None:
    small, large = sorted([one, other])
    assert of_challenger(user, large) or not of_challenger(user, small)
    assert not of_challenger(user, 0.0)


# ids


def shown(kind: Kind, version: int, scores: list[float]) -> list[str]:
    """Ids of the impressions of an answer."""
    nothing: list[list[str]] = [[]] * len(scores)
    one = Shown("u", [""] * len(scores), nothing, 0, version, marks(kind, version, scores))
    return [impression.impression_id for impression in one.impressions()]


@given(st.lists(st.tuples(kinds, versions, st.lists(chances, max_size=4)), max_size=4))
@settings(deadline=None)
@example([("star", 10**18 - 1, [0.0, 5e-324, 1e-15, 1e-10, 9.9996e-5, 1e-4, 0.5, 0.99985, 1 - 1e-16, 1.0])])
def test_ids_tell_kind_version_and_score(answers: list[tuple[Kind, int, list[float]]]) -> None:
    ids = [one for answer in answers for one in shown(*answer)]
    told = read_marks(pa.array(ids, pa.string()))
    assert told.ours.tolist() == [True] * len(ids)
    assert told.kind.tolist() == [kind[0] for kind, _, scores in answers for _ in scores]
    assert told.version.tolist() == [version for _, version, scores in answers for _ in scores]
    scores = np.array([score for _, _, scores in answers for score in scores], np.float64)
    np.testing.assert_allclose(told.score, np.clip(scores, LEAST, MOST), rtol=5.01e-4)
    assert max(map(len, ids), default=0) < 128
    assert len(set(ids)) == len(ids)


ANSWER = uuid4().hex
FOREIGN = [
    "", "p7", "user-1-2-s3-0.5", f"{ANSWER}-0", f"{ANSWER}-0-s3", f"{ANSWER}-0-s3-", f"{ANSWER}-0-x3-0.5",
    f"{ANSWER}-0-s3-1", f"{ANSWER}-0-s3-1.5", f"{ANSWER}-0-s3-nan", f"{ANSWER}-0-s3--0.5",
    f"{ANSWER}-0-s-0.5",
    f"{ANSWER}-0-s{'9' * 19}-0.5", f"{ANSWER}-0-s3-1e-99", f"{ANSWER}-0-s3-0.5\n", f"x{ANSWER}-0-s3-0.5",
    f"{ANSWER.upper()}A-0-s3-0.5", f"{ANSWER}-0-s3-0.5-more", f"{ANSWER}-0-s٣-0.5",
]  # fmt: skip


@given(st.lists(st.sampled_from(FOREIGN) | st.text()), st.lists(st.tuples(kinds, versions, chances)))
@settings(deadline=None)
@example(FOREIGN, [("star", 3, 0.5)])
def test_ids_of_others_are_passed_over(foreign: list[str], ours: list[tuple[Kind, int, float]]) -> None:
    ids = foreign + [one for kind, version, score in ours for one in shown(kind, version, [score])]
    told = read_marks(pa.array(ids, pa.string()))
    assert told.ours.tolist() == [False] * len(foreign) + [True] * len(ours)
    assert len(told.kind) == len(told.version) == len(told.score) == len(ours)


def test_a_mark_that_somebody_made_up_has_a_score_that_can_be_summed() -> None:
    ids = [f"{ANSWER}-0-s3-{score}" for score in ("0.0000000", "0.9999999", "1e-19", "9.999e-05")]
    told = read_marks(pa.array(ids))
    assert told.score.tolist() == [LEAST, MOST, LEAST, 9.999e-05]


# sums


batches = st.lists(st.lists(st.tuples(st.floats(LEAST, MOST), st.booleans()), max_size=9), max_size=9)


@given(batches, st.integers(1, 20))
@settings(deadline=None)
def test_sums_are_those_of_the_last_impressions(batches: list[list[tuple[float, bool]]], size: int) -> None:
    window, before = Window("star", size), list[tuple[float, bool]]()
    for batch in batches:
        window.take(*columns(batch))
        before += batch
        last, arm = before[-size:], window.arm()
        if not last:
            assert arm == Arm("star", 0, 0, None, None)
            continue
        clicks = sum(clicked for _, clicked in last)
        assert (arm.kind, arm.impressions, arm.clicks) == ("star", len(last), clicks)
        assert arm.click_through == clicks / len(last)
        losses = [-math.log(score if clicked else 1 - score) for score, clicked in last]
        assert arm.logloss == pytest.approx(fmean(losses), rel=1e-9)


def columns(batch: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([one for one, _ in batch]), np.array([one for _, one in batch], np.bool_)


@pytest.mark.parametrize("clicked", [0.0, 0.1, 1.0])
def test_logloss_is_sklearns(clicked: float) -> None:
    random = np.random.default_rng(7)
    score, label = random.uniform(LEAST, MOST, 500), random.random(500) < clicked
    window = Window("theta", 300)
    window.take(score, label)
    expected = log_loss(label[-300:], score[-300:], labels=[0, 1])
    assert window.arm().logloss == pytest.approx(expected, rel=1e-12)
