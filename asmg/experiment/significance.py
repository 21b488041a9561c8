"""Whether a method's scores differ from IU's by more than chance. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import wilcoxon

#: Pairs below which no test is made: of 5 even the clearest has p = 0.06.
PAIRS = 6


def p_value(scores: Sequence[float | None], over: Sequence[float | None]) -> float | None:
    """Wilcoxon's signed-rank test on pairs, two-sided; None where fewer than `PAIRS` have both scores.

    A pair is a seed and a test period. Periods of one seed share a past, so p is too small, if anything.
    """
    pairs = zip(scores, over, strict=True)
    differences = [one - other for one, other in pairs if one is not None and other is not None]
    if len(differences) < PAIRS:
        return None
    if not any(differences):
        return 1.0
    return float(wilcoxon(differences).pvalue)
