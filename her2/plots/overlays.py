"""Calibration of several models in one square: their flexible curves over each other.

References
----------
.. [1] Van Calster B, et al. Calibration: the Achilles heel of predictive analytics.
   BMC Med 2019;17:230. doi:10.1186/s12916-019-1466-7
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from her2.plots.roc import square_panels
from her2.plots.style import arm_colour, arm_line, arms_in_order, legend_below, styled, unit_square
from her2.plots.text import NOT_ESTIMABLE, arm_title


@styled
def calibration_overlay(
    panels: Mapping[str, pd.DataFrame], *, measures: Mapping[str, Mapping[str, str]] | None = None
) -> Figure:
    """Flexible calibration curves of several models, one panel a role.

    Bands would cover each other; the figure of one model has them.

    Parameters
    ----------
    panels
        Panel title -> curves: columns arm, predicted and observed (0-1).
    measures
        Panel title -> arm -> text beside its name, for example the slope. An arm without a
        curve is still named.

    Examples
    --------
    >>> curve = pd.DataFrame({"arm": "vgg19", "predicted": [0.2, 0.8], "observed": [0.3, 0.7]})
    >>> figure = calibration_overlay({"Test": curve}, measures={"Test": {"vgg19": "slope 0.9"}})
    >>> figure.axes[0].get_legend().get_texts()[0].get_text()
    'vgg19:  slope 0.9'
    """
    texts = measures or {}
    n_lines = max((len(_named(panels[t], texts.get(t, {}))) for t in panels), default=0)
    figure, all_axes = square_panels(max(len(panels), 1), n_lines=n_lines)
    for axes, (title, curves) in zip(all_axes, panels.items(), strict=False):
        _draw_curves(axes, curves, texts.get(title, {}), title=title)
    return figure


def _named(curves: pd.DataFrame, texts: Mapping[str, str]) -> list[str]:
    return arms_in_order([*texts, *curves.get("arm", ())])


def _draw_curves(
    axes: Axes, curves: pd.DataFrame, texts: Mapping[str, str], *, title: str
) -> None:
    unit_square(axes)
    lines: dict[str, Artist] = {}
    for arm in _named(curves, texts):
        known = _points(curves, arm)
        (line,) = axes.plot(
            known["predicted"], known["observed"], color=arm_colour(arm), linestyle=arm_line(arm)
        )
        said = texts.get(arm) or ("" if len(known) else NOT_ESTIMABLE)
        lines[f"{arm_title(arm)}:  {said}" if said else arm_title(arm)] = line
    axes.set(title=title, xlabel="Predicted probability", ylabel="Observed frequency")
    legend_below(axes, lines, title="Calibration")


def _points(curves: pd.DataFrame, arm: str) -> pd.DataFrame:
    if "arm" not in curves or not curves["arm"].eq(arm).any():
        return pd.DataFrame({"predicted": [], "observed": []})
    return curves[curves["arm"].eq(arm)].sort_values("predicted")
