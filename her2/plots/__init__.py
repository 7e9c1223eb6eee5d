"""Figures of the study: every function takes results, returns a Figure and computes nothing."""

from her2.plots.calibration import calibration_figure
from her2.plots.comparison import comparison_figure
from her2.plots.confusion import confusion_figure
from her2.plots.decision_curve import decision_curve_figure, decision_curve_panels
from her2.plots.examples import example_figure
from her2.plots.export import save_figure, svg_bytes
from her2.plots.flow import flow_figure
from her2.plots.predictions import prediction_figure, prediction_panels
from her2.plots.roc import roc_figure, roc_panels

__all__ = [
    "calibration_figure",
    "comparison_figure",
    "confusion_figure",
    "decision_curve_figure",
    "decision_curve_panels",
    "example_figure",
    "flow_figure",
    "prediction_figure",
    "prediction_panels",
    "roc_figure",
    "roc_panels",
    "save_figure",
    "svg_bytes",
]
