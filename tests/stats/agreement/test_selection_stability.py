import numpy as np
import pytest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import nogueira_stability, selection_frequency


def random_supports(seed: int, n: int = 60, p: int = 40, k: int = 8) -> np.ndarray:
    """Selections of k features at random."""
    rng = np.random.default_rng(seed)
    return rng.random((n, p)).argsort(axis=1) < k


def flickering(seed: int, n: int = 60, p: int = 40) -> np.ndarray:
    """Selections that often hold the first five features, and sometimes others."""
    often = np.where(np.arange(p) < 5, 0.8, 0.1)
    return np.random.default_rng(seed).random((n, p)) < often


def test_frequency_is_the_share_of_resamples():
    supports = np.array([[1, 0, 1], [1, 0, 0], [1, 0, 1], [1, 0, 0]], dtype=bool)
    assert selection_frequency(supports).tolist() == [1.0, 0.0, 0.5]
    assert selection_frequency(supports[:1]).tolist() == [1.0, 0.0, 1.0]


def test_value_and_interval_by_hand():
    """Three resamples of four features, worked out from the paper's formulas."""
    supports = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0]], dtype=bool)
    # variances of the features: 0, 1/3, 1/3, 0 -> mean 1/6; two of four selected: chance 1/4
    value = 1 - (1 / 6) / (1 / 4)
    assert value == pytest.approx(1 / 3)
    # mean(z p): (1 + 2/3)/4, (1 + 1/3)/4, (1 + 2/3)/4; k k_bar / d^2 = 1/4; correction 1/2
    phi = 4 * (np.array([5 / 12, 4 / 12, 5 / 12]) - 1 / 4 + value / 2 * 0.5)
    variance = 4 / 9 * ((phi - phi.mean()) ** 2).sum()
    found = nogueira_stability(supports)
    assert found.value == pytest.approx(value)
    assert found.low == pytest.approx(value - 1.959963984540054 * np.sqrt(variance))
    assert found.high == pytest.approx(value + 1.959963984540054 * np.sqrt(variance))
    assert found.mean_selected == 2.0


def test_the_same_selection_every_time_is_one():
    found = nogueira_stability(np.tile(random_supports(0)[:1], (20, 1)))
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
    assert found.mean_selected == 8.0


def test_random_selections_are_about_zero_whatever_their_size():
    for k in (2, 8, 30):
        values = [nogueira_stability(random_supports(s, k=k)).value for s in range(30)]
        assert abs(np.mean(values)) < 0.01


def test_two_opposite_selections_are_at_the_lower_end():
    assert nogueira_stability([[True, False], [False, True]]).value == pytest.approx(-1.0)


def test_order_of_resamples_and_features_does_not_matter():
    supports = flickering(0)
    found, turned = nogueira_stability(supports), nogueira_stability(supports[::-1, ::-1])
    assert turned.value == pytest.approx(found.value)
    assert turned.low == pytest.approx(found.low)


def test_the_interval_covers_the_true_value_as_often_as_it_says():
    """The value of the very many resamples is the truth; each draw has 60 of them."""
    truth = nogueira_stability(flickering(10_000, n=20_000)).value
    found = [nogueira_stability(flickering(seed)) for seed in range(300)]
    covered = np.mean([s.low < truth < s.high for s in found])
    assert 0.91 < covered < 0.99
    assert np.std([s.value for s in found]) == pytest.approx(
        np.mean([(s.high - s.low) / 2 / 1.96 for s in found]), rel=0.15
    )


def test_a_higher_level_is_wider():
    supports = flickering(1)
    assert nogueira_stability(supports, level=0.99).low < nogueira_stability(supports).low


@pytest.mark.parametrize("chosen", [True, False])
def test_all_or_nothing_selected_has_no_stability(chosen):
    with pytest.raises(NotEstimable, match=r"found (0|7) of 7 in every resample"):
        nogueira_stability(np.full((5, 7), chosen))


def test_one_resample_has_no_stability():
    with pytest.raises(NotEstimable, match="needs 2 of them"):
        nogueira_stability([[True, False]])
    with pytest.raises(NotEstimable, match="needs 1 of them"):
        selection_frequency(np.empty((0, 3), dtype=bool))


@pytest.mark.parametrize("supports", [[[1, 0], [0, 1]], [True, False], [[0.5, 0.1]]])
def test_supports_are_boolean_tables(supports):
    with pytest.raises(BadArgument, match="boolean of shape"):
        nogueira_stability(supports)
    with pytest.raises(BadArgument, match="boolean of shape"):
        selection_frequency(supports)


def test_level_outside_its_range():
    with pytest.raises(BadArgument, match="level"):
        nogueira_stability(flickering(0), level=95)
