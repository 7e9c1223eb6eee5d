import numpy as np
import pytest
from scipy.stats import chi2

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.probabilities.calibration_measures import hosmer_lemeshow, quantile_groups


def test_value_by_hand():
    # groups of two: expected .3, .9, 1.5 and observed 0, 1, 2
    expected = 0.3**2 * (1 / 0.3 + 1 / 1.7) + 0.1**2 * (1 / 0.9 + 1 / 1.1)
    expected += 0.5**2 * (1 / 1.5 + 1 / 0.5)
    test = hosmer_lemeshow([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.7, 0.8], n_groups=3)
    assert test.statistic == pytest.approx(expected)
    assert test.dof == 1
    assert test.p_value == pytest.approx(chi2.sf(expected, 1))


def test_ties_reduce_groups_and_degrees_of_freedom():
    p = np.repeat([0.1, 0.3, 0.5, 0.7], 25)
    y = np.tile([0, 0, 0, 1, 1], 20)
    # four values, but the lowest is the edge of the first interval and joins the next, as in R
    assert hosmer_lemeshow(y, p).dof == 1


def test_groups_are_closed_on_the_right():
    # the median of 1..5 is 3, and belongs to the lower half
    assert quantile_groups(np.arange(1.0, 6.0), 2).tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("n", [10, 41, 201, 1000])
@pytest.mark.parametrize("n_groups", [2, 3, 7, 10])
def test_groups_are_nearly_equal_and_ordered(n, n_groups):
    p = np.random.default_rng(n).random(n)
    group = quantile_groups(p, n_groups)
    sizes = np.bincount(group)
    assert len(sizes) == n_groups
    assert sizes.max() - sizes.min() <= 1
    assert (np.diff(group[np.argsort(p)]) >= 0).all()


def test_rejects_as_often_as_it_says_for_true_probabilities():
    rng = np.random.default_rng(5)
    p_values = []
    for _ in range(300):
        p = rng.uniform(0.1, 0.9, size=400)
        # external predictions: nothing was fitted, so the reference is a little conservative
        p_values.append(hosmer_lemeshow((rng.random(400) < p).astype(int), p).p_value)
    assert 0.03 < np.mean(np.array(p_values) < 0.05) < 0.25


def test_certain_and_wrong_is_infinitely_unlikely():
    y = [0, 1, 0, 1, 1, 0]
    test = hosmer_lemeshow(y, [0.0, 0.0, 0.4, 0.5, 0.8, 0.9], n_groups=3)
    assert (test.statistic, test.p_value) == (np.inf, 0.0)


def test_certain_and_right_fits():
    y = [0, 0, 0, 1, 1, 1]
    test = hosmer_lemeshow(y, [0.0, 0.0, 0.5, 0.5, 1.0, 1.0], n_groups=3)
    assert (test.statistic, test.p_value) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("y", "p", "error", "reason"),
    [
        ([0, 1, 0, 1], [0.3, 0.3, 0.3, 0.3], NotEstimable, "constant"),
        ([0, 1, 0, 1], [0.3, 0.3, 0.6, 0.6], NotEstimable, "needs 3 groups"),
        ([0, 0, 0, 0], [0.1, 0.2, 0.3, 0.4], NotEstimable, "both outcome classes"),
        ([0, 1, 0, 1], [0.1, 0.2, np.nan, 0.4], NotEstimable, "missing"),
        ([0, 1, 0, 1], [0.1, 0.2, 1.3, 0.4], BadArgument, "not logits"),
        ([0, 1, 0, 1], [0.1, 0.2, 0.3], BadArgument, "found 3"),
    ],
)
def test_degenerate(y, p, error, reason):
    with pytest.raises(error, match=reason):
        hosmer_lemeshow(y, p)


def test_number_of_groups():
    with pytest.raises(BadArgument, match="n_groups"):
        hosmer_lemeshow([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], n_groups=1)
    with pytest.raises(NotEstimable, match="needs 3 groups"):
        hosmer_lemeshow([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], n_groups=2)


def test_new_cases_have_two_degrees_of_freedom_more():
    rng = np.random.default_rng(9)
    p = rng.random(300)
    y = (rng.random(300) < p).astype(int)
    fitted, new = hosmer_lemeshow(y, p), hosmer_lemeshow(y, p, external=True)
    assert (new.statistic, new.dof) == (fitted.statistic, fitted.dof + 2)
    assert new.p_value == pytest.approx(chi2.sf(new.statistic, 10))


def test_keeps_its_level_on_new_cases_of_the_truth():
    rng = np.random.default_rng(10)
    rejected = []
    for _ in range(300):
        p = rng.uniform(0.1, 0.9, size=200)
        y = (rng.random(200) < p).astype(int)
        rejected.append(hosmer_lemeshow(y, p, external=True).p_value < 0.05)
    assert 0.02 < np.mean(rejected) < 0.09
