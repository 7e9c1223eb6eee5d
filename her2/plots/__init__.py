"""Figures of the study: every function takes results, returns a Figure and computes nothing.

Every figure says "not estimable" where a number is missing.
"""

from her2.plots.agreement import agreement_figure
from her2.plots.calibration_figure import calibration_figure
from her2.plots.comparison_figures import comparison_figure
from her2.plots.confusion import confusion_figure
from her2.plots.correlation import correlation_figure
from her2.plots.costs import cost_figure
from her2.plots.decision_curve import decision_curve_figure, decision_curve_panels
from her2.plots.examples import example_figure
from her2.plots.export import save_figure, save_figures, svg_bytes
from her2.plots.feature_counts import feature_counts_figure, feature_shares_figure
from her2.plots.flow import flow_figure
from her2.plots.forest import forest_figure
from her2.plots.grad_cam_panels import CamExample, grad_cam_figure
from her2.plots.harmonisation import harmonisation_figure
from her2.plots.histograms import prediction_histogram_panels
from her2.plots.importance_bars import importance_figure, shap_figure
from her2.plots.lasso_figures import lasso_figure
from her2.plots.learning_curve import learning_curve_figure
from her2.plots.nomogram import nomogram_figure
from her2.plots.overlays import calibration_overlay
from her2.plots.p_value_figure import p_value_figure
from her2.plots.predicted_probabilities import prediction_figure, prediction_panels
from her2.plots.ranked import stability_figure, weights_figure
from her2.plots.repeats import repeats_figure
from her2.plots.roc import roc_figure, roc_panels
from her2.plots.style import looks_of
from her2.plots.super_resolution_figure import (
    super_resolution_figure,
    super_resolution_history_figure,
)
from her2.plots.training_figure import training_figure

__all__ = [
    "CamExample",
    "agreement_figure",
    "calibration_figure",
    "calibration_overlay",
    "comparison_figure",
    "confusion_figure",
    "correlation_figure",
    "cost_figure",
    "decision_curve_figure",
    "decision_curve_panels",
    "example_figure",
    "feature_counts_figure",
    "feature_shares_figure",
    "flow_figure",
    "forest_figure",
    "grad_cam_figure",
    "harmonisation_figure",
    "importance_figure",
    "lasso_figure",
    "learning_curve_figure",
    "looks_of",
    "nomogram_figure",
    "p_value_figure",
    "prediction_figure",
    "prediction_histogram_panels",
    "prediction_panels",
    "repeats_figure",
    "roc_figure",
    "roc_panels",
    "save_figure",
    "save_figures",
    "shap_figure",
    "stability_figure",
    "super_resolution_figure",
    "super_resolution_history_figure",
    "svg_bytes",
    "training_figure",
    "weights_figure",
]
