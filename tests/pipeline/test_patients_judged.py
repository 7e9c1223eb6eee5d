"""Several images a patient: judged once, or row by row with the variance of patients."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from her2 import stats
from her2.core.types import Lesion
from her2.evaluation import by_patient, judged_unit
from her2.pipeline.resampling_checks import Refits, learning_table

N_PATIENTS, N_VIEWS = 60, 3
SINGLE = [("a", "1", 0), ("b", "1", 1), ("c", "1", 0)]


@pytest.fixture
def views(tmp_path):
    """Cohort folder of patients with three views each; the noise of a view averages out."""
    rng = np.random.default_rng(3)
    patient = np.arange(N_PATIENTS).repeat(N_VIEWS)
    outcome = np.arange(N_PATIENTS) % 2
    values = 0.8 * outcome[patient][:, None] + rng.normal(size=(patient.size, 4))
    write_cohort(tmp_path, patient, outcome[patient], values)
    return tmp_path


def write_cohort(folder, patient, outcome, values):
    """Write cohort.csv and features.csv: rows of a patient are numbered from 1."""
    names = pd.Series(patient).map("p{:02d}".format)
    number = (names.groupby(names).cumcount() + 1).astype(str)
    ids = pd.DataFrame({"patient_id": names, "lesion_id": number})
    ids.assign(outcome=outcome).to_csv(folder / "cohort.csv", index=False)
    features = pd.DataFrame(values, columns=list("abcd"))
    pd.concat([ids, features], axis=1).to_csv(folder / "features.csv", index=False)


@pytest.fixture
def classify(undrawn_command, tiny, views):
    def call(name, *arguments, root=views):
        finished = undrawn_command(
            "classify", *tiny, "selection=none", "cohort=folder", f"cohort.root={root}",
            "cohort.features=features.csv", f"run_dir={root / name}",
            *arguments,
        )  # fmt: skip
        return finished, root / name

    return call


def results(run):
    return json.loads((run / "results.json").read_text())


def test_a_patient_is_judged_once_by_the_mean_of_all_views(classify):
    by_view, by_patient = classify("view", "evaluation.unit=lesion"), classify("patient")
    assert by_view[0].status == by_patient[0].status == 0
    rows = pd.read_parquet(by_view[1] / "predictions.parquet")
    judged = pd.read_parquet(by_patient[1] / "predictions.parquet")
    assert list(judged.columns) == list(rows.columns)
    assert (judged.dtypes == rows.dtypes).all()
    assert len(judged) * N_VIEWS == len(rows)
    keys = ["patient_id", "role", "kind"]
    assert not judged.duplicated(keys).any()
    expected = rows.groupby(keys)["y_prob"].mean()
    pd.testing.assert_series_equal(judged.set_index(keys)["y_prob"].sort_index(), expected)
    document = results(by_patient[1])
    found = document["arms"]["radiomics"]["roles"]["test"]
    test = judged[judged["role"].eq("test")]
    assert found["n"] == len(test) == document["cohort"]["n_test"]
    assert found["auc"] == pytest.approx(roc_auc_score(test["y_true"], test["y_prob"]))
    repeats = pd.read_parquet(by_patient[1] / "repeated_cv.parquet")
    assert not repeats.duplicated(["patient_id", "repeat"]).any()
    assert any("judged once, by the mean probability" in note for note in document["notes"])


def test_the_unit_is_chosen_by_the_rows_and_said(classify):
    """Without a setting: the patient, because each has three views of one outcome."""
    chosen, asked = classify("auto")[1], classify("asked", "evaluation.unit=patient")[1]
    assert results(chosen)["cohort"]["unit"] == "patient"
    for name in ("predictions.parquet", "repeated_cv.parquet"):
        assert (chosen / name).read_bytes() == (asked / name).read_bytes()


@pytest.mark.parametrize(
    ("rows", "unit"),
    [
        (SINGLE, "lesion"),
        ([*SINGLE, ("b", "2", 1)], "patient"),
        ([*SINGLE, ("b", "2", 0)], "lesion"),
        ([*SINGLE, ("a", "2", 0), ("b", "2", 0)], "lesion"),
    ],
    ids=["one row each", "one outcome each", "mixed outcomes", "one of them mixed"],
)
def test_patients_are_judged_where_any_has_several_rows_and_all_one_outcome(rows, unit):
    assert judged_unit([Lesion(*row) for row in rows]) == unit


def test_one_row_a_patient_is_a_lesion(classify, tmp_path):
    root = tmp_path / "single"
    root.mkdir()
    patient, rng = np.arange(N_PATIENTS), np.random.default_rng(4)
    values = rng.normal(size=(N_PATIENTS, 4)) + (patient % 2)[:, None]
    write_cohort(root, patient, patient % 2, values)
    document = results(classify("run", root=root)[1])
    assert document["cohort"]["unit"] == "lesion"
    assert not any("keep a patient together" in note for note in document["notes"])


def test_patients_of_both_outcomes_are_judged_row_by_row_as_clusters(classify, views):
    flip_first_row(views)
    finished, run = classify("mixed")
    assert finished.status == 0, finished.err
    document = results(run)
    assert document["cohort"]["unit"] == "lesion"
    said = "180 lesions of 60 patients: splits and folds keep a patient together, and intervals"
    assert any(note.startswith(said) and "as one patient's" in note for note in document["notes"])
    rows = pd.read_parquet(run / "predictions.parquet").query("role == 'test'")
    of = rows["y_true"], rows["y_prob"]
    found = document["arms"]["radiomics"]["roles"]["test"]
    expected = stats.auc_estimate(*of, groups=rows["patient_id"])
    assert (found["auc_low"], found["auc_high"]) == pytest.approx((expected.low, expected.high))
    alone = stats.auc_estimate(*of)
    assert (found["auc_low"], found["auc_high"]) != pytest.approx((alone.low, alone.high))
    brier = stats.brier_interval(*of, rows["patient_id"])
    assert (found["brier_low"], found["brier_high"]) == pytest.approx((brier.low, brier.high))


def width(of, name):
    return of[f"{name}_high"] - of[f"{name}_low"]


def test_four_copies_of_every_image_tell_hardly_more_than_one(classify, tmp_path):
    """Judged as rows of their own they would give intervals of half the width."""
    root = tmp_path / "copies"
    root.mkdir()
    rng = np.random.default_rng(5)
    outcome = np.arange(N_PATIENTS) % 2
    values = 0.5 * outcome[:, None] + rng.normal(size=(N_PATIENTS, 4))
    four = np.arange(N_PATIENTS).repeat(4)
    write_cohort(root, four, outcome[four], values[four])
    run = classify("run", "evaluation.unit=lesion", root=root)[1]
    roles = results(run)["arms"]["radiomics"]["roles"]
    predictions = pd.read_parquet(run / "predictions.parquet")
    for role, kind in (("test", "held_out"), ("out_of_fold", "out_of_fold")):
        rows = predictions[predictions["kind"].eq(kind)]
        assert rows.groupby("patient_id")["y_prob"].nunique().eq(1).all()
        one = rows.drop_duplicates("patient_id")
        folds = one["fold"].to_numpy(np.int64) if role == "out_of_fold" else None
        single = stats.auc_estimate(one["y_true"], one["y_prob"], folds=folds)
        assert roles[role]["n"] == 4 * len(one)
        assert roles[role]["auc"] == pytest.approx(single.auc)
        assert 0.95 < width(roles[role], "auc") / (single.high - single.low) <= 1
        brier = stats.brier_interval(one["y_true"], one["y_prob"])
        assert 0.95 < width(roles[role], "brier") / (brier.high - brier.low) <= 1.001
    called = rows_called(predictions, roles["test"]["threshold"])
    single = stats.wilson_interval(*called)
    assert width(roles["test"], "sensitivity") == pytest.approx(single[1] - single[0], rel=0.15)


def rows_called(predictions, threshold):
    """How many positive test patients are called so, and how many there are."""
    test = predictions.query("role == 'test' and y_true == 1").drop_duplicates("patient_id")
    return int((test["y_prob"] >= threshold).sum()), len(test)


def test_the_learning_curve_judges_patients_too():
    training = SimpleNamespace(
        y_true=np.array([1, 1, 0, 0, 1, 0]), fold=np.array([0, 0, 1, 1, 1, 0]), n_folds=2
    )
    refits = Refits(learning={("radiomics", 0.5): np.array([0.9, 0.1, 0.3, 0.5, 0.6, 0.2])})
    repeated = pd.DataFrame({"arm": ["radiomics"], "auc": 1.0, "auc_low": 1.0, "auc_high": 1.0})

    def first(unit):
        run = SimpleNamespace(training=training, unit=unit, patients=list("aabbcd"))
        return learning_table(refits, run, repeated).iloc[0]

    assert first("lesion")["auc"] == pytest.approx(6 / 9)
    assert first("patient")["auc"] == pytest.approx(1.0)  # .5 and .6 against .4 and .2
    assert {first(unit)["n_patients"] for unit in ("lesion", "patient")} == {1}
    rows = stats.auc_estimate(
        training.y_true, refits.learning["radiomics", 0.5], groups=list("aabbcd"),
        folds=training.fold,
    )  # fmt: skip
    assert first("lesion")[["auc_low", "auc_high"]].tolist() == [rows.low, rows.high]


def flip_first_row(folder):
    table = pd.read_csv(folder / "cohort.csv")
    table.loc[0, "outcome"] = 1 - table.loc[0, "outcome"]
    table.to_csv(folder / "cohort.csv", index=False)


def test_lesions_of_both_outcomes_have_no_patient_to_judge(classify, views):
    flip_first_row(views)
    finished, run = classify("mixed", "evaluation.unit=patient")
    assert finished.status == 2
    assert "found 1 patients with lesions of both; use evaluation.unit=lesion" in finished.err
    assert not (run / "predictions.parquet").exists()


def test_another_unit_is_refused(classify):
    finished, _ = classify("word", "evaluation.unit=breast")
    assert finished.status == 2
    assert "expected evaluation.unit among auto, lesion, patient, found breast" in finished.err


def test_probabilities_of_patients_are_at_the_prevalence_of_patients():
    """Positives have four images each: of rows .8 are positive, of patients a half."""
    patient = np.r_[np.repeat(np.arange(10), 4), np.arange(10, 20)]
    y_true = (patient < 10).astype(int)
    rows = pd.DataFrame(
        {
            "patient_id": patient.astype(str), "lesion_id": np.arange(50).astype(str),
            "role": "train", "kind": "out_of_fold", "y_true": y_true, "y_prob": 0.8,
        }
    )  # fmt: skip
    held_out = rows.iloc[:3].assign(patient_id=["x", "x", "y"], role="test", y_prob=0.8)
    judged = by_patient(pd.concat([rows, held_out]))
    np.testing.assert_allclose(judged["y_prob"], 0.5)
    assert len(judged) == 22
    repeats = rows.drop(columns=["role", "kind"])
    np.testing.assert_allclose(by_patient(repeats)["y_prob"], 0.5)
