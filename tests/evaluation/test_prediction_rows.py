"""Which rows a role has: all repeats out of fold, one elsewhere, always sorted by lesion."""

import numpy as np
import pandas as pd
import pytest

from her2.evaluation import PredictionRows
from her2.evaluation.prediction_rows import honest_roles

LESIONS = [("b", "1", 1), ("a", "2", 0), ("a", "1", 0), ("c", "1", 1)]


def written(role, kind, arm, y_prob, fold=None):
    """Rows of predictions.parquet in the order of `LESIONS`."""
    frame = pd.DataFrame(LESIONS, columns=["patient_id", "lesion_id", "y_true"])
    frame["fold"] = pd.array(fold or [None] * len(frame), dtype="Int64")
    return frame.assign(role=role, kind=kind, arm=arm, y_prob=y_prob)


def repeat(r, y_prob, fold, arm="dlr"):
    return written("train", "out_of_fold", arm, y_prob, fold).assign(repeat=r)


FIRST = repeat(0, [0.1, 0.2, 0.3, 0.4], [0, 1, 1, 2])
SECOND = repeat(1, [0.5, 0.6, 0.7, 0.8], [2, 0, 0, 1]).iloc[[2, 0, 3, 1]]
REPEATED = pd.concat([SECOND, FIRST])
PREDICTIONS = pd.concat(
    [
        FIRST.drop(columns="repeat"),
        written("train", "in_sample", "dlr", [0.9, 0.8, 0.7, 0.6]),
        written("test", "held_out", "dlr", [0.15, 0.25, 0.35, 0.45]),
        written("test", "held_out", "clinical", [0.5, 0.5, 0.5, 0.6]),
        written("north", "left_out", "clinical", [0.2, 0.3, 0.4, 0.5]),
    ]
)


def test_out_of_fold_all_repeats_are_lined_up_by_lesion():
    rows = PredictionRows(PREDICTIONS, REPEATED).of("dlr", "out_of_fold")
    assert rows.keys == ("a/1", "a/2", "b/1", "c/1")
    assert rows.y_true.tolist() == [0, 0, 1, 1]
    assert rows.y_prob.tolist() == [[0.3, 0.2, 0.1, 0.4], [0.7, 0.6, 0.5, 0.8]]
    assert rows.fold.tolist() == [[1, 1, 0, 2], [0, 0, 2, 1]]
    assert rows.patient.tolist() == [0, 0, 1, 2]
    assert rows.n_folds == 3


@pytest.mark.parametrize(
    ("role", "expected"),
    [("test", [0.35, 0.25, 0.15, 0.45]), ("train", [0.7, 0.8, 0.9, 0.6])],
)
def test_elsewhere_there_is_one_prediction_and_no_fold(role, expected):
    rows = PredictionRows(PREDICTIONS, REPEATED).of("dlr", role)
    assert rows.y_prob.tolist() == [expected]
    assert rows.fold is None and rows.n_folds is None
    assert rows.patient.tolist() == [0, 0, 1, 2]


def test_an_arm_that_did_not_predict_has_no_rows():
    assert PredictionRows(PREDICTIONS, REPEATED).of("clinical", "out_of_fold") is None
    assert PredictionRows(PREDICTIONS, REPEATED).of("dlr", "north") is None
    assert PredictionRows(PREDICTIONS, REPEATED).of("radiomics", "test") is None


def test_roles_come_in_order_and_within_them_arms():
    roles = honest_roles(PREDICTIONS)
    assert roles == ["out_of_fold", "test", "north"]
    found = PredictionRows(PREDICTIONS, REPEATED).judged(iter(["clinical", "dlr"]), roles)
    assert [(rows.role, rows.arm) for rows in found] == [
        ("out_of_fold", "dlr"), ("test", "clinical"), ("test", "dlr"), ("north", "clinical"),
    ]  # fmt: skip


def test_the_order_of_rows_does_not_matter():
    for seed in range(5):
        shuffled = (t.sample(frac=1, random_state=seed) for t in (PREDICTIONS, REPEATED))
        rows = PredictionRows(*shuffled).of("dlr", "out_of_fold")
        again = PredictionRows(PREDICTIONS, REPEATED).of("dlr", "out_of_fold")
        for name in ("y_true", "y_prob", "fold", "patient"):
            np.testing.assert_array_equal(getattr(rows, name), getattr(again, name))
        assert rows.keys == again.keys
