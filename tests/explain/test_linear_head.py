"""The weights of a pipeline give its log odds, whatever linear steps it has."""

import numpy as np
import pytest
from scipy.special import logit
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from her2.core.errors import NotEstimable
from her2.explain.linear_head import linear_head
from her2.models.classifiers import candidates, fit_pipeline
from her2.selection import no_selection, paper_chain
from her2.selection.pca import CompressDeepFeatures

N_FEATURES = 30


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(90, N_FEATURES))
    X = z * np.geomspace(1e-4, 1e4, N_FEATURES) + 7
    X[:, 4] = 1.0  # constant: left out by every preparation
    y = (z[:, 3] + z[:, 8] + rng.normal(size=90) > 1).astype(int)
    return X, y


def fitted(data, preparation, imbalance="none"):
    grid = {"lr": {"fixed": {"C": 0.1}}, "imbalance": imbalance}
    (point,) = candidates(grid)
    X, y = data
    groups = np.arange(len(y))
    return fit_pipeline(X, y, groups, preparation=preparation, candidate=point, seed=0)


def logits(head, X):
    return X @ head.weight + head.intercept


PREPARATIONS = {
    "none": lambda: no_selection(),
    "paper": lambda: paper_chain(lasso_folds=3, alpha=0.5),
    "compressed": lambda: make_pipeline(
        CompressDeepFeatures(20, n_components=6), *(step for _, step in no_selection().steps)
    ),
}


@pytest.mark.parametrize("imbalance", ["none", "weights", "smote"])
@pytest.mark.parametrize("preparation", PREPARATIONS)
def test_the_head_gives_the_pipelines_log_odds(data, preparation, imbalance):
    pipeline = fitted(data, PREPARATIONS[preparation](), imbalance)
    head = linear_head(pipeline, N_FEATURES)
    expected = logit(pipeline.predict_proba(data[0])[:, 1])
    np.testing.assert_allclose(logits(head, data[0]), expected, atol=1e-8)
    assert head.weight[4] == pytest.approx(0, abs=1e-12)


def test_a_shift_moves_every_log_odds(data):
    head = linear_head(fitted(data, no_selection()), N_FEATURES)
    moved = logits(head.shifted(0.5), data[0]) - logits(head, data[0])
    np.testing.assert_allclose(moved, 0.5)


def test_what_is_not_linear_is_refused_by_name(data):
    X, y = data
    forest = Pipeline([("z", StandardScaler()), ("c", RandomForestClassifier(3))]).fit(X, y)
    with pytest.raises(NotEstimable, match="found RandomForestClassifier"):
        linear_head(forest, N_FEATURES)
    bent = make_pipeline(FunctionTransformer(np.tanh), LogisticRegression()).fit(X, y)
    with pytest.raises(NotEstimable, match="found FunctionTransformer"):
        linear_head(bent, N_FEATURES)


def test_another_number_of_features_is_refused(data):
    with pytest.raises(NotEstimable, match="a pipeline of 31 features"):
        linear_head(fitted(data, no_selection()), 31)
