import math

from hypothesis import given
from hypothesis import strategies as st

from metagen.gate import decide

losses = st.lists(st.floats(0.01, 5), min_size=1, max_size=8)


def kind(theta, star, trained=9, tau=5, window=3, margin=0.0):
    return decide(theta, star, trained, tau, window, margin).kind


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
    decision = decide([0.5, 0.4], [], trained=9, tau=0, window=3, margin=0.0)
    assert decision.kind == "theta"
    assert "no score" in decision.reason


def test_the_reason_says_what_was_compared():
    assert (
        decide([0.5], [0.4], 5, 5, 3, 0.0).reason == "LogLoss over 1 periods: generated 0.4000, base 0.5000"
    )
    assert decide([0.5], [0.4], 2, 5, 3, 0.0).reason == "warm-up: trained 2 of 5 periods"
