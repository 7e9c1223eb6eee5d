"""The whole study through the user's command: files, numbers, privacy, resuming, other cohorts."""

import json
import math
import re
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from own_numbers import printed_study
from sklearn.metrics import brier_score_loss, confusion_matrix, roc_auc_score, roc_curve

from her2.paper_checks import check

ARMS = ["clinical", "radiomics", "deep_learning", "dlr", "combined"]
FILES = [
    "config.yaml", "environment.json", "cohort.json", "quarantine.csv", "split.json",
    "features.parquet", "predictions.parquet", "repeated_cv.parquet", "adjudication.csv",
    "results.json", "report.html", "grad_cam.parquet",
]  # fmt: skip
TABLES = [
    "baseline", "baseline_outcome", "odds_ratios", "feature_counts", "selection_steps",
    "selected_features", "stability", "repeated_cv", "repeats", "performance", "importance",
    "shap", "grad_cam", "operating_points", "comparisons", "reclassification",
    "against_chance", "which_number",
    "sample_size", "learning_curve", "subgroups", "nomogram", "nomogram_total",
    "audit", "clear", "metrics", "tripod_ai", "model_selection", "roc", "calibration",
    "calibration_curve", "decision_curve", "instability", "instability_points",
]  # fmt: skip
FIGURES = [
    "flow", "roc", "calibration_test", "decision_curve", "confusion", "comparison", "repeats",
    "feature_counts", "selection_p_values_radiomics", "selection_correlation_radiomics",
    "selection_lasso_radiomics", "selection_weights_radiomics", "odds_ratios", "nomogram",
    "importance_radiomics", "shap_radiomics", "importance_dlr", "shap_clinical",
    "learning_curve", "stability_radiomics", "subgroups_test", "prediction_histogram_test",
    "grad_cam_out_of_fold", "grad_cam_test", "instability", "decision_gain",
]  # fmt: skip

# results.json, schema 1: a type, a dict of fields, [one schema for every item], or
# {str: schema} for names that are free
NUMBER = (float, int, type(None))
WITH_INTERVALS = (
    "sensitivity", "specificity", "ppv", "npv", "accuracy", "f1", "brier", "brier_scaled",
    "calibration_intercept", "calibration_slope", "calibration_in_the_large", "ici", "auc",
)  # fmt: skip
PERFORMANCE = {
    "n": int,
    "n_positive": int,
    **{f"{name}{end}": NUMBER for name in WITH_INTERVALS for end in ("", "_low", "_high")},
    **dict.fromkeys(("threshold", "prevalence", "e50", "e90", "tp", "fp", "tn", "fn"), NUMBER),
    "hosmer_lemeshow": {"statistic": NUMBER, "dof": (int, type(None)), "p_value": NUMBER},
}
TEXT = (str, type(None))
SCHEMA = {
    "schema": int,
    "cohort": {
        "name": str, "simulated": bool, "unit": str, "n_patients": int,
        "n_lesions": int, "n_positive": int, "n_train": int, "n_test": int, "n_external": int,
        "centres": dict, "n_quarantined": int, "n_excluded": int, "data_sha256": str,
        "split_sha256": str,
    },
    "arms": {
        str: {
            "model": str,
            "n_features": int,
            "roles": {str: PERFORMANCE},
            "repeated_cv": {
                "n_repeats": int, "n_folds": int, "auc": NUMBER, "auc_low": NUMBER,
                "auc_high": NUMBER, "sd_between_repeats": NUMBER,
            },
        }
    },
    "comparisons": [
        {
            "role": str, "first": str, "second": str, "auc_difference": NUMBER, "low": NUMBER,
            "high": NUMBER, "z": NUMBER, "p_value": NUMBER, "p_holm": NUMBER, "n_looks": NUMBER,
        }
    ],
    "best_arm": {
        "arm": str, "auc": float, "corrected": float, "low": float, "high": float,
        "tied": [str], "n_arms": int,
    },
    "metrics_score": {
        "score": NUMBER, "n_applicable": int, "quality_category": str, "n_met": int,
        "n_open": int, "attainable": NUMBER,
    },
    "timing": {str: NUMBER},
    "network": {"name": str, "timm_name": str, "weights": str, "weights_sha256": str},
    "cost": {"parameters": (int, type(None)), "seconds": float, "peak_memory_mb": float},
    "notes": [str],
    "status": int,
    "made_by": {"her2": str, "commit": TEXT, "dirty": (bool, type(None)), "lock_sha256": TEXT},
    "mlflow": {"tracking_uri": TEXT, "experiment": TEXT, "run_id": TEXT},
}  # fmt: skip
WITHOUT_NETWORK = {key: SCHEMA[key] for key in SCHEMA if key != "network"}


def mismatches(value, schema, at="results"):
    """Places where a JSON value is not as its schema says."""
    if isinstance(schema, list):
        if not isinstance(value, list):
            return [f"{at}: not a list"]
        return [x for i, v in enumerate(value) for x in mismatches(v, schema[0], f"{at}[{i}]")]
    if isinstance(schema, dict):
        if not isinstance(value, dict):
            return [f"{at}: not an object"]
        fields = dict.fromkeys(value, schema[str]) if str in schema else schema
        wrong = [f"{at}.{name}: absent or unknown" for name in fields.keys() ^ value.keys()]
        both = fields.keys() & value.keys()
        return wrong + [x for k in both for x in mismatches(value[k], fields[k], f"{at}.{k}")]
    types = schema if isinstance(schema, tuple) else (schema,)
    fits = isinstance(value, types) and (isinstance(value, bool) <= (bool in types))
    finite = not isinstance(value, float) or math.isfinite(value)
    return [] if fits and finite else [f"{at}: {value!r}"]


def comparable(run_dir: Path) -> dict:
    """results.json without what two runs of one study may not share."""
    results = json.loads((run_dir / "results.json").read_text())
    results.pop("timing")
    results.pop("cost")
    results["mlflow"].pop("run_id")
    return results


def repeats_of(study, arm):
    """Outcomes (n,), probabilities and folds (n_repeats, n) of repeated_cv.parquet."""
    rows = pd.read_parquet(study.run_dir / "repeated_cv.parquet").query("arm == @arm")
    of = [one.sort_values(["patient_id", "lesion_id"]) for _, one in rows.groupby("repeat")]
    y_prob, fold = (np.array([x[name].astype(float) for x in of]) for name in ("y_prob", "fold"))
    return of[0]["y_true"].to_numpy(), y_prob, fold.astype(int)


def judged(study, arm, name):
    """Outcomes (n,) and probabilities (n_repeats, n): of all repeats out of fold, else of one."""
    if name == "out_of_fold":
        return repeats_of(study, arm)[:2]
    rows = rows_of(study.predictions, arm, name)
    return rows["y_true"].to_numpy(), rows["y_prob"].to_numpy()[None]


def youden(y_true, y_prob):
    """Largest Youden index of a threshold, by scikit-learn's curve."""
    false_positive, true_positive, _ = roc_curve(y_true, y_prob, drop_intermediate=False)
    return (true_positive - false_positive).max()


def rows_of(predictions, arm, name):
    kind = {"train": "in_sample", "out_of_fold": "out_of_fold", "test": "held_out"}[name]
    role = "test" if name == "test" else "train"
    chosen = predictions[["arm", "kind", "role"]].eq([arm, kind, role]).all(axis=1)
    rows = predictions[chosen]
    return rows.sort_values(["patient_id", "lesion_id"])


def each_performance(results):
    for arm, content in results["arms"].items():
        for name, numbers in content["roles"].items():
            yield arm, name, numbers


@pytest.fixture(scope="module")
def study_of(her2_command, undrawn_command, table_cohort, tiny, feature_cache):
    """Return a function that runs a study without images: ``study_of(run_dir, ...)``."""

    def call(run_dir, *arguments, root=table_cohort, draws=False):
        command = her2_command if draws else undrawn_command
        return command(
            "study", *tiny, "cohort=folder", f"cohort.root={root}", "cohort.clinical=[age,er]",
            f"run_dir={run_dir}", f"cache={feature_cache}", *arguments,
        )  # fmt: skip

    return call


BROUGHT = ("cohort.features=features.csv", "fusion.members=[clinical,radiomics]")


@pytest.fixture(scope="module")
def brought(study_of, tmp_path_factory):
    """Finished study of clinical variables and brought features, and its folder."""
    run_dir = tmp_path_factory.mktemp("brought")
    finished = study_of(run_dir, *BROUGHT, draws=True)
    assert finished.status == 0, finished.err
    return finished, run_dir


@pytest.fixture(scope="module")
def features_only(study_of, table_cohort, tmp_path_factory):
    """Finished study of brought features alone, in which one patient has none; and its folder."""
    folder = tmp_path_factory.mktemp("short")
    short = pd.read_csv(table_cohort / "features.csv").iloc[:-1]
    short.to_csv(folder / "short.csv", index=False)
    arguments = (f"cohort.features={folder / 'short.csv'}", "cohort.clinical=[]")
    return study_of(folder / "run", *arguments), folder / "run"


def results_of(run_dir):
    return json.loads((run_dir / "results.json").read_text())


# files and schema


def test_a_run_leaves_all_its_files(study):
    for name in FILES:
        assert (study.run_dir / name).stat().st_size > 0, name
    for name in TABLES:
        assert (study.run_dir / "tables" / f"{name}.csv").is_file(), name
    for name in FIGURES:
        for suffix in ("svg", "png"):
            assert (study.run_dir / "figures" / f"{name}.{suffix}").is_file(), name
    assert sorted(p.name for p in (study.run_dir / "model").iterdir()) == sorted(
        ["inputs.json", *(f"{arm}.skops" for arm in ARMS)]
    )


def test_a_run_leaves_no_temporary_file(study):
    assert not [p for p in study.run_dir.rglob("*") if p.name.startswith(".")]


def test_results_follow_schema_1(study):
    assert mismatches(study.results, SCHEMA) == []
    assert study.results["schema"] == 1
    assert list(study.results["arms"]) == ARMS
    for content in study.results["arms"].values():
        assert list(content["roles"]) == ["train", "out_of_fold", "test"]


def test_the_schema_check_can_fail(study):
    broken = study.results
    broken["arms"]["dlr"]["roles"]["test"]["auc"] = "0.8"
    broken["cohort"]["n_train"] = True
    del broken["notes"]
    assert len(mismatches(broken, SCHEMA)) == 3


def test_a_null_has_its_reason_in_the_notes(study):
    notes = " ".join(study.results["notes"])
    for arm, name, numbers in each_performance(study.results):
        if None in (*numbers.values(), *numbers["hosmer_lemeshow"].values()):
            assert f"{arm}, {name}:" in notes


def test_its_numbers_contradict_nothing(study):
    tables = {path.stem: pd.read_csv(path) for path in (study.run_dir / "tables").glob("*.csv")}
    assert check(printed_study(study.results, tables)) == []


def test_counts_add_up(study, image_cohort):
    cohort = study.results["cohort"]
    flow = json.loads((study.run_dir / "cohort.json").read_text())["flow"]
    assert cohort["n_train"] + cohort["n_test"] == cohort["n_patients"] == 40
    assert flow["n_rows"] == flow["n_lesions"] + cohort["n_quarantined"] + cohort["n_excluded"]
    assert flow["roles"]["train"]["n_patients"] == cohort["n_train"]


def test_every_lesion_is_predicted_once_in_each_kind(study):
    predictions = study.predictions
    assert list(predictions) == [
        "patient_id", "lesion_id", "role", "fold", "kind", "arm", "model", "y_true", "y_prob",
    ]  # fmt: skip
    split = json.loads((study.run_dir / "split.json").read_text())
    for arm in ARMS:
        for name in ("train", "out_of_fold", "test"):
            rows = rows_of(predictions, arm, name)
            keys = (rows["patient_id"] + "/" + rows["lesion_id"]).tolist()
            assert keys == split["test" if name == "test" else "train"]
            assert rows["y_prob"].between(0, 1).all()
    in_folds = predictions.query("kind == 'out_of_fold'")
    assert set(in_folds["fold"]) == {0, 1, 2}
    assert predictions.drop(in_folds.index)["fold"].isna().all()


def test_a_group_stays_on_one_side_and_in_one_fold(study, canary):
    rows = study.predictions.query("arm == 'dlr' and kind != 'in_sample'")
    places = {row.patient_id: (row.role, str(row.fold)) for row in rows.itertuples()}
    assert places[f"{canary}700"] == places[f"{canary}702"]
    assert places[f"{canary}701"] == places[f"{canary}703"]


def test_all_1561_features_are_written(study):
    features = pd.read_parquet(study.run_dir / "features.parquet")
    assert features.shape == (40, 2 + 1561)
    assert features.iloc[:, 2:].notna().all().all()


def test_the_environment_says_what_ran(study):
    environment = json.loads((study.run_dir / "environment.json").read_text())
    assert len(environment["lock_sha256"]) == 64
    assert environment["packages"]["torch"]
    assert set(environment["git"]) == {"commit", "dirty"}


# numbers, recomputed by another library from predictions.parquet alone


def test_areas_and_brier_scores_are_scikit_learns(study):
    for arm, name, numbers in each_performance(study.results):
        y_true, y_prob = judged(study, arm, name)
        assert len(y_prob) == (2 if name == "out_of_fold" else 1)
        assert numbers["n"] == len(y_true) and numbers["n_positive"] == y_true.sum()
        areas = [roc_auc_score(y_true, p) for p in y_prob]
        assert numbers["auc"] == pytest.approx(np.mean(areas))
        errors = [brier_score_loss(y_true, p) for p in y_prob]
        assert numbers["brier"] == pytest.approx(np.mean(errors))
        for measure in WITH_INTERVALS:
            value, low, high = (numbers[f"{measure}{end}"] for end in ("", "_low", "_high"))
            where = arm, name, measure
            assert (low is None) == (high is None), where
            assert low is None if value is None else low is None or low <= value <= high, where


def test_operating_points_are_scikit_learns_at_the_training_threshold(study):
    for arm, name, numbers in each_performance(study.results):
        if name == "out_of_fold":
            continue  # each fold has its own
        y_true, y_prob = judged(study, arm, name)
        guess = y_prob[0] >= numbers["threshold"]
        tn, fp, fn, tp = confusion_matrix(y_true, guess, labels=[0, 1]).ravel().tolist()
        assert (numbers["tn"], numbers["fp"], numbers["fn"], numbers["tp"]) == (tn, fp, fn, tp)
        assert numbers["sensitivity"] == pytest.approx(tp / (tp + fn))
        assert numbers["specificity"] == pytest.approx(tn / (tn + fp))
        assert numbers["accuracy"] == pytest.approx((tp + tn) / len(y_true))
        assert numbers["prevalence"] == pytest.approx(y_true.mean())


def test_out_of_fold_each_fold_is_judged_at_the_threshold_of_the_others(study):
    for arm in study.results["arms"]:
        y_true, y_prob, fold = repeats_of(study, arm)
        called = np.zeros(y_prob.shape, dtype=bool)
        for r, k in product(range(2), range(3)):
            there = fold[r] == k
            chosen = lowest_best(y_true[~there], y_prob[r, ~there])
            called[r, there] = y_prob[r, there] >= chosen
        numbers = study.results["arms"][arm]["roles"]["out_of_fold"]
        tp, fp = (called & (y_true == 1)).sum() / 2, (called & (y_true == 0)).sum() / 2
        assert (numbers["tp"], numbers["fp"]) == (tp, fp)
        assert numbers["tp"] + numbers["fn"] == y_true.sum()
        assert numbers["sensitivity"] == pytest.approx(tp / y_true.sum())
        assert numbers["specificity"] == pytest.approx(1 - fp / (y_true == 0).sum())


def lowest_best(y_true, y_prob):
    """Lowest threshold midway between scores that has scikit-learn's largest Youden index."""
    best, distinct = youden(y_true, y_prob), np.unique(y_prob)
    for threshold in (distinct[1:] + distinct[:-1]) / 2:
        called = y_prob >= threshold
        if np.isclose(called[y_true == 1].mean() - called[y_true == 0].mean(), best):
            return threshold
    raise AssertionError("no threshold has the largest Youden index")


def test_the_threshold_for_others_is_youdens_of_all_out_of_fold_predictions(study):
    for arm, content in study.results["arms"].items():
        y_true, y_prob, _ = repeats_of(study, arm)
        (threshold,) = {p["threshold"] for p in content["roles"].values()}
        assert threshold == pytest.approx(lowest_best(np.tile(y_true, 2), y_prob.ravel()))


def test_comparisons_are_differences_of_those_areas(study):
    results = study.results
    assert len(results["comparisons"]) == 2 * 10  # pairs of five arms, out of fold and test
    for row in results["comparisons"]:
        first, second = (
            results["arms"][row[place]]["roles"][row["role"]]["auc"]
            for place in ("first", "second")
        )
        assert row["auc_difference"] == pytest.approx(first - second)
        assert row["p_value"] <= row["p_holm"] <= 1


# the same again


@pytest.mark.slow
def test_another_run_with_one_worker_gives_the_same_bytes_and_extracts_nothing(
    study, her2_command, tmp_path
):
    run_dir = tmp_path / "again"
    again = her2_command(
        *study.arguments, f"run_dir={run_dir}", f"tracking.uri={study.uri}", "compute.n_workers=1"
    )
    assert again.status == 0
    assert re.findall(r"(\d+) extracted", study.finished.err) == ["40", "40"]
    assert re.findall(r"(\d+) extracted", again.err) == ["0", "0"]
    for name in ("predictions.parquet", "features.parquet", "split.json", "cohort.json"):
        assert (run_dir / name).read_bytes() == (study.run_dir / name).read_bytes(), name
    assert comparable(run_dir) == comparable(study.run_dir)
    for path in (study.run_dir / "figures").iterdir():
        assert (run_dir / "figures" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.slow
def test_the_options_of_the_clinical_analysis_are_used(study_of, brought, tmp_path):
    """Multiple imputation, stepwise odds ratios, and the optimism of whole pipelines."""
    finished = study_of(
        tmp_path, *BROUGHT, "evaluation.imputation=multiple", "evaluation.stepwise=p",
        "evaluation.n_optimism=2",
    )  # fmt: skip
    assert finished.status == 0, finished.err
    optimism = pd.read_csv(tmp_path / "tables" / "optimism.csv")
    assert set(optimism["scope"]) == {"Clinical, whole pipeline", "Radiomics, whole pipeline"}
    odds = pd.read_csv(tmp_path / "tables" / "odds_ratios.csv")
    every = pd.read_csv(brought[1] / "tables" / "odds_ratios.csv")
    assert odds["variable"].tolist() == every["variable"].tolist()
    in_model = odds["adjusted_odds_ratio"].notna().sum()
    assert in_model <= every["adjusted_odds_ratio"].notna().sum()
    plain = results_of(brought[1])["arms"]["clinical"]["roles"]["test"]["brier"]
    assert results_of(tmp_path)["arms"]["clinical"]["roles"]["test"]["brier"] != plain


def test_lesions_for_a_third_reader_are_named_in_the_run_folder_alone(study):
    named = pd.read_csv(study.run_dir / "adjudication.csv")
    assert {"patient_id", "lesion_id", "dice", "reason"} <= set(named.columns)
    shown = pd.read_csv(study.run_dir / "tables" / "adjudication.csv")
    assert "patient_id" not in shown
    assert len(shown) == len(named)


def test_the_primary_estimate_is_kept_with_every_repeat(study):
    repeated = pd.read_parquet(study.run_dir / "repeated_cv.parquet")
    assert list(repeated.columns)[-1] == "repeat"
    for arm, content in study.results["arms"].items():
        rows = repeated[repeated["arm"] == arm]
        areas = [roc_auc_score(r["y_true"], r["y_prob"]) for _, r in rows.groupby("repeat")]
        assert content["repeated_cv"]["n_repeats"] == len(areas) == 2
        assert content["repeated_cv"]["auc"] == pytest.approx(sum(areas) / 2)
        for name in ("auc", "auc_low", "auc_high"):  # one cross-validated number of everything
            assert content["repeated_cv"][name] == content["roles"]["out_of_fold"][name]


def test_the_best_arm_has_the_largest_estimate_and_is_corrected(study):
    best, arms = study.results["best_arm"], study.results["arms"]
    areas = {arm: content["repeated_cv"]["auc"] for arm, content in arms.items()}
    assert best["arm"] == max(areas, key=areas.get) and best["n_arms"] == len(ARMS)
    assert best["auc"] == areas[best["arm"]]
    tested = {
        frozenset((row["first"], row["second"])): row["p_value"]
        for row in study.results["comparisons"]
        if row["role"] == "out_of_fold"
    }
    expected = {a for a in ARMS if a == best["arm"] or tested[frozenset((a, best["arm"]))] >= 0.05}
    assert set(best["tied"]) == expected
    assert best["low"] <= best["corrected"] <= best["high"]
    assert (best["corrected"] < best["auc"]) == (len(expected) > 1)


def interrupted(*_, **__):
    raise KeyboardInterrupt


def test_a_stopped_run_goes_on_to_the_same_bytes(study_of, brought, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("her2.pipeline.write_outputs.judge", interrupted)
        assert study_of(tmp_path, *BROUGHT).status == 130
    assert not (tmp_path / "predictions.parquet").exists()
    finished = study_of(tmp_path, *BROUGHT)
    assert finished.status == 0
    assert f"run: going on in {tmp_path}" in finished.err
    assert comparable(tmp_path) == comparable(brought[1])
    for name in ("predictions.parquet", "features.parquet", "split.json"):
        assert (tmp_path / name).read_bytes() == (brought[1] / name).read_bytes(), name


def test_other_settings_in_the_same_folder_are_refused_by_name(study_of, brought):
    before = (brought[1] / "results.json").read_bytes()
    refused = study_of(brought[1], *BROUGHT, "seed=1")
    assert refused.status == 2
    assert len(refused.sentences) == 1
    assert "seed: 0 -> 1" in refused.sentences[0]
    assert (brought[1] / "results.json").read_bytes() == before


def test_a_changed_cohort_in_the_same_folder_is_refused(
    study_of, make_cohort, tmp_path, monkeypatch
):
    root = make_cohort()
    with monkeypatch.context() as patch:
        patch.setattr("her2.commands.study.fit_run", interrupted)
        assert study_of(tmp_path, root=root).status == 130
    lines = (root / "cohort.csv").read_text().splitlines()
    (root / "cohort.csv").write_text("\n".join(lines[:-4]) + "\n")
    refused = study_of(tmp_path, root=root)
    assert refused.status == 2
    assert "another run_dir" in refused.sentences[0]


# other cohorts


def test_without_clinical_variables_and_images_arms_are_absent_and_said_to_be(features_only):
    results = results_of(features_only[1])
    assert list(results["arms"]) == ["radiomics"]
    notes = [note.split(":")[0] for note in results["notes"]]
    for arm in ("clinical", "deep_learning", "dlr", "combined"):
        assert f"arm {arm} is absent" in notes
    assert mismatches(results, WITHOUT_NETWORK) == []
    assert results["comparisons"] == []


def test_quarantine_above_the_limit_finishes_with_status_1(features_only):
    finished, run_dir = features_only
    assert finished.status == 1
    assert len(finished.sentences) == 1
    assert "1 x C04" in finished.sentences[0]
    assert "cohort.max_quarantine=0.03" in finished.sentences[0]
    assert (run_dir / "report.html").is_file()
    assert results_of(run_dir)["cohort"]["n_quarantined"] == 1


def test_brought_features_take_the_place_of_images(brought):
    finished, run_dir = brought
    results = results_of(run_dir)
    assert list(results["arms"]) == ["clinical", "radiomics", "combined"]
    assert mismatches(results, WITHOUT_NETWORK) == []
    features = pd.read_parquet(run_dir / "features.parquet")
    assert list(features)[2:] == [f"texture_{j}" for j in range(12)]
    assert "extracted" not in finished.err
    assert not (run_dir / "figures" / "examples.svg").exists()


def test_the_arms_to_combine_can_be_chosen(brought):
    combined = results_of(brought[1])["arms"]["combined"]
    assert combined["model"] == "Logistic regression of clinical + radiomics"
    assert combined["n_features"] == 2


def test_a_run_that_is_not_tracked_says_so(brought):
    results = results_of(brought[1])
    assert set(results["mlflow"].values()) == {None}
    assert "This run is not in MLflow (tracking.enabled=false)." in results["notes"]


def test_a_brought_split_is_kept(study_of, make_cohort, tmp_path):
    def role(i):
        return "test" if i >= 28 else "train" if i % 10 else "external"

    root = make_cohort(columns={"split": role, "group": None})
    assert study_of(tmp_path, root=root).status == 0
    results = results_of(tmp_path)
    split = json.loads((tmp_path / "split.json").read_text())
    assert split["origin"] == "brought"
    assert [int(key.split("/")[0][-3:]) for key in split["test"]] == list(range(728, 740))
    external = [key.split("/")[0][-3:] for key in split["external"]["external"]]
    assert external == ["700", "710", "720"]
    assert results["cohort"]["n_external"] == 3
    # three negatives: no AUC, and a reason
    assert results["arms"]["clinical"]["roles"]["external"]["auc"] is None
    assert any("clinical, external: AUC is not estimable" in note for note in results["notes"])


# what leaves the run folder


def test_no_patient_identifier_leaves_the_run_folder(study, canary):
    """Not to MLflow, nor to the screen, nor into what one would send around."""
    assert canary in (study.run_dir / "quarantine.csv").read_text()  # it stays here
    assert canary not in study.finished.out + study.finished.err
    shared = [study.run_dir / n for n in ("results.json", "report.html", "cohort.json")]
    shared += (study.run_dir / "figures").iterdir()
    shared += (study.run_dir / "tables").iterdir()
    shared += (study.run_dir / "model").iterdir()
    store = Path(study.uri.removeprefix("sqlite:///")).parent
    shared += [path for path in store.rglob("*") if path.is_file()]
    assert len(shared) > 60
    needles = [canary.encode(), canary.encode("utf-16-le")]
    for path in shared:
        content = path.read_bytes()
        assert not any(needle in content for needle in needles), path.name


class Page(HTMLParser):
    """Tags, addresses and text of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.addresses, self.events = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "action", "data"):
                self.addresses.append(value or "")
            if name.startswith("on"):
                self.events.append(name)


def parsed(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text())
    return page


def test_the_report_is_self_contained(study):
    page = parsed(study.run_dir / "report.html")
    assert page.addresses
    assert all(a.startswith(("#", "data:image/")) for a in page.addresses)
    assert not {"link", "iframe", "object", "embed", "form"} & set(page.tags)
    assert page.tags.count("script") == 1  # the report's own, which its policy names by hash
    text = (study.run_dir / "report.html").read_text()
    assert "url(" not in text and "@import" not in text


def test_the_report_has_its_sections_and_numbers(study):
    text = (study.run_dir / "report.html").read_text()
    for anchor in (
        "headline", "flow", "baseline", "performance", "roc", "calibration", "decision-curves",
        "predictions", "confusion", "comparisons", "model-selection", "notes", "differences",
        "provenance",
    ):  # fmt: skip
        assert f'<section id="{anchor}">' in text, anchor
    auc = study.results["arms"]["combined"]["roles"]["test"]["auc"]
    assert f"{auc:.3f}" in text
    assert study.results["cohort"]["data_sha256"] in text


def test_markup_in_the_table_is_shown_as_text(study_of, make_cohort, tmp_path):
    evil = "<img src=x onerror=alert(1)>"
    levels = ("</style><script>alert(2)</script>", f"{evil}A")
    columns = {
        evil: lambda i: levels[i % 3 > 0],
        "outcome": lambda i: "no" if i % 2 else evil,
    }
    root = make_cohort(columns=columns)
    finished = study_of(
        tmp_path, f"cohort.clinical=['{evil}']", f"cohort.positive='{evil}'", root=root, draws=True
    )
    assert finished.status == 0, finished.err
    path = tmp_path / "report.html"
    page = parsed(path)
    assert not page.events and page.tags.count("script") == 1
    assert all(a.startswith(("#", "data:image/")) for a in page.addresses)
    assert "&lt;img src=x onerror=alert(1)&gt;" in path.read_text()
    for picture in (tmp_path / "figures").glob("*.svg"):
        assert b"<img" not in picture.read_bytes(), picture.name


def test_the_screen_shows_the_areas(study):
    lines = study.finished.out.splitlines()
    assert lines[0].split() == ["arm", "cross-validated", "test"]
    assert len(lines) == 1 + len(ARMS) + 1
    p = study.results["arms"]["clinical"]["roles"]["test"]
    assert f"{p['auc']:.3f} ({p['auc_low']:.3f} to {p['auc_high']:.3f})" in lines[1]
    assert lines[-1] == f"report: {study.run_dir / 'report.html'}"


# MLflow


def test_mlflow_holds_the_study_and_a_run_for_every_arm(study):
    client = MlflowClient(tracking_uri=study.uri)
    parent = client.get_run(study.results["mlflow"]["run_id"])
    runs = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    )
    assert sorted(run.data.tags["arm"] for run in runs) == sorted(ARMS)
    assert {run.info.status for run in (parent, *runs)} == {"FINISHED"}
    for run in runs:
        test = study.results["arms"][run.data.tags["arm"]]["roles"]["test"]
        for name in ("auc", "auc_low", "auc_high"):
            assert run.data.metrics[f"test/{name}"] == test[name]
        pictures = {f.path for f in client.list_artifacts(run.info.run_id, "figures")}
        assert "figures/calibration_test.png" in pictures


def test_mlflow_holds_what_the_study_was_made_of(study):
    client = MlflowClient(tracking_uri=study.uri)
    run = client.get_run(study.results["mlflow"]["run_id"])
    parent = run.info
    environment = json.loads((study.run_dir / "environment.json").read_text())
    assert run.data.tags["data_sha256"] == study.results["cohort"]["data_sha256"]
    assert run.data.tags["lock_sha256"] == environment["lock_sha256"]
    assert run.data.tags["git_commit"] == str(environment["git"]["commit"])
    assert run.data.params["evaluation.n_folds"] == "3"
    sent = {f.path for f in client.list_artifacts(run.info.run_id)}
    assert {
        "config.yaml", "delong.json", "environment.json",
        "results.json", "report.html", "figures", "tables", "evaluation",
    } == sent  # fmt: skip
    table = json.loads(Path(client.download_artifacts(parent.run_id, "delong.json")).read_text())
    p_holm = table["columns"].index("p_holm")
    assert [row[p_holm] for row in table["data"]] == pytest.approx(
        [row["p_holm"] for row in study.results["comparisons"]]
    )


def test_no_identifier_reaches_mlflow(study, canary):
    """Neither the database nor a file beside it holds the name of a patient."""
    store = Path(study.uri.removeprefix("sqlite:///")).parent
    files = [path for path in store.rglob("*") if path.is_file()]
    assert len(files) > 50
    needles = [canary.encode(), canary.encode("utf-16-le")]
    held = [path for path in files if any(n in path.read_bytes() for n in needles)]
    assert held == []
    tables = [pd.read_parquet(path) for path in files if path.suffix == ".parquet"]
    assert len(tables) >= 2
    for table in tables:
        assert not {"patient_id", "lesion_id"} & set(table.columns)
        for number in ("case", "patient"):
            assert sorted(set(table[number])) == list(range(table[number].nunique()))


def test_mlflow_serves_every_arm_as_it_was_fitted(study, monkeypatch):
    import mlflow.pyfunc

    monkeypatch.setenv("MLFLOW_TRACKING_URI", study.uri)
    features = pd.read_parquet(study.run_dir / "features.parquet").drop(columns="lesion_id")
    said = study.predictions
    said = said[(said["arm"] == "radiomics") & (said["kind"] == "held_out")]
    rows = features.set_index("patient_id").loc[said["patient_id"]]
    model = mlflow.pyfunc.load_model("models:/her2-radiomics/1")
    answer = model.predict(rows.reset_index(drop=True))["probability"]
    assert answer.to_numpy() == pytest.approx(said["y_prob"].to_numpy(), rel=1e-9)
    client = MlflowClient(tracking_uri=study.uri)
    run = client.get_run(study.results["mlflow"]["run_id"])
    assert len(run.outputs.model_outputs) == len(ARMS)
    for arm in ARMS:
        example = mlflow.pyfunc.load_model(f"models:/her2-{arm}/1")
        probability = example.predict(example.input_example)["probability"].iloc[0]
        assert 0 < probability < 1, arm


def test_an_unreachable_store_costs_a_note_and_not_the_study(study_of, tmp_path):
    finished = study_of(tmp_path, "tracking=mlflow", "tracking.uri=sqlite:////dev/null/a/b.db")
    results = results_of(tmp_path)
    assert finished.status == 0
    assert "MLflow could not be reached: this run is not in its store." in results["notes"]
    assert set(results["mlflow"].values()) == {None}
    assert "Traceback" not in finished.err and "tracking: MLflow" in finished.err
