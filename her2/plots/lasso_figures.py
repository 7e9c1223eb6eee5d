"""LASSO: coefficients against the penalty, and the cross-validated error that chose it.

References
----------
.. [1] Tibshirani R. Regression shrinkage and selection via the lasso. J R Stat Soc B
   1996;58:267-288. doi:10.1111/j.2517-6161.1996.tb02080.x
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from her2.plots import style
from her2.plots.text import NOT_ESTIMABLE, Number, count, feature_title, is_missing

MAX_LABELS = 12
RASTER_ABOVE = 20_000  # points of all paths together
LABEL_GAP = 0.066  # of the height of the axes: one line of small text
X_LABEL = "log₁₀ of the penalty α (weaker to the right)"


@style.styled
def lasso_figure(path: pd.DataFrame, error: pd.DataFrame, *, chosen: Number) -> Figure:
    """Coefficient paths with the strongest features named, beside the cross-validated error.

    path: alpha (above 0), feature, coefficient (of z-scored features). error: alpha, mse_mean and
    mse_sd over the folds; NaN leaves a gap. The chosen penalty is a line; None or NaN draws none.
    """
    style.required(path, ["alpha", "feature", "coefficient"], name="the LASSO path")
    style.required(error, ["alpha", "mse_mean", "mse_sd"], name="the LASSO error")
    figure = style.new_figure(style.PAGE_WIDTH, 3.7)
    left, right = figure.subplots(1, 2, width_ratios=[1.1, 1.0])
    lines = path.pivot_table(index="alpha", columns="feature", values="coefficient")
    _draw_paths(left, lines.sort_index(), chosen)
    _draw_error(right, error.sort_values("alpha"), chosen)
    for axes in (left, right):
        axes.set_xlabel(X_LABEL)
        axes.locator_params(axis="x", nbins=5)
        if chosen is not None and not is_missing(chosen):
            axes.axvline(np.log10(chosen), **style.THRESHOLD_LINE)
    return figure


def _log(alpha: pd.Series | pd.Index) -> NDArray[np.float64]:
    return np.log10(alpha.to_numpy(dtype=np.float64))


def _draw_paths(axes: Axes, lines: pd.DataFrame, chosen: Number) -> None:
    at_chosen = _coefficients_at(lines, chosen)
    title = f"Coefficients; chosen α {NOT_ESTIMABLE}"
    if chosen is not None and not is_missing(chosen):
        n_kept, n_all = int((at_chosen != 0).sum()), at_chosen.size
        title = f"α = {chosen:.3g} (dashed) keeps {count(n_kept)} of {count(n_all)} features"
    axes.set(title=title, ylabel="Coefficient")
    if lines.empty:
        style.say_in(axes, f"coefficients {NOT_ESTIMABLE}")
        axes.tick_params(labelbottom=False, labelleft=False)
        return
    x, kept = _log(lines.index), at_chosen[at_chosen != 0].abs()
    strongest = kept.sort_values(ascending=False, kind="stable").index[:MAX_LABELS]
    named = [str(feature) for feature in strongest]
    axes.add_collection(
        LineCollection(
            [np.column_stack([x, lines[feature]]) for feature in lines.columns],
            colors=[_line_colour(at_chosen[f], is_named=f in named) for f in lines.columns],
            linewidths=[1.3 if feature in named else 0.7 for feature in lines.columns],
            rasterized=lines.size > RASTER_ABOVE,
        )
    )
    low, high = min(float(lines.min().min()), 0.0), max(float(lines.max().max()), 0.0)
    margin = 0.06 * (high - low) or 0.1
    _weaker_to_the_right(axes, x)
    axes.set_ylim(low - margin, high + margin)
    _label_paths(axes, lines[named].iloc[0], at_chosen)


def _coefficients_at(lines: pd.DataFrame, chosen: Number) -> pd.Series:
    """Coefficients at the penalty nearest to the chosen one; at the weakest if none is."""
    if lines.empty:
        return pd.Series(0.0, index=lines.columns)
    row = 0
    if chosen is not None and not is_missing(chosen):
        row = int(np.argmin(np.abs(_log(lines.index) - np.log10(chosen))))
    return lines.iloc[row]


def _line_colour(coefficient: float, *, is_named: bool) -> str:
    if not is_named:
        return "#c4c4c4"
    return style.POSITIVE if coefficient > 0 else style.NEGATIVE


def _label_paths(axes: Axes, ends: pd.Series, at_chosen: pd.Series) -> None:
    """Names to the right of the axes, each led to the end of its path."""
    low, high = axes.get_ylim()
    heights = (ends.to_numpy(dtype=np.float64) - low) / (high - low)
    for feature, height, placed in zip(
        ends.index, heights, spread(heights, LABEL_GAP, low=0.0, high=0.96), strict=True
    ):
        colour = _line_colour(at_chosen[feature], is_named=True)
        arrow = {"arrowstyle": "-", "color": colour, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0}
        axes.annotate(
            feature_title(str(feature), 34), (1.0, height), xytext=(1.055, placed),
            xycoords="axes fraction", textcoords="axes fraction", va="center", size=7,
            color=style.INK, arrowprops={**arrow, "relpos": (0.0, 0.5)},
        )  # fmt: skip


def _draw_error(axes: Axes, error: pd.DataFrame, chosen: Number) -> None:
    axes.set_title("Error over the folds (mean ± SD)")
    axes.set_ylabel("Mean squared error (cross-validated)")
    x, mean, sd = _log(error["alpha"]), error["mse_mean"], error["mse_sd"]
    if not mean.notna().any():
        style.say_in(axes, f"error {NOT_ESTIMABLE}")
        axes.tick_params(labelbottom=False, labelleft=False)
        return
    style.draw_band(axes, x, mean - sd, mean + sd, colour=style.NEGATIVE, alpha=0.18)
    axes.plot(x, mean, color=style.NEGATIVE)
    _weaker_to_the_right(axes, x)


def _weaker_to_the_right(axes: Axes, x: NDArray[np.float64]) -> None:
    axes.set_xlim(x.max(), x.min() if len(x) > 1 else x.min() - 1)


def spread(wanted: ArrayLike, gap: float, *, low: float, high: float) -> NDArray[np.float64]:
    """Positions (n,) at least `gap` apart inside [low, high], near to the wanted ones.

    Least squares under the distance, which is an isotonic regression of the positions less the
    room that the labels before them take. Where the range is too short the gap is smaller.

    Examples
    --------
    >>> spread([0.5, 0.5, 0.9], 0.1, low=0.0, high=1.0).round(2).tolist()
    [0.45, 0.55, 0.9]
    """
    positions = np.asarray(wanted, dtype=np.float64)
    if positions.size < 2:
        return np.clip(positions, low, high)
    gap = min(gap, (high - low) / (positions.size - 1))
    order = np.argsort(positions, kind="stable")
    room = gap * np.arange(positions.size)
    fitted = isotonic_regression(positions[order] - room).x
    placed = np.empty_like(positions)
    placed[order] = np.clip(fitted, low, high - room[-1]) + room
    return placed
