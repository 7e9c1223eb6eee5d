"""Features of a model: LASSO paths; in rows weights, stability, permutation, SHAP values.

References
----------
.. [1] Tibshirani R. Regression shrinkage and selection via the lasso. J R Stat Soc B
   1996;58:267-288. doi:10.1111/j.2517-6161.1996.tb02080.x
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from her2.core.errors import BadArgument
from her2.plots import style
from her2.plots.text import (
    NOT_ESTIMABLE,
    Number,
    count,
    feature_title,
    is_missing,
    number,
    signed,
)

FloatArray = NDArray[np.float64]

WIDTH = 7.4  # inches
MAX_BARS, BAR_ROW = 30, 0.205  # rows of bars, and inches of one
MAX_ROWS, ROW = 20, 0.235  # rows of dots, and inches of one
SUBTITLE = 72  # characters of a line above the bars
RASTER_ABOVE = 1500  # dots
BAND = 0.8  # height that the dots of a row may fill
BINS = 71  # odd: a pile around 0
MAX_LABELS = 12
RASTER_PATHS = 20_000  # points of all paths together
LABEL_GAP = 0.066  # of the height of the axes: one line of small text
X_LABEL = "log₁₀ of the penalty α (weaker to the right)"
ZERO_LINE: dict[str, Any] = {"color": style.REFERENCE, "linewidth": 0.9, "zorder": 1}
LOW_TO_HIGH = LinearSegmentedColormap.from_list(
    "low to high", [style.NEGATIVE, "#b9a3b4", style.POSITIVE]
)


@style.styled
def weights_figure(weights: pd.DataFrame, *, title: str = "Weights of the features") -> Figure:
    """Bars of the weights by size, sign by colour; at most 30, and how many more there are.

    Columns: feature, weight (coefficient of the z-scored feature; NaN: not estimable).
    """
    table = style.required(weights, ["feature", "weight"], name="weights")
    order = table["weight"].abs().sort_values(ascending=False, kind="stable").index
    table = table.loc[order]
    texts = [signed(weight) for weight in table["weight"]]
    colours = [style.POSITIVE if weight > 0 else style.NEGATIVE for weight in table["weight"]]
    figure, axes = _bars(table["feature"].tolist(), table["weight"], texts, colours, title)
    axes.set_xlabel("LASSO coefficient per standard deviation of the feature")
    handles = [
        Patch(color=style.POSITIVE, label="Raises the predicted probability"),
        Patch(color=style.NEGATIVE, label="Lowers it"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


@style.styled
def stability_figure(
    frequencies: pd.DataFrame,
    *,
    nogueira_text: str = "",
    title: str = "How often a feature is selected again",
) -> Figure:
    """Bars of the share of resamples that select each feature, the most frequent on top.

    Columns: feature, frequency (0-1; NaN: not estimable). Nogueira's stability in words stands
    below the title.
    """
    table = style.required(frequencies, ["feature", "frequency"], name="frequencies")
    table = table.sort_values("frequency", ascending=False, kind="stable")
    percent = 100 * table["frequency"]
    texts = [f"{number(share, 0)} %" for share in percent]
    figure, axes = _bars(
        table["feature"].tolist(), percent, texts, [style.NEGATIVE] * len(table), title
    )
    axes.set_title(textwrap.fill(nogueira_text, SUBTITLE), size=8.5, weight="normal")
    axes.set(xlim=(0, 112), xlabel="Resamples that select the feature (%)")
    axes.set_xticks([0, 25, 50, 75, 100])
    return figure


def _bars(
    names: list[str], lengths: pd.Series, texts: Sequence[str], colours: Sequence[str], title: str
) -> tuple[Figure, Axes]:
    """Figure with a bar a feature and its text behind it; a missing length is not estimable."""
    figure, axes = _rows(names[:MAX_BARS], len(names), title, height=BAR_ROW, fewest=(3, 0))
    axes.axvline(0, color=style.MUTED, linewidth=0.8)
    shown = lengths.to_numpy(dtype=np.float64)[:MAX_BARS]
    for row, (length, text, colour) in enumerate(zip(shown, texts, colours, strict=False)):
        is_known = not np.isnan(length)
        if is_known:
            axes.barh(row, length, 0.68, color=colour)
        is_left = is_known and length < 0
        axes.annotate(
            text if is_known else NOT_ESTIMABLE, (length if is_known else 0.0, row),
            xytext=(-3 if is_left else 3, 0), textcoords="offset points",
            ha="right" if is_left else "left", va="center", size=7.5, color=style.MUTED,
        )  # fmt: skip
    # room for the numbers behind the bars
    known = shown[~np.isnan(shown)].tolist()
    low, high = min([0.0, *known]), max([0.0, *known])
    span = high - low or 1.0
    axes.set_xlim(low - 0.17 * span * (low < 0), high + 0.17 * span)
    return figure, axes


def _rows(
    names: list[str], n_all: int, title: str, *, height: float, fewest: tuple[int, int]
) -> tuple[Figure, Axes]:
    """Figure with a row a name, and how many more there are.

    height: of a row in inches; fewest: rows that the figure, and the axes, have room for.
    """
    n_more = n_all - len(names)
    labels = [feature_title(name) for name in names] + [f"and {count(n_more)} more"] * (n_more > 0)
    figure = style.new_figure(WIDTH, 1.25 + height * max(len(labels), fewest[0]))
    axes = figure.add_subplot()
    axes.set_yticks(range(len(labels)), labels, size=8)
    axes.set_ylim(max(len(labels), fewest[1]) - 0.4, -0.6)
    style.rows_only(axes)
    style.head(figure, title)
    return figure, axes


@style.styled
def importance_figure(table: pd.DataFrame, *, title: str = "Permutation importance") -> Figure:
    """Loss of AUC when a feature is shuffled, with its interval; the largest 20 on top.

    Columns: feature, auc_loss, low, high (NaN: not estimable).
    """
    table = style.required(table, ["feature", "auc_loss", "low", "high"], name="the importance")
    table = table.sort_values("auc_loss", ascending=False, kind="stable")
    shown = table.head(MAX_ROWS)
    figure, axes = _rows(shown["feature"].tolist(), len(table), title, height=ROW, fewest=(5, 3))
    axes.axvline(0, **ZERO_LINE)
    axes.set_xlabel("Loss of AUC when the feature is shuffled among the patients (95 % CI)")
    place = axes.get_yaxis_transform()
    for row, (loss, low, high) in enumerate(
        shown[["auc_loss", "low", "high"]].itertuples(index=False)
    ):
        axes.plot([low, high], [row, row], color=style.NEGATIVE, linewidth=1.4)
        axes.plot(loss, row, "o", color=style.NEGATIVE, markersize=4.5)
        text = f"{number(loss)} ({number(low)} to {number(high)})"
        text = NOT_ESTIMABLE if pd.isna(loss) else text
        axes.text(1.02, row, text, transform=place, va="center", size=7.5, color=style.MUTED)
    return figure


@style.styled
def shap_figure(
    features: Sequence[str],
    values: ArrayLike,
    positions: ArrayLike,
    *,
    title: str = "SHAP values",
    subtitle: str = "",
) -> Figure:
    """SHAP value of every patient by feature, coloured by the feature's value; 20 on top.

    The most important feature comes first. Values (n_patients, n_features) are the log odds that
    each adds; positions, same shape, say where the patient lies among all: 0 (lowest value) to 1,
    NaN without an order.
    """
    shap, place = np.asarray(values, dtype=np.float64), np.asarray(positions, dtype=np.float64)
    is_table = shap.ndim == 2 and shap.size > 0 and shap.shape[1] == len(features)
    if not is_table or shap.shape != place.shape:
        raise BadArgument(
            f"expected SHAP values and positions of {len(features)} features, found the shapes "
            f"{shap.shape} and {place.shape}; give one column a feature"
        )
    names = list(features[:MAX_ROWS])
    figure, axes = _rows(names, len(features), title, height=ROW, fewest=(5, 3))
    axes.axvline(0, **ZERO_LINE)
    axes.set_title(subtitle, size=8.5, weight="normal")
    axes.set_xlabel("SHAP value: log odds that the feature adds to the prediction")
    if not np.isfinite(shap).any():
        style.say_in(axes, NOT_ESTIMABLE)
        return figure
    limit = 1.06 * float(np.nanmax(np.abs(shap))) or 1.0
    axes.set_xlim(-limit, limit)
    is_dense = shap.size > RASTER_ABOVE
    for row in range(min(len(features), MAX_ROWS)):
        _draw_swarm(axes, row, shap[:, row], place[:, row], limit, is_dense=is_dense)
    scale = figure.colorbar(
        ScalarMappable(Normalize(0, 1), LOW_TO_HIGH), ax=axes, shrink=0.7, aspect=30, pad=0.02
    )
    scale.set_ticks([0, 1], labels=["low", "high"])
    scale.set_label("Value of the feature", size=8)
    scale.outline.set_visible(False)
    return figure


def _draw_swarm(
    axes: Axes, row: int, shap: FloatArray, place: FloatArray, limit: float, *, is_dense: bool
) -> None:
    """Dots of a feature, piled up around its row where they are many."""
    known = np.isfinite(shap)
    heights = row + BAND * _piles(shap[known], limit)
    for has_order, colours in ((False, {"color": "#b5b5b5"}), (True, {"cmap": LOW_TO_HIGH})):
        own = np.isfinite(place[known]) == has_order
        shade = {"c": place[known][own], "vmin": 0, "vmax": 1} if has_order else {}
        axes.scatter(
            shap[known][own], heights[own], s=7, linewidths=0, alpha=0.9, zorder=2,
            rasterized=is_dense, **colours, **shade,
        )  # fmt: skip


def _piles(shap: FloatArray, limit: float) -> FloatArray:
    """Heights from -.5 to .5 of dots that lie in piles, each around 0."""
    heights = np.zeros(len(shap))
    pile = np.floor((shap + limit) / (2 * limit) * BINS)
    largest = max(np.unique(pile, return_counts=True)[1], default=1)
    for value in np.unique(pile):
        own = np.flatnonzero(pile == value)
        steps = np.arange(len(own)) - (len(own) - 1) / 2
        heights[own[np.argsort(shap[own], kind="stable")]] = steps / max(largest, 12)
    return heights


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


def _log(alpha: pd.Series | pd.Index) -> FloatArray:
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
            rasterized=lines.size > RASTER_PATHS,
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


def _weaker_to_the_right(axes: Axes, x: FloatArray) -> None:
    axes.set_xlim(x.max(), x.min() if len(x) > 1 else x.min() - 1)


def spread(wanted: ArrayLike, gap: float, *, low: float, high: float) -> FloatArray:
    """Positions (n,) at least `gap` apart inside [low, high], near to the wanted ones.

    Least squares under the distance, which is an isotonic regression of the positions less the
    room that the labels before them take. Where the range is too short the gap is smaller.

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
