import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from her2.core.errors import NotEstimable
from her2.stats import operating_point, roc_curve


def simulated(seed: int, digits: int = 1):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([0, 1], [50, 30]))
    return y, np.round(rng.normal(size=80) + y, digits)


def test_rates_by_hand():
    curve = roc_curve([0, 0, 0, 0, 0, 1, 1, 1, 1], [1, 2, 3, 3, 5, 2, 4, 5, 6])
    assert curve.thresholds[1:-1].tolist() == [1.5, 2.5, 3.5, 4.5, 5.5]
    specificity = 1 - curve.false_positive_rate
    assert specificity[1:-1].tolist() == pytest.approx([0.2, 0.4, 0.8, 0.8, 1])
    assert curve.sensitivity[1:-1].tolist() == [1, 0.75, 0.75, 0.5, 0.25]


def test_thresholds_are_those_of_the_operating_point():
    y, s = simulated(0)
    curve = roc_curve(y, s)
    for i, threshold in enumerate(curve.thresholds[1:-1], start=1):
        point = operating_point(y, s, threshold)
        assert curve.sensitivity[i] == point.sensitivity
        assert 1 - curve.false_positive_rate[i] == pytest.approx(point.specificity)


def test_the_area_under_it_is_the_auc():
    y, s = simulated(1)
    curve = roc_curve(y, s)
    area = -np.trapezoid(curve.sensitivity, curve.false_positive_rate)
    assert area == pytest.approx(roc_auc_score(y, s))


def test_degenerate():
    with pytest.raises(NotEstimable, match="both outcome classes"):
        roc_curve([1, 1], [1, 2])
    with pytest.raises(NotEstimable, match="same value"):
        roc_curve([0, 1], [1, 1])
    with pytest.raises(NotEstimable, match="1 of 2 missing"):
        roc_curve([0, 1], [1, np.nan])


@pytest.mark.parametrize("digits", [0, 1, 6], ids=["many ties", "ties", "no ties"])
def test_the_mean_curve_has_the_mean_auc_as_its_area(digits):
    y, _ = simulated(2)
    rng = np.random.default_rng(3)
    repeats = np.round(rng.normal(size=(5, 80)) + 0.8 * y, digits)
    curve = roc_curve(y, repeats)
    area = -np.trapezoid(curve.sensitivity, curve.false_positive_rate)
    assert area == pytest.approx(np.mean([roc_auc_score(y, s) for s in repeats]), abs=1e-12)
    for rate in (curve.false_positive_rate, curve.sensitivity):
        assert (rate[0], rate[-1]) == (1, 0) and (np.diff(rate) <= 1e-15).all()
    assert np.isnan(curve.thresholds).all()


def test_the_mean_curve_by_hand():
    """Two positives and two negatives: 1, 3 and 2, 4 against a perfect ranking."""
    curve = roc_curve([0, 0, 1, 1], [[1, 3, 2, 4], [1, 2, 3, 4]])
    rates = list(zip(curve.false_positive_rate, curve.sensitivity, strict=True))
    assert rates == [(1, 1), (1, 1), (0.5, 1), (0.5, 0.75), (0, 0.75), (0, 0)]


def test_repeats_that_agree_have_the_curve_of_one():
    y, s = simulated(4)
    one, three = roc_curve(y, s), roc_curve(y, [s, s, s])
    order = np.arange(51)[::-1] / 50  # every number of false positives

    def upper(curve):
        return [curve.sensitivity[curve.false_positive_rate <= x + 1e-12].max() for x in order]

    at = np.isin(np.round(order, 9), np.round(one.false_positive_rate, 9))
    assert np.array(upper(three))[at] == pytest.approx(np.array(upper(one))[at])
