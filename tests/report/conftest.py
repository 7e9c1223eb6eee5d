"""Made-up results in the shape of `results.json`: five arms, and two arms with missing values."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from report_samples import build_figures as placeholders
from report_samples import build_tables

from her2.plots import comparison_figure, confusion_figure, flow_figure, prediction_panels
from her2.report import ReportInput
from her2.report.headline import which_number

AREAS = {
    "clinical": (0.702, 0.684),
    "radiomics": (0.741, 0.722),
    "deep_learning": (0.768, 0.735),
    "dlr": (0.801, 0.779),
    "combined": (0.823, 0.790),
}
SIZES = {"train": (140, 43), "out_of_fold": (140, 43), "test": (61, 15)}
FLOW = {
    "n_rows": 212,
    "excluded": {"C12": 5, "C15": 1},
    "quarantined": {"M06": 2, "D06": 2, "M02": 1},
    "n_lesions": 201,
    "n_patients": 201,
    "roles": {
        "train": {"n_patients": 140, "n_positive": 43},
        "test": {"n_patients": 61, "n_positive": 15},
    },
}


def performance(role: str, area: float) -> dict[str, object]:
    n, n_positive = SIZES[role]
    tp, fp = round(0.74 * n_positive), round(0.31 * (n - n_positive))
    fn, tn = n_positive - tp, n - n_positive - fp
    return {
        "n": n, "n_positive": n_positive, "tp": tp, "fp": fp, "tn": tn, "fn": fn,
        "prevalence": n_positive / n, "threshold": 0.317, "e50": 0.031, "e90": 0.102,
        "auc": area, "auc_low": area - 4.2 / n, "auc_high": min(1.0, area + 4.2 / n),
        **shares(tp, fp, tn, fn),
        **{
            f"{name}{end}": value + away
            for name, value in ERRORS.items()
            for end, away in (("", 0.0), ("_low", -0.04), ("_high", 0.06))
        },
        "hosmer_lemeshow": {"statistic": 7.914, "dof": 10, "p_value": 0.6372},
    }  # fmt: skip


ERRORS = {
    "brier": 0.1782, "brier_scaled": 0.141, "calibration_intercept": -0.113,
    "calibration_slope": 0.874, "calibration_in_the_large": -0.062, "ici": 0.043,
}  # fmt: skip


def shares(tp: int, fp: int, tn: int, fn: int) -> dict[str, float]:
    counts = {"sensitivity": (tp, fn), "specificity": (tn, fp), "ppv": (tp, fp), "npv": (tn, fn)}
    counts |= {"accuracy": (tp + tn, fp + fn), "f1": (2 * tp, fp + fn)}
    found = {}
    for name, (hits, misses) in counts.items():
        share = hits / (hits + misses)
        limits = {f"{name}_low": share - 0.11, f"{name}_high": min(share + 0.09, 1.0)}
        found |= {name: share} | limits
    return found


def no_performance(role: str) -> dict[str, object]:
    n, n_positive = SIZES[role]
    empty = dict.fromkeys(performance(role, 0.7))
    test = {"statistic": None, "dof": None, "p_value": None}
    return empty | {"n": n, "n_positive": n_positive, "hosmer_lemeshow": test}


def comparisons(arms: list[str]) -> list[dict[str, object]]:
    return [
        {
            "role": role, "first": first, "second": second,
            "auc_difference": AREAS[first][k] - AREAS[second][k], "z": -1.204,
            "p_value": 0.2286, "p_holm": 0.91 if k else 0.0004,
        }
        for k, role in enumerate(("out_of_fold", "test"))
        for i, first in enumerate(arms)
        for second in arms[i + 1 :]
    ]  # fmt: skip


def build_results() -> dict[str, object]:
    arms = {
        arm: {
            "model": "lightgbm" if arm != "combined" else "logistic_regression",
            "n_features": 12,
            "roles": {
                "train": performance("train", min(1.0, out_of_fold + 0.12)),
                "out_of_fold": performance("out_of_fold", out_of_fold),
                "test": performance("test", test),
            },
            "repeated_cv": {
                "n_repeats": 20,
                "n_folds": 5,
                "auc": out_of_fold,
                "auc_low": out_of_fold - 0.03,
                "auc_high": out_of_fold + 0.03,
                "sd_between_repeats": 0.012,
            },
        }
        for arm, (out_of_fold, test) in AREAS.items()
    }
    return {
        "schema": 1,
        "cohort": {
            "name": "phantom", "n_patients": 201, "n_positive": 58, "n_train": 140, "n_test": 61,
            "n_quarantined": 5, "n_excluded": 6, "data_sha256": "0123456789abcdef" * 4,
        },
        "arms": arms,
        "comparisons": comparisons(list(AREAS)),
        "best_arm": {
            "arm": "combined", "auc": 0.823, "corrected": 0.809, "low": 0.771, "high": 0.843,
            "tied": ["combined", "dlr"], "n_arms": 5,
        },
        "timing": {"features": 41.237, "train": 212.9, "classify": 18.02},
        "notes": ["Images without spacing were left at 1 mm per pixel; shape is in pixels."],
        "mlflow": {"tracking_uri": "sqlite:///mlflow.db", "experiment": "her2", "run_id": "a1"},
    }  # fmt: skip


def build_baseline() -> pd.DataFrame:
    rows = [
        ("n", np.nan, "201", "140", "61", 0, np.nan, np.nan),
        ("age", "years, mean", "52.1 (10.4)", "51.7 (10.1)", "53.0 (11.1)", 0, 0.412, "t test"),
        ("menopause", "before", "98 (48.8 %)", "70 (50.0 %)", "28 (45.9 %)", 0, 0.703, "chi2"),
        ("menopause", "after", "103 (51.2 %)", "70 (50.0 %)", "33 (54.1 %)", 0, 0.703, "chi2"),
        ("pr", "negative", "80 (39.8 %)", "55 (39.3 %)", "25 (41.0 %)", 3, 0.0004, "Fisher"),
        ("pr", "positive", "118 (58.7 %)", "83 (59.3 %)", "35 (57.4 %)", 3, 0.0004, "Fisher"),
        ("cea", "median (IQR)", "1.9 (1.2–3)", "1.9 (1.2–3)", "1.8 (1.2–3)", 12, np.nan, ""),
    ]  # fmt: skip
    names = ["variable", "level", "all", "train", "test", "missing", "p_value", "test_name"]
    return pd.DataFrame(rows, columns=names)


def build_candidates() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = []
    for arm in AREAS:
        for position in range(8):
            mean = 0.8 - 0.01 * position
            values = (arm, "lightgbm", f"num_leaves={2**position}, learning_rate=0.05", mean)
            spread, loss = rng.uniform(0.03, 0.06), rng.uniform(0.4, 0.6)
            rows.append((*values, float(spread), float(loss), "AUC", position == 0))
    names = ("arm", "classifier", "parameters", "cv_auc_mean", "cv_auc_sd", "cv_log_loss_mean")
    return pd.DataFrame(rows, columns=[*names, "scoring", "chosen"])


def build_problems() -> pd.DataFrame:
    rows = [
        ("M06", "quarantined", "The mask is empty", 2),
        ("D06", "quarantined", "The pixel data are truncated", 2),
        ("M02", "quarantined", "The mask's shape is not the image's", 1),
        ("C12", "excluded", "HER2 2+ without FISH", 5),
        ("C15", "excluded", "The outcome is missing", 1),
        ("D42", "warning", "The spacing is unknown", 14),
    ]
    return pd.DataFrame(rows, columns=["code", "severity", "title", "n"])


def build_figures(results: dict) -> dict:
    rng = np.random.default_rng(0)
    predictions = pd.DataFrame({"y_true": [0, 1] * 20, "y_prob": rng.uniform(0, 1, 40)})
    return placeholders() | {
        "flow": flow_figure(FLOW),
        "predictions_dlr_test": prediction_panels({"Test": (predictions, 0.3)}),
        "confusion": confusion_figure(results["arms"]),
        "comparisons": comparison_figure(results["comparisons"]),
        "lasso_path": prediction_panels({"Unknown to the report": (predictions, None)}),
    }


def build_report() -> ReportInput:
    results = build_results()
    return ReportInput(
        title="HER2 status from breast ultrasound",
        simulated=True,
        results=results,
        flow=FLOW,
        baseline=build_baseline(),
        model_selection=build_candidates(),
        problems=build_problems(),
        figures=build_figures(results),
        differences=[
            (
                "Threshold not stated",
                "Youden's index out of fold",
                "a test threshold is optimistic",
            ),
            (
                "Best of five by test AUC",
                "best by cross-validation",
                "the test set chooses nothing",
            ),
        ],
        provenance={
            "Split (SHA-256)": "fe" * 32,
            "Commit": "0a1b2c3",
            "Settings": "cohort:\n  n_patients: 210\nseed: 0\n",
        },
        tables=build_tables() | {"which_number": which_number(results)},
    )


def build_sparse_report() -> ReportInput:
    full = build_report()
    results = build_results()
    arms = {name: results["arms"][name] for name in ("clinical", "radiomics")}
    arms["radiomics"]["repeated_cv"] |= dict.fromkeys(("auc", "auc_low", "auc_high"))
    arms["radiomics"]["roles"] = {role: no_performance(role) for role in SIZES}
    arms["clinical"]["roles"]["test"]["auc_low"] = None
    empty = {"auc_difference": None, "z": None, "p_value": None, "p_holm": None}
    compared = [c | empty for c in comparisons(list(arms)) if c["role"] == "test"]
    notes = ["radiomics: all scores are identical, so no AUC exists."]
    results |= {"arms": arms, "comparisons": compared, "notes": notes, "timing": {}}
    results["best_arm"] = None
    return dataclasses.replace(
        full,
        simulated=False,
        results=results,
        baseline=full.baseline.iloc[:0],
        model_selection=full.model_selection.iloc[:0],
        problems=full.problems.iloc[:0],
        figures={"confusion": confusion_figure(arms), "comparisons": comparison_figure(compared)},
        differences=[],
        tables={},
    )


@pytest.fixture(scope="session")
def report() -> ReportInput:
    """Five arms, everything there."""
    return build_report()


@pytest.fixture(scope="session")
def sparse_report() -> ReportInput:
    """Two arms, one of which has no estimable result; no clinical table, no problem."""
    return build_sparse_report()
