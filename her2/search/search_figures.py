"""Figures of a search: its course, what matters, and where the good values lie."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray
from optuna.study import Study
from optuna.trial import TrialState

from her2.plots.style import (
    INK,
    MUTED,
    NEGATIVE,
    PAGE_WIDTH,
    POSITIVE,
    REFERENCE,
    new_figure,
    say_in,
    styled,
)  # fmt: skip
from her2.search.space import Parameter, Space

logger = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]
MAP = "cividis"  # the same order of brightness for every reader
PANELS = 3  # in a row
MOST_TICKS = 8


@styled
def history_figure(trials: pd.DataFrame, metric: str, better: str) -> Figure:
    """Value of every finished trial in order, and the best so far.

    trials: as `her2.search.trials_table.trials_table` makes it.
    """
    figure = new_figure(PAGE_WIDTH * 0.75, 3.4)
    axes = figure.subplots()
    complete = trials[trials["state"] == "complete"]
    axes.scatter(complete["trial"], complete[metric], s=16, color=NEGATIVE, label="trial")
    values = complete[metric].to_numpy(np.float64)
    best = np.maximum.accumulate(values) if better == "maximize" else np.minimum.accumulate(values)
    axes.step(complete["trial"], best, where="post", color=POSITIVE, label="best so far")
    for state, marker in (("pruned", "|"), ("failed", "x")):
        numbers = trials.loc[trials["state"] == state, "trial"]
        if len(numbers):
            axes.scatter(
                numbers, np.full(len(numbers), 0.03), marker=marker, color=MUTED, label=state,
                transform=axes.get_xaxis_transform(),
            )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("Trial")
    axes.set_ylabel(metric)
    axes.set_title("Course of the search")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


@styled
def importance_figure(importance: Mapping[str, float], metric: str) -> Figure:
    """Share of the variation of a metric that each setting explains."""
    ordered = sorted(importance.items(), key=lambda item: item[1])
    figure = new_figure(PAGE_WIDTH * 0.75, 1.0 + 0.3 * max(len(ordered), 2))
    axes = figure.subplots()
    rows = np.arange(len(ordered))
    axes.barh(rows, [value for _, value in ordered], color=NEGATIVE, height=0.6)
    axes.set_yticks(rows, [name for name, _ in ordered])
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, max([value for _, value in ordered], default=1.0) * 1.12 or 1.0)
    for row, (_, value) in zip(rows, ordered, strict=True):
        axes.annotate(f"{value:.2f}", (value, row), xytext=(3, 0), textcoords="offset points",
                      va="center", color=INK)  # fmt: skip
    axes.set_xlabel(f"Importance for {metric} (share of its variation)")
    axes.set_title("Importance of the settings")
    return figure


@styled
def parallel_figure(
    trials: pd.DataFrame, space: Space, names: Mapping[str, str], metric: str, better: str
) -> Figure:
    """One line a complete trial through its settings; the better, the brighter and the later."""
    complete = trials[trials["state"] == "complete"].sort_values(
        metric, ascending=better == "maximize"
    )
    figure = new_figure(PAGE_WIDTH, 3.8)
    axes = figure.subplots()
    parameters = space.parameters
    columns = [_positions(p, complete[names[p.name]]) for p in parameters]
    shade = _ranks(complete[metric].to_numpy(np.float64), better)
    colours = _colour(shade)
    for i, colour in enumerate(colours):
        axes.plot(range(len(columns)), [column[i] for column in columns], color=colour,
                  linewidth=1.1, marker=".", markersize=4)  # fmt: skip
    for x, parameter in enumerate(parameters):
        _label_ends(axes, x, parameter)
    axes.set_xlim(-0.3, len(columns) - 0.7)
    axes.set_ylim(-0.06, 1.06)
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.grid(visible=False)
    axes.tick_params(axis="x", length=0)
    axes.set_xticks(range(len(columns)), [_wrapped(names[p.name]) for p in parameters], rotation=0)
    axes.tick_params(axis="x", pad=16)
    axes.set_title(f"Settings of all trials (brighter: better {metric})")
    return figure


@styled
def slices_figure(
    trials: pd.DataFrame, space: Space, names: Mapping[str, str], metric: str
) -> Figure:
    """Draw a metric against each setting alone; later trials are darker."""
    complete = trials[trials["state"] == "complete"]
    n_rows = math.ceil(len(space.parameters) / PANELS)
    figure = new_figure(PAGE_WIDTH, 2.5 * n_rows)
    grid = figure.subplots(n_rows, PANELS, squeeze=False, sharey=True)
    for axes in grid.ravel()[len(space.parameters) :]:
        axes.set_axis_off()
    for axes, parameter in zip(grid.ravel(), space.parameters, strict=False):
        _draw_slice(axes, complete, parameter, names[parameter.name], metric)
    for row in grid:
        row[0].set_ylabel(metric)
    figure.suptitle("One setting at a time (darker: later trials)", x=0.01, ha="left",
                    fontweight="bold", fontsize=10)  # fmt: skip
    return figure


@styled
def front_figure(
    trials: pd.DataFrame, front: Sequence[int], best: int | None, metrics: Sequence[str]
) -> Figure:
    """Two metrics of every complete trial, and those that no other one beats in both."""
    complete = trials[trials["state"] == "complete"]
    figure = new_figure(PAGE_WIDTH * 0.6, 3.8)
    axes = figure.subplots()
    on_front = complete["trial"].isin(list(front))
    x, y = metrics[:2]
    axes.scatter(complete[x], complete[y], s=16, color=REFERENCE, label="trial")
    kept = complete[on_front].sort_values(x)
    axes.plot(kept[x], kept[y], color=NEGATIVE, marker="o", label="beaten by none")
    chosen = complete[complete["trial"] == best]
    axes.scatter(chosen[x], chosen[y], s=90, facecolor="none", edgecolor=POSITIVE, linewidth=2,
                 label="winner", zorder=5)  # fmt: skip
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title("Front of the search")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def importances(study: Study, names: Mapping[str, str], position: int) -> dict[str, float]:
    """Return the importance of each setting for a metric, {} where trials cannot tell.

    Importance by the change between a best part of the trials and the others (PED-ANOVA).
    """
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    complete = [t for t in study.get_trials(deepcopy=False) if t.state == TrialState.COMPLETE]
    if len(complete) < 4 or len({t.values[position] for t in complete}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.simplefilter("ignore", UserWarning)  # of few trials: the page has their number
        try:
            found = get_param_importances(
                study, evaluator=PedAnovaImportanceEvaluator(),
                target=lambda trial: trial.values[position],
            )  # fmt: skip
        except (ValueError, RuntimeError) as error:  # conditional settings that no two share
            logger.info("search: the importance of the settings cannot be told (%s)", error)
            return {}
    return {names[name]: float(value) for name, value in found.items() if math.isfinite(value)}


def _positions(parameter: Parameter, values: pd.Series) -> FloatArray:
    """Return values of a setting on 0 to 1, NaN where it did not matter."""
    if parameter.kind == "choice":
        place = {choice: i for i, choice in enumerate(parameter.choices)}
        last = max(len(place) - 1, 1)
        return np.array([place.get(str(v), np.nan) / last for v in values], dtype=np.float64)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64)
    low, high = float(parameter.low), float(parameter.high)
    if parameter.log:
        numbers, low, high = np.log(numbers), math.log(low), math.log(high)
    return np.asarray((numbers - low) / ((high - low) or 1.0))


def _ranks(values: FloatArray, better: str) -> FloatArray:
    """Return the rank of each value on 0 to 1, 1 for the best."""
    order = np.argsort(np.argsort(values if better == "maximize" else -values, kind="stable"))
    return np.asarray(order / max(len(values) - 1, 1))


def _colour(shade: FloatArray) -> list[tuple[float, float, float, float]]:
    import matplotlib as mpl

    return [tuple(colour) for colour in mpl.colormaps[MAP](shade)]


def _label_ends(axes: Axes, x: int, parameter: Parameter) -> None:
    """Write the ends of a setting's axis, or its choices."""
    axes.axvline(x, color=REFERENCE, linewidth=0.8, zorder=0)
    if parameter.kind == "choice":
        last = max(len(parameter.choices) - 1, 1)
        places = [(i / last, choice) for i, choice in enumerate(parameter.choices)]
    else:
        places = [(0.0, f"{parameter.low:g}"), (1.0, f"{parameter.high:g}")]
    for y, text in places:
        offset = -7 if y == 0 else 7 if y == 1 else 0
        axes.annotate(
            text, (x, y), xytext=(0, offset), textcoords="offset points", ha="center",
            va="top" if y == 0 else "bottom" if y == 1 else "center", fontsize=7.5,
            color=INK, annotation_clip=False,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
        )  # fmt: skip


def _wrapped(name: str) -> str:
    return name.replace(".", ".\n").replace("_", "_\n", 1) if len(name) > 12 else name


def _draw_slice(
    axes: Axes, complete: pd.DataFrame, parameter: Parameter, name: str, metric: str
) -> None:
    shown = complete[complete[name].notna()]
    axes.set_title(name)
    if shown.empty:
        say_in(axes, "no trial had it")
        return
    shade = 1 - np.arange(len(shown)) / max(len(shown) - 1, 1)
    x = _slice_positions(parameter, shown[name])
    axes.scatter(x, shown[metric], s=16, c=shade, cmap=MAP, vmin=0, vmax=1.15)
    if parameter.kind == "choice":
        axes.set_xticks(range(len(parameter.choices)), parameter.choices)
        axes.set_xlim(-0.5, len(parameter.choices) - 0.5)
        if len("".join(parameter.choices)) > 30:
            axes.tick_params(axis="x", rotation=30)
    elif parameter.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    elif parameter.kind == "int":
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _slice_positions(parameter: Parameter, values: pd.Series) -> FloatArray:
    if parameter.kind != "choice":
        return pd.to_numeric(values).to_numpy(np.float64)
    place = {choice: float(i) for i, choice in enumerate(parameter.choices)}
    return np.array([place[str(v)] for v in values])
