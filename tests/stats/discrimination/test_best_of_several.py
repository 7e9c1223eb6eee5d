"""The best of several arms: what remains of its AUC without the luck of the choice."""

import numpy as np
import pytest

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import auc_estimate, best_of_several

Y = np.arange(120) % 3 == 0
FOLDS = np.tile(np.arange(120) % 5, (3, 1))


def arms(seed, signals, shared=0.0):
    """Repeats (3, 120) of arms whose errors are correlated by `shared`, and their folds."""
    rng = np.random.default_rng(seed)
    common, spread = rng.normal(size=120), np.sqrt(1 - shared)
    scores = {}
    for name, signal in zip("abcdefgh", signals, strict=False):
        own = np.sqrt(shared) * common + spread * rng.normal(size=120)
        scores[name] = own + signal * Y + 0.1 * rng.normal(size=(3, 120))
    return scores, dict.fromkeys(scores, FOLDS)


def test_one_arm_is_not_corrected():
    scores, folds = arms(0, [1.0])
    found, alone = best_of_several(Y, scores, folds), auc_estimate(Y, scores["a"], folds=FOLDS)
    assert (found.name, found.tied, found.n_arms) == ("a", ("a",), 1)
    assert found.corrected == found.auc == alone.auc
    assert (found.low, found.high) == (alone.low, alone.high)


def test_a_clear_winner_is_not_corrected():
    found = best_of_several(Y, *arms(1, [3.0, 0.0, 0.0]))
    assert (found.name, found.tied) == ("a", ("a",))
    assert found.corrected == found.auc


def test_the_more_arms_are_tied_the_larger_the_correction():
    losses = []
    for n in (2, 4, 8):
        scores, folds = arms(2, [0.5] * n)
        found = best_of_several(Y, scores, folds)
        losses.append((found.auc - found.corrected) / (len(found.tied) > 1))
    assert 0.0 < losses[0] < losses[1] < losses[2] < 0.15


def test_arms_that_are_nearly_one_lose_little():
    alike = best_of_several(Y, *arms(3, [0.5] * 5, shared=0.98))
    apart = best_of_several(Y, *arms(3, [0.5] * 5))
    assert alike.auc - alike.corrected < 0.4 * (apart.auc - apart.corrected)


def test_two_equal_arms_by_hand():
    # the mean of the larger of two independent normal errors is sd / sqrt(pi), .83 of it here
    scores, folds = arms(4, [0.3, 0.3])
    found = best_of_several(Y, scores, folds)
    errors = [auc_estimate(Y, x, folds=FOLDS).standard_error for x in scores.values()]
    expected = 0.83 * np.sqrt(np.mean(np.square(errors))) / np.sqrt(np.pi)
    assert found.auc - found.corrected == pytest.approx(expected, rel=0.15)


def test_five_useless_arms_are_worth_one_half():
    found = [best_of_several(Y, *arms(seed, [0.0] * 5), seed=seed) for seed in range(60)]
    assert np.mean([f.auc for f in found]) > 0.54
    assert np.mean([f.corrected for f in found]) == pytest.approx(0.5, abs=0.02)
    assert np.mean([f.low > 0.5 for f in found]) <= 0.05


def test_arms_without_an_error_are_chosen_too():
    perfect = np.tile(Y + 0.001 * np.arange(120), (3, 1))
    twice = {"a": perfect, "b": 2 * perfect}
    found = best_of_several(Y, twice, dict.fromkeys(twice, FOLDS))
    assert (found.auc, found.corrected, found.high) == (1.0, 1.0, 1.0)
    assert 0.8 < found.low < 1.0


def test_what_cannot_be_chosen_from():
    with pytest.raises(BadArgument, match="must name one arm or more"):
        best_of_several(Y, {}, {})
    with pytest.raises(BadArgument, match="folds must name every arm, found none of b"):
        best_of_several(Y, arms(0, [0.0, 0.0])[0], {"a": FOLDS})
    with pytest.raises(NotEstimable, match="the same value"):
        best_of_several(Y, {"a": np.zeros((3, 120))}, {"a": FOLDS})
