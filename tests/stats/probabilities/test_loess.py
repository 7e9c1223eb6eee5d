import numpy as np
import pytest

from her2.core.errors import NotEstimable
from her2.stats.probabilities.loess import local_weights, loess_band, loess_curve


def noisy(seed: int, n: int = 90, digits: int = 8):
    rng = np.random.default_rng(seed)
    x = rng.random(n).round(digits)
    return x, np.sin(4 * x) + 0.3 * rng.normal(size=n)


def direct_loess(x, y, at):
    """Cleveland's definition: a parabola, weighted over the nearest three quarters."""
    q = int(0.75 * len(x))
    fitted = []
    for centre in at:
        distance = np.abs(x - centre)
        weight = np.clip(1 - (distance / np.sort(distance)[q - 1]) ** 3, 0, None) ** 1.5
        design = np.vander(x - centre, 3) * weight[:, None]
        fitted.append(np.linalg.lstsq(design, y * weight, rcond=None)[0][2])
    return np.array(fitted)


def test_smooth_is_near_the_definition():
    x, y = noisy(0)
    expected = direct_loess(x, y, x)
    np.testing.assert_allclose(loess_curve(x, y), expected, atol=0.05)


def test_weights_are_those_of_the_definition():
    x, y = noisy(2)
    at = np.linspace(0.1, 0.9, 7)
    weights = local_weights(x, at)
    np.testing.assert_allclose(weights @ y, direct_loess(x, y, at))
    np.testing.assert_allclose(weights @ x**2, at**2, atol=1e-12)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)


def test_band_is_centred_on_the_smooth_and_widens_with_the_level():
    x, y = noisy(1)
    at = np.sort(x)[5:-5]
    fit, low, high = loess_band(x, y, at)
    order = np.argsort(x)[5:-5]
    np.testing.assert_allclose(fit, loess_curve(x, y)[order], atol=1e-9)
    np.testing.assert_allclose(fit - low, high - fit)
    assert (high - low).min() > 0
    _, low99, high99 = loess_band(x, y, at, level=0.99)
    assert ((low99 < low) & (high99 > high)).all()


def test_band_covers_the_truth_as_often_as_it_says():
    at = np.linspace(0.1, 0.9, 9)
    covered = []
    for seed in range(200):
        x, y = noisy(seed)
        _, low, high = loess_band(x, y, at)
        covered.append((low <= np.sin(4 * at)) & (np.sin(4 * at) <= high))
    assert 0.85 < np.mean(covered) < 0.98  # a little bias of the smooth itself


def test_a_failure_leaves_no_trace():
    x, y = noisy(4)
    before = loess_curve(x, y)
    with pytest.raises(NotEstimable, match="loess needs enough distinct values, found 1 in 20"):
        loess_curve(np.full(20, 0.5), y[:20])
    with pytest.raises(NotEstimable, match="loess"):
        loess_band(np.full(20, 0.5), y[:20], np.array([0.5]))
    np.testing.assert_array_equal(loess_curve(x, y), before)
