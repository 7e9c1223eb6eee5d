from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

from her2.core.errors import BadArgument
from her2.paper_checks import Printed, PrintedStudy, Rule, auc_bounds, check
from her2.paper_checks.claims import Area, AreaComparison, Brier, ConfusionMatrix, Size
from her2.stats import auc_interval, delong_test, operating_point, youden_threshold

GRID = 200


def best_concave(f: float, t: float, *, largest: bool) -> float:
    """AUC of the best concave polygon on a grid through (f, t), by linear programming."""
    x = np.union1d(np.linspace(0, 1, GRID + 1), [f])
    gaps = np.diff(x)
    weights = (np.append(gaps, 0) + np.append(0, gaps)) / 2
    steps = np.diff(np.eye(len(x)), axis=0) / gaps[:, None]  # slopes of the pieces
    rising = -steps
    bending = steps[1:] - steps[:-1]  # slopes fall
    fixed = np.zeros((2, len(x)))
    fixed[0, -1] = fixed[1, np.searchsorted(x, f)] = 1
    solution = linprog(
        -weights if largest else weights,
        A_ub=np.vstack([rising, bending]),
        b_ub=np.zeros(2 * len(x) - 3),
        A_eq=fixed,
        b_eq=[1, t],
        bounds=(0, 1),
    )
    return float(weights @ solution.x)


@pytest.mark.parametrize(
    ("f", "t"),
    [
        (9 / 33, 19 / 30),
        (0.1, 0.3),
        (0.2, 0.45),
        (0.6, 0.9),
        (0.75, 0.8),
        (0.5, 0.5),
        (0.05, 0.97),
    ],
)
def test_concave_bounds_are_the_best_of_all_concave_curves(f, t):
    low, high = auc_bounds(t, 1 - f)
    assert best_concave(f, t, largest=False) == pytest.approx(low, abs=1e-9)
    # the largest has corners off the grid
    assert best_concave(f, t, largest=True) == pytest.approx(high, abs=3e-3)
    assert best_concave(f, t, largest=True) <= high + 1e-9


def test_bounds_by_hand():
    assert auc_bounds(19 / 30, 24 / 33) == pytest.approx((0.6803030303, 0.8))
    assert auc_bounds(1.0, 1.0) == (1.0, 1.0)
    assert auc_bounds(1.0, 0.3) == pytest.approx((0.65, 1.0))
    assert auc_bounds(0.3, 1.0) == pytest.approx((0.65, 1.0))
    assert auc_bounds(0.0, 1.0) == pytest.approx((0.5, 1.0))
    assert auc_bounds(1.0, 0.0) == pytest.approx((0.5, 1.0))
    assert auc_bounds(0.2, 0.7) == auc_bounds(0.2, 0.7, curve="any")  # below the diagonal


def test_bounds_rise_with_either_rate():
    rates = np.linspace(0, 1, 21)
    for curve in ("any", "concave", "youden"):
        for s in rates:
            above = [auc_bounds(t, s, curve=curve) for t in rates if t >= 1 - s]
            assert (np.diff(np.array(above), axis=0) >= -1e-12).all()


def test_rates_outside_their_range_are_refused():
    with pytest.raises(BadArgument, match="sensitivity and specificity"):
        auc_bounds(76.7, 0.9)


def random_scores(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    n = int(rng.integers(8, 60))
    y = np.zeros(n, dtype=int)
    y[: int(rng.integers(2, n - 2))] = 1
    digits = int(rng.integers(0, 3))  # few digits, many ties
    return y, np.round(rng.normal(0, 1, n) + rng.uniform(-0.5, 2) * y, digits)


def test_no_data_break_the_bounds_of_any_curve():
    rng = np.random.default_rng(0)
    for _ in range(100):
        y, score = random_scores(rng)
        if score.min() == score.max():
            continue
        area = auc_interval(y, score).auc
        for threshold in np.unique(score):
            point = operating_point(y, score, float(threshold))
            low, high = auc_bounds(point.sensitivity, point.specificity, curve="any")
            assert low - 1e-12 <= area <= high + 1e-12


def test_no_data_break_the_bounds_at_the_largest_youden_index():
    rng = np.random.default_rng(1)
    for _ in range(200):
        y, score = random_scores(rng)
        if score.min() == score.max():
            continue
        point = operating_point(y, score, youden_threshold(y, score))
        bounds = auc_bounds(point.sensitivity, point.specificity, curve="youden")
        assert bounds[0] - 1e-12 <= auc_interval(y, score).auc <= bounds[1] + 1e-12


def area(*texts: str, **claims: object) -> Area:
    return Area("Results", *map(Printed.read, texts), **claims)


def found(claim: Area, *sizes: Size, matrices: tuple[ConfusionMatrix, ...] = ()) -> list[Rule]:
    return [x.rule for x in check(PrintedStudy(sizes=sizes, areas=(claim,), matrices=matrices))]


def test_rounded_rates_give_the_benefit_of_the_doubt():
    # .65 and .75 can have been printed so: 1 - 2 * .25 * .35 = .825
    rates = {"sensitivity": Printed.read("0.6"), "specificity": Printed.read("0.7")}
    assert found(area("0.825", **rates)) == []
    assert found(area("0.826", **rates)) == [Rule.AUC_POINT]
    assert found(area("0.55", **rates)) == [Rule.AUC_POINT]


def test_point_by_curve():
    matrices = (ConfusionMatrix("A", "test", 19, 9, 24, 11),)
    verdicts = {
        curve: found(area("0.870", matrix="A", curve=curve), matrices=matrices) for curve in CURVES
    }
    assert verdicts == {"any": [], "concave": [Rule.AUC_POINT], "youden": [Rule.AUC_POINT]}
    assert found(area("0.91", matrix="A", curve="any"), matrices=matrices) == [Rule.AUC_POINT]
    with pytest.raises(BadArgument, match="found 'B'"):
        found(area("0.91", matrix="B"), matrices=matrices)


CURVES = ("any", "concave", "youden")


def test_a_matrix_without_positives_gives_no_point():
    matrices = (ConfusionMatrix("A", "test", 0, 9, 24, 0),)
    assert found(area("0.870", matrix="A"), matrices=matrices) == []


def test_interval_around_the_auc():
    assert found(area("0.720", "0.578", "0.863", is_wald=True)) == []
    assert found(area("0.720", "0.730", "0.863")) == [Rule.ESTIMATE_IN_INTERVAL]
    assert found(area("0.740", "0.578", "0.863", is_wald=True)) == [Rule.INTERVAL_SYMMETRY]
    assert found(area("0.740", "0.578", "0.863")) == []  # a bootstrap interval may be so
    assert found(area("0.970", "0.920", "1.000", is_wald=True)) == []  # clipped


def test_interval_is_not_wider_than_the_cases_allow():
    size = Size("Table 1", "test", 61, 15)
    assert found(area("0.720", "0.486", "0.954", is_wald=True, group="test"), size) == []
    wide = area("0.720", "0.460", "0.980", is_wald=True, group="test")
    assert found(wide, size) == [Rule.AUC_INTERVAL_WIDTH]
    assert found(wide) == []


def test_delong_intervals_of_data_are_never_too_wide():
    rng = np.random.default_rng(2)
    for _ in range(200):
        y, score = random_scores(rng)
        if score.min() == score.max():
            continue
        ci = auc_interval(y, score)
        values = (f"{x:.3f}" for x in (ci.auc, ci.low, ci.high))
        claim = area(*values, is_wald=0 < ci.auc < 1, group="a")  # else the interval is Newcombe's
        assert found(claim, Size("a", "a", len(y), int(y.sum()))) == []


def comparison(y, first, second, **changes: str) -> list[Rule]:
    test = delong_test(y, first, second)
    values = {
        "difference": f"{test.difference:+.3f}",
        "first": f"{test.auc_first:.3f}",
        "second": f"{test.auc_second:.3f}",
        "low": f"{test.low:+.3f}",
        "high": f"{test.high:+.3f}",
        "z": f"{test.z:.2f}",
    } | changes
    printed = {name: Printed.read(text) for name, text in values.items()}
    return [x.rule for x in check(PrintedStudy(comparisons=(AreaComparison("a - b", **printed),)))]


def test_comparisons_of_data_agree():
    rng = np.random.default_rng(3)
    y = np.repeat([0, 1], [40, 20])
    for _ in range(100):
        assert comparison(y, rng.normal(y, 1), rng.normal(y, 1)) == []


def test_wrong_comparisons_are_found():
    rng = np.random.default_rng(4)
    y = np.repeat([0, 1], [40, 20])
    scores = rng.normal(2 * y, 1), rng.normal(0 * y, 1)
    assert comparison(y, *scores, z="-4.00") == [Rule.STATISTIC_P, Rule.INTERVAL_LEVEL]
    assert comparison(y, *scores, z="9.00") == [Rule.INTERVAL_LEVEL]
    assert comparison(y, *scores, low="+0.020") == [Rule.INTERVAL_SYMMETRY]
    assert Rule.AUC_DIFFERENCE in comparison(y, *scores, difference="+0.111")


@pytest.mark.parametrize(("brier", "scaled", "is_right"), [
    ("0.143", "0.299", True),
    ("0.143", "0.320", False),
    ("0.143", None, True),
    ("1.001", None, False),
    ("-0.010", None, False),
])  # fmt: skip
def test_brier(brier, scaled, is_right):
    # 18 of 63: 18 * 45 / 63^2 = .2041
    value = scaled and Printed.read(scaled)
    study = PrintedStudy(
        sizes=(Size("a", "test", 63, 18),),
        briers=(Brier("Results", Printed.read(brier), value, "test"),),
    )
    assert [x.rule for x in check(study)] == ([] if is_right else [Rule.BRIER_RANGE])


def test_level_is_checked():
    for claim, level in product((area, lambda **x: AreaComparison("a", **x)), (0.0, 95.0)):
        with pytest.raises(BadArgument, match="level"):
            claim("0.8", level=level) if claim is area else claim(level=level)
