"""AUCs with their intervals: held-out, of patients with several rows, cross-validated."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import (
    auc,
    auc_difference,
    auc_estimate,
    auc_interval,
    delong_test,
    operating_point,
)
from her2.stats.discrimination.auc import hanley_mcneil_variance, placements

Y = np.arange(100) % 3 == 0
FOLDS = np.tile(np.arange(100) % 5, (5, 1))


def scores(seed, n_repeats=None, signal=1.0):
    rng = np.random.default_rng(seed)
    one = rng.normal(size=100) + signal * Y
    return one if n_repeats is None else one + 0.5 * rng.normal(size=(n_repeats, 100))


def clustered(rng, n_patients, n_rows, correlation, shift):
    patient = np.repeat(np.arange(n_patients), n_rows)
    y = patient % 3 == 0
    shared = np.sqrt(correlation) * rng.normal(size=n_patients)[patient]
    return (
        y,
        shared + np.sqrt(1 - correlation) * rng.normal(size=patient.size) + shift * y,
        patient,
    )


def test_held_out_auc_is_delongs_with_an_interval_on_the_logit():
    s = scores(0)
    found, delong = auc_estimate(Y, s), auc_interval(Y, s)
    assert found.auc == delong.auc
    assert found.dof == np.inf
    assert found.within_folds is None
    assert found.sd_between_repeats is None
    shape = hanley_mcneil_variance(delong.auc, 34, 66)
    variance = (34 * delong.variance + 5 * shape) / 39  # the weight of five cases
    assert found.standard_error == pytest.approx(np.sqrt(variance), rel=1e-12)
    width = norm.isf(0.025) * found.standard_error / (found.auc * (1 - found.auc))
    odds = np.log(found.auc / (1 - found.auc))
    assert found.low == pytest.approx(1 / (1 + np.exp(width - odds)), rel=1e-12)


def test_known_variance_by_hand():
    # Hanley & McNeil with Newcombe's N*: .21 (1 + 9 * .3 / 1.3 + 9 * .7 / 1.7) / 96
    expected = 0.21 * (1 + 9 * 0.3 / 1.3 + 9 * 0.7 / 1.7) / 96
    assert hanley_mcneil_variance(0.7, 8, 12) == pytest.approx(expected, rel=1e-12)


def test_interval_of_a_perfect_auc_has_a_width():
    found = auc_estimate([0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6])
    assert (found.auc, found.high) == (1.0, 1.0)
    assert 0.4 < found.low < 0.7
    worst = auc_estimate([0, 0, 0, 1, 1, 1], [6, 5, 4, 3, 2, 1])
    assert (worst.auc, worst.low) == (0.0, 0.0)
    assert worst.high == pytest.approx(1 - found.low)
    larger = auc_estimate(Y, Y + 0.1 * scores(1, signal=0))
    assert larger.low > 0.9


def test_invariance():
    s = scores(2, n_repeats=5)
    found = auc_estimate(Y, s, folds=FOLDS)
    assert auc_estimate(Y, np.exp(s), folds=FOLDS) == found
    order = np.random.default_rng(0).permutation(100)
    moved = auc_estimate(Y[order], s[:, order], folds=FOLDS[:, order])
    assert moved.low == pytest.approx(found.low, rel=1e-12)
    turned = auc_estimate(~Y, -s, folds=FOLDS)
    assert turned.auc == pytest.approx(found.auc, rel=1e-12)
    assert turned.high == pytest.approx(found.high, rel=1e-12)


def test_cross_validated_auc_by_hand():
    s = scores(3, n_repeats=5)
    found = auc_estimate(Y, s, folds=FOLDS)
    each = [auc(Y, row) for row in s]
    assert found.per_repeat == pytest.approx(each)
    assert found.auc == pytest.approx(np.mean(each))
    placed = [placements(Y, row) for row in s]
    positives, negatives = (np.mean([p[i] for p in placed], axis=0) for i in (0, 1))
    variance = np.var(positives, ddof=1) / 66**2 / 34 + np.var(negatives, ddof=1) / 34**2 / 66
    within = [
        (wins.of_positives.sum(), wins.of_positives.size * wins.of_negatives.size)
        for row in s
        for k in range(5)
        if (wins := placements(Y[FOLDS[0] == k], row[FOLDS[0] == k]))
    ]
    won, pairs = np.sum(within, axis=0)
    assert found.within_folds == pytest.approx(won / pairs)
    centre = won / pairs
    variance = (34 * variance + 5 * hanley_mcneil_variance(centre, 34, 66)) / 39
    # the jackknife's factor of five folds, and a prior of two repeats
    learning = (4 * 4 * np.var(each, ddof=1) + 2 * 0.75 * variance) / 6
    assert found.standard_error == pytest.approx(np.sqrt(variance + learning))
    dof = (variance + learning) ** 2 / (learning**2 / 6 + variance**2 / 33)
    assert found.dof == pytest.approx(dof)
    assert found.low < min(found.auc, centre) < found.high


def test_the_more_repeats_agree_the_less_is_added():
    s = scores(4)
    held_out = auc_estimate(Y, s).standard_error ** 2
    for n in (1, 5, 101):
        found = auc_estimate(Y, np.tile(s, (n, 1)), folds=5)
        added = 2 * 0.75 * held_out / (n - 1 + 2)
        assert found.standard_error**2 == pytest.approx(held_out + added)
        assert found.low < auc_estimate(Y, s).low


def test_rows_of_one_patient_are_no_more_than_the_patient():
    s = scores(5)
    alone = auc_estimate(Y, s)
    copied = auc_estimate(np.repeat(Y, 3), np.repeat(s, 3), groups=np.repeat(np.arange(100), 3))
    assert copied.auc == alone.auc
    assert copied.standard_error == pytest.approx(alone.standard_error, rel=0.03)
    naive = auc_estimate(np.repeat(Y, 3), np.repeat(s, 3))
    assert naive.standard_error < 0.65 * alone.standard_error


@pytest.mark.parametrize("n_rows, correlation", [(1, 0.0), (4, 0.5), (4, 0.9), (8, 0.9)])
def test_coverage_of_held_out_intervals(n_rows, correlation):
    """The truth lies in 95 % of intervals, with one row a patient and with several."""
    rng, held, truth = np.random.default_rng(6), [], norm.cdf(1.1 / np.sqrt(2))
    for _ in range(300):
        y, s, patient = clustered(rng, 60, n_rows, correlation, 1.1)
        found = auc_estimate(y, s, groups=patient)
        held.append(found.low <= truth <= found.high)
    assert 0.92 <= np.mean(held) <= 0.985


def test_chance_is_rarely_beaten_by_noise():
    p_values = np.array([auc_estimate(Y, scores(i, signal=0)).p_value for i in range(600)])
    assert 0.02 < np.mean(p_values <= 0.05) < 0.08
    assert auc_estimate(Y, scores(0, signal=2)).p_value < 1e-6
    assert 0.9 < auc_estimate(Y, -scores(0, signal=2)).p_value <= 1.0


def test_difference_of_held_out_scores_is_delongs():
    first, second = scores(7), scores(8)
    ours, delong = auc_difference(Y, first, second), delong_test(Y, first, second)
    for name in ("difference", "low", "high", "z", "p_value"):
        assert getattr(ours, name) == pytest.approx(getattr(delong, name), rel=1e-10)
    back = auc_difference(Y, second, first)
    assert back.z == pytest.approx(-ours.z)
    assert back.p_value == pytest.approx(ours.p_value)


def test_scores_that_rank_alike_do_not_differ():
    s = scores(9, n_repeats=5)
    same = auc_difference(Y, s, np.exp(s), n_folds=5)
    assert (same.difference, same.z, same.p_value) == (0.0, 0.0, 1.0)


def test_difference_of_repeats_adds_their_spread():
    first, second = scores(10, n_repeats=5), scores(11, n_repeats=5)
    found = auc_difference(Y, first, second, n_folds=5)
    gaps = np.array([auc(Y, a) - auc(Y, b) for a, b in zip(first, second, strict=True)])
    assert found.difference == pytest.approx(gaps.mean())
    error = found.difference / found.z
    alone = auc_difference(Y, first, second)
    sampled = (alone.difference / alone.z) ** 2
    learning = (4 * 4 * gaps.var(ddof=1) + 2 * 0.75 * sampled) / 6
    assert error**2 == pytest.approx(sampled + learning)
    assert found.p_value > alone.p_value


def test_rows_of_a_repeat_stay_with_it():
    first, more = scores(12, n_repeats=2), scores(13, n_repeats=6)
    found = auc_difference(Y, first, more, n_folds=5)
    each = np.array([auc(Y, row) for row in more]).reshape(2, 3).mean(axis=1)
    gaps = np.array([auc(Y, row) for row in first]) - each
    alone = auc_difference(Y, first, more)
    sampled = (alone.difference / alone.z) ** 2
    learning = (4 * gaps.var(ddof=1) + 2 * 0.75 * sampled) / 3
    assert (found.difference / found.z) ** 2 == pytest.approx(sampled + learning)
    unlike, other = scores(14, n_repeats=5), auc_difference(Y, first, scores(14, n_repeats=5))
    found = auc_difference(Y, first, unlike, n_folds=5)  # as one repeat
    assert found.z == pytest.approx(other.z / np.sqrt(1.75))


def test_what_cannot_be_estimated():
    with pytest.raises(NotEstimable, match="2 patients in each class, found 1 positive and 2"):
        auc_estimate([0, 0, 1], [1, 3, 2])
    with pytest.raises(NotEstimable, match="found 1 positive and 2 negative"):
        auc_estimate([0, 0, 1, 1], [1, 3, 2, 4], groups=[0, 1, 2, 2])
    with pytest.raises(NotEstimable, match="the same value 0 for all 100"):
        auc_estimate(Y, [scores(0), np.zeros(100)])
    with pytest.raises(BadArgument, match="folds must have a whole number for each score"):
        auc_estimate(Y, scores(0, 5), folds=FOLDS[0])
    with pytest.raises(BadArgument, match=r"level must lie in \(0, 1\), found 95"):
        auc_estimate(Y, scores(0), level=95)
    with pytest.raises(NotEstimable, match="found 0 for 1"):
        auc_difference([0, 0, 1, 1], [1, 2, 3, 4], [4, 3, 2, 1])


def test_folds_may_have_any_numbers_but_are_two_or_more():
    s = scores(15, n_repeats=5)
    named = auc_estimate(Y, s, folds=10 * FOLDS + 7)
    assert named == auc_estimate(Y, s, folds=FOLDS)
    assert auc_estimate(Y, s, folds=np.int64(5)) == auc_estimate(Y, s, folds=5)
    for n_folds in (1, 0, -3):
        with pytest.raises(BadArgument, match=f"must be at least 2, found {n_folds}"):
            auc_estimate(Y, s, folds=n_folds)
        with pytest.raises(BadArgument, match=f"must be at least 2, found {n_folds}"):
            auc_difference(Y, s, s[::-1], n_folds=n_folds)
        with pytest.raises(BadArgument, match=f"must be at least 2, found {n_folds}"):
            operating_point(Y, s, 0.5, n_folds=n_folds)


def test_folds_of_one_outcome_have_no_pairs():
    y, s = [0, 0, 0, 1, 1, 1], [1, 2, 5, 3, 4, 6]
    found = auc_estimate(y, s, folds=[0, 0, 0, 1, 1, 1])
    assert found.within_folds is None
    assert found.low < found.auc < found.high


# Equally good arms: probabilities of small logistic regressions, cross-validated


def cross_validated(X, y, n_repeats=5, n_folds=5, seed=0):
    """Probabilities (n_repeats, n) of folds that were left out, by scikit-learn."""
    rng, found = np.random.default_rng(seed), np.empty((n_repeats, y.size))
    for r in range(n_repeats):
        fold = np.empty(y.size, dtype=int)
        for k in (0, 1):  # stratified
            fold[y == k] = rng.permutation(np.arange((y == k).sum()) % n_folds)
        for k in range(n_folds):
            model = LogisticRegression(C=1.0).fit(X[fold != k], y[fold != k])
            found[r, fold == k] = model.predict_proba(X[fold == k])[:, 1]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("signal", [0.0, 0.35])
def test_equally_good_arms_differ_as_rarely_as_the_level_says(signal):
    """Two arms of six columns each, three of them informative, learned from the same patients."""
    n_studies, significant = 400, 0
    for seed in range(n_studies):
        rng = np.random.default_rng(seed)
        y = (rng.random(100) < 0.3).astype(int)
        arms = []
        for _ in range(2):
            X = rng.normal(size=(100, 6))
            X[:, :3] += signal * y[:, None]
            arms.append(cross_validated(X, y, seed=seed))
        significant += auc_difference(y, *arms, n_folds=5).p_value < 0.05
    assert 0.02 <= significant / n_studies <= 0.08
