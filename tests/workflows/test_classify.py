"""`her2 classify`: one classifier grid on one feature table."""

import json

import pandas as pd
import pytest


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


def test_a_cohort_without_features_is_refused(her2_command, table_cohort, tiny, tmp_path):
    finished = her2_command(
        "classify", *tiny, "cohort=folder", f"cohort.root={table_cohort}",
        "cohort.clinical=[age]", f"run_dir={tmp_path}",
    )  # fmt: skip
    assert finished.status == 2
    assert "expected images with masks or a table of features" in finished.sentences[0]
