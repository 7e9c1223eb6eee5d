"""Every filter keeps what its rule says, learned from the rows that `fit` was given."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Lasso
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.estimator_checks import parametrize_with_checks
from statsmodels.stats.weightstats import ttest_ind

from her2.errors import BadCohort
from her2.seeds import generator
from her2.selection import (
    CorrelationFilter,
    LassoFilter,
    TTestFilter,
    UsableFeatures,
    no_selection,
    paper_chain,
)

FILTERS = [UsableFeatures(), TTestFilter(), CorrelationFilter(), LassoFilter()]


@parametrize_with_checks(FILTERS)
def test_a_filter_is_a_scikit_learn_transformer(estimator, check):
    check(estimator)


def correlated(seed: int, n: int = 60, p: int = 25) -> np.ndarray:
    """Columns in noisy families, so that chains of correlations above .8 occur."""
    rng = generator(seed, "correlated")
    parents = rng.standard_normal((n, 6))
    noise = rng.uniform(0.1, 0.8, p) * rng.standard_normal((n, p))
    sign = rng.choice([-1.0, 1.0], p)
    return parents[:, rng.integers(0, 6, p)] * sign + noise


def planted(seed: int, n: int = 80, p: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Noise, in which columns 3 and 7 differ between the outcomes."""
    rng = generator(seed, "planted")
    y = (np.arange(n) < n // 3).astype(np.int64)
    X = rng.standard_normal((n, p))
    X[:, 3] += 2.0 * y
    X[:, 7] -= 1.5 * y
    return X, y


# ---- UsableFeatures


def messy() -> np.ndarray:
    """Columns: good, constant, rounding noise, 20 % missing, 30 % missing, all NaN, one inf."""
    X = generator(0, "messy").standard_normal((10, 7))
    X[:, 1] = 7.5
    X[:, 2] = 1e6 + 1e-6 * np.arange(10) / 10
    X[[0, 1], 3] = np.nan
    X[[0, 1, 2], 4] = np.nan
    X[:, 5] = np.nan
    X[4, 6] = np.inf
    return X


def test_constant_noisy_and_missing_columns_are_dropped():
    kept = UsableFeatures().fit(messy()).support_
    assert kept.tolist() == [True, False, False, True, False, False, True]


def test_infinite_values_count_as_missing():
    X = generator(0, "x").standard_normal((10, 2))
    X[:3, 0] = [np.inf, -np.inf, np.nan]
    assert UsableFeatures().fit(X).support_.tolist() == [False, True]


def test_gaps_are_filled_by_training_medians_even_of_columns_that_training_had_complete():
    X = messy()
    usable = UsableFeatures().fit(X)
    new = np.full((2, 7), np.nan)
    new[1] = -np.inf
    expected = [np.median(X[:, 0]), np.median(X[2:, 3]), np.median(np.delete(X[:, 6], 4))]
    assert usable.transform(new) == pytest.approx(np.array([expected, expected]))


def test_a_value_that_is_there_is_not_changed():
    X = messy()
    assert (UsableFeatures().fit(X).transform(X)[:, 0] == X[:, 0]).all()


def test_nothing_to_learn_from_is_a_sentence():
    X = np.ones((10, 3))
    with pytest.raises(BadCohort, match=r"expected a feature that varies .* found none of 3"):
        UsableFeatures().fit(X)


# ---- TTestFilter


@pytest.mark.parametrize(("equal", "usevar"), [(True, "pooled"), (False, "unequal")])
def test_p_values_are_those_of_the_textbook_test(equal, usevar):
    X, y = planted(1)
    X = X * np.where(y == 1, 3.0, 1.0)[:, np.newaxis]  # the two tests differ
    fitted = TTestFilter(alpha=0.1, equal_variance=equal).fit(X, y)
    expected = [ttest_ind(x[y == 1], x[y == 0], usevar=usevar)[1] for x in X.T]
    assert fitted.p_values_ == pytest.approx(np.array(expected), rel=1e-9)
    assert fitted.support_.tolist() == [p < 0.1 for p in expected]
    assert not fitted.fell_back_


def test_the_planted_columns_pass():
    assert {3, 7} <= set(np.flatnonzero(TTestFilter().fit(*planted(2)).support_))


def test_p_values_do_not_depend_on_the_scale_of_a_column():
    X, y = planted(3)
    scaled = X * np.logspace(-6, 6, X.shape[1]) + 5.0
    p = TTestFilter().fit(scaled, y).p_values_
    assert p == pytest.approx(TTestFilter().fit(X, y).p_values_, rel=1e-6)


def test_when_nothing_passes_the_smallest_p_values_are_kept_and_it_is_said():
    rng = generator(0, "noise")
    X, y = rng.standard_normal((40, 8)), np.arange(40) % 2
    fitted = TTestFilter(alpha=1e-9, min_features=3).fit(X, y)
    assert fitted.fell_back_
    assert set(np.flatnonzero(fitted.support_)) == set(np.argsort(fitted.p_values_)[:3])


def test_fewer_columns_than_the_minimum_are_all_kept():
    X, y = planted(0, p=10)
    fitted = TTestFilter(alpha=1e-30, min_features=50).fit(X, y)
    assert fitted.support_.all()
    assert fitted.fell_back_


def test_a_constant_column_does_not_pass():
    X, y = planted(0)
    X[:, 0] = 2.0
    fitted = TTestFilter().fit(X, y)
    assert fitted.p_values_[0] == 1.0
    assert not fitted.support_[0]


@pytest.mark.parametrize("supervised", [TTestFilter(), LassoFilter()])
def test_a_filter_that_needs_the_outcome_says_so(supervised):
    with pytest.raises(ValueError, match="requires y to be passed"):
        supervised.fit(planted(0)[0], None)


# ---- CorrelationFilter


def greedy(X: np.ndarray, threshold: float) -> tuple[np.ndarray, list[int]]:
    """The rule by brute force: everything is counted again after each deletion."""
    r = np.abs(np.corrcoef(X, rowvar=False))
    np.fill_diagonal(r, 0.0)
    left, deleted = list(range(X.shape[1])), []
    while True:
        partners = {i: [j for j in left if r[i, j] > threshold] for i in left}
        if not any(partners.values()):
            return np.isin(np.arange(X.shape[1]), left), deleted
        rank = {i: (len(partners[i]), round(sum(r[i, partners[i]]), 9), i) for i in left}
        worst = max(left, key=rank.__getitem__)
        left.remove(worst)
        deleted.append(worst)


@pytest.mark.parametrize("threshold", [0.6, 0.8])
@pytest.mark.parametrize("seed", range(10))
def test_deletion_is_the_greedy_rule(seed, threshold):
    X = correlated(seed)
    expected, deleted = greedy(X, threshold)
    assert deleted, "a data set without a deletion tests nothing"
    assert (CorrelationFilter(threshold).fit(X).support_ == expected).all()


@pytest.mark.parametrize("seed", range(10))
def test_no_kept_pair_is_correlated_and_every_deleted_feature_had_a_partner(seed):
    X = correlated(seed, p=40)
    kept = CorrelationFilter(0.8).fit(X).support_
    r = np.abs(np.corrcoef(X, rowvar=False))
    np.fill_diagonal(r, 0.0)
    assert r[np.ix_(kept, kept)].max() <= 0.8
    assert (r[~kept].max(axis=1) > 0.8).all()
    assert not kept.all()


def test_the_later_of_two_equal_columns_is_deleted():
    x = generator(0, "x").standard_normal((30, 3))
    X = np.column_stack([x[:, 0], x[:, 1], -x[:, 0], x[:, 2], x[:, 1]])
    assert CorrelationFilter().fit(X).support_.tolist() == [True, True, False, True, False]


def test_ties_are_not_decided_by_rounding_noise():
    """A pair that is left over from a larger family is a tie whatever was deleted before."""
    for seed in range(10):
        X = correlated(seed, p=40)
        kept = CorrelationFilter(0.8).fit(X).support_
        assert (CorrelationFilter(0.8).fit(X * 3.7).support_ == kept).all()


def test_an_earlier_deletion_does_not_decide_a_later_tie():
    """Weights are sums of |r|: what is left of one after a deletion carries its rounding."""
    x = generator(0, "axes").standard_normal((40, 4))
    e = np.linalg.qr(x - x.mean(axis=0))[0]
    first = e[:, 0] + 0.30 * e[:, 1]
    second = e[:, 0] + 0.30 * e[:, 2]
    hub = 2 * e[:, 0] + 0.29 * e[:, 1] + 0.31 * e[:, 2] + 0.1 * e[:, 3]
    for columns in ([first, second, hub], [second, first, hub]):
        assert CorrelationFilter().fit(np.column_stack(columns)).support_.tolist() == [
            True, False, False,
        ]  # fmt: skip


def test_uncorrelated_and_constant_columns_stay():
    X = generator(0, "x").standard_normal((200, 5))
    X[:, 2] = 1.0
    assert CorrelationFilter().fit(X).support_.all()


# ---- LassoFilter


def lasso_by_hand(X: np.ndarray, y: np.ndarray, n_folds: int, seed: int) -> tuple:
    """Penalty with the smallest CV error on the documented path, and the weights there."""
    centred = y - y.mean()
    largest = np.abs(X.T @ centred).max() / len(y)
    alphas = np.geomspace(largest, 0.01 * largest, 50)
    folds = list(StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(X, y))

    def error(alpha: float) -> float:
        models = [
            (Lasso(alpha, tol=1e-6, max_iter=50_000).fit(X[train], y[train]), test)
            for train, test in folds
        ]
        return np.mean([np.mean((m.predict(X[t]) - y[t]) ** 2) for m, t in models])

    best = alphas[int(np.argmin([error(alpha) for alpha in alphas]))]
    return best, Lasso(best, tol=1e-6, max_iter=50_000).fit(X, y).coef_


@pytest.mark.parametrize("seed", [0, 1])
def test_the_lasso_is_the_one_that_is_fitted_by_hand(seed):
    X, y = planted(seed, p=15)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    fitted = LassoFilter(n_folds=5, seed=seed).fit(X, y)
    alpha, weights = lasso_by_hand(X, y.astype(float), 5, seed)
    assert fitted.model_.alpha_ == pytest.approx(alpha, rel=1e-6)
    assert fitted.model_.coef_ == pytest.approx(weights, abs=1e-3)
    assert (fitted.support_[np.abs(weights) > 1e-3]).all()
    assert not fitted.support_[weights == 0].any()
    assert fitted.support_[3]
    assert fitted.support_[7]
    assert not fitted.support_.all()
    assert not fitted.fell_back_


def test_the_folds_have_a_seed():
    X, y = planted(0)
    first, second = (LassoFilter(seed=4).fit(X, y).model_ for _ in range(2))
    assert first.mse_path_.tobytes() == second.mse_path_.tobytes()
    assert first.mse_path_.tobytes() != LassoFilter(seed=5).fit(X, y).model_.mse_path_.tobytes()


def test_when_every_weight_is_zero_the_strongest_features_are_kept_and_it_is_said():
    for seed in range(20):
        rng = generator(seed, "noise")
        X, y = rng.standard_normal((40, 10)), np.arange(40) % 2
        fitted = LassoFilter(min_features=2, seed=seed).fit(X, y)
        if (fitted.model_.coef_ == 0).all():
            break
    else:
        pytest.fail("no draw of pure noise had an empty LASSO: nothing was tested")
    assert fitted.fell_back_
    r = np.abs(X.T @ (y - y.mean()))
    assert set(np.flatnonzero(fitted.support_)) == set(np.argsort(-r)[:2])


@pytest.mark.parametrize("p", [1, 3])
def test_no_more_features_than_the_minimum_are_all_kept_without_a_choice(p):
    X, y = planted(0, p=10)
    fitted = LassoFilter(min_features=3).fit(X[:, :p], y)
    assert fitted.support_.all()
    assert not fitted.fell_back_


def test_a_class_with_fewer_rows_than_folds_gets_fewer_folds():
    X, y = planted(0)
    y = (np.arange(len(y)) < 4).astype(np.int64)
    assert LassoFilter(n_folds=10).fit(X, y).model_.mse_path_.shape == (50, 4)


def test_a_class_of_one_row_leaves_nothing_to_validate_on():
    X, y = planted(0)
    y = (np.arange(len(y)) < 1).astype(np.int64)
    fitted = LassoFilter().fit(X, y)
    assert fitted.fell_back_
    assert fitted.support_.all()


# ---- chains


def test_the_paper_s_chain_finds_the_planted_columns_among_messy_ones():
    X, y = planted(0, p=40)
    X = np.column_stack([X, X[:, 3] + 1e-3 * X[:, 0], np.ones(len(y)), np.full(len(y), np.nan)])
    chain = paper_chain(seed=0).fit(X, y)
    names = chain.get_feature_names_out([f"f{i}" for i in range(X.shape[1])])
    assert "f7" in names
    assert len({"f3", "f40"} & set(names)) == 1
    assert "f41" not in names
    assert chain.transform(X).shape == (len(y), len(names))


def test_the_chain_s_steps_are_in_the_paper_s_order_with_the_paper_s_numbers():
    steps = list(paper_chain().named_steps)
    assert steps == ["usablefeatures", "standardscaler", "ttestfilter", "correlationfilter",
                     "lassofilter"]  # fmt: skip
    chain = paper_chain()
    assert chain.named_steps["ttestfilter"].alpha == 0.05
    assert chain.named_steps["correlationfilter"].threshold == 0.8
    assert chain.named_steps["lassofilter"].n_folds == 10


@pytest.mark.parametrize("make", [paper_chain, no_selection])
def test_what_a_chain_says_of_a_row_does_not_depend_on_the_rows_beside_it(make):
    X, y = planted(0)
    chain = clone(make()).fit(X[:60], y[:60])
    others = np.vstack([X[60:61], 1e9 * np.ones((5, X.shape[1]))])
    assert chain.transform(others)[0] == pytest.approx(chain.transform(X[60:61])[0], abs=0)


def test_no_selection_keeps_every_usable_column_z_scored():
    X = messy()
    Z = no_selection().fit_transform(X)
    assert Z.shape == (10, 3)
    assert Z.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-12)
    assert Z.std(axis=0) == pytest.approx(np.ones(3))
