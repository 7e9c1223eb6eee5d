"""Forests are scikit-learn's to the last bit, whichever way they are grown."""

import importlib

import numpy as np
import pytest
import sklearn
import skops.io
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from her2.compute import forests
from her2.compute.forests import class_probability, fit_classifier, fit_forest
from her2.core.seeds import generator

KINDS = (RandomForestClassifier, ExtraTreesClassifier)
GROWN_HERE = [
    {},
    {"min_samples_leaf": 3},
    {"min_samples_leaf": 0.05, "min_samples_split": 0.2},
    {"min_samples_split": 9, "max_depth": 3},
    {"max_features": None},
    {"max_features": 0.4, "criterion": "entropy"},
    {"max_features": "log2", "min_impurity_decrease": 0.01},
]
LEFT_TO_SCIKIT_LEARN = [
    {"class_weight": "balanced"},
    {"max_leaf_nodes": 5},
    {"ccp_alpha": 0.02},
    {"min_weight_fraction_leaf": 0.1},
    {"bootstrap": True, "oob_score": True},
    {"bootstrap": True, "max_samples": 0.5},
]


def rows(n: int = 70, p: int = 9) -> tuple[np.ndarray, np.ndarray]:
    rng = generator(1, "forest")
    X = rng.normal(size=(n, p))
    X[:, 3] = X[:, 3].round()  # ties
    return X, (X[:, 0] + X[:, 3] + rng.normal(size=n) > 0.3).astype(int)


def assert_same(found, plain, X):
    assert class_probability(found, X).tobytes() == plain.predict_proba(X).tobytes()
    assert found.predict_proba(X).tobytes() == plain.predict_proba(X).tobytes()
    assert found.feature_importances_.tobytes() == plain.feature_importances_.tobytes()
    assert [t.random_state for t in found.estimators_] == [
        t.random_state for t in plain.estimators_
    ]
    assert found.get_params() == plain.get_params()


@pytest.fixture
def counted(monkeypatch):
    """Trees that were grown here, one entry each."""
    grown, real = [], forests._Grower.tree

    def tree(self, seed):
        grown.append(seed)
        return real(self, seed)

    monkeypatch.setattr(forests._Grower, "tree", tree)
    return grown


@pytest.mark.parametrize("parameters", GROWN_HERE, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_forest_is_scikit_learn_s(kind, weighted, parameters, counted):
    X, y = rows()
    weight = np.where(y == 1, 1.7, 0.4) if weighted else None
    plain = kind(12, random_state=4, **parameters).fit(X, y, sample_weight=weight)
    found = fit_forest(kind(12, random_state=4, **parameters), X, y, weight)
    assert_same(found, plain, X)
    assert len(counted) == 12  # the first one in both ways


@pytest.mark.parametrize("parameters", LEFT_TO_SCIKIT_LEARN, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_grown_here_is_grown_by_scikit_learn(kind, parameters, counted):
    X, y = rows()
    plain = kind(30, random_state=4, **parameters).fit(X, y)
    assert_same(fit_forest(kind(30, random_state=4, **parameters), X, y), plain, X)
    assert not counted


def test_text_classes_several_classes_and_gaps():
    X, y = rows()
    named = np.array(["low", "middle", "high"])[y + (X[:, 1] > 0)]
    plain = RandomForestClassifier(10, random_state=0).fit(X, named)
    assert_same(fit_forest(RandomForestClassifier(10, random_state=0), X, named), plain, X)
    X[::5, 2] = np.nan
    plain = RandomForestClassifier(10, random_state=0).fit(X, y)
    found = fit_forest(RandomForestClassifier(10, random_state=0), X, y)
    assert found.predict_proba(X).tobytes() == plain.predict_proba(X).tobytes()


@pytest.mark.parametrize("fault", ["another tree", "another signature", "another name"])
def test_another_release_of_scikit_learn_grows_its_own(fault, monkeypatch):
    X, y = rows()
    plain = RandomForestClassifier(10, random_state=0).fit(X, y)
    real = forests._Grower.tree

    def tree(self, seed):
        if fault == "another tree":
            return real(self, seed + 1)
        raise TypeError if fault == "another signature" else AttributeError

    monkeypatch.setattr(forests._Grower, "tree", tree)
    assert_same(fit_forest(RandomForestClassifier(10, random_state=0), X, y), plain, X)


def test_a_forest_is_kept_without_pickle():
    X, y = rows()
    found = fit_forest(ExtraTreesClassifier(8, random_state=0), X, y)
    kept = skops.io.dumps(found)
    again = skops.io.loads(kept, trusted=skops.io.get_untrusted_types(data=kept))
    assert again.predict_proba(X).tobytes() == found.predict_proba(X).tobytes()


def test_other_classifiers_are_fitted_as_they_are():
    X, y = rows()
    weight = np.where(y == 1, 3.0, 1.0)
    for given in (None, weight):
        plain = LogisticRegression().fit(X, y, sample_weight=given)
        found = fit_classifier(LogisticRegression(), X, y, given)
        assert class_probability(found, X).tobytes() == plain.predict_proba(X).tobytes()


PRIVATE = ["_tree.Tree", "_tree.DepthFirstTreeBuilder", "_classes.CRITERIA_CLF",
           "_classes.DENSE_SPLITTERS"]  # fmt: skip


@pytest.mark.parametrize("name", PRIVATE)
def test_scikit_learn_still_has_the_private_name(name):
    module, attribute = name.split(".")
    found = importlib.import_module(f"sklearn.tree.{module}")
    assert hasattr(found, attribute), (
        f"scikit-learn {sklearn.__version__} has no sklearn.tree.{name}: forests are grown by "
        "scikit-learn itself, several times slower; adapt her2.compute.forests._Grower"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_trees_are_grown_here_on_this_release_of_scikit_learn(kind):
    """The names may stay and the arguments or the order of draws may change."""
    X, y = np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) % 2
    forest = kind(1, random_state=3).fit(X, y)
    seed = int(np.random.RandomState(3).randint(np.iinfo(np.int32).max))
    grower = forests._agreeing_grower(forest, X, y, None, seed)
    assert grower is not None, (
        f"scikit-learn {sklearn.__version__} grows another tree than "
        "her2.compute.forests._Grower, or is called differently"
    )
