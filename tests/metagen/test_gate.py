import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from metagen.gate import Challenger, decide, outlook, refusal
from stream.records import Outlook

losses = st.lists(st.floats(0.01, 5), min_size=1, max_size=8)


def decided(theta, star, trained=9, tau=5, window=3, margin=0.0, ema=None, refused=None):
    challengers = [Challenger("star", star, trained, refused)]
    if ema is not None:
        challengers.append(Challenger("ema", ema, trained))
    return decide(theta, challengers, tau, window, margin)


def kind(*losses, **more):
    return decided(*losses, **more).kind


@given(losses, losses, st.integers(0, 4))
def test_nothing_generated_serves_before_warm_up(theta, star, trained):
    assert kind(theta, star, trained=trained) == "theta"


@given(losses, st.floats(0.001, 1))
def test_the_better_of_the_last_periods_serves(theta, by):
    assert kind(theta, [loss - by for loss in theta]) == "star"
    assert kind(theta, [loss + by for loss in theta]) == "theta"


@given(losses)
def test_as_good_as_the_base_is_good_enough_unless_a_margin_is_asked(theta):
    assert kind(theta, theta) == "star"
    assert kind(theta, theta, margin=0.001) == "theta"


@given(losses, losses, st.sampled_from([math.nan, math.inf]), st.booleans())
def test_a_score_that_is_not_finite_means_theta(theta, star, bad, in_star):
    broken = ([*theta], [*star, bad]) if in_star else ([*theta, bad], [*star])
    assert kind(*broken) == "theta"


@given(st.lists(st.floats(0.01, 5), min_size=3, max_size=3), st.lists(st.floats(0.01, 5), max_size=5))
def test_only_the_last_periods_count(last, earlier):
    worse = [one + 0.1 for one in last]
    assert kind([*earlier, *last], [*(0.0 for _ in earlier), *worse]) == "theta"


def test_no_generated_score_yet_means_theta():
    decision = decided([0.5, 0.4], [], tau=0)
    assert decision.kind == "theta"
    assert "no score" in decision.reason


def test_the_reason_says_what_was_compared():
    assert decided([0.5], [0.4]).reason == "LogLoss over 1 periods: generated 0.4000, base 0.5000"
    three = decided([0.5], [0.4], ema=[0.45]).reason
    assert three == "LogLoss over 1 periods: generated 0.4000, average 0.4500, base 0.5000"
    assert decided([0.5], [0.4], trained=2).reason == "warm-up: trained 2 of 5 periods"


@given(losses, st.floats(0.002, 1), st.booleans())
def test_of_three_the_best_serves(theta, by, average):
    better, best = [loss - by / 2 for loss in theta], [loss - by for loss in theta]
    star, ema = (better, best) if average else (best, better)
    assert kind(theta, star, ema=ema) == ("ema" if average else "star")
    assert kind(theta, [loss + by for loss in theta], ema=better) == "ema"
    assert kind(theta, [loss + by for loss in theta], ema=better, margin=by) == "theta"


@given(losses)
def test_of_equals_the_generated_one_serves(theta):
    assert kind(theta, theta, ema=theta) == "star"


@given(losses, st.floats(0.001, 1))
def test_where_the_best_is_refused_the_next_best_serves(theta, by):
    best = [loss - by for loss in theta]
    second = decided(theta, best, ema=theta, refused="it jumps")
    assert second.kind == "ema"
    assert second.reason.startswith("the generated model is refused: it jumps; LogLoss over ")
    assert kind(theta, best, ema=[loss + by for loss in theta], refused="it jumps") == "theta"
    assert "refused" not in decided(theta, [loss + by for loss in theta], refused="it jumps").reason


def test_one_with_fewer_scores_waits_until_it_has_as_many():
    assert kind([0.5] * 4, [0.4] * 4, ema=[0.1]) == "star"
    assert kind([0.5] * 4, [0.4] * 4, ema=[0.1] * 3) == "ema"


@given(losses, st.sampled_from([math.nan, math.inf]))
def test_one_that_is_not_finite_is_none_of_those_compared(theta, bad):
    assert kind(theta, [*theta, bad], ema=theta) == "ema"


@given(
    st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=60),
    st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=60),
)
def test_the_jump_is_the_kolmogorov_smirnov_distance_of_the_scores(before, now):
    seen = outlook(np.array(before, np.float32), np.array(now, np.float32))
    with warnings.catch_warnings(action="ignore"):  # of its p-value
        expected = ks_2samp(before, now).statistic
    assert seen.finite
    assert seen.jump == pytest.approx(expected, abs=2e-6)


def test_scores_that_are_not_finite_are_seen_whatever_was_before():
    for before in (None, np.zeros(2, np.float32)):
        assert outlook(before, np.array([0.0, math.nan], np.float32)) == Outlook(finite=False)
    assert outlook(None, np.zeros(2, np.float32)) == Outlook(finite=True)
    assert outlook(np.array([math.inf], np.float32), np.zeros(1, np.float32)) == Outlook(finite=True)


def test_a_model_that_is_not_finite_or_jumps_beyond_the_bound_is_refused_with_its_reason():
    assert refusal(None, 0.5) is None
    assert refusal(Outlook(finite=True), 0.5) is None
    assert refusal(Outlook(finite=True, jump=0.5), 0.5) is None
    assert refusal(Outlook(finite=True, jump=0.61), 0.5) == (
        "its scores are 0.61 from those of the one before, more than 0.50"
    )
    assert refusal(Outlook(finite=False), 0.5) == "it gives scores that are not finite"
