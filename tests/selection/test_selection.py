"""Every filter keeps what its rule says, learned from the rows that `fit` was given."""

from unittest import mock

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.feature_selection import f_classif
from sklearn.linear_model import Lasso
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from statsmodels.stats.weightstats import ttest_ind

from her2.core.errors import BadArgument, BadCohort, NotEstimable
from her2.core.seeds import generator
from her2.selection import (
    BorutaFilter,
    CorrelationFilter,
    LassoFilter,
    MrmrFilter,
    ReaderAgreementFilter,
    RobustnessFilter,
    StabilityFilter,
    TTestFilter,
    UsableFeatures,
    boruta_chain,
    fit_chain,
    lasso_chain,
    lasso_coefficients,
    lasso_curves,
    mrmr_chain,
    no_selection,
    paper_chain,
    stability_chain,
)
from her2.selection.filters import patients_of
from her2.selection.lasso import _first_of_copies, _folds, exact_path, first_on_path
from her2.stats import icc, icc_per_feature


class AnyColumns(ReaderAgreementFilter):
    """As its parent, which refuses odd numbers of columns; scikit-learn's checks use them."""

    def _width(self, n_columns):
        return n_columns // 2

    def _get_support_mask(self):
        mask = super()._get_support_mask()
        return np.pad(mask, (0, self.n_features_in_ - mask.size))


FILTERS = [
    BorutaFilter(n_rounds=8, n_trees=10),
    MrmrFilter(n_features=2),
    StabilityFilter(n_pairs=5),
    UsableFeatures(),
    TTestFilter(),
    CorrelationFilter(),
    LassoFilter(),
    AnyColumns(min_pairs=2),
]


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


def test_rounding_noise_around_zero_is_no_information_however_it_varies():
    noise = 1e-14 * generator(0, "noise").standard_normal((30, 1))
    small = 1e-6 * generator(0, "small").standard_normal((30, 1))
    assert UsableFeatures().fit(np.hstack([noise, small])).support_.tolist() == [False, True]


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


# ---- ReaderAgreementFilter


def two_readers(
    seed: int, n: int = 40, noise: tuple[float, ...] = (0.1, 0.4, 2.0, 0.2)
) -> np.ndarray:
    """Features of one reader, then of the other, who differ by `noise`; 10 lesions read once."""
    rng = generator(seed, "readers")
    truth = rng.standard_normal((n, len(noise)))
    X = np.hstack([truth, truth + rng.standard_normal(truth.shape) * noise])
    X[30:, len(noise) :] = np.nan
    return X


def test_features_on_which_the_readers_agree_are_kept():
    X = two_readers(0)
    fitted = ReaderAgreementFilter().fit(X)
    for j in range(4):
        alone = icc(X[:30, [j, 4 + j]])
        found = (fitted.icc_[j], fitted.icc_low_[j], fitted.icc_high_[j])
        assert found == pytest.approx((alone.value, alone.low, alone.high), abs=1e-14)
    assert fitted.support_.tolist() == (fitted.icc_low_ >= 0.75).tolist()
    assert fitted.support_[[0, 2]].tolist() == [True, False]
    assert not fitted.fell_back_


def test_columns_in_front_pass_and_are_not_judged():
    X = two_readers(0)
    rng = generator(1, "front")
    front = rng.standard_normal((len(X), 3))
    fitted = ReaderAgreementFilter(n_before=3).fit(np.hstack([front, X]))
    alone = ReaderAgreementFilter().fit(X)
    assert fitted.support_.tolist() == alone.support_.tolist()
    assert fitted.get_support().tolist() == [True] * 3 + alone.get_support().tolist()
    found = fitted.transform(np.hstack([front, X]))
    assert np.array_equal(found, np.hstack([front, alone.transform(X)]))


@pytest.mark.parametrize("n_pairs", [2, 9])
def test_too_few_lesions_with_a_second_mask_keep_everything_unjudged(n_pairs):
    X = two_readers(0)
    X[n_pairs:, 4:] = np.nan
    kept = ReaderAgreementFilter().fit(X)
    assert kept.support_.all() and not kept.is_judged_ and not kept.fell_back_


def test_the_lower_limit_is_stricter_than_the_value():
    X = two_readers(3, noise=(0.1, 0.65, 0.65, 0.65))
    by_value = ReaderAgreementFilter(by="value").fit(X)
    by_low = ReaderAgreementFilter(by="low").fit(X)
    assert by_value.support_.tolist() == (by_value.icc_ >= 0.75).tolist()
    assert by_low.support_.sum() < by_value.support_.sum()


def test_only_columns_of_the_first_reader_come_out_and_the_second_s_are_not_read():
    X = two_readers(0)
    fitted = ReaderAgreementFilter().fit(X)
    kept = X[:, :4][:, fitted.support_]
    assert (fitted.transform(X) == kept).all()
    poisoned = X.copy()
    poisoned[:, 4:] = 1e9
    assert (fitted.transform(poisoned) == kept).all()
    poisoned[:, 4:] = np.nan
    assert (fitted.transform(poisoned) == kept).all()


def test_rows_that_were_read_once_do_not_count():
    X = two_readers(1)
    changed = X.copy()
    changed[30:, :4] = 1e6
    assert ReaderAgreementFilter().fit(changed).icc_.tolist() == (
        ReaderAgreementFilter().fit(X).icc_.tolist()
    )


def test_names_are_those_of_the_first_reader():
    names = [f"f{i}" for i in range(4)]
    frame = pd.DataFrame(two_readers(0), columns=[*names, *(f"{x} again" for x in names)])
    fitted = ReaderAgreementFilter().fit(frame)
    expected = [x for x, kept in zip(names, fitted.support_, strict=True) if kept]
    assert fitted.get_feature_names_out().tolist() == expected


def test_when_readers_agree_on_nothing_the_best_feature_is_kept_and_it_is_said():
    X = two_readers(2, noise=(2.0, 1.0, 3.0, 4.0))
    fitted = ReaderAgreementFilter().fit(X)
    assert fitted.fell_back_
    assert np.flatnonzero(fitted.support_).tolist() == [int(np.argmax(fitted.icc_low_))]


def test_a_feature_without_an_icc_is_not_kept():
    X = two_readers(0)
    X[:, [0, 4]] = 3.0  # constant
    X[:25, 7] = np.nan  # five pairs
    fitted = ReaderAgreementFilter(limit=-1.0).fit(X)
    assert fitted.support_.tolist() == [False, True, True, False]
    assert np.isnan(fitted.icc_[[0, 3]]).all()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"by": "high"}, "by must be low or value"),
        ({"form": "ICC2"}, "form must be one of"),
    ],
)
def test_an_agreement_filter_that_does_not_fit_its_table(given, reason):
    with pytest.raises(BadArgument, match=reason):
        ReaderAgreementFilter(**given).fit(two_readers(0))


def test_an_odd_number_of_columns_is_not_two_readers():
    with pytest.raises(BadArgument, match="2 x 3 columns, found 7"):
        ReaderAgreementFilter().fit(two_readers(0)[:, 1:])


def test_the_agreement_filter_stands_before_the_paper_s_chain():
    rng = generator(0, "chain")
    y = np.arange(40) % 2
    X = two_readers(0)
    X[:, [0, 4]] += 2.0 * y[:, np.newaxis]
    X[3, 0] = np.inf
    chain = make_pipeline(ReaderAgreementFilter(), *(step for _, step in paper_chain().steps))
    new = np.hstack([rng.standard_normal((5, 4)), np.full((5, 4), np.nan)])  # one mask only
    Z = chain.fit(X, y).transform(new)
    assert Z.shape[0] == 5
    assert np.isfinite(Z).all()


def test_the_agreement_filter_is_kept_without_pickle():
    fitted = ReaderAgreementFilter().fit(two_readers(0))
    kept = skops.io.dumps(fitted)
    again = skops.io.loads(kept, trusted=skops.io.get_untrusted_types(data=kept))
    X = two_readers(5)
    assert (again.transform(X) == fitted.transform(X)).all()


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


@pytest.mark.parametrize(
    "supervised",
    [TTestFilter(), LassoFilter(), MrmrFilter(), BorutaFilter(), StabilityFilter()],
)
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


# ---- several rows of a patient


def views(seed: int, n_patients: int = 40, n_views: int = 4, p: int = 60) -> tuple:
    """Return noise that patients share between their views, outcomes, and patients."""
    rng = generator(seed, "views")
    patient = rng.permutation(np.repeat(np.arange(n_patients), n_views))
    X = rng.standard_normal((n_patients, p))[patient]
    X += 0.3 * rng.standard_normal(X.shape)
    return (X - X.mean(axis=0)) / X.std(axis=0), patient % 2, patient


def test_views_of_a_patient_let_no_more_noise_into_the_lasso_than_one_view():
    def kept(n_views: int, *, are_together: bool) -> float:
        counts = []
        for seed in range(6):
            X, y, patient = views(seed, n_views=n_views)
            groups = patient if are_together else None
            counts.append(LassoFilter(seed=seed).fit(X, y, groups).support_.sum())
        return float(np.mean(counts))

    one, four, apart = (
        kept(1, are_together=True), kept(4, are_together=True), kept(4, are_together=False)
    )  # fmt: skip
    assert four <= one + 5
    assert apart > 40  # what folds of rows kept


@pytest.mark.parametrize("filter_", [LassoFilter(n_folds=5, seed=2), StabilityFilter(9, seed=2)])
@pytest.mark.parametrize("p", [30, 140])
def test_rows_of_different_patients_are_resampled_as_if_there_were_no_groups(filter_, p):
    X, y = planted(2, n=61, p=p)
    names = generator(0, "names").permutation([f"p{i}" for i in range(61)])
    plain, grouped = clone(filter_).fit(X, y), clone(filter_).fit(X, y, names)
    assert plain.support_.tolist() == grouped.support_.tolist()
    if isinstance(filter_, StabilityFilter):
        assert plain.frequency_.tobytes() == grouped.frequency_.tobytes()
        return
    assert plain.model_.mse_path_.tobytes() == grouped.model_.mse_path_.tobytes()
    assert plain.model_.coef_.tobytes() == grouped.model_.coef_.tobytes()
    split = list(StratifiedKFold(5, shuffle=True, random_state=2).split(X, y))
    own = _folds(np.arange(61), y, 5, 2)
    assert all(np.array_equal(a, b) for one, two in zip(split, own, strict=True)
               for a, b in zip(one, two, strict=True))  # fmt: skip


def test_folds_and_halves_are_of_patients_and_share_the_outcomes():
    _, y, patient = views(1, n_patients=21, n_views=3)
    number, level = patients_of(y, patient)
    for learned, judged in _folds(number, level, 5, 0):
        assert not set(patient[learned]) & set(patient[judged])
        assert sorted([*learned, *judged]) == list(range(63))
        assert {0, 1} == set(y[judged])
    halves = StabilityFilter(n_pairs=3)._halves(y, patient)
    for first, second in zip(halves[::2], halves[1::2], strict=True):
        assert not set(patient[first]) & set(patient[second])
        assert sorted([*first, *second]) == list(range(63))
        assert abs(y[first].sum() - y[second].sum()) <= 3


def test_a_patient_has_the_highest_outcome_of_its_rows():
    patient, level = patients_of(np.array([0, 0, 1, 0]), ["b", "a", "b", "c"])
    assert patient.tolist() == [0, 1, 0, 2]
    assert level.tolist() == [1, 0, 0]


def test_patients_of_an_outcome_are_counted_for_the_folds_not_their_rows():
    X, y, patient = views(0, n_patients=6, n_views=5)
    assert LassoFilter(n_folds=10).fit(X, y, patient).model_.mse_path_.shape == (50, 3)
    few = (patient == 3).astype(np.int64)
    fitted = LassoFilter(n_folds=10).fit(X, few, patient)
    assert fitted.fell_back_
    assert fitted.support_.all()


def test_groups_that_do_not_fit_are_sentences():
    X, y = planted(0)
    for filter_ in (LassoFilter(), StabilityFilter()):
        with pytest.raises(BadArgument, match=r"one group for each of the 80 rows, found.*79"):
            filter_.fit(X, y, np.arange(79))
    with pytest.raises(BadArgument, match="at least two patients"):
        StabilityFilter().fit(X, y, np.zeros(80))


@pytest.mark.parametrize("make", [paper_chain, lasso_chain, stability_chain, mrmr_chain])
def test_a_chain_hands_groups_to_the_steps_that_take_them(make):
    X, y, patient = views(3)
    chain = make()
    fitted = fit_chain(chain, X, y, patient)
    before = fitted[:-1].transform(X)
    takes = make is not mrmr_chain
    alone = clone(chain[-1]).fit(before, y, **({"groups": patient} if takes else {}))
    assert fitted[-1].support_.tolist() == alone.support_.tolist()
    assert not hasattr(chain[-1], "support_")


# ---- lasso_curves


def z_scored(seed: int, p: int = 15) -> tuple[np.ndarray, np.ndarray]:
    X, y = planted(seed, p=p)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def test_curves_are_those_of_the_filter():
    X, y = z_scored(0)
    fitted = LassoFilter(n_folds=5).fit(X, y)
    curves = lasso_curves(X, y, fitted, names=[f"f{i}" for i in range(15)])
    path = curves.path.pivot(index="alpha", columns="feature", values="coefficient")
    assert path.shape == (50, 15)
    chosen = path.loc[curves.chosen, [f"f{i}" for i in range(15)]].to_numpy()
    assert chosen == pytest.approx(fitted.model_.coef_, abs=1e-3)
    assert set(np.flatnonzero(chosen)) == set(np.flatnonzero(fitted.support_))
    best = curves.error.loc[curves.error["mse_mean"].idxmin(), "alpha"]
    assert best == curves.chosen == fitted.model_.alpha_


def test_the_path_starts_at_zero_and_each_alpha_is_a_lasso():
    X, y = z_scored(1)
    curves = lasso_curves(X, y, LassoFilter(n_folds=5).fit(X, y))
    alphas = curves.error["alpha"].to_numpy()
    assert (np.diff(alphas) < 0).all()
    table = curves.path["coefficient"].to_numpy().reshape(50, 15)
    assert (table[0] == 0).all()
    for i in (10, 30, 49):
        expected = Lasso(alphas[i], tol=1e-9, max_iter=100_000).fit(X, y).coef_
        assert table[i] == pytest.approx(expected, abs=1e-4)
    assert curves.path["feature"].iloc[:3].tolist() == ["x0", "x1", "x2"]


def test_error_is_the_mean_over_the_folds_and_its_spread():
    X, y = z_scored(2)
    fitted = LassoFilter(n_folds=4).fit(X, y)
    error = lasso_curves(X, y, fitted).error
    assert error["mse_mean"].to_numpy() == pytest.approx(fitted.model_.mse_path_.mean(axis=1))
    assert error["mse_sd"].to_numpy() == pytest.approx(fitted.model_.mse_path_.std(axis=1, ddof=1))


def test_coefficients_do_not_depend_on_the_order_of_the_penalties():
    X, y = z_scored(0)
    alphas = np.array([0.05, 0.2, 0.01])
    turned = lasso_coefficients(X, y, alphas[::-1])
    assert (lasso_coefficients(X, y, alphas) == turned[::-1]).all()


def test_a_filter_that_had_nothing_to_choose_has_no_curves():
    X, y = z_scored(0, p=10)
    with pytest.raises(NotEstimable, match="kept all of its 1 features"):
        lasso_curves(X[:, :1], y, LassoFilter().fit(X[:, :1], y))


@pytest.mark.parametrize(("rows", "names"), [(79, None), (80, ["a"])])
def test_curves_need_the_rows_and_names_of_the_filter(rows, names):
    X, y = z_scored(0)
    with pytest.raises(BadArgument, match="15 columns"):
        lasso_curves(X[:rows], y, LassoFilter(n_folds=5).fit(X, y), names=names)


# ---- MrmrFilter


def mrmr_by_hand(X: np.ndarray, y: np.ndarray, n_features: int) -> list[int]:
    """The rule with everything computed again at each step."""
    F = f_classif(X, y)[0]
    by_chance = np.sqrt(2 / (np.pi * (len(y) - 1)))
    chosen = [int(np.argmax(F))]
    while len(chosen) < n_features:
        score = {}
        for j in set(range(X.shape[1])) - set(chosen):
            redundancy = np.mean([abs(np.corrcoef(X[:, j], X[:, i])[0, 1]) for i in chosen])
            score[j] = F[j] / max(redundancy, by_chance)
        chosen.append(max(score, key=score.__getitem__))
    return chosen


@pytest.mark.parametrize("seed", range(5))
def test_mrmr_chooses_by_relevance_over_redundancy(seed):
    X = correlated(seed)
    y = (X[:, 0] - X[:, 5] + generator(seed, "y").normal(size=len(X)) > 0).astype(np.int64)
    fitted = MrmrFilter(8).fit(X, y)
    assert fitted.order_.tolist() == mrmr_by_hand(X, y, 8)
    assert set(np.flatnonzero(fitted.support_)) == set(fitted.order_)


def test_mrmr_takes_the_second_signal_before_a_copy_of_the_first():
    X, y = planted(0, n=200)
    X = np.column_stack([X, X[:, 3] + 1e-3 * X[:, 0]])
    F = f_classif(X, y)[0]
    assert F[[3, 30]].min() > F[7]  # by relevance alone, both copies would come first
    assert MrmrFilter(3).fit(X, y).order_.tolist()[1] == 7


def test_mrmr_keeps_all_where_there_are_no_more_and_constants_last():
    X, y = planted(0, p=8)
    X[:, 5] = 2.0
    fitted = MrmrFilter(20).fit(X, y)
    assert fitted.support_.all()
    assert fitted.order_[-1] == 5


def test_mrmr_of_a_feature_that_is_the_outcome_is_finite():
    X, y = planted(0)
    X[:, 2] = y
    assert MrmrFilter(3).fit(X, y).order_[0] == 2


# ---- BorutaFilter


def test_planted_columns_beat_shuffled_ones_and_noise_does_not():
    X, y = planted(0, n=120)
    fitted = BorutaFilter(seed=1).fit(X, y)
    assert fitted.support_[[3, 7]].all() and fitted.support_.sum() <= 3
    assert not fitted.fell_back_
    assert fitted.hits_[[3, 7]].min() > np.delete(fitted.hits_, [3, 7]).max()


def test_boruta_stops_when_all_is_decided():
    X, y = planted(0, n=120)
    X = np.column_stack([3 * y + 0.1 * X[:, 0], np.zeros((120, 5))])
    assert BorutaFilter().fit(X, y).n_rounds_ == 7  # .5^7 < .05/6


def test_few_noise_features_are_confirmed():
    n_kept = []
    for seed in range(12):
        rng = generator(seed, "noise")
        X, y = rng.standard_normal((60, 30)), np.arange(60) % 2
        fitted = BorutaFilter(n_rounds=20, n_trees=20, seed=seed).fit(X, y)
        n_kept.append(0 if fitted.fell_back_ else fitted.support_.sum())
    assert np.mean(n_kept) < 0.6


def test_when_nothing_is_confirmed_the_feature_with_most_hits_is_kept_and_it_is_said():
    rng = generator(1, "noise")
    X, y = rng.standard_normal((50, 10)), np.arange(50) % 2
    fitted = BorutaFilter(n_rounds=3, min_features=2).fit(X, y)
    assert fitted.fell_back_
    assert fitted.support_.sum() == 2
    assert fitted.hits_[fitted.support_].min() >= fitted.hits_[~fitted.support_].max()


def test_the_tests_of_boruta_are_binomial_with_bonferroni_s_correction():
    X, y = planted(0, n=120, p=10)
    fitted = BorutaFilter(n_rounds=7, alpha=0.05).fit(X, y)
    # 7 hits of 7: p = 1/128 > .05/10; only the 8th could confirm
    assert fitted.fell_back_
    assert BorutaFilter(n_rounds=8, alpha=0.05).fit(X, y).support_.sum() == 2


# ---- StabilityFilter


def test_stability_keeps_what_the_first_on_the_path_are_in_most_halves():
    X, y = planted(0, n=120)
    fitted = StabilityFilter(n_pairs=20, seed=3).fit(X, y)
    assert fitted.n_first_ == 2  # the root of 1 x (2 x .6 - 1) x 30, without its fraction
    assert set(np.flatnonzero(fitted.support_)) == {3, 7}
    assert fitted.frequency_.sum() == pytest.approx(2)
    assert not fitted.fell_back_


def test_the_halves_are_complementary_and_share_the_outcomes():
    y = planted(0, n=81)[1]
    halves = StabilityFilter(n_pairs=3)._halves(y)
    for first, second in zip(halves[::2], halves[1::2], strict=True):
        assert sorted([*first, *second]) == list(range(81))
        assert abs(y[first].sum() - y[second].sum()) <= 1
    assert len({tuple(sorted(half)) for half in halves}) == 6


def test_the_bound_on_false_features_holds_for_noise():
    n_kept = []
    for seed in range(30):
        rng = generator(seed, "noise")
        X, y = rng.standard_normal((60, 40)), np.arange(60) % 2
        fitted = StabilityFilter(n_pairs=10, max_false=1.0, seed=seed).fit(X, y)
        n_kept.append(0 if fitted.fell_back_ else fitted.support_.sum())
    assert np.mean(n_kept) <= 1.0


def test_when_no_feature_is_stable_the_most_frequent_is_kept_and_it_is_said():
    rng = generator(1, "noise")
    X, y = rng.standard_normal((50, 40)), np.arange(50) % 2
    fitted = StabilityFilter(n_pairs=10, threshold=1.0).fit(X, y)
    assert fitted.fell_back_
    assert fitted.frequency_[fitted.support_] == fitted.frequency_.max()


def test_a_threshold_without_a_bound_is_a_sentence():
    X, y = planted(0)
    with pytest.raises(BadArgument, match=r"above \.5 and at most 1, found 0\.5"):
        StabilityFilter(threshold=0.5).fit(X, y)


# ---- all that draw or count


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: BorutaFilter(n_rounds=6, n_trees=10, seed=seed),
        lambda seed: StabilityFilter(n_pairs=5, seed=seed),
    ],
)
def test_a_filter_that_draws_has_a_seed(make):
    X, y = planted(0)

    def drawn(seed: int) -> bytes:
        fitted = make(seed).fit(X, y)
        return getattr(fitted, "importance_", getattr(fitted, "frequency_", None)).tobytes()

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


CHAINS = [lasso_chain, mrmr_chain, boruta_chain, stability_chain]


@pytest.mark.parametrize("make", CHAINS)
def test_every_chain_finds_a_planted_column_and_is_kept_without_pickle(make):
    X, y = planted(4, n=120)
    chain = make().fit(X, y)
    assert {"x3", "x7"} & set(chain.get_feature_names_out([f"x{i}" for i in range(30)]))
    kept = skops.io.dumps(chain)
    again = skops.io.loads(kept, trusted=skops.io.get_untrusted_types(data=kept))
    assert again.transform(X).tobytes() == chain.transform(X).tobytes()


@pytest.mark.parametrize("make", CHAINS)
def test_what_a_chain_keeps_does_not_depend_on_names_or_scales(make):
    X, y = planted(5, p=15)
    scaled = X * np.array([2.0**k for k in range(-7, 8)])
    assert (make().fit(X, y)[-1].support_ == make().fit(scaled, y)[-1].support_).all()


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


@pytest.mark.parametrize("make", [paper_chain, no_selection, *CHAINS])
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


# ---- the exact LASSO path


@pytest.mark.parametrize(("n", "p"), [(60, 8), (60, 150), (30, 30)])
def test_the_path_is_exact(n, p):
    """Against coordinate descent at a tolerance that takes it to the same numbers."""
    rng = generator(n * p, "path")
    X = rng.normal(size=(n, 6)) @ rng.normal(size=(6, p)) + rng.normal(size=(n, p))
    y = (X[:, 0] + rng.normal(size=n) > 0).astype(float)
    largest = np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / n
    alphas = largest * np.geomspace(1, 0.02, 25)
    expected = lasso_coefficients(X, y, alphas, tol=1e-14)
    np.testing.assert_allclose(exact_path(X, y, alphas), expected, atol=1e-8)


def test_a_path_meets_the_optimality_conditions():
    rng = generator(0, "path")
    X, y = rng.normal(size=(50, 80)), rng.normal(size=50)
    largest = np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / 50
    for alpha in largest * np.array([0.9, 0.5, 0.1, 0.03]):
        weights = exact_path(X, y, np.array([largest, alpha]))[1]
        left = y - y.mean() - (X - X.mean(axis=0)) @ weights
        gradient = (X - X.mean(axis=0)).T @ left / 50
        assert np.abs(gradient).max() <= alpha * (1 + 1e-9)
        active = weights != 0
        np.testing.assert_allclose(gradient[active], alpha * np.sign(weights[active]))


def test_copies_of_a_column_are_answered_by_descent():
    rng = generator(1, "path")
    X = rng.normal(size=(40, 3))
    X = np.column_stack([X, X])
    y = X[:, 0] + 0.1 * rng.normal(size=40)
    weights = exact_path(X, y, np.array([0.5, 0.1, 0.01]))
    np.testing.assert_allclose(
        X @ weights.T, X @ lasso_coefficients(X, y, np.array([0.5, 0.1, 0.01]), tol=1e-12).T,
        atol=1e-5,
    )  # fmt: skip


def test_a_constant_outcome_has_no_weights():
    X = generator(2, "path").normal(size=(10, 4))
    assert not exact_path(X, np.ones(10), np.array([0.0, 0.0])).any()


@pytest.mark.parametrize("p", [12, 90])
def test_the_first_on_the_path_have_weights_where_later_ones_have_none(p):
    rng = generator(p, "path")
    X = rng.normal(size=(40, p))
    y = X[:, 0] - X[:, 1] + X[:, 2] + rng.normal(size=40)
    first = first_on_path(X, y, 6).tolist()
    largest = np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / 40
    weights = exact_path(X, y, largest * np.geomspace(1, 0.01, 4000))
    entry = np.where((weights != 0).any(axis=0), (weights != 0).argmax(axis=0), 4000)
    assert first == np.argsort(entry, kind="stable")[:6].tolist()


def test_copies_of_many_features_do_not_end_the_path():
    """Radiomic tables hold hundreds of them, and scikit-learn's steps then stop half-way."""
    rng = generator(3, "path")
    X = rng.normal(size=(50, 60))
    X = np.hstack([X, -2 * X[:, ::-1] + 5, X * 1e-6])
    y = X[:, 0] - X[:, 7] + rng.normal(size=50)
    assert _first_of_copies(X - X.mean(axis=0)).tolist() == [i < 60 for i in range(180)]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    largest = np.abs(X.T @ (y - y.mean())).max() / 50
    with mock.patch("her2.selection.lasso.lasso_coefficients", side_effect=AssertionError):
        weights = exact_path(X, y, largest * np.array([1.0, 0.3, 0.05]))
    assert not weights[:, 60:].any()
    for alpha, found in zip((0.3, 0.05), weights[1:], strict=True):
        gradient = X.T @ (y - y.mean() - X @ found) / 50
        assert np.abs(gradient).max() == pytest.approx(alpha * largest)


def test_columns_that_are_not_multiples_all_stay():
    X = generator(4, "path").normal(size=(30, 50))
    X[:, 10] = X[:, 3] + 1e-4 * X[:, 20]
    X[:, [30, 31]] = 0.0
    assert _first_of_copies(X - X.mean(axis=0)).all()


def test_a_constant_outcome_lets_no_feature_in():
    assert not len(first_on_path(generator(2, "path").normal(size=(10, 4)), np.ones(10), 3))


def test_versions_are_judged_together_and_blocks_between_follow_the_features():
    rng = np.random.default_rng(0)
    first = rng.standard_normal((60, 3))
    passed = first + 100.0
    changes = [
        first + np.array([0.01, 0.01, size]) * rng.standard_normal((60, 3)) for size in (0.01, 2.0)
    ]
    chain = RobustnessFilter(n_versions=2, n_passed=1, n_before=1)
    X = np.hstack([np.zeros((60, 1)), first, passed, *changes])
    assert chain.fit(X).support_.tolist() == [True, True, False]
    kept = chain.transform(X)
    np.testing.assert_array_equal(kept, X[:, [0, 1, 2, 4, 5]])
    both = np.stack([first, *changes], axis=2).swapaxes(0, 1)
    np.testing.assert_allclose(chain.icc_, icc_per_feature(both)["value"])
    with pytest.raises(BadArgument, match="of 4 readers side by side, 4 x 2"):
        chain.fit(X[:, :10])
