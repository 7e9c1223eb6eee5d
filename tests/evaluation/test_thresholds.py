"""Nobody is judged at a threshold that he or she has helped to choose."""

import numpy as np
import pandas as pd
import pytest

from her2 import stats
from her2.evaluation.prediction_rows import PredictionRows, RoleRows
from her2.evaluation.thresholds import (
    RULES,
    threshold_of_folds,
    thresholds_for,
    training_threshold,
)


def folds(rng, n, n_repeats, n_folds=5):
    return np.array([rng.permutation(np.arange(n) % n_folds) for _ in range(n_repeats)])


def out_of_fold(seed, n=60, n_repeats=2, signal=1.0):
    """Rows of an arm out of fold, one a patient; a third is positive."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 3 == 0).astype(np.int64)
    logit = signal * y + rng.normal(size=(n_repeats, n))
    names = tuple(f"p{i:02d}/1" for i in range(n))
    return RoleRows(
        "out_of_fold", "dlr", y, 1 / (1 + np.exp(-logit)), folds(rng, n, n_repeats), np.arange(n),
        names,
    )  # fmt: skip


def table(rows):
    """The same rows as repeated_cv.parquet has them."""
    frames = [
        pd.DataFrame({"repeat": r, "fold": fold, "y_prob": p, "y_true": rows.y_true})
        for r, (fold, p) in enumerate(zip(rows.fold, rows.y_prob, strict=True))
    ]
    names = [key.split("/") for key in rows.keys] * len(frames)
    ids = pd.DataFrame(names, columns=["patient_id", "lesion_id"])
    return pd.concat([ids, pd.concat(frames, ignore_index=True)], axis=1).assign(arm=rows.arm)


NOBODY = pd.DataFrame(
    columns=["patient_id", "lesion_id", "role", "kind", "arm", "y_true", "y_prob"]
)


@pytest.mark.parametrize("rule", RULES)
def test_a_threshold_does_not_depend_on_the_fold_that_it_judges(rule):
    """The fold's own rows are poisoned: other outcomes, and probabilities from anywhere."""
    rows = out_of_fold(0)
    before, rng = threshold_of_folds(rows, rule), np.random.default_rng(1)
    for r in range(2):
        for k in range(5):
            there = rows.fold[r] == k
            y_true, y_prob = rows.y_true.copy(), rows.y_prob.copy()
            y_true[there] = 1 - y_true[there]
            y_prob[r, there] = rng.choice([0.0, 1e-9, 0.5, 1.0], int(there.sum()))
            poisoned = RoleRows("out_of_fold", "dlr", y_true, y_prob, *_rest(rows))
            after = threshold_of_folds(poisoned, rule)
            assert (after[r, there] == before[r, there]).all()
            assert (after[r, ~there] != before[r, ~there]).any()


def _rest(rows):
    return rows.fold, rows.patient, rows.keys


def test_a_repeat_does_not_move_the_threshold_of_another():
    rows = out_of_fold(2)
    other = rows.y_prob.copy()
    other[1] = np.random.default_rng(3).uniform(size=other.shape[1])
    moved = threshold_of_folds(RoleRows("out_of_fold", "dlr", rows.y_true, other, *_rest(rows)))
    assert (moved[0] == threshold_of_folds(rows)[0]).all()


@pytest.mark.parametrize("rule", RULES)
def test_each_fold_has_the_rule_of_all_other_rows(rule):
    rows = out_of_fold(4)
    found = threshold_of_folds(rows, rule)
    for r, k in ((0, 0), (1, 3)):
        there = rows.fold[r] == k
        chosen = RULES[rule](rows.y_true[~there], rows.y_prob[r, ~there])
        assert set(found[r, there]) == {chosen}


def youden(rows, threshold):
    point = stats.operating_point(rows.y_true, rows.y_prob, threshold)
    return point.sensitivity + point.specificity - 1


def test_noise_has_a_youden_index_of_zero():
    """At thresholds of the same rows, 200 cohorts of noise have one of more than .1."""
    cohorts = [out_of_fold(seed, n_repeats=1, signal=0.0) for seed in range(200)]
    honest = [youden(rows, threshold_of_folds(rows)) for rows in cohorts]
    assert np.mean(honest) == pytest.approx(0, abs=0.03)
    same = [youden(rows, RULES["Youden"](rows.y_true, rows.y_prob[0])) for rows in cohorts]
    assert np.mean(same) > 0.1


def test_others_are_judged_at_one_threshold_of_all_repeats_together():
    rows = out_of_fold(5)
    repeated = table(rows)
    stacked = np.tile(rows.y_true, 2), rows.y_prob.ravel()
    for rule, choose in RULES.items():
        assert training_threshold(PredictionRows(NOBODY, repeated), "dlr", rule) == choose(
            *stacked
        )
    assert thresholds_for(PredictionRows(NOBODY, repeated), rows).shape == (2, 60)
    test = RoleRows("test", "dlr", rows.y_true, rows.y_prob[:1], None, *_rest(rows)[1:])
    assert thresholds_for(PredictionRows(NOBODY, repeated), test) == training_threshold(
        PredictionRows(NOBODY, repeated), "dlr"
    )


def test_a_centre_that_was_left_out_has_no_part_in_its_threshold():
    rows = out_of_fold(6)
    repeated = table(rows)
    first = repeated["patient_id"].lt("p20")
    here = repeated[first & repeated["repeat"].eq(0)]
    centre = here.assign(role="north", kind="left_out")
    others = repeated[~first]
    expected = RULES["Youden"](others["y_true"].to_numpy(), others["y_prob"].to_numpy())
    assert training_threshold(PredictionRows(centre, repeated), "dlr", role="north") == expected
    poisoned = repeated.assign(y_prob=repeated["y_prob"].where(~first, 0.5))
    assert training_threshold(PredictionRows(centre, poisoned), "dlr", role="north") == expected
    everybody = training_threshold(PredictionRows(centre, repeated), "dlr", role="test")
    assert everybody == training_threshold(PredictionRows(NOBODY, repeated), "dlr") != expected


def test_predictions_that_are_all_equal_have_no_threshold():
    rows = out_of_fold(7)
    flat = RoleRows("out_of_fold", "dlr", rows.y_true, np.full((2, 60), 0.3), *_rest(rows))
    assert threshold_of_folds(flat) is None
    assert training_threshold(PredictionRows(NOBODY, table(flat)), "dlr") is None


def test_folds_without_the_positives_of_the_others_have_no_threshold():
    """Of two folds one holds every positive, so the other is judged by negatives alone."""
    rows = out_of_fold(8, n_repeats=1)
    fold = rows.y_true[None]
    alone = RoleRows("out_of_fold", "dlr", rows.y_true, rows.y_prob, fold, *_rest(rows)[1:])
    assert threshold_of_folds(alone) is None
    assert training_threshold(PredictionRows(NOBODY, table(alone)), "dlr") is not None
