"""How models were trained: by epoch, by repeat, by number of patients; and what they cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogFormatter, MaxNLocator

from her2.plots import style
from her2.plots.text import (
    NOT_ESTIMABLE,
    arm_title,
    count,
    interval,
    is_missing,
    number,
    sentence_case,
)

PANEL_COLUMNS = 3
RASTER_ABOVE = 500  # dots of an arm
ROW = 0.55  # inches of an arm
ARM_COLUMNS = 5
MAX_TICKS = 4
OTHERS = "#d0d0d0"
LINES: dict[str, tuple[str, str, Any]] = {
    "train_loss": ("Learned rows", style.NEGATIVE, "solid"),
    "val_loss": ("Judged fold (decides nothing)", style.POSITIVE, (0, (5, 1.5))),
    "inner_loss": ("Inner fold (may stop the network)", style.MUTED, (0, (1, 1))),
}
LOSSES = ("pixel", "gradient", "feature_matching", "adversarial", "discriminator")
LOSS_COLOURS = dict(zip(LOSSES, style.FAMILY_COLOURS.values(), strict=False))
QUALITY = {
    "Super-resolution": ("psnr", style.FAMILY_COLOURS["gldm"]),
    "Bicubic": ("psnr_bicubic", style.REFERENCE),
}
COST_ROW = 0.34  # inches
COSTS: dict[str, tuple[str, Callable[[float], float]]] = {
    "parameters": ("Parameters (millions)", lambda n: n / 1e6),
    "seconds": ("Seconds of fitting", lambda s: s),
    "peak_memory_mb": ("Peak memory (MiB)", lambda m: m),
    "peak_gpu_memory_mb": ("Peak memory of the GPU (MiB)", lambda m: m),
}


@style.styled
def training_figure(history: pd.DataFrame) -> Figure:
    """Mean losses by epoch of every network, one panel a fold, a line a network.

    Columns: fold (from 0; -1: all training rows), network, epoch (from 1), train_loss, val_loss
    (of the judged fold), inner_loss (of an inner fold); NaN draws nothing.

    >>> history = pd.DataFrame({"fold": [0, -1], "network": 0, "epoch": 1, "train_loss": 0.7,
    ...                         "val_loss": [0.6, None], "inner_loss": None})
    >>> [axes.get_title(loc="left") for axes in training_figure(history).axes]
    ['Fold 1', 'All training rows']
    """
    columns = ["fold", "network", "epoch", *LINES]
    table = style.required(history, columns, name="the history").sort_values(["network", "epoch"])
    folds = sorted(table["fold"].unique(), key=lambda fold: (fold < 0, fold))
    n_rows = math.ceil(len(folds) / PANEL_COLUMNS)
    figure = style.new_figure(style.PAGE_WIDTH, 0.5 + 2.3 * n_rows)
    panels = figure.subplots(n_rows, min(PANEL_COLUMNS, len(folds)), squeeze=False, sharey=True)
    for axes in panels.ravel()[len(folds) :]:
        axes.remove()
    for axes, fold in zip(panels.ravel(), folds, strict=False):
        for _, rows in table[table["fold"] == fold].groupby("network"):
            for column, (_, colour, dashes) in LINES.items():
                axes.plot(
                    rows["epoch"], rows[column].astype(float), color=colour, linestyle=dashes,
                    marker="o" if len(rows) == 1 else None, markersize=4, linewidth=1.3,
                )  # fmt: skip
        axes.set_xlabel("Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.set_title(f"Fold {fold + 1}" if fold >= 0 else "All training rows")
    for axes in panels[:, 0]:
        axes.set_ylabel("Mean loss")
    shown = [line for column, line in LINES.items() if table[column].notna().any()]
    handles = [Line2D([], [], color=colour, linestyle=dashes) for _, colour, dashes in shown]
    labels = [label for label, _, _ in shown]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(shown))
    return figure


@style.styled
def super_resolution_history_figure(history: pd.DataFrame) -> Figure:
    """Losses by step, and PSNR on training patients' images that were not fitted on.

    Columns: stage, step, pixel, gradient; feature_matching, adversarial, discriminator (NaN in
    the first stage); psnr, psnr_bicubic where images were judged.
    """
    table = style.required(history, ["stage", "step", "pixel", "gradient"], name="the history")
    figure = style.new_figure(style.PAGE_WIDTH, 3.6)
    losses, quality = figure.subplots(1, 2)
    names = [name for name in LOSSES if name in table and table[name].notna().any()]
    lines = {sentence_case(name): (name, LOSS_COLOURS[name]) for name in names}
    losses.set_yscale("log")
    for place in (losses.yaxis.set_major_formatter, losses.yaxis.set_minor_formatter):
        place(LogFormatter(minor_thresholds=(2, 0.5)))
    losses.set(title="Losses", ylabel="Mean of the steps")
    _draw_steps(losses, table, lines, n_columns=3)
    quality.set(title="Images that were not fitted on", ylabel="PSNR (dB)")
    if "psnr" in table and table["psnr"].notna().any():
        _draw_steps(quality, table, QUALITY, n_columns=2)
    else:
        style.say_in(quality, NOT_ESTIMABLE)
    starts = table.loc[table["stage"].eq("pixel"), "step"]
    for axes in (losses, quality):
        axes.set_xlabel("Step")
        if table["stage"].eq("adversarial").any() and len(starts):
            axes.axvline(starts.max(), **style.REFERENCE_LINE)
    return figure


def _draw_steps(
    axes: Axes, table: pd.DataFrame, lines: Mapping[str, tuple[str, str]], *, n_columns: int
) -> None:
    """Draw columns of the table against its steps, by title, each with its colour."""
    drawn = {}
    for title, (column, colour) in lines.items():
        look: dict[str, Any] = {"color": colour, "marker": "o", "markersize": 2.5}
        (drawn[title],) = axes.plot(table["step"], table[column], **look)
    style.legend_below(axes, drawn, n_columns=n_columns)


@style.styled
def cost_figure(costs: pd.DataFrame) -> Figure:
    """Bars of what each run costs, one panel a quantity.

    Columns: run, and of `COSTS` those that are known. NaN is shown as a dash; a column without
    any number has no panel.

    >>> costs = pd.DataFrame({"run": ["vgg19"], "parameters": [139.6e6], "seconds": [61.0]})
    >>> [axes.get_title(loc="left") for axes in cost_figure(costs).axes]
    ['Parameters (millions)', 'Seconds of fitting']
    """
    table = style.required(costs, ["run"], name="the costs")
    shown = [name for name in COSTS if name in table and table[name].notna().any()]
    figure = style.new_figure(style.PAGE_WIDTH, 0.9 + COST_ROW * len(table))
    panels = figure.subplots(1, max(len(shown), 1), squeeze=False, sharey=True)[0]
    for axes, name in zip(panels, shown, strict=False):
        title, scale = COSTS[name]
        _draw_costs(axes, table[name].astype(float).map(scale).tolist(), title)
    panels[0].set_yticks(range(len(table)), table["run"])
    panels[0].set_ylim(len(table) - 0.4, -0.6)
    return figure


def _draw_costs(axes: Axes, values: list[float], title: str) -> None:
    largest = max((v for v in values if not is_missing(v)), default=1.0) or 1.0
    for row, value in enumerate(values):
        if is_missing(value):
            axes.text(0, row, " –", va="center", size=8, color=style.MUTED)
            continue
        axes.barh(row, value, height=0.62, color=style.NEGATIVE)
        digits = 0 if largest >= 100 else 1
        axes.text(value, row, f" {number(value, digits)}", va="center", size=8)
    axes.set_title(title)
    axes.set_xlim(0, 1.32 * largest)  # room for the number beside the longest bar
    axes.xaxis.set_major_locator(MaxNLocator(4))
    style.rows_only(axes)


@style.styled
def repeats_figure(repeats: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """One dot for the AUC of every repeat, below it the mean with its interval, by arm.

    repeats: arm, repeat, auc (NaN draws no dot). summary: arm, auc, auc_low, auc_high.
    """
    dots = style.required(repeats, ["arm", "repeat", "auc"], name="repeats")
    means = style.required(summary, ["arm", "auc", "auc_low", "auc_high"], name="the summary")
    arms = style.arms_in_order([*means["arm"], *dots["arm"]])
    figure = style.new_figure(style.PAGE_WIDTH, 1.35 + ROW * len(arms))
    axes = figure.add_subplot()
    for row, arm in enumerate(arms):
        known = dots.loc[dots["arm"] == arm, "auc"].dropna().to_numpy(dtype=np.float64)
        # above the middle of the row, spread so that equal ones stay apart
        heights = row - 0.12 - 0.26 * style.spread_out(known.size)
        axes.scatter(
            known, heights, s=14, color=style.arm_colour(arm), alpha=0.65, linewidths=0,
            rasterized=known.size > RASTER_ABOVE,
        )  # fmt: skip
        _draw_mean(axes, row, means[means["arm"] == arm], arm)
    axes.axvline(0.5, **style.REFERENCE_LINE, zorder=1)
    axes.set_yticks(range(len(arms)), [arm_title(arm) for arm in arms])
    axes.set(ylim=(len(arms) - 0.4, -0.5), xlabel="AUC (dashed: chance)")
    axes.set_title("Repeated cross-validation")
    style.rows_only(axes)
    dot = Line2D([], [], marker="o", linestyle="none", markersize=4, color=style.MUTED, alpha=0.65)
    mean = Line2D(
        [], [], marker="D", markersize=6, color=style.MUTED, mec=style.INK, mew=0.8, linewidth=2.4
    )
    labels = ["One repeat", "Mean and 95 % CI"]
    figure.legend([dot, mean], labels, loc="outside lower center", ncols=2)
    return figure


def _draw_mean(axes: Axes, row: int, summary: pd.DataFrame, arm: str) -> None:
    """Mean and interval below the dots, and both as text at the right."""
    values = summary[["auc", "auc_low", "auc_high"]].to_numpy(dtype=np.float64)
    mean, low, high = values[0] if len(values) else (np.nan,) * 3
    if not is_missing(low) and not is_missing(high):
        axes.plot([low, high], [row + 0.14] * 2, color=style.arm_colour(arm), linewidth=2.4)
    if not is_missing(mean):
        look: dict[str, Any] = {"color": style.arm_colour(arm), "mec": style.INK}
        axes.plot(mean, row + 0.14, "D", markersize=6, mew=0.8, **look)
    text, place = interval(mean, low, high), axes.get_yaxis_transform()
    axes.text(1.015, row, text, transform=place, va="center", size=8.5)


@style.styled
def learning_curve_figure(curve: pd.DataFrame) -> Figure:
    """AUC against the number of training patients; behind each arm the others in grey.

    Columns: arm, n_patients (trained on), share (of the training patients, 0-1), auc, auc_low,
    auc_high (NaN leaves a gap).
    """
    columns = ["arm", "n_patients", "share", "auc", "auc_low", "auc_high"]
    table = style.required(curve, columns, name="the learning curve").sort_values("n_patients")
    arms = style.arms_in_order(table["arm"])
    n_columns = min(ARM_COLUMNS, len(arms))
    width = style.PAGE_WIDTH * max(n_columns, 2) / ARM_COLUMNS
    figure, all_axes = style.panel_grid(
        len(arms), n_columns, width=width, height=2.75, sharey=True
    )
    for axes, arm in zip(all_axes, arms, strict=True):
        for other in arms:
            if other != arm:
                points = table[table["arm"] == other]
                axes.plot(points["n_patients"], points["auc"], color=OTHERS, linewidth=0.9)
        _draw_arm(axes, table[table["arm"] == arm], arm)
    for axes in all_axes[::n_columns]:
        axes.set_ylabel("AUC (95 % CI)")
    return figure


def _draw_arm(axes: Axes, points: pd.DataFrame, arm: str) -> None:
    axes.axhline(0.5, **style.REFERENCE_LINE, zorder=1)
    title = arm_title(arm).replace("Deep learning radiomics", "Deep learning\nradiomics")
    axes.set_title(title, size=9.5)
    axes.set_xlabel("Training patients")
    if points["auc"].notna().any():
        x, colour = points["n_patients"], style.arm_colour(arm)
        style.draw_band(axes, x, points["auc_low"], points["auc_high"], colour=colour)
        axes.plot(x, points["auc"], color=colour, marker="o", markersize=4)
    else:
        style.say_in(axes, NOT_ESTIMABLE)
    # a tick at the sizes that were tried, with their share of all training patients
    sizes = points.drop_duplicates("n_patients")
    step = max(1, math.ceil(len(sizes) / MAX_TICKS))
    shown = sizes.iloc[::-1].iloc[::step]
    labels = [
        f"{count(n)}\n{'–' if is_missing(share) else f'{number(100 * share, 0)} %'}"
        for n, share in shown[["n_patients", "share"]].itertuples(index=False)
    ]
    axes.set_xticks(shown["n_patients"], labels, size=7.5)
