"""What a fitted selection did is what its steps say."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from small_study import N_DEEP, study

from her2.radiomics.parameters import family_counts, image_type_and_family
from her2.selection import (
    HarmoniseFeatures,
    ReaderAgreementFilter,
    boruta_chain,
    lasso_chain,
    mrmr_chain,
    no_selection,
    stability_chain,
)
from her2.selection.history import selection_history


@pytest.fixture(scope="module")
def strong():
    return study(seed=2, n=100, signal=1.5)


def history(of, name):
    arm = next(arm for arm in of.arms() if arm.name == name)
    X, y = arm.rows(of.training.keys), of.training.y_true
    chain = make_pipeline(*(step for _, step in arm.preparation.steps)).fit(X, y)
    return chain, selection_history(chain, X, y, [str(c) for c in arm.features.columns])


def test_the_steps_follow_each_other_and_end_with_what_is_left(strong):
    chain, found = history(strong, "radiomics")
    assert found.steps["step"].tolist() == ["Usable features", "t-test", "Correlation", "LASSO"]
    assert found.steps["n_before"].tolist()[1:] == found.steps["n_after"].tolist()[:-1]
    assert found.steps["n_after"].iloc[-1] == chain[-1].support_.sum() == len(found.weights)


def test_p_values_correlations_and_weights_are_the_steps_own(strong):
    chain, found = history(strong, "radiomics")
    np.testing.assert_array_equal(found.p_values["p_value"], chain[2].p_values_)
    assert found.correlation_before.shape == (chain[2].support_.sum(),) * 2
    off = found.correlation_after - np.eye(len(found.correlation_after))
    assert np.abs(off).max() <= found.limit + 1e-12
    kept = set(found.weights["feature"])
    assert {"r0", "r1", "r2"} & kept
    assert (found.weights["weight"] != 0).all()
    assert found.weights["weight"].abs().is_monotonic_decreasing
    assert found.lasso.chosen == pytest.approx(chain[4].model_.alpha_)


def test_components_take_the_place_of_deep_features(strong):
    _, found = history(strong, "dlr")
    first = found.steps.iloc[0]
    assert (first["step"], first["n_before"], first["n_after"]) == (
        "Principal components", N_DEEP + 30, 5 + 30,
    )  # fmt: skip
    assert set(found.p_values["family"]) == {"deep", "other"}


def test_a_chain_without_a_selection_has_only_its_steps(strong):
    arm = next(arm for arm in strong.arms() if arm.name == "radiomics")
    X, y = arm.rows(strong.training.keys), strong.training.y_true
    found = selection_history(no_selection().fit(X, y), X, y, list(map(str, range(30))))
    assert found.steps["step"].tolist() == ["Usable features"]
    assert found.p_values is found.lasso is found.weights is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("original_shape_Sphericity", ("original", "shape")),
        ("lbp-3D-m1_firstorder_Mean", ("lbp-3D-m1", "firstorder")),
        ("deep_pc_3", ("deep", "deep")),
        ("deep_sleep", ("other", "other")),
        ("age", ("other", "other")),
    ],
)
def test_a_name_tells_its_family(name, expected):
    assert image_type_and_family(name) == expected


def test_counts_add_up_to_the_names():
    names = ["original_glcm_A", "square_glcm_A", "square_glcm_B", "x"]
    assert family_counts(names)["n"].sum() == 4
    assert list(family_counts([]).columns) == ["image_type", "family", "n"]


@pytest.mark.parametrize(
    ("chain", "steps", "said"),
    [
        (lasso_chain(), ["LASSO"], "smallest error in 10 folds"),
        (mrmr_chain(n_features=4), ["mRMR"], "4 by F of the outcome"),
        (boruta_chain(), ["Correlation", "Shadow features"], "p < 0.05 over all features"),
        (stability_chain(), ["Correlation", "Stability selection"], "at least 60% of 100 half"),
    ],
)
def test_every_selection_tells_its_steps_and_what_it_keeps(strong, chain, steps, said):
    arm = next(arm for arm in strong.arms() if arm.name == "radiomics")
    X, y = arm.rows(strong.training.keys), strong.training.y_true
    chain.fit(X, y)
    found = selection_history(chain, X, y, [str(c) for c in arm.features.columns])
    assert found.steps["step"].tolist() == ["Usable features", *steps]
    assert said in found.steps["rule"].iloc[-1]
    kept = {f"r{i}" for i in range(30)} & set(found.weights["feature"])
    assert len(kept) == chain[-1].support_.sum() == found.steps["n_after"].iloc[-1]
    assert found.weights["weight"].notna().all() == (steps == ["LASSO"])


def with_helpers(strong):
    """The radiomic arm behind a vendor's column, with a second reader who disagrees on r9."""
    arm = next(arm for arm in strong.arms() if arm.name == "radiomics")
    first = arm.features.to_numpy()
    rng = np.random.default_rng(0)
    second = first + 0.1 * rng.standard_normal(first.shape)
    second[:, 9] = rng.standard_normal(len(first))
    vendor = np.arange(len(first)) % 2
    X = np.column_stack([vendor, first + 2.0 * vendor[:, None], second + 2.0 * vendor[:, None]])
    rows = arm.features.index.get_indexer(list(strong.training.keys))
    chain = make_pipeline(
        ReaderAgreementFilter(n_before=1), HarmoniseFeatures(),
        *(step for _, step in arm.preparation.steps),
    )  # fmt: skip
    names = ["vendor", *arm.features.columns, *(f"second {c}" for c in arm.features.columns)]
    y = strong.training.y_true
    return chain.fit(X[rows], y), selection_history(chain, X[rows], y, names)


def test_agreement_and_harmonisation_are_steps_and_helpers_are_no_features(strong):
    chain, found = with_helpers(strong)
    first, second = found.steps.iloc[0], found.steps.iloc[1]
    assert (first["step"], first["n_before"]) == ("Reader agreement (ICC)", 30)
    assert first["rule"] == "lower limit of the ICC(2,1) between readers at least 0.75"
    assert first["n_after"] == chain[0].support_.sum() <= 29
    assert not chain[0].support_[9]
    assert (second["step"], second["rule"]) == (
        "Harmonisation (ComBat)", "effect of the vendor taken out",
    )  # fmt: skip
    assert found.steps["n_before"].tolist()[1:] == found.steps["n_after"].tolist()[:-1]
    assert set(found.p_values["feature"]) <= {f"r{i}" for i in range(30)}


def test_harmonised_rows_lie_closer_on_the_same_axes(strong):
    _, found = with_helpers(strong)
    before, after = found.harmonised
    rows = np.arange(len(before))
    assert before.shape == after.shape == (len(rows), 2)
    assert after.std(axis=0).max() < before.std(axis=0).max()
