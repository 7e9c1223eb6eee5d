"""`her2 classify`: one classifier grid on one feature table."""

import json

import numpy as np
import pandas as pd
import pytest
import skops.io


@pytest.fixture
def classify(undrawn_command, table_cohort, tmp_path, tiny):
    """Return a function that classifies the brought features in `tmp_path/run`."""

    def call(*arguments):
        return undrawn_command(
            "classify", *tiny, "cohort=folder", f"cohort.root={table_cohort}",
            "cohort.features=features.csv", f"run_dir={tmp_path / 'run'}", *arguments,
        )  # fmt: skip

    return call


def results(tmp_path):
    return json.loads((tmp_path / "run" / "results.json").read_text())


def test_one_arm_is_fitted_and_judged(classify, tmp_path):
    finished = classify()
    assert finished.status == 0
    assert list(results(tmp_path)["arms"]) == ["radiomics"]
    assert results(tmp_path)["arms"]["radiomics"]["model"] == "Logistic regression"
    assert results(tmp_path)["comparisons"] == []
    table = pd.read_csv(tmp_path / "run" / "tables" / "model_selection.csv")
    assert len(table) == 3 and table["chosen"].sum() == 1
    assert (tmp_path / "run" / "model" / "radiomics.skops").is_file()
    assert "There were no two arms to compare." in (tmp_path / "run" / "report.html").read_text()


def test_another_classifier_on_all_features(classify, tmp_path):
    assert classify("classifier=lightgbm", "selection=none").status == 0
    arm = results(tmp_path)["arms"]["radiomics"]
    assert (arm["model"], arm["n_features"]) == ("LightGBM", 12)


@pytest.mark.parametrize(
    ("selection", "step"),
    [
        ("lasso", "LASSO"),
        ("mrmr", "mRMR"),
        ("boruta selection.n_rounds=9 selection.n_trees=10", "Shadow features"),
        ("stability", "Stability selection"),
    ],
)
def test_every_selection_runs_and_tells_what_it_kept(classify, tmp_path, selection, step):
    assert classify(*f"selection={selection} evaluation.n_stability=4".split()).status == 0
    tables = tmp_path / "run" / "tables"
    steps = pd.read_csv(tables / "selection_steps.csv")
    assert steps["step"].iloc[-1] == step
    kept = pd.read_csv(tables / "selected_features.csv")
    assert (
        len(kept)
        == steps["n_after"].iloc[-1]
        == results(tmp_path)["arms"]["radiomics"]["n_features"]
    )
    assert kept["frequency"].notna().all()
    assert kept["weight"].notna().all() == (selection == "lasso")


@pytest.mark.parametrize("imbalance", ["weights", "smote"])
def test_imbalance_is_a_word_on_the_command_line(classify, tmp_path, imbalance):
    assert classify(f"classifier.imbalance={imbalance}").status == 0
    assert results(tmp_path)["arms"]["radiomics"]["model"] == "Logistic regression"
    kept = (tmp_path / "run" / "model" / "radiomics.skops").read_bytes()
    assert "her2.models.imbalance.Balanced" in skops.io.get_untrusted_types(data=kept)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (
            "classifier.imbalance=adasyn",
            "classifier.imbalance among none, weights, smote",
        ),
        ("selection.method=best", "expected selection.method among paper, lasso, mrmr, boruta"),
        ("+selection.threshold=0.4", "selection.threshold above 0.5"),
        ("+classifier.lr.fixed.class_weight=balanced", "by classifier.imbalance alone"),
        ("+backbone.head.lr.grid.class_weight=[balanced]", "by backbone.head.imbalance alone"),
    ],
)
def test_a_wrong_word_is_refused_before_the_cohort_is_read(classify, setting, said):
    finished = classify(setting, "cohort.table=absent.csv")
    assert finished.status == 2
    assert said in finished.sentences[0]


def test_importance_and_shap_values_are_told(classify, tmp_path):
    assert classify().status == 0
    tables = tmp_path / "run" / "tables"
    importance, shap = (pd.read_csv(tables / f"{n}.csv") for n in ("importance", "shap"))
    assert set(importance["feature"]) >= set(shap["feature"])
    assert len(shap) and (importance["auc_loss"].iloc[0] > 0)


def test_a_forest_has_an_importance_and_shap_values(classify, tmp_path):
    assert classify("classifier=extra_trees").status == 0
    tables = tmp_path / "run" / "tables"
    assert len(pd.read_csv(tables / "importance.csv"))
    shap = pd.read_csv(tables / "shap.csv")
    assert len(shap) and (shap["mean_abs_shap"] > 0).any()


def test_importance_can_be_left_out(classify, tmp_path):
    assert classify("evaluation.n_importance=0").status == 0
    assert pd.read_csv(tmp_path / "run" / "tables" / "importance.csv").empty
    assert not any("SHAP" in note for note in results(tmp_path)["notes"])


def test_features_from_elsewhere_run_through_the_same_chain(undrawn_command, tiny, tmp_path):
    """300 patients, 529 features, some of them constant, copied, missing or infinite."""
    rng = np.random.default_rng(0)
    outcome = (rng.random(300) < 0.25).astype(int)
    patients = [f"p{i:03d}" for i in range(300)]
    values = rng.normal(size=(300, 40)) @ rng.normal(size=(40, 529)) + rng.normal(size=(300, 529))
    values[:, :5] += 8.0 * outcome[:, None]
    values[:, 10], values[:, 11] = 1.0, values[:, 0]
    values[:40, 12], values[3, 13] = np.nan, np.inf
    features = pd.DataFrame(values, columns=[f"original_glcm_{j}" for j in range(529)])
    features.insert(0, "patient_id", patients)
    features.to_csv(tmp_path / "features.csv", index=False)
    table = pd.DataFrame({"patient_id": patients, "outcome": outcome})
    table.to_csv(tmp_path / "cohort.csv", index=False)
    finished = undrawn_command(
        "classify", *tiny, "classifier=all", "evaluation.n_repeats=1", "cohort=folder",
        f"cohort.root={tmp_path}", "cohort.features=features.csv", "classifier.imbalance=weights",
        f"run_dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert finished.status == 0, finished.err
    found = results(tmp_path)["arms"]["radiomics"]
    assert found["repeated_cv"]["auc"] > 0.65
    steps = pd.read_csv(tmp_path / "run" / "tables" / "selection_steps.csv")
    assert steps["n_before"].iloc[0] == 529
    assert steps["step"].tolist() == ["Usable features", "t-test", "Correlation", "LASSO"]
    assert steps["n_after"].is_monotonic_decreasing


def test_a_cohort_without_features_is_refused(her2_command, table_cohort, tiny, tmp_path):
    finished = her2_command(
        "classify", *tiny, "cohort=folder", f"cohort.root={table_cohort}",
        "cohort.clinical=[age]", f"run_dir={tmp_path}",
    )  # fmt: skip
    assert finished.status == 2
    assert "expected images with masks or a table of features" in finished.sentences[0]


def test_patients_entered_twice_are_named_in_the_run_folder_alone(
    undrawn_command, tiny, tmp_path, canary
):
    """Noise of 30 patients under 60 names."""
    rng = np.random.default_rng(0)
    patients = [f"{canary}{i}" for i in range(60)]
    values = np.tile(rng.normal(size=(30, 12)), (2, 1))
    features = pd.DataFrame(values, columns=[f"f{i}" for i in range(12)])
    features.insert(0, "patient_id", patients)
    features.to_csv(tmp_path / "features.csv", index=False)
    outcome = np.tile(np.arange(30) % 2, 2)
    table = pd.DataFrame({"patient_id": patients, "outcome": outcome})
    table.to_csv(tmp_path / "cohort.csv", index=False)
    finished = undrawn_command(
        "classify", *tiny, "cohort=folder", f"cohort.root={tmp_path}",
        "cohort.features=features.csv", f"run_dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert finished.status == 1
    assert any("feature rows of different patients" in said for said in finished.sentences)
    named = pd.read_csv(tmp_path / "run" / "near_duplicates.csv")
    assert set(named["copy_of"]) == {"features"}
    pairs = named[["first_patient_id", "second_patient_id"]].to_numpy().tolist()
    assert {frozenset(pair) for pair in pairs} == {
        frozenset((patients[i], patients[i + 30])) for i in range(30)
    }
    page = (tmp_path / "run" / "report.html").read_text()
    audit = (tmp_path / "run" / "tables" / "audit.csv").read_text()
    assert "30 of 1,770 pairs" in page and "30 of 1,770 pairs" in audit
    assert canary not in page + audit + finished.out + finished.err
