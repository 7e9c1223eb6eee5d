"""How the tables of a comparison of models are shown."""

from __future__ import annotations

from her2.report.columns import (
    DASH,
    INTERVAL,
    TableSpec,
    decimal,
    difference,
    estimate,
    gain,
    p,
    role,
    whole,
    words,
)

PERFORMANCE = TableSpec(
    "Discrimination; models in the order of their AUC out of fold",
    (
        words("Model", "model"),
        role(),
        whole("n", "n"),
        whole("Positive", "n_positive"),
        estimate(f"AUC{INTERVAL}", "auc", stem="auc_", term="auc"),
        decimal("Threshold", "threshold", 2),
        decimal("Sensitivity", "sensitivity", 2),
        decimal("Specificity", "specificity", 2),
    ),
    note="The threshold is Youden's on the out-of-fold predictions of the training patients.",
    blocks_by="model",
    is_folded=False,
    is_open=False,  # the file has the predictive values as well
)

DIFFERENCES = TableSpec(
    "Differences of AUC, first minus second (DeLong's paired test)",
    (
        role(),
        words("First", "first"),
        words("Second", "second"),
        gain(f"Difference{INTERVAL}", "auc_difference"),
        difference("z", "z"),
        p("p", "p_value"),
        p("p, Holm", "p_holm"),
        whole("Tests", "n_looks"),
    ),
    note="Holm's correction counts the pairs of one role. Intervals are not adjusted.",
    empty="No two models could be compared.",
)

CALIBRATION = TableSpec(
    "Calibration",
    (
        words("Model", "model"),
        role(),
        whole("n", "n"),
        whole("Positive", "n_positive"),
        decimal("Brier score", "brier"),
        decimal("Scaled Brier", "brier_scaled"),
        difference("Intercept", "calibration_intercept"),
        decimal("Slope", "calibration_slope", 2),
        difference("In the large", "calibration_in_the_large"),
        decimal("ICI", "ici"),
    ),
    note="Perfect: intercept 0, slope 1, ICI 0.",
    blocks_by="model",
    is_folded=False,
)

COST = TableSpec(
    "Cost of each run",
    (
        words("Run", "run"),
        decimal("Parameters (millions)", "parameters_millions", 1, absent=DASH),
        decimal("Seconds of fitting", "seconds", 0, absent=DASH),
        whole("Peak memory (MiB)", "peak_memory_mb", absent=DASH),
        whole("Peak memory of the GPU (MiB)", "peak_gpu_memory_mb", absent=DASH),
    ),
    note=(
        "Parameters: of the network without its head. Seconds: of training and fitting, as the "
        "clock went; images and features are not counted. Memory: the most that the run's "
        "process held, without its workers."
    ),
    is_open=False,
)

MISSING = TableSpec(
    "Runs that are not compared",
    (words("Run", "run"), words("Reason", "reason")),
)

SPECS = {
    "performance": PERFORMANCE,
    "differences": DIFFERENCES,
    "calibration": CALIBRATION,
    "cost": COST,
    "missing": MISSING,
}
