"""Columns of every named table; `texts/tables.yaml` has their captions and notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, TypeAlias

from her2.plots.text import number
from her2.report import formats as form
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
    mean_whole,
    name,
    odds,
    p,
    role,
    whole,
    words,
)
from her2.report.texts import load_text

Columns: TypeAlias = tuple[ColumnFormat, ...]

CALIBRATION = {
    "calibration_slope": "Slope",
    "calibration_intercept": "Intercept",
    "calibration_in_the_large": "In the large",
}


def each(kind: Callable[..., ColumnFormat], titles: Mapping[str, str], **options: Any) -> Columns:
    """Columns of one kind, by their sources; ``term="source"`` explains each by its source."""
    by_source = options.get("term") == "source"
    return tuple(
        kind(title, source, **(options | {"term": source} if by_source else options))
        for source, title in titles.items()
    )


N, N_POSITIVE = whole("n", "n"), whole("Positive", "n_positive")
AUC = estimate(f"AUC{INTERVAL}", "auc", stem="auc_", term="auc")
THRESHOLD = decimal("Threshold", "threshold", term="threshold")
SHARES = tuple(
    estimate(title, title.lower(), stem=f"{title.lower()}_", term=title.lower())
    for title in ("Sensitivity", "Specificity", "PPV", "NPV", "F1", "Accuracy")
)
PREVALENCE = decimal("Prevalence", "prevalence", 2, term="prevalence")
TWO_ARMS = (role(), arm("First", "first"), arm("Second", "second"))
VARIABLE = name("Variable", "variable")
ARM_ROLE, COUNTS = (arm(), role()), (N, N_POSITIVE)
LEVELS = (VARIABLE, words("Level", "level"), group("All", "all"))
TESTS = (
    whole("Missing", "missing", absent="").once(),
    p("p", "p_value", absent="").once(),
    words("Statistical test", "test_name").once(),
    decimal("SMD", "smd", 2, absent="", term="smd").once(),
)
ITEMS = (
    *each(words, {"number": "Number", "section": "Section", "item": "Item"}),
    words("Answer", "answer", form.answer_cell),
    words("Proof", "proof"),
)
NOTE = words("Note", "note")

COLUMNS: Mapping[str, Columns] = {
    # patients
    "flow_counts": (words("Step", "step"), N, whole("Positive outcome", "positive", absent="")),
    "problems": (*each(words, {"severity": "Consequence", "code": "Code", "title": "Problem"}), N),
    "baseline": (*LEVELS, *each(group, {"train": "Training", "test": "Test"}), *TESTS),
    "baseline_outcome": (
        *LEVELS,
        *each(group, {"negative": "Negative", "positive": "Positive"}),
        *TESTS,
    ),
    "odds_ratios": (
        VARIABLE,
        *each(whole, {"n": "n", "n_events": "Events"}, absent=DASH),
        odds(f"Odds ratio{INTERVAL}", "odds_ratio"),
        p("p", "p_value", absent=DASH),
        odds(f"Adjusted odds ratio{INTERVAL}", "adjusted_odds_ratio", stem="adjusted_"),
        p("Adjusted p", "adjusted_p_value", absent=DASH),
        decimal("VIF", "vif", 2, absent=DASH, term="vif"),
        words("Method", "method", term="firth"),
        NOTE,
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
        words("Measure", "measure", form.measure_cell),
        words("Family or arm", "family", form.arm_cell),
        words("Method", "method", form.method_cell),
        N,
        estimate(f"Value{INTERVAL}", "value"),
    ),
    "super_resolution_history": (
        words("Stage", "stage"),
        whole("Step", "step"),
        *each(decimal, {"pixel": "L1", "gradient": "Gradient"}, digits=4),
        *each(
            decimal,
            {
                "feature_matching": "Feature matching",
                "adversarial": "Adversarial",
                "discriminator": "Discriminator",
            },
            digits=4,
            absent="",
        ),
        *each(decimal, {"psnr": "PSNR", "psnr_bicubic": "PSNR, bicubic"}, digits=2, absent=""),
    ),
    "feature_counts": (words("Image type", "image_type"),),
    "selection_steps": (
        arm(),
        words("Step", "step"),
        *each(whole, {"n_before": "Before", "n_after": "After"}),
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
        *each(whole, {"n_resamples": "Resamples", "n_features": "Features"}),
        decimal("Selected, mean", "n_selected_mean", 1),
        estimate(f"Nogueira's stability{INTERVAL}", "nogueira", term="nogueira"),
    ),
    "robustness": (
        *each(words, {"changed": "Changed", "how": "How"}),
        *each(whole, {"n_lesions": "Lesions", "n_features": "Features"}),
        estimate("Median ICC (range)", "median", term="icc"),
        whole("Lower limit at least .75", "n_good"),
    ),
    # models
    "arms": (arm(), words("Model", "model"), whole("Features used", "n_features", absent="")),
    "repeated_cv": (
        arm(),
        *each(whole, {"n_repeats": "Repeats", "n_folds": "Folds"}),
        *COUNTS,
        AUC,
        decimal("SD between repeats", "sd_between_repeats", term="sd_between_repeats"),
        *each(decimal, {"min": "Lowest", "max": "Highest"}),
    ),
    "performance": (
        *ARM_ROLE,
        *COUNTS,
        estimate("AUC", "auc", stem="auc_", term="auc"),
        THRESHOLD,
        *SHARES,
        PREVALENCE,
    ),
    "which_number": (
        words("Estimate", "estimate"),
        N,
        AUC,
        words("What it is", "meaning"),
    ),
    "operating_points": (
        *ARM_ROLE,
        words("Rule", "rule", form.rule_cell, term="youden"),
        THRESHOLD,
        *each(mean_whole, {"tp": "TP", "fp": "FP", "tn": "TN", "fn": "FN"}),
        *SHARES,
        PREVALENCE,
    ),
    "against_chance": (
        *ARM_ROLE,
        decimal("AUC", "auc", term="auc"),
        whole("Permutations", "n_permutations", absent=DASH),
        p("p", "p_value", term="against_chance"),
    ),
    "sample_size": (
        arm(),
        words("Criterion", "criterion", term="sample_size"),
        words("Meaning", "meaning"),
        whole("Predictors", "n_predictors"),
        *each(whole, {"n_required": "Required", "n_supplied": "Supplied"}),
        words("Enough", "supported", form.supported_cell),
        whole("Predictors supported", "n_supported"),
    ),
    "calibration_measures": (
        *ARM_ROLE,
        *(
            estimate(title, name, stem=f"{name}_", term=name)
            for name, title in {"brier": "Brier", "brier_scaled": "Scaled Brier"}.items()
        ),
        *(
            estimate(title, name, stem=f"{name}_", term=name, show=partial(number, digits=2))
            for name, title in CALIBRATION.items()
        ),
        estimate("ICI", "ici", stem="ici_", term="ici"),
        *each(decimal, {"e50": "E50", "e90": "E90"}, term="e50"),
        decimal("HL statistic", "hosmer_lemeshow_statistic", 2, term="hosmer_lemeshow"),
        whole("HL d.f.", "hosmer_lemeshow_dof"),
        p("HL p", "hosmer_lemeshow_p_value"),
    ),
    "confusion_counts": (
        *ARM_ROLE,
        THRESHOLD,
        *each(mean_whole, {"tp": "True positive", "fn": "False negative"}),
        *each(mean_whole, {"fp": "False positive", "tn": "True negative"}),
    ),
    "instability": (
        arm(),
        *(N, whole("Refits", "n_refits"), THRESHOLD),
        decimal("Mean distance", "mean_distance", term="instability"),
        decimal("90th percentile", "distance_p90"),
        decimal("Change of class", "mean_changed", term="class_change"),
    ),
    "conformal": (
        *ARM_ROLE,
        *(words("True outcome", "outcome"), decimal("Alpha", "alpha", 2), N),
        estimate(f"Covered{INTERVAL}", "covered", term="conformal"),
        *each(decimal, {"abstained": "Both outcomes", "empty": "Empty"}),
        *(whole("One outcome", "n_certain"), decimal("Right among these", "accuracy")),
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
    "nomogram": (VARIABLE, words("Value", "value"), decimal("Points", "points", 1, term="points")),
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
        NOTE,
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
        VARIABLE,
        words("Level", "level"),
        *COUNTS,
        estimate(f"AUC{INTERVAL}", "auc", term="auc"),
        p("p of interaction", "interaction_p", absent="", term="interaction"),
        NOTE,
    ),
    "model_selection": (
        arm(),
        *each(words, {"classifier": "Classifier", "parameters": "Parameters"}),
        decimal("Mean AUC", "cv_auc_mean", term="auc"),
        decimal("SD", "cv_auc_sd"),
        decimal("Mean log loss", "cv_log_loss_mean", term="log_loss"),
        words("Chosen by", "scoring"),
        words("Chosen", "chosen"),
    ),
    # checks and provenance
    "shortcut_controls": (
        words("Control", "control", form.control_cell),
        whole("Features", "n_features"),
        estimate(f"AUC{INTERVAL}", "auc", stem="auc_"),
        arm("Arm that it could explain"),
        decimal("Its AUC", "arm_auc"),
        decimal("Control over chance, share of the arm", "share", 2),
        words("Alarm", "alarm", form.alarm_cell),
    ),
    "audit": (
        *each(words, {"check": "Check", "expected": "Expected", "found": "Found"}),
        words("Outcome", "passed", form.passed_cell),
    ),
    "audit_power": each(
        words,
        {
            "leak": "Planted leak",
            "check": "Check",
            "tried": "Sizes tried",
            "seen": "Smallest leak seen",
        },
    ),
    "audit_arms": (
        words("Control", "trial"),
        role(),
        arm(),
        whole("Repetitions", "n"),
        decimal("Mean AUC", "auc", term="auc"),
        *each(decimal, {"sd": "SD", "low": "Lower limit", "high": "Upper limit"}),
    ),
    **dict.fromkeys(("clear", "metrics", "tripod_ai"), ITEMS),
    "differences": each(words, {"paper": "The paper", "study": "This study", "why": "Why"}),
    "provenance": each(words, {"item": "Item", "value": "Value"}),
    "timing": (words("Step", "step"), decimal("Seconds", "seconds", 1)),
}

COMPARISON_COLUMNS: Mapping[str, Columns] = {
    "performance": (
        words("Model", "model"),
        role(),
        *COUNTS,
        AUC,
        decimal("Threshold", "threshold", 2),
        *each(decimal, {"sensitivity": "Sensitivity", "specificity": "Specificity"}, digits=2),
    ),
    "differences": (
        role(),
        *each(words, {"first": "First", "second": "Second"}),
        gain(f"Difference{INTERVAL}", "auc_difference"),
        difference("z", "z"),
        *each(p, {"p_value": "p", "p_holm": "p, Holm"}),
        whole("Tests", "n_looks"),
    ),
    "calibration": (
        words("Model", "model"),
        role(),
        *COUNTS,
        *each(decimal, {"brier": "Brier score", "brier_scaled": "Scaled Brier"}),
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
    "missing": each(words, {"run": "Run", "reason": "Reason"}),
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
