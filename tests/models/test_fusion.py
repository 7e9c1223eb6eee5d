"""Deep columns are compressed, the others pass, and no vote is infinite."""

import numpy as np
import pytest
from sklearn.base import clone

from her2.core.seeds import generator
from her2.models.fusion import signature_logit, signature_regression
from her2.selection.pca import CompressDeepFeatures


def features(n: int = 100, n_deep: int = 90, n_other: int = 5) -> np.ndarray:
    rng = generator(0, "features")
    deep = rng.standard_normal((n, 8)) @ rng.standard_normal((8, n_deep))
    return np.hstack([deep + rng.standard_normal((n, n_deep)), rng.random((n, n_other))])


@pytest.mark.parametrize(
    ("n", "n_deep", "kept"), [(100, 90, 64), (30, 90, 29), (100, 20, 20), (65, 64, 64)]
)
def test_as_many_components_are_kept_as_the_rows_allow(n, n_deep, kept):
    X = features(n, n_deep)
    fitted = CompressDeepFeatures(n_deep).fit(X)
    assert fitted.transform(X).shape == (n, kept + 5)
    names = fitted.get_feature_names_out([f"f{i}" for i in range(n_deep + 5)])
    assert names[0] == "deep_pc_1"
    assert names[kept - 1] == f"deep_pc_{kept}"
    assert names[kept:].tolist() == [f"f{i}" for i in range(n_deep, n_deep + 5)]


def test_other_features_pass_unchanged_even_where_they_are_missing():
    X = features()
    X[3, 90] = np.nan
    X[4, 91] = np.inf
    found = CompressDeepFeatures(90).fit(X).transform(X)[:, 64:]
    assert found.tobytes() == np.ascontiguousarray(X[:, 90:]).tobytes()


def test_components_are_those_of_the_z_scores():
    X = features() * np.geomspace(1e-3, 1e3, 95)
    found = CompressDeepFeatures(90, n_components=3).fit(X).transform(X)[:, :3]
    Z = (X[:, :90] - X[:, :90].mean(axis=0)) / X[:, :90].std(axis=0)
    u, s, _ = np.linalg.svd(Z, full_matrices=False)
    assert np.abs(found) == pytest.approx(np.abs(u[:, :3] * s[:3]), abs=1e-8)


def test_components_are_learned_from_training_rows_only():
    X = features()
    fitted = CompressDeepFeatures(90).fit(X[:70])
    poisoned = np.vstack([X[70:71], np.full((3, 95), 1e9)])
    assert fitted.transform(poisoned)[0] == pytest.approx(fitted.transform(X[70:71])[0])


def test_the_settings_survive_a_clone():
    copy = clone(CompressDeepFeatures(7, n_components=3))
    assert (copy.n_deep, copy.n_components) == (7, 3)


def test_log_odds_are_clipped_at_one_and_ninety_nine_per_cent():
    found = signature_logit(np.array([0.0, 0.005, 0.01, 0.5, 0.99, 0.999, 1.0]))
    limit = np.log(99.0)
    expected = [-limit, -limit, -limit, 0.0, limit, limit, limit]
    assert found == pytest.approx(np.array(expected))


def test_log_odds_between_the_limits_are_undone_by_the_sigmoid():
    p = np.linspace(0.01, 0.99, 50)
    assert 1 / (1 + np.exp(-signature_logit(p))) == pytest.approx(p)


def test_the_combined_model_is_the_unpenalised_regression_of_log_odds():
    import statsmodels.api as sm

    rng = generator(0, "signatures")
    y = rng.integers(0, 2, 200)
    signatures = np.clip(rng.beta(2, 3, (200, 2)) + 0.15 * y[:, np.newaxis], 0, 1)
    fitted = signature_regression().fit(signatures, y)
    design = sm.add_constant(signature_logit(signatures))
    expected = sm.Logit(y, design).fit(disp=0).predict(design)
    assert fitted.predict_proba(signatures)[:, 1] == pytest.approx(expected, abs=1e-4)
