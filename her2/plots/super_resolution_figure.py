"""Lesions as super-resolution shows them, and how a generator learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter
from numpy.typing import NDArray

from her2.core.errors import BadArgument
from her2.plots.plotted_tables import required
from her2.plots.style import (
    FAMILY_COLOURS,
    PAGE_WIDTH,
    REFERENCE,
    legend_below,
    new_figure,
    say_in,
    styled,
)
from her2.plots.text import NOT_ESTIMABLE, sentence_case

LOSSES = ("pixel", "gradient", "feature_matching", "adversarial", "discriminator")
COLOURS = dict(zip(LOSSES, FAMILY_COLOURS.values(), strict=False))
TALLEST = 1.2  # height of a panel by its width


@styled
def super_resolution_figure(rows: Sequence[Mapping[str, NDArray[Any]]]) -> Figure:
    """Lesions in rows, the same cut in every panel of a row, on one grey scale.

    Parameters
    ----------
    rows
        Images (H, W) by title, the same titles in every row.

    Raises
    ------
    BadArgument
        No row, or rows with other titles.

    Examples
    --------
    >>> image = np.zeros((4, 5))
    >>> super_resolution_figure([{"Native / 4": image, "Native": image}]).axes[1].get_title("left")
    'Native'
    """
    if not rows or any(list(row) != list(rows[0]) for row in rows):
        raise BadArgument(
            f"expected rows of images with the same titles, found {len(rows)} rows; give each "
            "lesion in the same versions"
        )
    n_columns = len(rows[0])
    panel = PAGE_WIDTH / n_columns
    heights = [panel * min(_shape(row), TALLEST) for row in rows]
    figure = new_figure(PAGE_WIDTH, sum(heights) + 0.35)
    all_axes = figure.subplots(len(rows), n_columns, squeeze=False, height_ratios=heights)
    for row, of_row in zip(rows, all_axes, strict=True):
        low, high = _grey_scale(row)
        for (title, image), axes in zip(row.items(), of_row, strict=True):
            axes.set_axis_off()
            axes.imshow(image, cmap="gray", aspect="equal", vmin=low, vmax=high)
            if row is rows[0]:
                axes.set_title(title, size=9)
    return figure


@styled
def super_resolution_history_figure(history: pd.DataFrame) -> Figure:
    """Losses by step, and PSNR on training patients' images that were not fitted on.

    Parameters
    ----------
    history
        Columns stage, step, pixel, gradient; feature_matching, adversarial, discriminator (NaN in
        the first stage); psnr, psnr_bicubic where images were looked at.

    Raises
    ------
    BadArgument
        The table is empty or lacks a column.
    """
    table = required(history, ["stage", "step", "pixel", "gradient"], name="the history")
    figure = new_figure(PAGE_WIDTH, 3.6)
    losses, quality = figure.subplots(1, 2)
    _draw_losses(losses, table)
    _draw_quality(quality, table)
    starts = table.loc[table["stage"].eq("pixel"), "step"]
    for axes in (losses, quality):
        axes.set_xlabel("Step")
        if table["stage"].eq("adversarial").any() and len(starts):
            axes.axvline(starts.max(), color=REFERENCE, linewidth=1.0, linestyle=(0, (4, 3)))
    return figure


def _draw_losses(axes: Axes, table: pd.DataFrame) -> None:
    lines = {}
    for name in LOSSES:
        if name in table and table[name].notna().any():
            (lines[sentence_case(name)],) = axes.plot(
                table["step"], table[name], color=COLOURS[name], marker="o", markersize=2.5
            )
    axes.set_yscale("log")
    for place in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        place(LogFormatter(minor_thresholds=(2, 0.5)))
    axes.set(title="Losses", ylabel="Mean of the steps")
    legend_below(axes, lines, n_columns=3)


def _draw_quality(axes: Axes, table: pd.DataFrame) -> None:
    axes.set(title="Images that were not fitted on", ylabel="PSNR (dB)")
    if "psnr" not in table or not table["psnr"].notna().any():
        say_in(axes, NOT_ESTIMABLE)
        return
    lines = {}
    for name, title, colour in (
        ("psnr", "Super-resolution", FAMILY_COLOURS["gldm"]),
        ("psnr_bicubic", "Bicubic", REFERENCE),
    ):
        (lines[title],) = axes.plot(table["step"], table[name], color=colour, marker="o",
                                    markersize=2.5)  # fmt: skip
    legend_below(axes, lines, n_columns=2)


def _shape(row: Mapping[str, NDArray[Any]]) -> float:
    height, width = next(iter(row.values())).shape
    return float(height / width)


def _grey_scale(row: Mapping[str, NDArray[Any]]) -> tuple[float, float]:
    native = np.asarray(list(row.values())[-1], dtype=np.float64)
    return float(native.min()), float(native.max())
