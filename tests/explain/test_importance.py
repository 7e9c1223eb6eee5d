"""Importance is a loss out of fold, SHAP values add up, and neither asks a model that knew."""

from dataclasses import replace
from itertools import combinations
from math import factorial

import numpy as np
import pytest
from small_study import study

from her2.core.errors import NotEstimable
from her2.explain.importance import (
    DEEP_FEATURES,
    MOST_INPUTS,
    input_names,
    permutation_importance,
    shap_values,
)
from her2.models.classifiers import candidates
from her2.models.nested_cv import fit_arms
from her2.stats import auc

SEED = 0
GRIDS = {
    "lr": {"lr": {"grid": {"C": [0.1]}}},
    "xgboost": {"xgboost": {"fixed": {"n_estimators": 8, "max_depth": 2}}},
    "lightgbm": {"lightgbm": {"fixed": {"n_estimators": 8, "min_child_samples": 5}}},
    "extra_trees": {"extra_trees": {"fixed": {"n_estimators": 10, "min_samples_leaf": 3}}},
}


@pytest.fixture(scope="module")
def strong():
    """A study with two repeats."""
    made = study(seed=3, n=120, signal=1.5)
    return made, replace(made.training, more_folds=(np.roll(made.training.fold, 1),))


@pytest.fixture(scope="module")
def fit(strong):
    """Return a function that gives an arm by name, fitted with one kind of classifier."""
    made, training = strong
    known = {}

    def fitted(name, classifier="lr", imbalance="none"):
        key = (name, classifier, imbalance)
        if key not in known:
            arm = next(arm for arm in made.arms() if arm.name == name)
            points = candidates({"imbalance": imbalance, **GRIDS[classifier]})
            arm = replace(arm, points=points)
            known[key] = arm, fit_arms([arm], training, n_folds=2, seed=SEED)[name]
        return known[key]

    return fitted


# ---- permutation importance


@pytest.mark.parametrize("classifier", GRIDS)
def test_signals_lose_most_and_intervals_hold_the_loss(strong, fit, classifier):
    table = permutation_importance(*fit("radiomics", classifier), strong[1], seed=SEED)
    assert table.columns.tolist() == ["arm", "feature", "auc_loss", "low", "high"]
    assert set(table["feature"].head(3)) == {"r0", "r1", "r2"}
    assert table["auc_loss"].is_monotonic_decreasing
    assert ((table["low"] <= table["auc_loss"]) & (table["auc_loss"] <= table["high"])).all()
    assert table["low"].iloc[0] > 0


def test_the_loss_is_that_of_refitted_predictions_with_the_column_shuffled(strong, fit):
    """By hand: the raw column of the judged rows is shuffled, and the whole pipeline asked."""
    arm, fitted = fit("radiomics", "xgboost")
    training = strong[1]
    y, X = training.y_true, arm.rows(training.keys)
    rng, lost = np.random.default_rng(1), []
    for _ in range(60):
        for r, fits in enumerate(fitted.repeats):
            one = training.repeat(r)
            probability = np.full(len(y), np.nan)
            for k, search in enumerate(fits.searches):
                rows = X[one.fold == k].copy()
                rows[:, 0] = rng.permutation(rows[:, 0])
                probability[one.fold == k] = one.from_fold(k, search.predict(rows))
            lost.append(auc(y, fits.out_of_fold) - auc(y, probability))
    table = permutation_importance(arm, fitted, training, n_permutations=60, seed=SEED)
    found = table.set_index("feature").loc["r0", "auc_loss"]
    assert found == pytest.approx(np.mean(lost), abs=4 * np.std(lost) / np.sqrt(60))


def test_a_feature_that_no_model_reads_is_absent(strong, fit):
    arm, fitted = fit("radiomics")
    read = {
        name
        for fits in fitted.repeats
        for search in fits.searches
        for name in input_names(search.pipeline, list(arm.features.columns))
    }
    assert set(permutation_importance(arm, fitted, strong[1])["feature"]) == read
    assert len(read) < 30


def test_levels_of_a_category_and_deep_components_are_taken_together(strong, fit):
    clinical = permutation_importance(*fit("clinical"), strong[1])
    assert set(clinical["feature"]) == {"age", "er", "grade"}
    assert clinical["feature"].iloc[0] == "age"
    dlr = permutation_importance(*fit("dlr"), strong[1])
    assert DEEP_FEATURES in set(dlr["feature"])
    assert not dlr["feature"].str.startswith("d0").any()


def test_shuffles_have_a_seed_and_no_held_out_row_is_read(strong, fit):
    arm, fitted = fit("radiomics")
    training = strong[1]
    bare = replace(arm, features=arm.features.loc[list(training.keys)])
    first = permutation_importance(arm, fitted, training, seed=1)
    assert first.equals(permutation_importance(bare, fitted, training, seed=1))
    assert not first.equals(permutation_importance(arm, fitted, training, seed=2))


# ---- SHAP values


def log_odds(search, rows):
    probability = search.predict(rows).astype(np.float64)
    return np.log(probability / (1 - probability))


@pytest.mark.parametrize("imbalance", ["none", "weights"])
@pytest.mark.parametrize("classifier", ["lr", "xgboost", "lightgbm"])
@pytest.mark.parametrize("name", ["radiomics", "clinical", "dlr"])
def test_values_add_up_to_what_the_fold_s_model_says(strong, fit, name, classifier, imbalance):
    """Within a fold the log odds less the sum of the values is one number: the base value."""
    arm, fitted = fit(name, classifier, imbalance)
    training = strong[1]
    found = shap_values(arm, fitted, training)
    assert found.values.shape == (len(training.keys), len(found.features))
    start = 0
    for k, search in enumerate(fitted.by_fold):
        rows = np.flatnonzero(training.fold == k)
        said = log_odds(search, arm.rows([training.keys[i] for i in rows]))
        base = said - found.values[start : start + len(rows)].sum(axis=1)
        assert np.ptp(base) < 1e-5
        start += len(rows)


def shapley(search, background, row):
    """By definition, for features that are independent: over all subsets of the inputs."""
    pipeline, p = search.pipeline, len(row)
    weights, base = pipeline[-1].coef_[0], background.mean(axis=0)

    def value(known):
        return sum(weights[j] * (row[j] if j in known else base[j]) for j in range(p))

    found = np.zeros(p)
    for j in range(p):
        for size in range(p):
            for known in combinations([i for i in range(p) if i != j], size):
                share = factorial(size) * factorial(p - size - 1) / factorial(p)
                found[j] += share * (value({*known, j}) - value(known))
    return found


def test_values_of_a_regression_are_shapley_s(strong, fit):
    arm, fitted = fit("radiomics")
    training = strong[1]
    search = fitted.by_fold[0]
    X, first = arm.rows(training.keys), training.fold == 0
    prepared = search.pipeline[:-1]
    names = input_names(search.pipeline, list(arm.features.columns))
    expected = shapley(search, prepared.transform(X[~first]), prepared.transform(X[first])[0])
    found = shap_values(arm, fitted, training)
    row = dict(zip(found.features, found.values[0], strict=True))
    assert [row[name] for name in names] == pytest.approx(expected, abs=1e-10)


def test_features_are_in_the_order_of_their_mean_and_positions_in_that_of_their_values(
    strong, fit
):
    arm, fitted = fit("clinical")
    training = strong[1]
    found = shap_values(arm, fitted, training)
    table = found.table("clinical")
    assert table["mean_abs_shap"].is_monotonic_decreasing
    assert table["feature"].tolist() == list(found.features)
    age, rows = found.features.index("age"), np.argsort(training.fold, kind="stable")
    years = arm.features.loc[list(training.keys), "age"].to_numpy()[rows]
    assert (np.argsort(years) == np.argsort(found.positions[:, age])).all()
    assert (found.positions[:, age].min(), found.positions[:, age].max()) == (0, 1)
    assert np.isnan(found.positions[:, found.features.index("er")]).all()


def test_values_of_a_forest_are_shapley_s_within_the_error_of_sampling(strong, fit, monkeypatch):
    """Against all subsets of four features, and every row that the forest learned from."""
    monkeypatch.setattr("her2.explain.importance.N_PAIRS", 400)
    arm, fitted = fit("radiomics", "extra_trees")
    training = strong[1]
    search = fitted.by_fold[0]
    X, first = arm.rows(training.keys), training.fold == 0
    learned, judged = (search.pipeline[:-1].transform(X[rows]) for rows in (~first, first))
    forest = search.pipeline[-1]
    found = shap_values(arm, fitted, training, seed=1)

    def worth(known):
        rows = learned.copy()
        rows[:, list(known)] = judged[0][list(known)]
        p = np.clip(forest.predict_proba(rows)[:, 1], 0.05, 0.95)
        return np.log(p / (1 - p)).mean()

    names = input_names(search.pipeline, list(arm.features.columns)).tolist()
    p, row = len(names), dict(zip(found.features, found.values[0], strict=True))
    assert p <= 6
    for j, name in enumerate(names):
        others = [i for i in range(p) if i != j]
        exact = sum(
            factorial(size) * factorial(p - size - 1) / factorial(p)
            * (worth([*known, j]) - worth(known))
            for size in range(p) for known in combinations(others, size)
        )  # fmt: skip
        assert row[name] == pytest.approx(exact, abs=0.1)
    again = shap_values(arm, fitted, training, seed=1)
    np.testing.assert_array_equal(found.values, again.values)


def test_a_model_of_too_many_columns_is_a_sentence(strong, fit, monkeypatch):
    arm, fitted = fit("radiomics")
    monkeypatch.setattr("her2.explain.importance.MOST_INPUTS", 2)
    for asked in (permutation_importance, shap_values):
        with pytest.raises(NotEstimable, match=r"at most 2 columns.*choose a selection"):
            asked(arm, fitted, strong[1])
    assert MOST_INPUTS == 200
