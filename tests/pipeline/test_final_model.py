"""The nomogram is the combined model; the sample size counts every candidate."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from small_study import study

from her2.models.nested_cv import combine, fit_arms
from her2.pipeline.final_model import (
    combined_nomogram,
    optimism_table,
    sample_size_table,
)

MEMBERS = ("clinical", "dlr")


@pytest.fixture(scope="module")
def strong():
    return study(seed=5, n=120, signal=0.8)


@pytest.fixture(scope="module")
def fitted(strong):
    return fit_arms(strong.arms(), strong.training, n_folds=2, seed=0, scoring="log_loss")


@pytest.fixture(scope="module")
def combined(strong, fitted):
    return combine(fitted, MEMBERS, strong.training)


def read_off(drawn, signatures):
    """Probability that a reader finds: points of each signature, their sum, the last scale."""
    total = np.zeros(len(signatures[0]))
    for (_, axis), p in zip(drawn.points.groupby("variable", sort=False), signatures, strict=True):
        at = logit(axis["value"].astype(float).to_numpy())
        slope, start = np.polyfit(at, axis["points"].to_numpy(), 1)
        total += slope * logit(np.clip(p, 0.01, 0.99)) + start
    scale = drawn.total_points
    fit = np.polyfit(scale["total_points"], scale["linear_predictor"], 1)
    return 1 / (1 + np.exp(-np.polyval(fit, total)))


def test_reading_the_nomogram_gives_the_combined_model(strong, fitted, combined):
    drawn = combined_nomogram(combined, fitted, strong.training)
    signatures = [fitted[m].out_of_fold for m in MEMBERS]
    expected = combined.regression.predict_proba(np.column_stack(signatures))[:, 1]
    np.testing.assert_allclose(read_off(drawn, signatures), expected, atol=1e-4)


def test_every_axis_starts_at_its_least_and_one_reaches_100(strong, fitted, combined):
    points = combined_nomogram(combined, fitted, strong.training).points
    assert points["points"].min() >= -1e-9
    assert points["points"].max() <= 100 + 1e-9
    assert set(points["variable"]) == {
        "Clinical signature", "Deep learning radiomics signature",
    }  # fmt: skip


def test_the_probability_axis_lies_within_the_total_points(strong, fitted, combined):
    drawn = combined_nomogram(combined, fitted, strong.training)
    totals = drawn.total_points["total_points"]
    assert drawn.probability_axis["total_points"].between(totals.min(), totals.max()).all()
    assert drawn.probability_axis["probability"].is_monotonic_increasing


def test_the_optimism_is_that_of_whole_pipelines():
    columns = ["arm", "measure", "apparent", "optimism", "corrected", "n_resamples", "note"]
    whole = pd.DataFrame(
        [("clinical", "auc", 0.8, 0.05, 0.75, 40, ""), ("dlr", "auc", 0.9, 0.2, 0.7, 40, "")],
        columns=columns,
    )
    table = optimism_table(whole)
    assert table["scope"].tolist() == [
        "Clinical, whole pipeline", "Deep learning radiomics, whole pipeline",
    ]  # fmt: skip
    assert table["n_bootstraps"].tolist() == [40, 40]
    same = ["measure", "apparent", "optimism", "corrected", "note"]
    assert table[same].equals(whole[same])
    assert optimism_table(whole.iloc[:0]).empty


def results(area):
    entry = {"repeated_cv": {"auc": area}, "n_features": 2}
    return {"arms": {"clinical": entry, "dlr": entry, "combined": entry}}


def test_all_candidates_count_whatever_was_selected(strong):
    arms = [arm for arm in strong.arms() if arm.name in ("clinical", "dlr")]
    table = sample_size_table(arms, strong.training, results(0.8), ("clinical", "dlr"))
    counted = table.groupby("arm")["n_predictors"].first()
    # age, er (2 levels), grade (3 levels); 20 deep features become 5 components beside 30 others
    assert counted.to_dict() == {"clinical": 4, "dlr": 35, "combined": 39}
    assert (table["n_supplied"] == len(strong.training.keys)).all()
    needed = table.groupby("arm")["n_required"].max()
    assert needed["clinical"] < needed["dlr"] < needed["combined"]
    assert table["n_supported"].nunique() == 1  # the AUC and the patients are the same
    assert 0 < table["n_supported"].iloc[0] < 35


@pytest.mark.parametrize("area", [None, 0.45, 1.0])
def test_an_auc_that_no_sample_size_fits_leaves_the_arm_out(strong, area):
    assert sample_size_table(strong.arms()[:1], strong.training, results(area)).empty


def test_a_training_set_of_several_repeats_gives_the_same_nomogram(strong, fitted, combined):
    training = strong.training
    twice = replace(training, more_folds=(training.fold,))
    once = combined_nomogram(combined, fitted, training)
    assert combined_nomogram(combined, fitted, twice).points.equals(once.points)
