from dataclasses import astuple

import numpy as np
import pytest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import (
    bootstrap_difference,
    idi,
    nri,
)

RNG = np.random.default_rng(0)
Y = RNG.permutation(np.repeat([0, 1], [120, 80]))
NEW = np.clip(0.3 + 0.3 * Y + 0.2 * RNG.normal(size=200), 0, 1)
OLD = np.clip(0.35 + 0.1 * Y + 0.2 * RNG.normal(size=200), 0, 1)


def slope(y, p):
    """Mean prediction of positives minus that of negatives."""
    return p[y == 1].mean() - p[y == 0].mean()


def test_idi_is_the_difference_of_the_slopes():
    result = idi(Y, NEW, OLD)
    expected = slope(Y, NEW) - slope(Y, OLD)
    assert result.idi == pytest.approx(expected)
    assert result.idi == result.events + result.non_events
    assert result.idi > 0
    bootstrap = bootstrap_difference(slope, Y, NEW, OLD, seed=0)
    assert (result.low, result.high) == pytest.approx((bootstrap.low, bootstrap.high), abs=0.02)


def test_nri_by_hand():
    y = [0, 0, 0, 0, 1, 1, 1]
    new = [0.1, 0.2, 0.5, 0.2, 0.8, 0.7, 0.4]
    old = [0.2, 0.3, 0.4, 0.2, 0.6, 0.6, 0.5]
    result = nri(y, new, old)
    assert result.events == pytest.approx(1 / 3)  # two up, one down of three
    assert result.non_events == pytest.approx(1 / 4)  # two down, one up of four
    variance = 3 / 9 - (1 / 3) ** 2 / 3 + 3 / 16 - (1 / 4) ** 2 / 4
    assert result.standard_error == pytest.approx(np.sqrt(variance))


@pytest.mark.parametrize("function", [idi, nri])
def test_swap_changes_only_the_sign(function):
    forward, back = function(Y, NEW, OLD), function(Y, OLD, NEW)
    name = "idi" if function is idi else "nri"
    assert getattr(forward, name) == pytest.approx(-getattr(back, name))
    assert forward.z == pytest.approx(-back.z)
    assert forward.p_value == pytest.approx(back.p_value)
    assert (forward.low, forward.high) == pytest.approx((-back.high, -back.low))
    assert forward.z > 2


@pytest.mark.parametrize("function", [idi, nri])
def test_the_same_score_improves_nothing(function):
    result = function(Y, NEW, NEW)
    assert (result.z, result.p_value, result.low, result.high) == (0.0, 1.0, 0.0, 0.0)


@pytest.mark.parametrize("function", [idi, nri])
def test_keeps_its_level_for_two_scores_that_know_nothing(function):
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], [60, 40])
    p = [function(y, rng.random(100), rng.random(100)).p_value for _ in range(400)]
    assert 0.025 < np.mean(np.array(p) < 0.05) < 0.09


@pytest.mark.parametrize("function", [idi, nri])
def test_a_change_without_variance_is_refused(function):
    y = [0, 0, 1, 1]
    with pytest.raises(NotEstimable, match="without variance"):
        function(y, [0.25, 0.25, 0.75, 0.75], [0.5, 0.5, 0.5, 0.5])


@pytest.mark.parametrize("function", [idi, nri])
def test_degenerate(function):
    with pytest.raises(NotEstimable, match="both outcome classes"):
        function([1, 1], [0.1, 0.2], [0.2, 0.3])
    with pytest.raises(NotEstimable, match="2 cases in each class"):
        function([0, 0, 1], [0.1, 0.2, 0.3], [0.2, 0.3, 0.3])
    with pytest.raises(NotEstimable, match="missing"):
        function([0, 0, 1, 1], [0.1, 0.2, 0.3, np.nan], [0.2, 0.3, 0.3, 0.1])
    with pytest.raises(BadArgument, match="not logits"):
        function([0, 0, 1, 1], [0.1, 0.2, 0.3, 4], [0.2, 0.3, 0.3, 0.1])
    with pytest.raises(BadArgument, match="found 3"):
        function([0, 0, 1, 1], [0.1, 0.2, 0.3], [0.2, 0.3, 0.3, 0.1])


def test_levels_are_shares():
    for function in (idi, nri):
        with pytest.raises(BadArgument, match="level"):
            function(Y, NEW, OLD, level=95)


def test_rounding_is_no_change_of_risk():
    rng = np.random.default_rng(0)
    y_true, p = rng.integers(0, 2, 50), rng.random(50)
    same = p * (1 + 2e-16 * rng.choice([-1, 1], 50))
    assert nri(y_true, p, same).nri == 0
    assert idi(y_true, p, same).idi == 0


@pytest.mark.parametrize(("function", "name"), [(idi, "idi"), (nri, "nri")])
def test_copied_rows_improve_as_much_and_are_hardly_more_certain(function, name):
    four = np.repeat(np.arange(Y.size), 4)
    one = function(Y, NEW, OLD)
    copies = function(Y[four], NEW[four], OLD[four], groups=four)
    assert getattr(copies, name) == pytest.approx(getattr(one, name))
    assert copies.standard_error == pytest.approx(one.standard_error, rel=0.02)
    alone = function(Y[four], NEW[four], OLD[four])
    assert alone.standard_error == pytest.approx(one.standard_error / 2, rel=0.02)


@pytest.mark.parametrize("function", [idi, nri])
def test_one_row_a_patient_needs_no_names(function):
    names = [f"p{i}" for i in np.random.default_rng(0).permutation(Y.size)]
    found, expected = function(Y, NEW, OLD, groups=names), function(Y, NEW, OLD)
    assert astuple(found) == pytest.approx(astuple(expected))


@pytest.mark.parametrize(("function", "name"), [(idi, "idi"), (nri, "nri")])
def test_the_error_of_patients_is_that_of_patients_drawn_again(function, name):
    """Patients with four correlated rows; 400 bootstrap samples of patients."""
    rng = np.random.default_rng(9)
    patient = np.repeat(np.arange(90), 4)
    y = patient % 3 == 0
    logit = [rng.normal(size=90)[patient] + 0.5 * rng.normal(size=360) + s * y for s in (1, 0.6)]
    first, second = (1 / (1 + np.exp(-x)) for x in logit)
    found = function(y, first, second, groups=patient)
    drawn = []
    for _ in range(400):
        rows = (4 * rng.integers(0, 90, 90)[:, None] + np.arange(4)).ravel()
        drawn.append(getattr(function(y[rows], first[rows], second[rows]), name))
    assert found.standard_error == pytest.approx(np.std(drawn), rel=0.12)
    assert function(y, first, second).standard_error < 0.7 * found.standard_error
