"""What the report knows: its sections in order, its tables, its figures and their captions.

A table or figure is placed by its name. What has no place here is shown in the section
`FURTHER`, so that nothing that a study brings is lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from her2.report import (
    specs_accounts,
    specs_enhancement,
    specs_features,
    specs_models,
    specs_patients,
)
from her2.report.columns import TableSpec

FURTHER = "further"

TABLES: dict[str, TableSpec] = {
    "flow_counts": specs_patients.FLOW,
    "problems": specs_patients.PROBLEMS,
    "baseline": specs_patients.BASELINE,
    "baseline_outcome": specs_patients.BASELINE_OUTCOME,
    "odds_ratios": specs_patients.ODDS_RATIOS,
    "agreement": specs_patients.AGREEMENT,
    "adjudication": specs_patients.ADJUDICATION,
    "super_resolution": specs_enhancement.SUPER_RESOLUTION,
    "super_resolution_history": specs_enhancement.HISTORY,
    "feature_counts": specs_features.FEATURE_COUNTS,
    "selection_steps": specs_features.SELECTION_STEPS,
    "selected_features": specs_features.SELECTED_FEATURES,
    "stability": specs_features.STABILITY,
    "robustness": specs_features.ROBUSTNESS,
    "arms": specs_models.ARMS,
    "repeated_cv": specs_models.REPEATED_CV,
    "performance": specs_models.PERFORMANCE,
    "operating_points": specs_models.OPERATING_POINTS,
    "permutation": specs_models.PERMUTATION,
    "sample_size": specs_models.SAMPLE_SIZE,
    "calibration_measures": specs_models.CALIBRATION,
    "confusion_counts": specs_models.CONFUSION,
    "comparisons": specs_models.COMPARISONS,
    "reclassification": specs_models.RECLASSIFICATION,
    "nomogram": specs_models.NOMOGRAM,
    "nomogram_total": specs_models.NOMOGRAM_TOTAL,
    "optimism": specs_models.OPTIMISM,
    "grad_cam": specs_models.GRAD_CAM,
    "importance": specs_models.IMPORTANCE,
    "shap": specs_models.SHAP,
    "learning_curve": specs_models.LEARNING_CURVE,
    "subgroups": specs_models.SUBGROUPS,
    "model_selection": specs_models.MODEL_SELECTION,
    "audit": specs_accounts.AUDIT,
    "clear": specs_accounts.CLEAR,
    "metrics": specs_accounts.METRICS,
    "tripod_ai": specs_accounts.TRIPOD_AI,
    "differences": specs_accounts.DIFFERENCES,
    "provenance": specs_accounts.PROVENANCE,
    "timing": specs_accounts.TIMING,
}

# Points of the curves and single repeats: the figures show them, the files hold them.
POINTS = frozenset(
    {"roc", "calibration", "calibration_curve", "decision_curve", "repeats", "training"}
)

FIGURES: dict[str, str] = {
    "flow": "Flow of patients from the rows of the patient table to training and test.",
    "examples": "Example images with the outline of the lesion's mask.",
    "odds_ratios": "Odds ratios with 95 % intervals, of each variable alone and adjusted.",
    "agreement": "Agreement of the two readers' outlines: overlap and largest distance.",
    "feature_shares": "Features by family.",
    "super_resolution": (
        "Held-out lesions: a quarter of the image, enlarged again bicubically and by "
        "super-resolution, and the image as it is."
    ),
    "super_resolution_history": (
        "Fit of the generator: losses, and PSNR of training patients' images that were not fitted "
        "on; dashed, where the adversarial stage begins."
    ),
    "feature_counts": "Features by image type and family.",
    "harmonisation": (
        "Training lesions by the vendor of the scanner, before and after ComBat, on the first two "
        "principal components of the features before."
    ),
    "selection_p_values": (
        "Distribution of the p values of the features by family, before any selection."
    ),
    "selection_correlation": "Correlation of the features before and after redundant ones left.",
    "selection_lasso": (
        "LASSO: coefficients along the penalty, and the error in cross-validation; dashed, the "
        "chosen penalty."
    ),
    "selection_weights": "Weights of the selected features.",
    "repeats": "AUC of every repeat of cross-validation, with the mean and its 95 % interval.",
    "roc": "Receiver operating characteristic curves; AUC with DeLong's 95 % interval.",
    "calibration": (
        "Calibration: observed frequency against mean predicted probability in groups of "
        "patients, with 95 % intervals; dashed, perfect calibration; below, the distribution of "
        "the predictions."
    ),
    "decision_curve": (
        "Decision curves: net benefit of acting on the model's probability, against treating "
        "everybody and nobody."
    ),
    "prediction": (
        "Predicted probability of every patient, sorted, drawn from the training threshold; "
        "colour is the true outcome, so a positive patient below the line was missed."
    ),
    "prediction_histogram": (
        "Distribution of the predicted probability by true outcome, with the training threshold."
    ),
    "confusion": "Confusion counts at the training threshold, with shares of the true outcome.",
    "comparison": (
        "Difference of AUC, row minus column, with the Holm-adjusted p of DeLong's test; "
        "outlined where it is below .05."
    ),
    "nomogram": (
        "Nomogram of the combined model: add the points of each row, and read the probability "
        "below the total."
    ),
    "training": (
        "Training of the networks: mean loss by epoch. The loss of the judged fold is recorded "
        "and decides nothing."
    ),
    "grad_cam": (
        "Grad-CAM: regions that speak for the outcome that the network called, with the outline "
        "of the lesion, of the surest lesion of each kind and of the one in the middle. It shows "
        "where the network looked, not why it is right."
    ),
    "importance": (
        "Permutation importance: AUC that is lost, out of fold, when the patients exchange their "
        "values of a feature."
    ),
    "shap": (
        "SHAP values out of fold, a dot a lesion: what the feature adds to the log odds of the "
        "positive outcome; colour is the feature's value, grey where it has no order."
    ),
    "stability": "How often each feature is selected again in resamples of the training patients.",
    "learning_curve": "AUC by the number of training patients, with 95 % intervals.",
    "subgroups": "AUC in subgroups with 95 % intervals; the line is the AUC of all patients.",
}


@dataclass(frozen=True)
class Heads:
    """A heading above the parts that follow; without any of them it is left out."""

    title: str
    term: str = ""


@dataclass(frozen=True)
class Shows:
    """A table by its name."""

    table: str


@dataclass(frozen=True)
class Draws:
    """Figures by the start of their names; `by_arm`: each arm's under a heading."""

    figures: tuple[str, ...]
    by_arm: bool = False


Part: TypeAlias = Heads | Shows | Draws


@dataclass(frozen=True)
class SectionPlan:
    """A section: what it shows in which order, how it is read, and what is said if it is empty.

    `term` is explained beside its title. A section without anything to show disappears unless
    `absent` says why.
    """

    anchor: str
    title: str
    parts: tuple[Part, ...]
    reading: str = ""
    absent: str = ""
    term: str = ""


_NO_FIGURE = "This study brought no such figure."

SECTIONS: tuple[SectionPlan, ...] = (
    SectionPlan(
        "flow",
        "Flow of patients",
        (Draws(("flow", "examples")), Shows("flow_counts"), Shows("problems")),
    ),
    SectionPlan(
        "baseline",
        "Patients",
        (Shows("baseline"), Shows("baseline_outcome")),
        absent="The cohort brought no clinical variable.",
    ),
    SectionPlan("clinical", "Clinical variables", (Shows("odds_ratios"), Draws(("odds_ratios",)))),
    SectionPlan(
        "readers",
        "Readers",
        (Draws(("agreement",)), Shows("agreement"), Shows("adjudication")),
    ),
    SectionPlan(
        "super-resolution",
        "Super-resolution",
        (
            Draws(("super_resolution",)),
            Shows("super_resolution"),
            Draws(("super_resolution_history",)),
            Shows("super_resolution_history"),
        ),
        reading=(
            "The generator saw native images of training patients and no outcome; what it invents "
            "is not anatomy. It is worth its name where it is better than bicubic enlargement."
        ),
    ),
    SectionPlan(
        "features",
        "Features and selection",
        (
            Draws(("feature_shares",)),
            Draws(("feature_counts",)),
            Shows("feature_counts"),
            Draws(("harmonisation",)),
            Shows("selection_steps"),
            Draws(
                (
                    "selection_p_values",
                    "selection_correlation",
                    "selection_lasso",
                    "selection_weights",
                ),
                by_arm=True,
            ),
            Shows("selected_features"),
        ),
    ),
    SectionPlan(
        "performance",
        "Performance",
        (
            Shows("arms"),
            Heads("Repeated cross-validation", "repeated_cv"),
            Shows("repeated_cv"),
            Draws(("repeats",)),
            Heads("Single split", "role"),
            Shows("performance"),
            Shows("operating_points"),
            Shows("permutation"),
            Heads("Sample size", "sample_size"),
            Shows("sample_size"),
        ),
    ),
    SectionPlan("roc", "ROC curves", (Draws(("roc",)),), absent=_NO_FIGURE, term="auc"),
    SectionPlan(
        "calibration",
        "Calibration",
        (Draws(("calibration",)), Shows("calibration_measures")),
    ),
    SectionPlan(
        "decision-curves",
        "Decision curves",
        (Draws(("decision_curve",)),),
        reading=(
            "A model helps at those threshold probabilities at which its curve lies above both "
            "treating everybody and treating nobody."
        ),
        absent=_NO_FIGURE,
        term="net_benefit",
    ),
    SectionPlan(
        "predictions",
        "Predictions",
        (Draws(("prediction", "prediction_histogram")),),
        absent=_NO_FIGURE,
    ),
    SectionPlan(
        "confusion", "Confusion counts", (Draws(("confusion",)), Shows("confusion_counts"))
    ),
    SectionPlan(
        "comparisons",
        "Comparison of arms",
        (Draws(("comparison",)), Shows("comparisons"), Shows("reclassification")),
        term="delong",
    ),
    SectionPlan(
        "nomogram",
        "Nomogram",
        (
            Draws(("nomogram",)),
            Shows("nomogram"),
            Shows("nomogram_total"),
            Shows("optimism"),
        ),
    ),
    SectionPlan("training", "Training of the networks", (Draws(("training",)),)),
    SectionPlan("grad-cam", "Grad-CAM", (Draws(("grad_cam",)), Shows("grad_cam"))),
    SectionPlan(
        "importance",
        "Importance",
        (
            Draws(("importance", "shap"), by_arm=True),
            Shows("importance"),
            Shows("shap"),
        ),
        reading=(
            "What the models look at, judged on patients that they have not seen; it says "
            "nothing about causes."
        ),
    ),
    SectionPlan(
        "robustness",
        "Robustness",
        (
            Heads("Stability of the selection", "nogueira"),
            Draws(("stability",)),
            Shows("stability"),
            Heads("Robustness of the features", "icc"),
            Shows("robustness"),
            Heads("Learning curve"),
            Draws(("learning_curve",)),
            Shows("learning_curve"),
            Heads("Subgroups"),
            Draws(("subgroups",)),
            Shows("subgroups"),
        ),
    ),
    SectionPlan("model-selection", "Model selection", (Shows("model_selection"),)),
    SectionPlan("audit", "Leakage audit", (Shows("audit"),)),
    SectionPlan(
        "checklists",
        "Checklists",
        (Shows("clear"), Shows("metrics"), Shows("tripod_ai")),
        reading="Open a list for its items, each with its answer and the proof.",
    ),
)

ACCOUNTS: tuple[SectionPlan, ...] = (
    SectionPlan("differences", "What differs from the paper", (Shows("differences"),)),
    SectionPlan(
        "provenance",
        "Provenance",
        (Shows("provenance"), Shows("timing")),
        reading=(
            "The figures are also in figures/ as SVG and as PNG of 300 dpi, the tables in "
            "tables/ as CSV and together in tables.xlsx."
        ),
    ),
)


def figure_key(figure_name: str) -> str:
    """Start of a figure's name that places it, or `FURTHER`.

    Examples
    --------
    >>> figure_key("calibration_test"), figure_key("selection_lasso_dlr"), figure_key("rocket")
    ('calibration', 'selection_lasso', 'further')
    """
    fitting = [key for key in FIGURES if re.match(rf"{key}(s?_|s?$)", figure_name)]
    return max(fitting, key=len, default=FURTHER)
