import numpy as np
import pandas as pd
import pytest
from golden import cases, needs_golden
from sklearn.metrics import roc_auc_score

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import auc, operating_point, partial_auc, roc_coordinates, roc_curve

Y = [0, 0, 0, 0, 0, 1, 1, 1, 1]
S = [1, 2, 3, 3, 5, 2, 4, 5, 6]


def simulated(seed: int, digits: int = 1):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([0, 1], [50, 30]))
    return y, np.round(rng.normal(size=80) + y, digits)


def test_thresholds_are_those_of_the_operating_point():
    y, s = simulated(0)
    at = [-9.0, -0.5, 0.3, 0.3000001, 9.0]
    points = roc_coordinates(y, s, at, along="threshold")
    for t, row in zip(at, points.itertuples(), strict=True):
        point = operating_point(y, s, t)
        assert (row.threshold, row.sensitivity, row.specificity) == (
            t,
            point.sensitivity,
            point.specificity,
        )


def test_rates_by_hand():
    # thresholds 1.5 2.5 3.5 4.5 5.5: specificity .2 .4 .8 .8 1, sensitivity 1 .75 .75 .5 .25
    points = roc_coordinates(Y, S, [0.8, 0.6, 0.9, 1.0, 0.0])
    assert points["threshold"].round(1).fillna(0).tolist() == [3.5, 0, 0, 5.5, -np.inf]
    np.testing.assert_allclose(points["sensitivity"], [0.75, 0.75, 0.375, 0.25, 1.0])
    points = roc_coordinates(Y, S, [0.75, 0.875], along="sensitivity")
    assert points["threshold"].fillna(0).tolist() == [3.5, 0]
    np.testing.assert_allclose(points["specificity"], [0.8, 0.3])


@pytest.mark.parametrize("along", ["specificity", "sensitivity"])
def test_every_point_of_the_curve_is_found(along):
    y, s = simulated(1)
    points = roc_coordinates(y, s, roc_curve(y, s).thresholds, along="threshold")
    rates = points.groupby(along).max().reset_index()  # the best of each
    found = roc_coordinates(y, s, rates[along], along=along)
    both = ["specificity", "sensitivity"]
    pd.testing.assert_frame_equal(found[both], rates[both])
    at = roc_coordinates(y, s, found["threshold"], along="threshold")  # one that gives it
    pd.testing.assert_frame_equal(at, found)


def test_the_whole_partial_area_is_the_auc():
    for seed in range(4):
        y, s = simulated(seed)
        for along in ("specificity", "sensitivity"):
            assert partial_auc(y, s, low=0, high=1, along=along) == pytest.approx(auc(y, s))
            parts = [partial_auc(y, s, low=a, high=a + 0.25, along=along) for a in (0, 0.25, 0.5)]
            parts.append(partial_auc(y, s, low=0.75, high=1, along=along))
            assert sum(parts) == pytest.approx(auc(y, s))


@pytest.mark.parametrize("along", ["specificity", "sensitivity"])
def test_is_the_integral_of_the_coordinates(along):
    y, s = simulated(5)
    at = np.linspace(0.6, 0.95, 70_001)
    other = {"specificity": "sensitivity", "sensitivity": "specificity"}[along]
    curve = roc_coordinates(y, s, at, along=along)[other]
    integral = float(np.trapezoid(curve, at))
    found = partial_auc(y, s, low=0.6, high=0.95, along=along)
    assert found == pytest.approx(integral, abs=1e-5)


# printed in the tests of pROC 1.18 (tests/testthat/test-auc.R)
PROC = [
    ("wfns", 0.9, 1.0, "specificity", 0.0334417344173442, 0.649693339038653),
    ("wfns", 0.8, 0.9, "specificity", 0.0598373983739837, 0.763749402199904),
    ("wfns", 0.0, 0.5, "specificity", 0.488134475939354, 0.952537903757416),
    ("ndka", 0.9, 1.0, "specificity", 0.0107046070460705, 0.530024247610897),
    ("ndka", 0.8, 0.9, "specificity", 0.0277777777777778, 0.575163398692811),
    ("wfns", 0.9, 1.0, "sensitivity", 0.0400999322493225, 0.68473648552275),
    ("wfns", 0.8, 0.9, "sensitivity", 0.0609953703703703, 0.770561002178649),
    ("ndka", 0.9, 1.0, "sensitivity", 0.0037940379403794, None),
    ("ndka", 0.0, 0.5, "sensitivity", 0.428523035230352, 0.714092140921409),
]


@needs_golden
@pytest.mark.parametrize(("score", "low", "high", "along", "area", "corrected"), PROC)
def test_partial_areas_of_proc(score, low, high, along, area, corrected):
    y, s = cases("asah", score)
    region = {"low": low, "high": high, "along": along}
    assert partial_auc(y, s, **region) == pytest.approx(area, abs=1e-14)
    if corrected is None:  # pROC gives NA below chance
        with pytest.raises(NotEstimable, match="above chance"):
            partial_auc(y, s, **region, corrected=True)
        return
    assert partial_auc(y, s, **region, corrected=True) == pytest.approx(corrected, abs=1e-14)


@needs_golden
def test_partial_areas_of_s100b():
    y, s = cases("asah", "s100b")
    # pROC prints 0.02983 for c(0.9, 0.99), and scikit-learn corrects as McClish
    assert partial_auc(y, s, low=0.9, high=0.99) == pytest.approx(0.02983, abs=5e-6)
    corrected = partial_auc(y, s, low=0.9, high=1.0, corrected=True)
    assert corrected == pytest.approx(roc_auc_score(y, s, max_fpr=0.1), abs=1e-14)


def test_correction_has_chance_at_one_half_and_perfection_at_one():
    y = np.repeat([0, 1], 200)
    chance = np.tile(np.arange(200), 2)
    for along in ("specificity", "sensitivity"):
        region = {"low": 0.8, "high": 1.0, "along": along, "corrected": True}
        assert partial_auc(y, y + chance / 1e3, **region) == pytest.approx(1.0)
        assert partial_auc(y, chance, **region) == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"at": [1.2]}, "specificity must lie in"),
        ({"at": [np.nan]}, "missing"),
        ({"at": [0.2], "along": "ppv"}, "'ppv'"),
    ],
)
def test_coordinates_have_a_range(arguments, reason):
    with pytest.raises(BadArgument, match=reason):
        roc_coordinates(Y, S, **arguments)


@pytest.mark.parametrize(
    ("low", "high"), [(0.9, 0.9), (0.9, 0.8), (-0.1, 1), (0, 1.1), (0, np.nan)]
)
def test_limits_of_a_partial_area(low, high):
    with pytest.raises(BadArgument, match="low and high"):
        partial_auc(Y, S, low=low, high=high)
    with pytest.raises(BadArgument, match="along"):
        partial_auc(Y, S, low=0, high=1, along="ppv")


def test_degenerate():
    for function in (
        lambda y, s: roc_coordinates(y, s, [0.5]),
        lambda y, s: partial_auc(y, s, low=0.5, high=1),
        roc_curve,
    ):
        with pytest.raises(NotEstimable, match="both outcome classes"):
            function([1, 1], [1, 2])
        with pytest.raises(NotEstimable, match="same value"):
            function([0, 1], [1, 1])
        with pytest.raises(NotEstimable, match="1 of 2 missing"):
            function([0, 1], [1, np.nan])
