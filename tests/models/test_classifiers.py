"""The grid search is scikit-learn's, done once for shared work; every classifier can be kept."""

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import Pipeline

from her2.core.errors import BadCohort, BadConfig
from her2.core.seeds import generator
from her2.models.classifiers import (
    NAMES,
    Candidate,
    SearchPlan,
    build,
    candidates,
    grid_search,
    inner_folds,
    positive_probability,
)
from her2.models.imbalance import at_prevalence
from her2.selection import no_selection, paper_chain

SMALL = {
    "lr": {"fixed": {}, "grid": {"C": [0.01, 1.0]}},
    "random_forest": {"fixed": {"n_estimators": 10}, "grid": {"min_samples_leaf": [3]}},
    "extra_trees": {"fixed": {"n_estimators": 10}, "grid": {"min_samples_leaf": [3]}},
    "xgboost": {"fixed": {"n_estimators": 5, "subsample": 0.8}, "grid": {"max_depth": [1, 2]}},
    "lightgbm": {"fixed": {"n_estimators": 5, "min_child_samples": 5}, "grid": {}},
}
LR = {"lr": {"fixed": {"max_iter": 500}, "grid": {"C": [0.003, 0.1, 3.0, 100.0]}}}


def training(seed: int = 0, n: int = 80, p: int = 12) -> tuple:
    """Features with a weak signal, outcomes, and patients with up to three rows."""
    rng = generator(seed, "training")
    groups = np.sort(rng.integers(0, n // 2, n))
    y = (rng.random(n // 2) < 0.4).astype(np.int64)[groups]
    X = rng.standard_normal((n, p))
    X[:, 0] += 0.8 * y
    X[:, 1] -= 0.5 * y
    return X, y, groups


def search(grids=LR, preparation=None, **changes):
    X, y, groups = training()
    settings = {"n_folds": 4, "seed": 3, **changes}
    name = settings.pop("name", "fold 0")
    preparation = preparation if preparation is not None else no_selection()
    return grid_search(
        X, y, groups, preparation=preparation, points=candidates(grids),
        plan=SearchPlan(**settings), name=name,
    )  # fmt: skip


def wide_chain():
    return paper_chain(alpha=0.8)


@pytest.mark.parametrize("chain", [no_selection, wide_chain])
def test_the_search_equals_scikit_learn_s(chain):
    X, y, groups = training()
    fold = inner_folds(y, groups, n_folds=4, seed=3, name="fold 0")
    plain = GridSearchCV(
        Pipeline([*chain().steps, ("lr", LogisticRegression(max_iter=500, random_state=3))]),
        {"lr__C": LR["lr"]["grid"]["C"]},
        scoring="roc_auc",
        cv=PredefinedSplit(fold),
    ).fit(X, y, **({"lassofilter__groups": groups} if chain is wide_chain else {}))
    found = search(preparation=chain())
    scores = plain.cv_results_["mean_test_score"]
    assert found.table["cv_auc_mean"].to_numpy() == pytest.approx(scores, abs=1e-12)
    assert len(set(scores)) > 1
    assert dict(found.best.searched) == {"C": plain.best_params_["lr__C"]}
    assert found.table["chosen"].tolist() == [i == plain.best_index_ for i in range(4)]
    assert found.predict(X) == pytest.approx(plain.predict_proba(X)[:, 1], abs=1e-12)


def test_the_spread_of_a_candidate_is_that_of_its_folds():
    _, y, groups = training()
    fold = inner_folds(y, groups, n_folds=4, seed=3, name="fold 0")
    found = search({"lr": {"fixed": {}, "grid": {"C": [0.1]}}})
    by_fold = [roc_auc_score(y[fold == k], found.out_of_fold[fold == k]) for k in range(4)]
    assert found.table["cv_auc_mean"].iloc[0] == pytest.approx(np.mean(by_fold))
    assert found.table["cv_auc_sd"].iloc[0] == pytest.approx(np.std(by_fold, ddof=1))


def test_log_loss_chooses_the_smallest_loss_and_another_name_is_refused():
    grid = {"lr": {"fixed": {}, "grid": {"C": [1e-4, 1.0, 1e6]}}}
    found = search(grid, scoring="log_loss")
    assert found.table["chosen"].idxmax() == found.table["cv_log_loss_mean"].idxmin()
    assert found.table["cv_log_loss_mean"].nunique() == 3
    with pytest.raises(BadConfig, match="log_loss, roc_auc"):
        search(grid, scoring="accuracy")


def test_the_winner_s_out_of_fold_probabilities_come_from_models_without_the_fold():
    X, y, groups = training()
    fold = inner_folds(y, groups, n_folds=4, seed=3, name="fold 0")
    found = search()
    for k in range(4):
        model = Pipeline([*no_selection().steps, ("lr", build(found.best, 3))])
        model.fit(X[fold != k], y[fold != k])
        expected = at_prevalence(
            positive_probability(model, X[fold == k]), before=y[fold != k].mean(), after=y.mean()
        )
        assert found.out_of_fold[fold == k] == pytest.approx(expected, abs=1e-12)


def test_probabilities_move_to_another_prevalence_by_their_odds():
    p = np.array([0.0, 1e-9, 0.1, 0.3, 0.9, 1.0])
    moved = at_prevalence(p, before=0.3, after=0.4)
    odds = p[1:-1] / (1 - p[1:-1]) * (0.4 / 0.6) / (0.3 / 0.7)
    assert moved[1:-1] == pytest.approx(odds / (1 + odds), rel=1e-12)
    assert moved[[0, -1]].tolist() == [0.0, 1.0]
    assert moved[3] == pytest.approx(0.4)
    assert at_prevalence(moved, before=0.4, after=0.3) == pytest.approx(p, rel=1e-12)
    assert at_prevalence(p, before=0.3, after=0.3) == pytest.approx(p, rel=1e-12)


def test_a_search_is_repeatable_to_the_bit():
    first, second = search(SMALL), search(SMALL)
    X = training()[0]
    assert first.best == second.best
    assert first.out_of_fold.tobytes() == second.out_of_fold.tobytes()
    assert first.predict(X).tobytes() == second.predict(X).tobytes()


def test_a_search_by_another_name_has_other_folds():
    assert search(name="fold 1").out_of_fold.tobytes() != search().out_of_fold.tobytes()


def test_among_equal_candidates_the_first_wins():
    grids = {"lr": {"fixed": {}, "grid": {"C": [0.1], "max_iter": [300, 400]}}}
    found = search(grids)
    assert found.table["cv_auc_mean"].nunique() == 1
    assert found.table["chosen"].tolist() == [True, False]


@pytest.mark.parametrize("classifier", NAMES)
def test_each_classifier_gives_probabilities_and_survives_being_kept(classifier):
    X = training()[0]
    found = search({classifier: SMALL[classifier]}, preparation=paper_chain(alpha=0.5))
    before = found.predict(X)
    assert before.dtype == np.float64
    assert ((before >= 0) & (before <= 1)).all()
    assert np.ptp(before) > 0
    kept = skops.io.dumps(found.pipeline)
    again = skops.io.loads(kept, trusted=skops.io.get_untrusted_types(data=kept))
    assert positive_probability(again, X).tobytes() == before.tobytes()


@pytest.mark.parametrize("classifier", NAMES)
def test_each_classifier_finds_a_strong_signal(classifier):
    """A probability of the wrong class, or of the wrong column, would fail here."""
    X, y, _ = training()
    X[:, 0] += 5 * y
    model = build(candidates({classifier: SMALL[classifier]})[0], 0).fit(X, y)
    probability = model.predict_proba(X)[:, 1]
    assert probability[y == 1].mean() > probability[y == 0].mean() + 0.1


@pytest.mark.parametrize("classifier", NAMES)
def test_each_classifier_has_one_thread_and_the_given_seed(classifier):
    parameters = build(Candidate(classifier, (), ()), 17).get_params()
    assert parameters["random_state"] == 17
    assert parameters.get("n_jobs") in (1, None)


@pytest.mark.parametrize("classifier", NAMES)
def test_an_unknown_parameter_is_a_sentence(classifier):
    point = candidates({classifier: {"grid": {"deepness": [3]}}})[0]
    with pytest.raises(BadConfig, match=f"classifier.{classifier}: .*deepness"):
        build(point, 0)


@pytest.mark.parametrize(
    ("grids", "found"), [({}, "none"), ({"svm": {}, "lr": {}}, "svm")], ids=["none", "unknown"]
)
def test_an_unknown_classifier_is_a_sentence(grids, found):
    with pytest.raises(BadConfig, match=f"expected classifiers among lr, .*, found {found};"):
        candidates(grids)


def test_a_grid_is_every_combination_over_the_fixed_values():
    grid = {"C": [0.1, 1.0], "max_iter": [10, 20]}
    points = candidates({"lr": {"fixed": {"tol": 0.1, "C": 9.0}, "grid": grid}})
    assert [dict(point.parameters) for point in points] == [
        {"tol": 0.1, "C": c, "max_iter": m} for c in (0.1, 1.0) for m in (10, 20)
    ]
    assert points[0].label == "C=0.1, max_iter=10"


def test_the_order_of_the_grids_does_not_matter():
    backwards = dict(reversed(SMALL.items()))
    assert candidates(SMALL) == candidates(backwards)


def test_inner_folds_are_fewer_where_a_class_has_fewer_patients():
    y = np.array([1, 1, 1, *[0] * 17])
    fold = inner_folds(y, np.arange(20), n_folds=5, seed=0, name="x")
    assert sorted(fold[:3].tolist()) == [0, 1, 2]
    assert fold.max() == 2


def test_one_positive_patient_is_too_few_to_search():
    y = np.array([1, 1, 1, *[0] * 17])
    groups = np.array([0, 0, 0, *range(1, 18)])
    with pytest.raises(BadCohort, match="found 1;"):
        inner_folds(y, groups, n_folds=5, seed=0, name="x")


@pytest.mark.parametrize("part", ["fixed", "grid"])
@pytest.mark.parametrize(
    ("classifier", "parameter"),
    [
        ("lr", "class_weight"), ("random_forest", "class_weight"), ("extra_trees", "class_weight"),
        ("xgboost", "scale_pos_weight"), ("lightgbm", "class_weight"),
        ("lightgbm", "is_unbalance"), ("lightgbm", "unbalance"),
        ("lightgbm", "pos_bagging_fraction"), ("lightgbm", "neg_bagging_fraction"),
    ],
)  # fmt: skip
def test_class_weights_come_by_the_setting_alone(classifier, parameter, part):
    """Weights of a classifier would write the judged fold's prevalence into probabilities."""
    grids = {classifier: {"fixed": {}, "grid": {}}}
    grids[classifier][part] = {parameter: [1]}
    with pytest.raises(BadConfig, match=f"classifier.{classifier} with {parameter};"):
        candidates(grids)
    with pytest.raises(BadConfig, match=r"by backbone\.head\.imbalance alone"):
        candidates(grids, "backbone.head")
