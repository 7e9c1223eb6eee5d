import time

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import (
    auc,
    auc_interval,
    delong_test,
    roc_curve,
)
from her2.stats.discrimination.auc import hanley_mcneil_variance


def simulated(seed: int, n: int = 80, prevalence: float = 0.4, digits: int = 2):
    """Outcome with both classes and a tied score that carries some signal."""
    rng = np.random.default_rng(seed)
    y = rng.permutation((np.arange(n) < max(2, round(prevalence * n))).astype(int))
    return y, np.round(rng.normal(size=n) + y, digits)


def pairwise_auc_and_variance(y, s):
    """DeLong's definition, pair by pair."""
    gap = s[y == 1][:, None] - s[y == 0][None, :]
    kernel = (gap > 0) + 0.5 * (gap == 0)
    of_positives, of_negatives = kernel.mean(axis=1), kernel.mean(axis=0)
    variance = np.var(of_positives, ddof=1) / kernel.shape[0]
    return kernel.mean(), variance + np.var(of_negatives, ddof=1) / kernel.shape[1]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("prevalence", [0.05, 0.5])
def test_agrees_with_the_pairwise_definition(seed, prevalence):
    y, s = simulated(seed, prevalence=prevalence, digits=1)
    result = auc_interval(y, s)
    expected, variance = pairwise_auc_and_variance(y, s)
    assert result.auc == pytest.approx(expected, abs=1e-14)
    assert result.auc == pytest.approx(roc_auc_score(y, s), abs=1e-14)
    assert result.variance == pytest.approx(variance, abs=1e-15)


def test_value_by_hand():
    # pairs (positive, negative): .35 beats .1 but not .4, .8 beats both
    assert auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) == 0.75
    assert auc([0, 1], [0.5, 0.5001]) == 1.0
    assert auc([0, 0, 1, 1], [1, 2, 2, 3]) == 0.875  # the tie counts one half


def test_monotone_maps_change_nothing():
    y, s = simulated(1)
    assert auc_interval(y, s) == auc_interval(y, np.exp(s)) == auc_interval(y, s**3)


def test_below_one_half_is_not_flipped():
    y, s = simulated(2)
    assert auc(y, -s) == pytest.approx(1 - auc(y, s))
    assert auc(y, -s) < 0.5


def test_interval_narrows_with_the_level_and_stays_in_range():
    y, s = simulated(3)
    wide, narrow = auc_interval(y, s, level=0.99), auc_interval(y, s, level=0.8)
    assert wide.low < narrow.low < narrow.auc < narrow.high < wide.high
    nearly_perfect = auc_interval([0, 0, 0, 1, 1, 1], [1, 2, 3, 2.5, 4, 5])
    assert nearly_perfect.high == 1.0


def test_an_auc_of_one_is_not_certain():
    result = auc_interval([0, 0, 0, 1, 1], [1, 2, 3, 4, 5])
    assert (result.auc, result.variance, result.high) == (1.0, 0.0, 1.0)
    assert result.low == 0.5  # five cases exclude no true AUC above one half
    y = np.arange(100) < 40
    low = auc_interval(y, y).low
    error = np.sqrt(hanley_mcneil_variance(low, 40, 60))
    assert (1 - low) / error == pytest.approx(norm.ppf(0.975), rel=1e-6)
    assert auc_interval(y, ~y).high == pytest.approx(1 - low)
    assert auc_interval(y, ~y).low == 0.0


def test_accepts_lists_series_and_booleans():
    y, s = simulated(4)
    assert auc(list(y), list(s)) == auc(pd.Series(y, index=range(9, 89)), s) == auc(y == 1, s)


def test_curve_runs_from_everybody_to_nobody():
    y, s = simulated(5)
    curve = roc_curve(y, s)
    assert len(curve.thresholds) == len(np.unique(s)) + 1
    assert (np.diff(curve.thresholds) > 0).all()
    assert (curve.sensitivity[0], curve.false_positive_rate[0]) == (1.0, 1.0)
    assert (curve.sensitivity[-1], curve.false_positive_rate[-1]) == (0.0, 0.0)
    area = np.trapezoid(curve.sensitivity[::-1], curve.false_positive_rate[::-1])
    assert area == pytest.approx(auc(y, s), abs=1e-12)


@pytest.mark.parametrize("low", [0.3, np.nextafter(0.3, 1.0)])  # one middle rounds down
def test_threshold_between_neighbouring_floats_still_separates_them(low):
    high = np.nextafter(low, 1.0)
    curve = roc_curve([0, 1], [low, high])
    assert low < curve.thresholds[1] <= high
    assert (curve.sensitivity[1], curve.false_positive_rate[1]) == (1.0, 0.0)


@pytest.mark.parametrize("function", [auc, auc_interval, roc_curve])
class TestDegenerate:
    @pytest.mark.parametrize(
        ("y", "s", "reason"),
        [
            ([1, 1, 1], [0.1, 0.2, 0.3], "both outcome classes"),
            ([0, 0], [0.1, 0.2], "both outcome classes"),
            ([], [], "at least one case"),
            ([0, 1, 1], [0.4, 0.4, 0.4], "constant"),
            ([0, 1, 1], [0.4, np.nan, 0.5], "1 of 3 missing"),
            ([0, 1, 1], [0.4, np.inf, None], "2 of 3 missing"),
        ],
    )
    def test_not_estimable(self, function, y, s, reason):
        with pytest.raises(NotEstimable, match=reason):
            function(y, s)

    @pytest.mark.parametrize(
        ("y", "s", "reason"),
        [
            ([0, 1], [0.1, 0.2, 0.3], "each of the 2 outcomes, found 3"),
            ([0, 2], [0.1, 0.2], "found 2"),
            ([0, np.nan], [0.1, 0.2], "found nan"),
            ([[0, 1]], [[0.1, 0.2]], "one-dimensional"),
            (["a", "b"], [0.1, 0.2], "numbers"),
        ],
    )
    def test_bad_argument(self, function, y, s, reason):
        with pytest.raises(BadArgument, match=reason):
            function(y, s)


def test_one_case_of_a_class_has_an_auc_but_no_interval():
    assert auc([0, 0, 1], [1, 3, 2]) == 0.5
    with pytest.raises(NotEstimable, match="1 positive"):
        auc_interval([0, 0, 1], [1, 3, 2])


@pytest.mark.parametrize("level", [0, 1, 95, np.nan])
def test_level_must_be_a_share(level):
    with pytest.raises(BadArgument, match="level"):
        auc_interval([0, 0, 1, 1], [1, 3, 2, 4], level=level)


def test_a_million_scores_take_seconds():
    y, s = simulated(6, n=10**6, digits=4)
    start = time.perf_counter()
    delong_test(y, s, -s)
    auc_interval(y, s)
    assert time.perf_counter() - start < 20  # pair by pair it would be hours
