"""Losses of networks while they were trained, one panel a fold."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from her2.plots.plotted_tables import required
from her2.plots.style import MUTED, NEGATIVE, PAGE_WIDTH, POSITIVE, new_figure, styled

PANEL_COLUMNS = 3
LINES: dict[str, tuple[str, str, Any]] = {
    "train_loss": ("Learned rows", NEGATIVE, "solid"),
    "val_loss": ("Judged fold (decides nothing)", POSITIVE, (0, (5, 1.5))),
    "inner_loss": ("Inner fold (may stop the network)", MUTED, (0, (1, 1))),
}


@styled
def training_figure(history: pd.DataFrame) -> Figure:
    """Mean losses by epoch of every network, one panel a fold, a line a network.

    Parameters
    ----------
    history
        Columns fold (from 0; -1: all training rows), network, epoch (from 1), train_loss,
        val_loss (of the judged fold) and inner_loss (of an inner fold); NaN draws nothing.

    Raises
    ------
    BadArgument
        The table is empty or lacks a column.

    Examples
    --------
    >>> history = pd.DataFrame({"fold": [0, -1], "network": 0, "epoch": 1, "train_loss": 0.7,
    ...                         "val_loss": [0.6, None], "inner_loss": None})
    >>> [axes.get_title(loc="left") for axes in training_figure(history).axes]
    ['Fold 1', 'All training rows']
    """
    columns = ["fold", "network", "epoch", *LINES]
    table = required(history, columns, name="the history").sort_values(["network", "epoch"])
    folds = sorted(table["fold"].unique(), key=lambda fold: (fold < 0, fold))
    n_rows = math.ceil(len(folds) / PANEL_COLUMNS)
    figure = new_figure(PAGE_WIDTH, 0.5 + 2.3 * n_rows)
    panels = figure.subplots(n_rows, min(PANEL_COLUMNS, len(folds)), squeeze=False, sharey=True)
    for axes in panels.ravel()[len(folds) :]:
        axes.set_axis_off()
        axes.remove()
    for axes, fold in zip(panels.ravel(), folds, strict=False):
        _draw_fold(axes, table[table["fold"] == fold])
        axes.set_title(f"Fold {fold + 1}" if fold >= 0 else "All training rows")
    for axes in panels[:, 0]:
        axes.set_ylabel("Mean loss")
    _explain(figure, table)
    return figure


def _draw_fold(axes: Axes, table: pd.DataFrame) -> None:
    for _, rows in table.groupby("network"):
        for column, (_, colour, style) in LINES.items():
            marker = "o" if len(rows) == 1 else None
            axes.plot(
                rows["epoch"], rows[column].astype(float), color=colour, linestyle=style,
                marker=marker, markersize=4, linewidth=1.3,
            )  # fmt: skip
    axes.set_xlabel("Epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def _explain(figure: Figure, table: pd.DataFrame) -> None:
    shown = [line for column, line in LINES.items() if table[column].notna().any()]
    handles = [Line2D([], [], color=colour, linestyle=style) for _, colour, style in shown]
    labels = [label for label, _, _ in shown]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(shown))
