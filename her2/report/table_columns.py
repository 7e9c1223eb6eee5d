"""Columns of every named table; `texts/tables.yaml` has their captions and notes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any, TypeAlias

from her2.report.formats import (
    answer_cell,
    arm_cell,
    passed_cell,
    rule_cell,
    supported_cell,
    text_cell,
)
from her2.report.page_parts import Cell
from her2.report.tabulate import (
    DASH,
    INTERVAL,
    ColumnFormat,
    TableFormat,
    arm,
    decimal,
    difference,
    estimate,
    gain,
    group,
    name,
    odds,
    p,
    role,
    whole,
    words,
)
from her2.report.texts import load_text

Columns: TypeAlias = tuple[ColumnFormat, ...]

MEASURES = {
    "psnr": "PSNR, dB",
    "psnr_gain": "PSNR, gain over bicubic",
    "ssim": "SSIM",
    "ssim_gain": "SSIM, gain over bicubic",
    "consistency_psnr": "PSNR of the enlarged image, shrunk",
    "icc_share": "Share of features with an ICC of at least .75",
    "auc": "AUC, out of fold",
    "auc_gain": "AUC, gain over native images",
}
METHODS = {"none": "native", "bicubic": "bicubic", "srgan": "super-resolution"}


def _titled_cell(value: Any, *, titles: Mapping[str, str]) -> Cell:
    return text_cell(titles.get(str(value), value))


N, N_POSITIVE = whole("n", "n"), whole("Positive", "n_positive")
AUC = estimate(f"AUC{INTERVAL}", "auc", stem="auc_", term="auc")
THRESHOLD = decimal("Threshold", "threshold", term="threshold")
F1 = decimal("F1", "f1", term="f1")
SHARES = (
    estimate("Sensitivity", "sensitivity", stem="sensitivity_", term="sensitivity"),
    estimate("Specificity", "specificity", stem="specificity_", term="specificity"),
    estimate("PPV", "ppv", stem="ppv_", term="ppv"),
    estimate("NPV", "npv", stem="npv_", term="npv"),
)
TWO_ARMS = (role(), arm("First", "first"), arm("Second", "second"))
LEVELS = (name("Variable", "variable"), words("Level", "level"), group("All", "all"))
TESTS = (
    whole("Missing", "missing", absent="").once(),
    p("p", "p_value", absent="").once(),
    words("Statistical test", "test_name").once(),
    decimal("SMD", "smd", 2, absent="", term="smd").once(),
)
ITEMS = (
    words("Number", "number"),
    words("Section", "section"),
    words("Item", "item"),
    words("Answer", "answer", answer_cell),
    words("Proof", "proof"),
)

COLUMNS: Mapping[str, Columns] = {
    # patients
    "flow_counts": (words("Step", "step"), N, whole("Positive outcome", "positive", absent="")),
    "problems": (
        words("Consequence", "severity"),
        words("Code", "code"),
        words("Problem", "title"),
        N,
    ),
    "baseline": (
        *LEVELS,
        group("Training", "train"),
        group("Test", "test"),
        group("External", "external"),
        *TESTS,
    ),
    "baseline_outcome": (
        *LEVELS,
        group("Negative", "negative"),
        group("Positive", "positive"),
        *TESTS,
    ),
    "odds_ratios": (
        name("Variable", "variable"),
        whole("n", "n", absent=DASH),
        whole("Events", "n_events", absent=DASH),
        odds(f"Odds ratio{INTERVAL}", "odds_ratio"),
        p("p", "p_value", absent=DASH),
        odds(f"Adjusted odds ratio{INTERVAL}", "adjusted_odds_ratio", stem="adjusted_"),
        p("Adjusted p", "adjusted_p_value", absent=DASH),
        decimal("VIF", "vif", 2, absent=DASH, term="vif"),
        words("Method", "method", term="firth"),
        words("Note", "note"),
    ),
    "agreement": (
        words("Measure", "measure", term="icc"),
        N,
        estimate("Median (range or 95 % CI)", "median"),
    ),
    "adjudication": (
        whole("Row of adjudication.csv", "row"),
        words("Reason", "reason"),
        decimal("Dice", "dice", term="dice"),
        decimal("Hausdorff distance (mm)", "hausdorff_mm", 1, term="hausdorff"),
    ),
    # images and features
    "super_resolution": (
        words("Measure", "measure", partial(_titled_cell, titles=MEASURES)),
        words("Family or arm", "family", arm_cell),
        words("Method", "method", partial(_titled_cell, titles=METHODS)),
        N,
        estimate(f"Value{INTERVAL}", "value"),
    ),
    "super_resolution_history": (
        words("Stage", "stage"),
        whole("Step", "step"),
        decimal("L1", "pixel", 4),
        decimal("Gradient", "gradient", 4),
        decimal("Feature matching", "feature_matching", 4, absent=""),
        decimal("Adversarial", "adversarial", 4, absent=""),
        decimal("Discriminator", "discriminator", 4, absent=""),
        decimal("PSNR", "psnr", 2, absent=""),
        decimal("PSNR, bicubic", "psnr_bicubic", 2, absent=""),
    ),
    "feature_counts": (words("Image type", "image_type"),),
    "selection_steps": (
        arm(),
        words("Step", "step"),
        whole("Before", "n_before"),
        whole("After", "n_after"),
        words("Rule", "rule"),
    ),
    "selected_features": (
        arm(),
        words("Feature", "feature"),
        decimal("Weight", "weight", 4, absent="", term="weight"),
        decimal("Frequency", "frequency", 2, absent="", term="frequency"),
    ),
    "stability": (
        arm(),
        whole("Resamples", "n_resamples"),
        whole("Features", "n_features"),
        decimal("Selected, mean", "n_selected_mean", 1),
        estimate(f"Nogueira's stability{INTERVAL}", "nogueira", term="nogueira"),
    ),
    "robustness": (
        words("Changed", "changed"),
        words("How", "how"),
        whole("Lesions", "n_lesions"),
        whole("Features", "n_features"),
        estimate("Median ICC (range)", "median", term="icc"),
        whole("Lower limit at least .75", "n_good"),
    ),
    # models
    "arms": (arm(), words("Model", "model"), whole("Features used", "n_features", absent="")),
    "repeated_cv": (
        arm(),
        whole("Repeats", "n_repeats"),
        whole("Folds", "n_folds"),
        N,
        N_POSITIVE,
        AUC,
        decimal("SD between repeats", "sd_between_repeats", term="sd_between_repeats"),
        decimal("Lowest", "min"),
        decimal("Highest", "max"),
    ),
    "performance": (
        arm(),
        role(),
        N,
        N_POSITIVE,
        estimate("AUC", "auc", stem="auc_", term="auc"),
        THRESHOLD,
        *SHARES,
        decimal("Accuracy", "accuracy", term="accuracy"),
        F1,
    ),
    "operating_points": (
        arm(),
        role(),
        words("Rule", "rule", rule_cell, term="youden"),
        THRESHOLD,
        whole("TP", "tp"),
        whole("FP", "fp"),
        whole("TN", "tn"),
        whole("FN", "fn"),
        *SHARES,
        F1,
    ),
    "permutation": (
        arm(),
        role(),
        decimal("AUC", "auc", term="auc"),
        whole("Permutations", "n_permutations"),
        p("p", "p_value", term="permutation"),
    ),
    "sample_size": (
        arm(),
        words("Criterion", "criterion", term="sample_size"),
        words("Meaning", "meaning"),
        whole("Predictors", "n_predictors"),
        whole("Required", "n_required"),
        whole("Supplied", "n_supplied"),
        words("Enough", "supported", supported_cell),
        whole("Predictors supported", "n_supported"),
    ),
    "calibration_measures": (
        arm(),
        role(),
        decimal("Brier", "brier", term="brier"),
        decimal("Scaled Brier", "brier_scaled", term="brier_scaled"),
        decimal("Slope", "calibration_slope", 2, term="calibration_slope"),
        decimal("Intercept", "calibration_intercept", 2, term="calibration_intercept"),
        decimal("In the large", "calibration_in_the_large", 2, term="calibration_in_the_large"),
        decimal("ICI", "ici", term="ici"),
        decimal("E50", "e50", term="e50"),
        decimal("E90", "e90", term="e50"),
        decimal("HL statistic", "hosmer_lemeshow_statistic", 2, term="hosmer_lemeshow"),
        whole("HL d.f.", "hosmer_lemeshow_dof"),
        p("HL p", "hosmer_lemeshow_p_value"),
    ),
    "confusion_counts": (
        arm(),
        role(),
        THRESHOLD,
        whole("True positive", "tp"),
        whole("False negative", "fn"),
        whole("False positive", "fp"),
        whole("True negative", "tn"),
    ),
    "comparisons": (
        *TWO_ARMS,
        gain(f"Difference{INTERVAL}", "auc_difference"),
        decimal("z", "z", 2, term="z"),
        p("p", "p_value", term="delong"),
        p("p (Holm)", "p_holm", term="holm"),
        whole("Comparisons", "n_looks", term="comparisons"),
    ),
    "reclassification": (
        *TWO_ARMS,
        gain(f"IDI{INTERVAL}", "idi", stem="idi_", term="idi"),
        p("p", "idi_p"),
        gain(f"NRI{INTERVAL}", "nri", stem="nri_", term="nri"),
        p("p", "nri_p"),
    ),
    "nomogram": (
        name("Variable", "variable"),
        words("Value", "value"),
        decimal("Points", "points", 1, term="points"),
    ),
    "nomogram_total": (
        decimal("Total points", "total_points", 1),
        decimal("Linear predictor", "linear_predictor", 2),
        decimal("Probability", "probability"),
    ),
    "optimism": (
        words("Model", "scope"),
        words("Measure", "measure", term="optimism"),
        decimal("Apparent", "apparent"),
        difference("Optimism", "optimism"),
        decimal("Corrected", "corrected"),
        whole("Bootstraps", "n_bootstraps"),
        words("Note", "note"),
    ),
    "grad_cam": (
        role(),
        words("Measure", "measure"),
        whole("Lesions", "n"),
        estimate(f"Value{INTERVAL}", "value"),
        decimal("Without knowledge", "without_knowledge", absent=DASH),
    ),
    "importance": (
        arm(),
        name("Feature", "feature"),
        estimate(f"Decrease of AUC{INTERVAL}", "auc_loss", term="permutation_importance"),
    ),
    "shap": (
        arm(),
        name("Feature", "feature"),
        decimal("Mean |SHAP|", "mean_abs_shap", term="shap"),
    ),
    "learning_curve": (
        arm(),
        whole("Training patients", "n_patients"),
        decimal("Share", "share", 2),
        AUC,
    ),
    "subgroups": (
        role(),
        arm(),
        name("Variable", "variable"),
        words("Level", "level"),
        N,
        N_POSITIVE,
        estimate(f"AUC{INTERVAL}", "auc", term="auc"),
        p("p of interaction", "interaction_p", absent="", term="interaction"),
        words("Note", "note"),
    ),
    "model_selection": (
        arm(),
        words("Classifier", "classifier"),
        words("Parameters", "parameters"),
        decimal("Mean AUC", "cv_auc_mean", term="auc"),
        decimal("SD", "cv_auc_sd"),
        decimal("Mean log loss", "cv_log_loss_mean", term="log_loss"),
        words("Chosen", "chosen"),
    ),
    # checks and provenance
    "audit": (
        words("Check", "check"),
        words("Expected", "expected"),
        words("Found", "found"),
        words("Outcome", "passed", passed_cell),
    ),
    "audit_arms": (
        words("Control", "trial"),
        role(),
        arm(),
        whole("Repetitions", "n"),
        decimal("Mean AUC", "auc", term="auc"),
        decimal("SD", "sd"),
        decimal("Lower limit", "low"),
        decimal("Upper limit", "high"),
    ),
    "clear": ITEMS,
    "metrics": ITEMS,
    "tripod_ai": ITEMS,
    "differences": (
        words("The paper", "paper"),
        words("This study", "study"),
        words("Why", "why"),
    ),
    "provenance": (words("Item", "item"), words("Value", "value")),
    "timing": (words("Step", "step"), decimal("Seconds", "seconds", 1)),
}

COMPARISON_COLUMNS: Mapping[str, Columns] = {
    "performance": (
        words("Model", "model"),
        role(),
        N,
        N_POSITIVE,
        AUC,
        decimal("Threshold", "threshold", 2),
        decimal("Sensitivity", "sensitivity", 2),
        decimal("Specificity", "specificity", 2),
    ),
    "differences": (
        role(),
        words("First", "first"),
        words("Second", "second"),
        gain(f"Difference{INTERVAL}", "auc_difference"),
        difference("z", "z"),
        p("p", "p_value"),
        p("p, Holm", "p_holm"),
        whole("Tests", "n_looks"),
    ),
    "calibration": (
        words("Model", "model"),
        role(),
        N,
        N_POSITIVE,
        decimal("Brier score", "brier"),
        decimal("Scaled Brier", "brier_scaled"),
        difference("Intercept", "calibration_intercept"),
        decimal("Slope", "calibration_slope", 2),
        difference("In the large", "calibration_in_the_large"),
        decimal("ICI", "ici"),
    ),
    "cost": (
        words("Run", "run"),
        decimal("Parameters (millions)", "parameters_millions", 1, absent=DASH),
        decimal("Seconds of fitting", "seconds", 0, absent=DASH),
        whole("Peak memory (MiB)", "peak_memory_mb", absent=DASH),
        whole("Peak memory of the GPU (MiB)", "peak_gpu_memory_mb", absent=DASH),
    ),
    "missing": (words("Run", "run"), words("Reason", "reason")),
}


@cache
def table_formats() -> Mapping[str, TableFormat]:
    """Return the formats of the tables of a study, by name."""
    texts = load_text("tables")
    return {name: TableFormat(columns=shown, **texts[name]) for name, shown in COLUMNS.items()}


@cache
def comparison_formats() -> Mapping[str, TableFormat]:
    """Return the formats of the tables of a comparison of models, by name."""
    texts = load_text("comparison")["tables"]
    known = COMPARISON_COLUMNS.items()
    return {name: TableFormat(columns=shown, **texts[name]) for name, shown in known}
