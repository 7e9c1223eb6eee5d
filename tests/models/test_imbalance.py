"""Balanced classes while learning, true probabilities while answering, no made-up row judged."""

from unittest import mock

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from her2.core.errors import BadArgument, BadConfig
from her2.core.seeds import generator
from her2.models import classifiers, imbalance
from her2.models.classifiers import NAMES, SearchPlan, candidates, grid_search
from her2.models.imbalance import Balanced, at_prevalence, smote
from her2.selection import no_selection, paper_chain
from her2.stats import calibration


@parametrize_with_checks([Balanced(LogisticRegression()), Balanced(LogisticRegression(), "smote")])
def test_it_is_a_scikit_learn_classifier(estimator, check):
    check(estimator)


def rare(seed: int = 0, n: int = 2000, p: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes of a logistic model, about 12 % positive."""
    rng = generator(seed, "rare")
    X = rng.normal(size=(n, p))
    logit = X[:, 0] - 0.7 * X[:, 1] - 2.5
    return X, (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.int64)


# ---- SMOTE


def test_classes_are_equal_and_the_given_rows_are_left_as_they_are():
    X, y = rare(n=200)
    rows, outcome = smote(X, y, seed=0)
    assert (outcome == 1).sum() == (outcome == 0).sum() == (y == 0).sum()
    assert (rows[:200] == X).all() and (outcome[:200] == y).all()


def test_a_made_up_row_lies_between_a_row_and_one_of_its_five_neighbours():
    X, y = rare(n=200)
    own = X[y == 1]
    distance = cdist(own, own)
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1)[:, :5]
    for row in smote(X, y, seed=0)[0][200:]:
        on_line = [
            abs(np.linalg.norm(row - a) + np.linalg.norm(row - own[j]) - distance[i, j]) < 1e-9
            for i, a in enumerate(own)
            for j in nearest[i]
        ]
        assert any(on_line)


def test_all_rows_of_the_smaller_class_take_turns():
    X = np.concatenate([np.arange(4) * 100.0, 1000 + np.arange(11.0)])[:, None]
    y = (np.arange(15) < 4).astype(np.int64)
    with mock.patch.object(imbalance, "_drawn_neighbours", lambda own, base, k, rng: base):
        made = smote(X, y, seed=0)[0][15:, 0]
    counts = np.unique(made, return_counts=True)[1]
    assert len(counts) == 4 and counts.max() - counts.min() <= 1


def test_the_smaller_class_may_be_the_negative_one():
    X, y = rare(n=200)
    outcome = smote(X, 1 - y, seed=0)[1]
    assert (outcome == 1).sum() == (outcome == 0).sum()
    assert (outcome[200:] == 0).all()


def test_the_seed_decides():
    X, y = rare(n=100)
    assert smote(X, y, seed=1)[0].tobytes() == smote(X, y, seed=1)[0].tobytes()
    assert smote(X, y, seed=1)[0].tobytes() != smote(X, y, seed=2)[0].tobytes()


@pytest.mark.parametrize("n_positive", [0, 3, 6])
def test_nothing_is_made_up_for_one_class_or_equal_ones(n_positive):
    X, y = np.arange(6.0)[:, None], (np.arange(6) < n_positive).astype(np.int64)
    rows, outcome = smote(X, y, seed=0)
    assert len(rows) == 6 and (outcome == y).all()


def test_a_single_row_is_repeated():
    X, y = np.arange(5.0)[:, None], np.array([0, 0, 1, 0, 0])
    assert smote(X, y, seed=0)[0][5:, 0].tolist() == [2.0, 2.0, 2.0]


# ---- the classifier


@pytest.mark.parametrize("method", ["weights", "smote"])
def test_answers_are_at_the_prevalence_of_the_rows_and_agree_with_a_plain_model(method):
    X, y = rare(n=6000)
    balanced = Balanced(LogisticRegression(C=1e6), method).fit(X, y)
    raw = balanced.classifier_.predict_proba(X)[:, 1]
    moved = balanced.predict_proba(X)[:, 1]
    assert raw.mean() > 2 * y.mean()  # without recalibration every risk is overstated
    assert moved.mean() == pytest.approx(y.mean(), rel=0.06)
    plain = LogisticRegression(C=1e6).fit(X, y).predict_proba(X)[:, 1]
    assert np.abs(moved - plain).mean() < 0.01
    assert moved == pytest.approx(at_prevalence(raw, before=0.5, after=y.mean()), rel=1e-12)


def test_weights_are_those_of_class_weight_balanced():
    X, y = rare(n=300)
    found = Balanced(LogisticRegression(), "weights").fit(X, y).classifier_
    plain = LogisticRegression(class_weight="balanced").fit(X, y)
    assert found.coef_ == pytest.approx(plain.coef_, abs=1e-6)


def test_forests_take_weights_too():
    X, y = rare(n=300)
    found = Balanced(ExtraTreesClassifier(20, random_state=0, min_samples_leaf=5)).fit(X, y)
    weight = np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    plain = ExtraTreesClassifier(20, random_state=0, min_samples_leaf=5).fit(X, y, weight)
    assert (found.classifier_.predict_proba(X) == plain.predict_proba(X)).all()


@pytest.mark.parametrize("method", ["none", "adasyn"])
def test_another_method_is_a_sentence(method):
    X, y = rare(n=50)
    with pytest.raises(BadArgument, match=f"weights or smote, found '{method}'"):
        Balanced(LogisticRegression(), method).fit(X, y)


# ---- inside the search

GRID = {"lr": {"fixed": {"max_iter": 500}, "grid": {"C": [0.1, 1.0]}}}


def search(method: str, n: int = 600):
    X, y = rare(3, n=n, p=12)
    points = candidates({"imbalance": method, **GRID})
    groups = np.arange(n)
    found = grid_search(
        X, y, groups, preparation=paper_chain(alpha=0.5, lasso_folds=3), points=points,
        plan=SearchPlan(5, 0), name="x",
    )  # fmt: skip
    return X, y, found


@pytest.mark.parametrize("method", ["none", "weights", "smote"])
def test_calibration_in_the_large_survives_the_search(method):
    X, y, found = search(method)
    assert calibration(y, found.out_of_fold).in_the_large == pytest.approx(0, abs=0.12)
    assert calibration(y, found.predict(X)).in_the_large == pytest.approx(0, abs=0.12)


def test_without_recalibration_the_same_search_would_overstate_every_risk():
    with mock.patch.object(imbalance, "at_prevalence", lambda p, **_: p):
        _, y, found = search("weights")
    assert calibration(y, found.out_of_fold).in_the_large < -1


def test_made_up_rows_reach_neither_selection_nor_a_judged_fold():
    X, y = rare(3, n=200, p=6)
    judged, learned = [], []
    real_fit, real_ask = imbalance.fit_classifier, classifiers.class_probability

    def fit(model, rows, outcome, weight=None):
        learned.append(len(rows))
        return real_fit(model, rows, outcome, weight)

    def ask(model, rows):
        judged.append(len(rows))
        return real_ask(model, rows)

    points = candidates({"imbalance": "smote", "lr": {"fixed": {}, "grid": {"C": [1.0]}}})
    chain = no_selection()
    with (
        mock.patch.object(imbalance, "fit_classifier", fit),
        mock.patch.object(classifiers, "class_probability", ask),
    ):
        found = grid_search(
            X, y, np.arange(200), preparation=chain, points=points, plan=SearchPlan(4, 0), name="x"
        )
    assert sum(judged) == 200  # every given row once, and no other
    n_negative = [int((y[train] == 0).sum()) for train in _training_rows(y)]
    assert learned == [2 * n for n in n_negative]
    assert found.pipeline.named_steps["standardscaler"].n_samples_seen_ == 200


def _training_rows(y):
    fold = classifiers.inner_folds(y, np.arange(len(y)), n_folds=4, seed=0, name="x")
    return [*(np.flatnonzero(fold != k) for k in range(4)), np.arange(len(y))]


def test_judged_rows_do_not_move_what_is_learned():
    """Spoil the rows of a fold: what the others learn, and say of a row, stays the same."""
    X, y = rare(3, n=120, p=6)
    points = candidates({"imbalance": "smote", "lr": {"fixed": {}, "grid": {"C": [1.0]}}})
    fold = classifiers.inner_folds(y, np.arange(120), n_folds=3, seed=0, name="x")
    fits = []
    for spoilt in (X, np.where((fold == 0)[:, None], 1e3, X)):
        train = fold != 0
        model = classifiers.fit_pipeline(
            spoilt[train], y[train], np.flatnonzero(train), preparation=no_selection(),
            candidate=points[0], seed=0,
        )  # fmt: skip
        fits.append(model.predict_proba(X)[:, 1])
    assert fits[0].tobytes() == fits[1].tobytes()


@pytest.mark.parametrize("classifier", NAMES)
@pytest.mark.parametrize("method", ["weights", "smote"])
def test_every_classifier_can_be_balanced_and_repeats_itself(classifier, method):
    X, y = rare(n=150)
    fixed = {} if classifier == "lr" else {"n_estimators": 5}
    points = candidates({"imbalance": method, classifier: {"fixed": fixed}})
    first, second = (
        grid_search(
            X, y, np.arange(150), preparation=no_selection(), points=points,
            plan=SearchPlan(3, 0), name="x",
        )
        for _ in range(2)
    )  # fmt: skip
    assert first.out_of_fold.tobytes() == second.out_of_fold.tobytes()
    assert first.pipeline[-1].n_features_in_ == 4
    assert 0.05 < first.predict(X).mean() < 0.25


def test_an_unknown_method_of_a_grid_is_a_sentence():
    with pytest.raises(BadConfig, match="among none, weights, smote, found"):
        candidates({"imbalance": "adasyn", **GRID})
