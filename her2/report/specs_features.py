"""How the tables about features are shown: counts, selection, stability."""

from __future__ import annotations

from her2.report.columns import (
    INTERVAL,
    TableSpec,
    arm,
    decimal,
    estimate,
    whole,
    words,
)

FEATURE_COUNTS = TableSpec(
    "Features by image type and family",
    (words("Image type", "image_type"),),
    empty="No feature was extracted.",
    is_folded=True,
)

SELECTION_STEPS = TableSpec(
    "Selection of features, fitted on the training patients",
    (
        arm(),
        words("Step", "step"),
        whole("Before", "n_before"),
        whole("After", "n_after"),
        words("Rule", "rule"),
    ),
    empty="No feature was selected by a rule.",
)

SELECTED_FEATURES = TableSpec(
    "Selected features and their weights",
    (
        arm(),
        words("Feature", "feature"),
        decimal("Weight", "weight", 4, absent="", term="weight"),
        decimal("Frequency", "frequency", 2, absent="", term="frequency"),
    ),
    note=(
        "A blank weight: the arm's selection does not end in LASSO. A blank frequency: the "
        "selection was not repeated on resamples."
    ),
    empty="The selection left no feature.",
)

STABILITY = TableSpec(
    "Stability of the selection over resamples of the training patients",
    (
        arm(),
        whole("Resamples", "n_resamples"),
        whole("Features", "n_features"),
        decimal("Selected, mean", "n_selected_mean", 1),
        estimate(
            f"Nogueira's stability{INTERVAL}",
            "nogueira",
            term="nogueira",
        ),
    ),
    empty="The selection was not repeated on resamples.",
)

ROBUSTNESS = TableSpec(
    "Features of training lesions measured again after small changes",
    (
        words("Changed", "changed"),
        words("How", "how"),
        whole("Lesions", "n_lesions"),
        whole("Features", "n_features"),
        estimate("Median ICC (range)", "median", term="icc"),
        whole("Lower limit at least .75", "n_good"),
    ),
    note="ICC(2,1) of a feature between a lesion as it is and its changed versions.",
)
