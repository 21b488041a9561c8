import math

import numpy as np
import pytest

from trainer.score import score_logits

LABEL = np.array([0, 0, 1, 1], np.float32)


def test_auc_and_logloss_are_those_of_their_definitions():
    logits = np.array([-1.0, 2.0, 1.0, 3.0], np.float32)
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    score = score_logits(logits, LABEL)
    assert score.auc == 0.75
    assert score.logloss == pytest.approx(-np.mean(LABEL * np.log(p) + (1 - LABEL) * np.log(1 - p)))
    assert score.finite


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_no_auc_and_infinite_loss(bad):
    score = score_logits(np.array([0, bad, 0, 1], np.float32), LABEL)
    assert score.auc is None
    assert score.logloss == math.inf
    assert not score.finite


def test_one_label_alone_has_no_auc_but_a_loss():
    score = score_logits(np.zeros(2, np.float32), np.ones(2, np.float32))
    assert score.auc is None
    assert score.logloss == pytest.approx(math.log(2))


def test_no_examples_have_no_scores():
    assert not score_logits(np.zeros(0, np.float32), np.zeros(0, np.float32)).finite


def test_huge_logits_do_not_overflow():
    assert math.isfinite(score_logits(np.array([-5000, 5000, 5000, -5000], np.float32), LABEL).logloss)
