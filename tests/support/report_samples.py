"""Made-up tables and figures of every name that a study can write, in their real shapes."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from her2.explain.saliency import (
    CENTRE,
    CORRELATIONS,
    DELETION_GAIN,
    ENRICHMENT,
    FLAT,
    INSERTION_GAIN,
    POINTING,
    SHARE_INSIDE,
)

ARMS = ("clinical", "radiomics", "deep_learning", "dlr", "combined")
SELECTING = ("radiomics", "deep_learning", "dlr")
JUDGED = ("out_of_fold", "test")
IMAGE_TYPES = (
    "original", "wavelet-LL", "wavelet-LH", "wavelet-HL", "wavelet-HH", "log-sigma-1-0-mm",
    "log-sigma-2-0-mm", "log-sigma-3-0-mm", "square", "squareroot", "logarithm", "exponential",
    "gradient", "lbp-2D",
)  # fmt: skip
FAMILIES = {"firstorder": 18, "glcm": 24, "glrlm": 16, "glszm": 16, "gldm": 14, "ngtdm": 5}
VARIABLES = ("age", "ki67", "er", "pr", "lymph_node_metastasis", "calcification", "menopause")


def build_tables() -> dict[str, pd.DataFrame]:
    """Every table by its name."""
    rng = np.random.default_rng(11)
    return {
        "baseline_outcome": baseline_outcome(),
        "odds_ratios": odds_ratios(),
        "feature_counts": feature_counts(),
        "selection_steps": selection_steps(),
        "selected_features": selected_features(rng),
        "stability": stability(),
        "importance": importance(),
        "shap": shap(),
        "grad_cam": grad_cam(),
        "robustness": robustness(),
        "super_resolution": super_resolution(),
        "super_resolution_history": super_resolution_history(),
        "repeated_cv": repeated_cv(),
        "repeats": repeats(rng),
        "operating_points": operating_points(),
        "comparisons": comparisons(),
        "reclassification": reclassification(),
        "against_chance": against_chance(),
        "sample_size": sample_size(),
        "learning_curve": learning_curve(),
        "subgroups": subgroups(),
        "instability": instability(),
        "conformal": conformal(),
        "nomogram": nomogram(),
        "nomogram_total": nomogram_total(),
        "optimism": optimism(),
        "agreement": agreement(),
        "adjudication": adjudication(),
        "audit": audit(),
        "shortcut_controls": shortcut_controls(),
        "clear": checklist(58),
        "metrics": checklist(30),
        "tripod_ai": checklist(52),
        "roc": pd.DataFrame(
            {"role": ["test"] * 900, "threshold": [-np.inf, *np.linspace(0, 1, 899)]}
        ),
    }


def baseline_outcome() -> pd.DataFrame:
    rows = [
        ("n", np.nan, "201", "143", "58", 0, np.nan, np.nan, np.nan),
        ("age", "mean ± SD", "53.1 ± 10.5", "54.0 ± 10.6", "51.0 ± 9.9", 0, 0.064, "Welch t",
         0.29),
        ("age", "median [Q1, Q3]", "53 [46, 60]", "54 [47, 61]", "51 [45, 57]", None, None, None,
         None),
        ("lymph_node_metastasis", "no", "140 (69.7%)", "104 (72.7%)", "36 (62.1%)", 0, 0.188,
         "chi-square (Yates)", 0.23),
        ("lymph_node_metastasis", "yes", "61 (30.3%)", "39 (27.3%)", "22 (37.9%)", None, None,
         None, None),
        ("pr", "negative", "80 (39.8%)", "41 (28.7%)", "39 (67.2%)", 3, 0.0000021,
         "chi-square (Yates)", 0.83),
        ("pr", "positive", "118 (58.7%)", "100 (69.9%)", "18 (31.0%)", None, None, None, None),
    ]  # fmt: skip
    names = [
        "variable", "level", "all", "negative", "positive", "missing", "p_value", "test_name",
        "smd",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def odds_ratios() -> pd.DataFrame:
    nan = float("nan")
    rows = [
        ("age", 140, 43, 0.972, 0.94, 1.006, 0.106, 0.981, 0.944, 1.02, 0.334, 1.08, "", ""),
        ("pr", 138, 43, 0.192, 0.089, 0.414, 0.0000253, 0.21, 0.09, 0.489, 0.00031, 1.2, "", ""),
        ("calcification", 140, 43, 2.24, 1.08, 4.65, 0.031, 1.9, 0.84, 4.31, 0.124, 1.11, "", ""),
        ("family_history", 140, 43, 15.3, 1.6, 1471.2, 0.019, 12.2, 1.1, 1203.0, 0.041, 1.05,
         "Firth", "separated: all 4 patients with the level are positive"),
        ("menopause", 140, 43, nan, nan, nan, nan, nan, nan, nan, nan, nan, None,
         "constant in the training patients"),
        ("(intercept)", nan, nan, nan, nan, nan, nan, 0.61, 0.05, 7.4, 0.699, nan, "", ""),
    ]  # fmt: skip
    names = [
        "variable", "n", "n_events", "odds_ratio", "low", "high", "p_value",
        "adjusted_odds_ratio", "adjusted_low", "adjusted_high", "adjusted_p_value", "vif",
        "method", "note",
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=names)
    return table.assign(method=table["method"].replace("", "maximum likelihood"))


def feature_counts() -> pd.DataFrame:
    rows = [("original", "shape2D", 9)]
    rows += [(image, family, n) for image in IMAGE_TYPES for family, n in FAMILIES.items()]
    return pd.DataFrame(rows, columns=["image_type", "family", "n"])


def selection_steps() -> pd.DataFrame:
    rules = (
        ("variance", 1561, 1540, "more than one value"),
        ("t test", 1540, 212, "p < .05"),
        ("correlation", 212, 61, "|r| ≤ .8, greedy"),
        ("LASSO", 61, 12, "10-fold, penalty of the smallest error"),
    )
    rows = [(arm, *rule[:1], *rule[1:]) for arm in SELECTING for rule in rules]
    return pd.DataFrame(rows, columns=["arm", "step", "n_before", "n_after", "rule"])


def selected_features(rng: np.random.Generator) -> pd.DataFrame:
    rows = [
        (arm, f"{IMAGE_TYPES[k]}_glcm_InverseDifferenceMoment{k}", rng.normal(0, 0.2),
         rng.uniform(0.3, 1) if arm != "dlr" else np.nan)
        for arm in SELECTING
        for k in range(12)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["arm", "feature", "weight", "frequency"])


def stability() -> pd.DataFrame:
    rows = [("radiomics", 100, 1561, 11.2, 0.412, 0.371, 0.453)]
    rows += [("dlr", 100, 1625, 14.0, 0.388, 0.35, 0.426)]
    rows += [("deep_learning", 100, 64, 0.0, np.nan, np.nan, np.nan)]
    names = ["arm", "n_resamples", "n_features", "n_selected_mean", "nogueira", "low", "high"]
    return pd.DataFrame(rows, columns=names)


def importance() -> pd.DataFrame:
    rows = [
        ("clinical", "age", 0.081, 0.022, 0.14),
        ("clinical", "er", -0.004, -0.012, 0.004),
        ("dlr", "deep features", 0.12, 0.05, 0.19),
        ("dlr", "wavelet-LL_glszm_SmallAreaHighGrayLevelEmphasis", 0.03, -0.01, 0.07),
    ]
    return pd.DataFrame(rows, columns=["arm", "feature", "auc_loss", "low", "high"])


def grad_cam() -> pd.DataFrame:
    measures = [
        (SHARE_INSIDE, 147, 0.618, 0.574, 0.662, 0.464),
        (ENRICHMENT, 147, 1.326, 1.235, 1.418, 1.0),
        (POINTING, 147, 0.687, 0.608, 0.756, 0.464),
        (CENTRE, 147, 0.98, 0.942, 0.993, 0.464),
        (FLAT, 147, 0.0, 0.0, 0.025, np.nan),
        (DELETION_GAIN, 24, 0.051, 0.012, 0.09, 0.0),
        (INSERTION_GAIN, 24, 0.02, -0.01, 0.05, 0.0),
        (CORRELATIONS["all"], 24, 0.07, -0.04, 0.17, 0.0),
    ]
    rows = [("deep_learning", role, *row) for role in ("out_of_fold", "test") for row in measures]
    names = ["arm", "role", "measure", "n", "value", "low", "high", "without_knowledge"]
    return pd.DataFrame(rows, columns=names)


def shap() -> pd.DataFrame:
    rows = [("clinical", "age", 0.71), ("clinical", "er", 0.05), ("dlr", "deep features", 1.2)]
    return pd.DataFrame(rows, columns=["arm", "feature", "mean_abs_shap"])


def robustness() -> pd.DataFrame:
    rows = [("mask", "erosion, shift", 147, 1467, 0.786, -0.41, 1.0, 390)]
    rows += [("image", "gain", 147, 1467, 0.924, -0.14, 1.0, 967)]
    names = ["changed", "how", "n_lesions", "n_features", "median", "low", "high", "n_good"]
    return pd.DataFrame(rows, columns=names)


def super_resolution() -> pd.DataFrame:
    rows = [
        ("psnr", "", "bicubic", 61, 30.04, 29.5, 30.6),
        ("psnr", "", "srgan", 61, 31.1, 30.6, 31.7),
        ("psnr_gain", "", "srgan", 61, 1.07, 1.0, 1.14),
        ("icc_share", "glcm", "srgan", 374, 0.4, 0.3, 0.5),
        ("auc", "dlr", "none", 140, 0.74, 0.66, 0.82),
        ("auc_gain", "dlr", "srgan", 140, -0.01, -0.05, 0.03),
    ]  # fmt: skip
    names = ["measure", "family", "method", "n", "value", "low", "high"]
    return pd.DataFrame(rows, columns=names)


def super_resolution_history() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "stage": ["pixel", "adversarial"], "step": [250, 500], "pixel": [0.03, 0.028],
            "gradient": [0.02, 0.019], "psnr": [30.0, 30.4], "psnr_bicubic": [29.4, 29.4],
            "feature_matching": [np.nan, 0.1], "adversarial": [np.nan, 0.7],
            "discriminator": [np.nan, 0.69],
        }
    )  # fmt: skip


def repeated_cv() -> pd.DataFrame:
    rows = [
        (arm, 20, 5, 140, 43, area, area - 0.03, area + 0.03, 0.012, area - 0.03, area + 0.02)
        for arm, area in zip(ARMS, (0.702, 0.741, 0.768, 0.801, 0.823), strict=True)
    ]
    names = [
        "arm", "n_repeats", "n_folds", "n", "n_positive", "auc", "auc_low", "auc_high",
        "sd_between_repeats", "min", "max",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def repeats(rng: np.random.Generator) -> pd.DataFrame:
    rows = [(arm, k, rng.normal(0.75, 0.01)) for arm in ARMS for k in range(20)]
    return pd.DataFrame(rows, columns=["arm", "repeat", "auc"])


def operating_points() -> pd.DataFrame:
    rules = ("Youden", "sensitivity >= .90", "specificity >= .90")
    rows = []
    for arm in ARMS:
        for role in JUDGED:
            for k, rule in enumerate(rules):
                row = {"arm": arm, "role": role, "rule": rule, "threshold": 0.3 - 0.1 * k}
                row |= {"tp": 11, "fp": 14, "tn": 32, "fn": 4}
                for share in ("sensitivity", "specificity", "ppv", "npv", "accuracy", "f1"):
                    row |= {share: 0.73, f"{share}_low": 0.48, f"{share}_high": 0.89}
                rows.append(row | {"prevalence": 15 / 61})
    return pd.DataFrame(rows)


def pairs() -> list[tuple[str, str]]:
    return [(first, second) for i, first in enumerate(ARMS) for second in ARMS[i + 1 :]]


def comparisons() -> pd.DataFrame:
    rows = [
        (role, *pair, -0.02 * (k + 1), -0.09 - 0.02 * k, 0.05, -1.2, 0.2286, 0.91, 10)
        for role in JUDGED
        for k, pair in enumerate(pairs())
    ]
    names = [
        "role", "first", "second", "auc_difference", "low", "high", "z", "p_value", "p_holm",
        "n_looks",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def reclassification() -> pd.DataFrame:
    rows = [
        ("test", *pair, 0.021, -0.03, 0.08, 0.41, 0.18, -0.2, 0.56, 0.36)
        for pair in pairs()
    ]  # fmt: skip
    names = [
        "role", "first", "second", "idi", "idi_low", "idi_high", "idi_p", "nri", "nri_low",
        "nri_high", "nri_p",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def against_chance() -> pd.DataFrame:
    rows = [(arm, "out_of_fold", 0.75, None, 0.001 * (k + 1)) for k, arm in enumerate(ARMS)]
    rows += [(arm, "test", 0.75, 1000, 0.001 * (k + 1)) for k, arm in enumerate(ARMS)]
    return pd.DataFrame(rows, columns=["arm", "role", "auc", "n_permutations", "p_value"])


def sample_size() -> pd.DataFrame:
    rows = [
        ("shrinkage", "expected shrinkage of at least .9", 412.0, 147, False, 12),
        ("optimism", "optimism of R² at most .05", 190.0, 147, False, 12),
        ("overall risk", "prevalence known to ± .05", 133.0, 147, True, 12),
        ("precision of the AUC", "standard error at most .0255", np.nan, 147, None, 12),
    ]
    names = ["criterion", "meaning", "n_required", "n_supplied", "supported", "n_predictors"]
    return pd.DataFrame(rows, columns=names)


def learning_curve() -> pd.DataFrame:
    rows = [
        (arm, n, n / 140, 0.6 + n / 1000, 0.5, 0.8) for arm in ARMS for n in (35, 70, 105, 140)
    ]
    names = ["arm", "n_patients", "share", "auc", "auc_low", "auc_high"]
    return pd.DataFrame(rows, columns=names)


def instability() -> pd.DataFrame:
    rows = [
        (arm, 140, 50, 0.31, 0.06 + 0.01 * i, 0.1 + 0.02 * i, 0.1 + 0.01 * i)
        for i, arm in enumerate(ARMS)
    ]
    names = ["arm", "n", "n_refits", "threshold", "mean_distance", "distance_p90", "mean_changed"]
    return pd.DataFrame(rows, columns=names)


def conformal() -> pd.DataFrame:
    rows = [
        (role, arm, outcome, 0.1, n, round(0.9 * n), 0.9, 0.81, 0.95, 0.4, 0.0, round(0.6 * n),
         5 / 6)
        for role, arm in itertools.product(("out_of_fold", "test"), ARMS)
        for outcome, n in (("negative", 40), ("positive", 20), ("both", 60))
    ]  # fmt: skip
    names = ["role", "arm", "outcome", "alpha", "n", "n_covered", "covered", "low", "high"]
    return pd.DataFrame(rows, columns=[*names, "abstained", "empty", "n_certain", "accuracy"])


def subgroups() -> pd.DataFrame:
    rows = []
    for arm in ("dlr", "combined"):
        rows += [
            ("test", arm, "menopause", "pre", 30, 8, 0.77, 0.58, 0.95, 0.41, ""),
            ("test", arm, "menopause", "post", 31, 7, 0.7, 0.48, 0.91, np.nan, ""),
            ("test", arm, "family_history", "yes", 3, 0, np.nan, np.nan, np.nan, np.nan,
             "one outcome only"),
        ]  # fmt: skip
    names = [
        "role", "arm", "variable", "level", "n", "n_positive", "auc", "low", "high",
        "interaction_p", "note",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def nomogram() -> pd.DataFrame:
    rows = [("dlr signature", round(0.1 * k, 1), 10.0 * k) for k in range(11)]
    rows += [("pr", "negative", 42.0), ("pr", "positive", 0.0)]
    return pd.DataFrame(rows, columns=["variable", "value", "points"])


def nomogram_total() -> pd.DataFrame:
    total = np.arange(0, 160, 20.0)
    linear = -4 + total / 25
    names = {"total_points": total, "linear_predictor": linear}
    return pd.DataFrame(names | {"probability": 1 / (1 + np.exp(-linear))})


def optimism() -> pd.DataFrame:
    rows = [("auc", 0.83, 0.021, 0.809), ("slope", 1.0, 0.09, 0.91)]
    table = pd.DataFrame(rows, columns=["measure", "apparent", "optimism", "corrected"])
    return table.assign(scope="Combined, whole pipeline", n_bootstraps=500, note="")


def agreement() -> pd.DataFrame:
    rows = [
        ("Dice", 201, 0.913, 0.702, 0.968),
        ("Hausdorff distance (mm)", 201, 1.21, 0.43, 5.71),
        ("ICC(2,1) of features", 1561, 0.891, 0.402, 0.993),
    ]
    return pd.DataFrame(rows, columns=["measure", "n", "median", "low", "high"])


def adjudication() -> pd.DataFrame:
    rows = [
        ("CANARY-7", "L1", 0.61, 6.2, "Dice below .75"),
        ("CANARY-9", "L1", 0.0, np.nan, "outlines do not touch"),
    ]
    names = ["patient_id", "lesion_id", "dice", "hausdorff_mm", "reason"]
    return pd.DataFrame(rows, columns=names)


def shortcut_controls() -> pd.DataFrame:
    rows = [
        ("outline_shape", 9, 0.71, 0.62, 0.80, ""),
        ("outline_network", 1280, 0.74, 0.65, 0.83, "It tells the outcomes apart."),
        ("surroundings", 1280, 0.55, 0.46, 0.64, ""),
        ("frame", 1280, 0.51, 0.42, 0.60, ""),
    ]
    columns = ["control", "n_features", "auc", "auc_low", "auc_high", "alarm"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(arm="dlr", arm_auc=0.801, share=(table["auc"] - 0.5) / 0.301)


def audit() -> pd.DataFrame:
    rows = [
        ("shuffled outcomes", "AUC near .5", "AUC .51 (.44 to .58)", True),
        ("poisoned test patients", "same fitted bytes", "same", True),
        ("planted signal", "AUC above .9", "AUC .97", True),
        ("duplicate images", "none across roles", "none", True),
    ]
    return pd.DataFrame(rows, columns=["check", "expected", "found", "passed"])


def checklist(n: int) -> pd.DataFrame:
    answers = ("met", "met", "met", "not met", "needs author", "not applicable")
    rows = [
        (k + 1, ("Title", "Methods", "Results")[3 * k // n], f"Item {k + 1} is reported in full",
         answers[k % 6], f"results.json: arms.combined.roles.test.auc, entry {k}")
        for k in range(n)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["number", "section", "item", "answer", "proof"])


def placeholder(title: str, width: float = 9.4, height: float = 3.2) -> Figure:
    """Small drawing in the place of a figure of the study."""
    figure = Figure(figsize=(width, height))
    axes = figure.subplots()
    axes.plot(np.linspace(0, 1, 60), np.sin(np.linspace(0, 9, 60)))
    axes.set_title(title, parse_math=False)
    return figure


def build_figures() -> dict[str, Figure]:
    """A drawing for every figure name that a study writes."""
    names = [
        "odds_ratios", "agreement", "feature_counts", "repeats", "roc", "decision_curve",
        "calibration_out_of_fold", "calibration_test", "nomogram", "learning_curve",
        "subgroups_test", "grad_cam_test", "instability", "conformal",
    ]  # fmt: skip
    for step in ("p_values", "correlation", "lasso", "weights"):
        names += [f"selection_{step}_{arm}" for arm in reversed(SELECTING)]
    names += [f"stability_{arm}" for arm in SELECTING]
    names += ["importance_clinical", "shap_clinical", "importance_dlr"]
    return {name: placeholder(name) for name in names}
