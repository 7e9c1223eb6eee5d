"""Several images a patient: `evaluation.unit=patient` judges each patient once."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from her2.evaluation import by_patient
from her2.pipeline.resampling_checks import Refits, learning_table

N_PATIENTS, N_VIEWS = 60, 3


@pytest.fixture
def views(tmp_path):
    """Cohort folder of patients with three views each; the noise of a view averages out."""
    rng = np.random.default_rng(3)
    patient = np.arange(N_PATIENTS).repeat(N_VIEWS)
    outcome = np.arange(N_PATIENTS) % 2
    values = 0.8 * outcome[patient][:, None] + rng.normal(size=(patient.size, 4))
    ids = pd.DataFrame(
        {
            "patient_id": [f"p{i:02d}" for i in patient],
            "lesion_id": [str(i % N_VIEWS + 1) for i in range(patient.size)],
        }
    )
    ids.assign(outcome=outcome[patient]).to_csv(tmp_path / "cohort.csv", index=False)
    features = pd.DataFrame(values, columns=list("abcd"))
    pd.concat([ids, features], axis=1).to_csv(tmp_path / "features.csv", index=False)
    return tmp_path


@pytest.fixture
def classify(undrawn_command, tiny, views):
    def call(name, *arguments):
        finished = undrawn_command(
            "classify", *tiny, "selection=none", "cohort=folder", f"cohort.root={views}",
            "cohort.features=features.csv", f"run_dir={views / name}",
            *arguments,
        )  # fmt: skip
        return finished, views / name

    return call


def test_a_patient_is_judged_once_by_the_mean_of_all_views(classify):
    by_view, by_patient = classify("view"), classify("patient", "evaluation.unit=patient")
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
    document = json.loads((by_patient[1] / "results.json").read_text())
    found = document["arms"]["radiomics"]["roles"]["test"]
    test = judged[judged["role"].eq("test")]
    assert found["n"] == len(test) == document["cohort"]["n_test"]
    assert found["auc"] == pytest.approx(roc_auc_score(test["y_true"], test["y_prob"]))
    repeats = pd.read_parquet(by_patient[1] / "repeated_cv.parquet")
    assert not repeats.duplicated(["patient_id", "repeat"]).any()
    assert any("judged once, by the mean probability" in note for note in document["notes"])


def test_the_learning_curve_judges_patients_too():
    training = SimpleNamespace(
        y_true=np.array([1, 1, 0, 0, 1, 0]), groups=np.arange(6), n_folds=2,
        keys=[f"{name}/1" for name in "abcdef"],
    )  # fmt: skip
    refits = Refits(learning={("radiomics", 0.5): np.array([0.9, 0.1, 0.3, 0.5, 0.6, 0.2])})
    repeated = pd.DataFrame({"arm": ["radiomics"], "auc": 1.0, "auc_low": 1.0, "auc_high": 1.0})
    by_row = learning_table(refits, training, repeated)
    by_patient = learning_table(refits, training, repeated, list("aabbcd"))
    assert by_row["auc"].iloc[0] == pytest.approx(6 / 9)
    assert by_patient["auc"].iloc[0] == pytest.approx(1.0)  # .5 and .6 against .4 and .2


def test_lesions_of_both_outcomes_have_no_patient_to_judge(classify, views):
    table = pd.read_csv(views / "cohort.csv")
    table.loc[0, "outcome"] = 1 - table.loc[0, "outcome"]
    table.to_csv(views / "cohort.csv", index=False)
    finished, run = classify("mixed", "evaluation.unit=patient")
    assert finished.status == 2
    assert "found 1 patients with lesions of both; use evaluation.unit=lesion" in finished.err
    assert not (run / "predictions.parquet").exists()


def test_another_unit_is_refused(classify):
    finished, _ = classify("word", "evaluation.unit=breast")
    assert finished.status == 2
    assert "expected evaluation.unit among lesion, patient, found breast" in finished.err


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
