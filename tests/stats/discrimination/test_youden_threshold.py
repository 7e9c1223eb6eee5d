import numpy as np
import pytest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import (
    fixed_sensitivity_threshold,
    fixed_specificity_threshold,
    operating_point,
    youden_threshold,
)


def test_youden_maximises_j_over_all_thresholds():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([0, 1], [50, 20]))
    p = np.round(rng.random(70) * 0.7 + 0.2 * y, 2)

    def j(threshold):
        point = operating_point(y, p, threshold)
        return point.sensitivity + point.specificity - 1

    best = youden_threshold(y, p)
    assert j(best) == pytest.approx(max(j(t) for t in np.linspace(0, 1, 2001)))
    assert not np.isin(best, p)  # midway between scores


def test_youden_tie_goes_to_the_higher_sensitivity():
    # J = 1/2 at 1.5 (sensitivity 1) and at 3.5 (specificity 1)
    assert youden_threshold([0, 1, 0, 1], [1, 2, 3, 4]) == 1.5


def test_youden_tie_is_recognised_in_whole_numbers():
    # J = 3/10 - 2/10 at 1.5 and 1/10 at 2.5: the same, but not in floating point
    y = [1] * 10 + [0] * 10
    assert 0.3 - 0.2 < 0.1
    assert youden_threshold(y, [1] * 7 + [2] * 2 + [3] + [1] * 8 + [2] * 2) == 1.5


def test_youden_is_finite_below_chance():
    y, p = [1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4]
    assert np.isfinite(youden_threshold(y, p))
    assert 0.1 < youden_threshold(y, p) < 0.4


def test_youden_of_a_constant_score_is_not_estimable():
    with pytest.raises(NotEstimable, match="constant"):
        youden_threshold([0, 1, 1], [0.4, 0.4, 0.4])


def scored(seed: int, digits: int = 2):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([0, 1], [50, 20]))
    return y, np.round(rng.random(70) * 0.7 + 0.2 * y, digits)


@pytest.mark.parametrize("target", [0.5, 0.55, 0.7, 0.9, 0.95, 1.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_fixed_rates_are_reached_and_only_just(target, seed):
    y, p = scored(seed)
    every = np.concatenate([np.unique(p), [p.max() + 1]])
    points = [operating_point(y, p, t) for t in every]
    t = fixed_sensitivity_threshold(y, p, target)
    found = operating_point(y, p, t)
    assert found.sensitivity >= target
    assert found.specificity == max(q.specificity for q in points if q.sensitivity >= target)
    t = fixed_specificity_threshold(y, p, target)
    found = operating_point(y, p, t)
    assert found.specificity >= target
    assert found.sensitivity == max(q.sensitivity for q in points if q.specificity >= target)


def test_a_rate_that_only_everybody_or_nobody_reaches():
    y, p = [1, 0, 0, 1], [0.1, 0.2, 0.9, 0.5]
    t = fixed_sensitivity_threshold(y, p, 1.0)
    assert t == 0.1
    assert operating_point(y, p, t).sensitivity == 1.0
    t = fixed_specificity_threshold(y, p, 1.0)
    assert np.isfinite(t)
    assert operating_point(y, p, t).specificity == 1.0


@pytest.mark.parametrize("target", [0.0, 1.1, np.nan])
def test_a_target_is_a_share(target):
    with pytest.raises(BadArgument, match="sensitivity must lie"):
        fixed_sensitivity_threshold([0, 1], [0.1, 0.2], target)
    with pytest.raises(BadArgument, match="specificity must lie"):
        fixed_specificity_threshold([0, 1], [0.1, 0.2], target)


@pytest.mark.parametrize("rule", [fixed_sensitivity_threshold, fixed_specificity_threshold])
def test_rules_need_scores_that_rank(rule):
    with pytest.raises(NotEstimable, match="both outcome classes"):
        rule([1, 1], [0.1, 0.2])
    with pytest.raises(NotEstimable, match="same value"):
        rule([0, 1], [0.2, 0.2])
    with pytest.raises(NotEstimable, match="missing"):
        rule([0, 1], [0.2, np.nan])
