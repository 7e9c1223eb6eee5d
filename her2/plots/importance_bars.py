"""What a model looks at: loss of AUC by feature, and SHAP values of every patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from her2.core.errors import BadArgument
from her2.plots.plotted_tables import required
from her2.plots.style import (
    MUTED,
    NEGATIVE,
    POSITIVE,
    REFERENCE,
    new_figure,
    say_in,
    styled,
)
from her2.plots.text import NOT_ESTIMABLE, count, feature_title, number

FloatArray = NDArray[np.float64]

MAX_ROWS = 20
RASTER_ABOVE = 1500  # dots
ROW = 0.235  # inches
WIDTH = 7.4
BAND = 0.8  # height that the dots of a row may fill
BINS = 71  # odd: a pile around 0
LOW_TO_HIGH = LinearSegmentedColormap.from_list("low to high", [NEGATIVE, "#b9a3b4", POSITIVE])


@styled
def importance_figure(table: pd.DataFrame, *, title: str = "Permutation importance") -> Figure:
    """Loss of AUC when a feature is shuffled, with its interval; the largest 20 on top.

    Parameters
    ----------
    table
        Columns feature, auc_loss, low and high (NaN: not estimable).
    title
        Above the axes, for example the arm.

    Raises
    ------
    BadArgument
        The table is empty or lacks a column.

    Examples
    --------
    >>> table = pd.DataFrame({"feature": ["a", "b"], "auc_loss": [0.01, 0.2],
    ...                       "low": [-0.01, 0.1], "high": [0.03, 0.3]})
    >>> [label.get_text() for label in importance_figure(table).axes[0].get_yticklabels()]
    ['b', 'a']
    """
    table = required(table, ["feature", "auc_loss", "low", "high"], name="the importance")
    table = table.sort_values("auc_loss", ascending=False, kind="stable")
    shown = table.head(MAX_ROWS)
    figure, axes = _rows(shown["feature"].tolist(), len(table), title)
    axes.set_xlabel("Loss of AUC when the feature is shuffled among the patients (95 % CI)")
    for row, (loss, low, high) in enumerate(
        shown[["auc_loss", "low", "high"]].itertuples(index=False)
    ):
        axes.plot([low, high], [row, row], color=NEGATIVE, linewidth=1.4)
        axes.plot(loss, row, "o", color=NEGATIVE, markersize=4.5)
        text = f"{number(loss)} ({number(low)} to {number(high)})"
        text = NOT_ESTIMABLE if pd.isna(loss) else text
        axes.text(
            1.02, row, text, transform=axes.get_yaxis_transform(), va="center", size=7.5,
            color=MUTED,
        )  # fmt: skip
    return figure


@styled
def shap_figure(
    features: Sequence[str],
    values: ArrayLike,
    positions: ArrayLike,
    *,
    title: str = "SHAP values",
    subtitle: str = "",
) -> Figure:
    """SHAP value of every patient by feature, coloured by the feature's value; 20 on top.

    Parameters
    ----------
    features
        Names, the most important first.
    values
        Log odds that each feature adds, shape (n_patients, n_features).
    positions
        Same shape: where the patient lies among all, 0 (lowest value) to 1, NaN without an order.
    title, subtitle
        Above the axes, for example the arm, and of how many patients.

    Raises
    ------
    BadArgument
        The shapes differ, or there is no feature.

    Examples
    --------
    >>> figure = shap_figure(["a"], [[0.2], [-0.1]], [[1.0], [0.0]])
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['a']
    """
    shap, place = np.asarray(values, dtype=np.float64), np.asarray(positions, dtype=np.float64)
    is_table = shap.ndim == 2 and shap.size > 0 and shap.shape[1] == len(features)
    if not is_table or shap.shape != place.shape:
        raise BadArgument(
            f"expected SHAP values and positions of {len(features)} features, found the shapes "
            f"{shap.shape} and {place.shape}; give one column a feature"
        )
    figure, axes = _rows(list(features[:MAX_ROWS]), len(features), title)
    axes.set_title(subtitle, size=8.5, weight="normal")
    axes.set_xlabel("SHAP value: log odds that the feature adds to the prediction")
    if not np.isfinite(shap).any():
        say_in(axes, NOT_ESTIMABLE)
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


def _rows(names: list[str], n_all: int, title: str) -> tuple[Figure, Axes]:
    """Figure with a row a name, and how many more there are."""
    n_more = n_all - len(names)
    labels = [feature_title(name) for name in names] + [f"and {count(n_more)} more"] * (n_more > 0)
    figure = new_figure(WIDTH, 1.25 + ROW * max(len(labels), 5))
    axes = figure.add_subplot()
    axes.set_yticks(range(len(labels)), labels, size=8)
    axes.set_ylim(max(len(labels), 3) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0, color=REFERENCE, linewidth=0.9, zorder=1)
    figure.suptitle(title, x=0.01, ha="left", weight="bold", size=10)
    return figure, axes


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
