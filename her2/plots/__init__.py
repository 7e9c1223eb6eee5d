"""Figures of the study: every function takes results, returns a Figure and computes nothing.

Every figure says "not estimable" where a number is missing. Every table of a figure needs the
columns that are named for it, and at least one row: else `her2.core.errors.BadArgument` is raised.
"""

from her2.plots.all_features import (
    correlation_figure,
    feature_counts_figure,
    feature_shares_figure,
    harmonisation_figure,
    p_value_figure,
)
from her2.plots.arm_curves import (
    comparison_figure,
    decision_curve_panels,
    decision_gain_panels,
    roc_panels,
)
from her2.plots.cohort_figures import agreement_figure, flow_figure
from her2.plots.export import save_figure, save_figures, svg_bytes
from her2.plots.feature_importance import (
    importance_figure,
    lasso_figure,
    shap_figure,
    stability_figure,
    weights_figure,
)
from her2.plots.forest import forest_figure
from her2.plots.lesion_images import (
    CamExample,
    example_figure,
    grad_cam_figure,
    super_resolution_figure,
)
from her2.plots.nomogram import nomogram_figure
from her2.plots.plan_figure import study_plan_figure
from her2.plots.prediction_figures import (
    calibration_figure,
    calibration_overlay,
    confusion_figure,
    prediction_histogram_panels,
    prediction_panels,
)
from her2.plots.risk_figures import instability_figure, prediction_sets_figure
from her2.plots.style import distinct_styles
from her2.plots.training import (
    cost_figure,
    learning_curve_figure,
    repeats_figure,
    super_resolution_history_figure,
    training_figure,
)

__all__ = [
    "CamExample", "agreement_figure", "calibration_figure", "calibration_overlay",
    "comparison_figure", "confusion_figure", "correlation_figure", "cost_figure",
    "decision_curve_panels", "decision_gain_panels", "distinct_styles", "example_figure",
    "feature_counts_figure", "feature_shares_figure", "flow_figure", "forest_figure",
    "grad_cam_figure", "harmonisation_figure", "importance_figure",
    "instability_figure", "lasso_figure",
    "learning_curve_figure", "nomogram_figure", "p_value_figure",
    "prediction_histogram_panels", "prediction_panels", "prediction_sets_figure", "repeats_figure",
    "roc_panels", "save_figure", "save_figures", "shap_figure", "stability_figure",
    "study_plan_figure", "super_resolution_figure", "super_resolution_history_figure", "svg_bytes",
    "training_figure", "weights_figure",
]  # fmt: skip
