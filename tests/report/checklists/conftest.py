"""Made-up facts of a finished study of real patients, with every table a study writes."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from her2.report.checklists import StudyFacts

ROLES = {"train": (140, 43), "out_of_fold": (140, 43), "test": (61, 15), "external": (88, 30)}
ARMS = ("clinical", "radiomics", "deep_learning", "dlr", "combined")


def measures(role: str, area: float) -> dict[str, object]:
    n, n_positive = ROLES[role]
    return {
        "n": n, "n_positive": n_positive, "auc": area, "auc_low": area - 0.1,
        "auc_high": area + 0.1, "threshold": 0.311, "tp": 10, "fp": 9, "tn": 36, "fn": 6,
        "brier": 0.178, "brier_scaled": 0.21, "calibration_intercept": -0.113,
        "calibration_slope": 0.874, "ici": 0.05,
    }  # fmt: skip


def build_results() -> dict[str, object]:
    areas = {"train": 0.93, "out_of_fold": 0.76, "test": 0.74, "external": 0.71}
    arms = {
        arm: {
            "model": "XGBoost" if arm != "combined" else "Logistic regression of clinical + dlr",
            "n_features": 12,
            "repeated_cv": {"auc": 0.75, "sd_between_repeats": 0.012},
            "roles": {role: measures(role, area) for role, area in areas.items()},
        }
        for arm in ARMS
    }
    cohort = {
        "name": "hospital", "simulated": False, "n_patients": 289, "n_lesions": 289,
        "n_positive": 88, "n_train": 140, "n_test": 61, "n_external": 88, "n_quarantined": 5,
        "n_excluded": 6,
    }  # fmt: skip
    return {"schema": 1, "cohort": cohort, "arms": arms, "notes": []}


def build_config() -> dict[str, object]:
    return {
        "command": "study",
        "cohort": {"reader": "folder", "clinical": ["age", "pr"], "features": None},
        "split": {"test_size": 0.3},
        "enhance": {"method": "none"},
        "radiomics": {"preset": "paper_1561", "region": "lesion"},
        "selection": {"method": "paper", "alpha": 0.05, "correlation": 0.8, "lasso_folds": 10},
        "classifier": {"lr": {"fixed": {}, "grid": {"C": [0.1, 1.0]}}},
        "backbone": {"name": "resnet50", "weights": "offline", "image_size": 224, "head": {}},
        "evaluation": {"n_repeats": 5, "n_folds": 5, "n_inner_folds": 5, "scoring": "log_loss"},
    }


def build_tables() -> dict[str, pd.DataFrame]:
    frame = pd.DataFrame
    return {
        "baseline": frame({
            "variable": ["n", "outcome", "age", "pr", "pr"], "level": ["", "1", "", "0", "1"],
            "all": ["289"] * 5, "train": ["140"] * 5, "test": ["61"] * 5, "external": ["88"] * 5,
            "missing": [0.0, 0.0, 0.0, 4.0, 4.0], "p_value": [None, 0.6, 0.4, 0.2, 0.2],
        }),
        "baseline_outcome": frame({
            "variable": ["age", "pr"], "negative": ["52", "80"], "positive": ["51", "20"],
            "p_value": [0.3, 0.01],
        }),
        "feature_counts": frame({
            "image_type": ["original", "original", "wavelet-LLH"],
            "family": ["shape", "glcm", "glcm"], "n": [14, 22, 22],
        }),
        "selection_steps": frame({
            "arm": ["dlr"] * 3, "step": ["ICC", "t-test", "LASSO"], "n_before": [1625, 1200, 300],
            "n_after": [1200, 300, 12], "rule": ["ICC(2,1) >= .75", "p < .05", "weight not 0"],
        }),
        "selected_features": frame({
            "arm": ["dlr", "dlr"], "feature": ["original_shape_Sphericity", "pc_1"],
            "weight": [0.2, -0.1], "frequency": [0.9, 0.4],
        }),
        "sample_size": frame({
            "criterion": ["shrinkage", "optimism"], "n_required": [120.0, 90.0],
            "n_supplied": [140, 140], "supported": [True, True],
        }),
        "agreement": frame({
            "measure": ["Dice"], "n": [200], "median": [0.87], "low": [0.8], "high": [0.93],
        }),
        "subgroups": frame({
            "role": ["test"] * 4, "arm": ["combined"] * 4,
            "variable": ["vendor", "vendor", "centre", "centre"],
            "level": ["GE", "Philips", "A", "B"],
            "auc": [0.7, 0.78, 0.72, 0.76], "interaction_p": [0.4, 0.4, 0.7, 0.7],
        }),
        "audit": frame({
            "check": ["overlap of patients", "poisoned test rows", "shuffled outcomes"],
            "expected": ["0", "same bytes", "0.5"], "found": ["0", "same bytes", "0.51"],
            "passed": [True, True, True],
        }),
        "comparisons": frame({
            "role": ["test", "external"], "first": ["clinical"] * 2, "second": ["combined"] * 2,
            "auc_difference": [-0.05, -0.03], "p_value": [0.2, 0.04], "p_holm": [0.4, 0.08],
        }),
        "against_chance": frame({
            "arm": ["combined"], "role": ["external"], "auc": [0.71], "n_permutations": [1000],
            "p_value": [0.001],
        }),
        "decision_curve": frame({
            "role": ["test"], "arm": ["combined"], "threshold_probability": [0.2],
            "net_benefit": [0.1],
        }),
        "operating_points": frame({"rule": ["Youden", "sensitivity >= .90"]}),
        "nomogram": frame({"variable": ["dlr"], "value": [0.5], "points": [40.0]}),
    }  # fmt: skip


def build_facts() -> StudyFacts:
    return StudyFacts(
        results=build_results(),
        config=build_config(),
        tables=build_tables(),
        figures={"flow", "roc", "nomogram", "decision_curve", "selection_weights_dlr"},
        files={
            "config.yaml", "split.json", "results.json", "predictions.parquet", "quarantine.csv",
            "model/combined.skops",
        },
        flow={"n_rows": 300, "excluded": {"C12": 6}, "quarantined": {"M06": 5}, "n_patients": 289},
        environment={
            "packages": {
                "pyradiomics-bhklab": "3.1.4", "scikit-learn": "1.9.1", "scipy": "1.16.3",
            }
        },
    )  # fmt: skip


@pytest.fixture
def facts() -> StudyFacts:
    """Return everything a study of real patients can show."""
    return build_facts()


@pytest.fixture
def simulated(facts: StudyFacts) -> StudyFacts:
    """Return the same of simulated patients."""
    results = dict(facts.results)
    results["cohort"] = {**results["cohort"], "simulated": True}
    return replace(facts, results=results)


@pytest.fixture
def fine_tuned(facts: StudyFacts) -> StudyFacts:
    """Return a run of one network that was trained from image to outcome."""
    results = dict(facts.results)
    results["arms"] = {"deep_learning": results["arms"]["deep_learning"]}
    config = {k: v for k, v in facts.config.items() if k not in ("radiomics", "selection")}
    config["trainer"] = {"max_epochs": 5, "augmentation": "default"}
    config["backbone"] = {**config.get("backbone", {}), "mode": "finetune"}
    return replace(facts, results=results, config=config)
