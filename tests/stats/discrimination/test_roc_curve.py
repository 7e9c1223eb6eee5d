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
