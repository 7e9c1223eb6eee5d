"""Nomogram of a logistic model, drawn as the rms package of R draws it.

References
----------
.. [1] Harrell FE. Regression Modeling Strategies. 2nd ed. Springer; 2015.
   doi:10.1007/978-3-319-19425-7
.. [2] Iasonos A, et al. How to build and interpret a nomogram for cancer prognosis. J Clin Oncol
   2008;26:1364-1370. doi:10.1200/JCO.2007.12.9791
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from her2.plots import style
from her2.plots.text import MINUS, NOT_ESTIMABLE, shortened

FULL_SCALE = 100.0  # points
SIZE = 8.0
TEXT_LINE = 0.15  # inches
TICK = 0.06
GAP = 0.2  # inches between two rows
LABEL_GAP = 0.07  # inches between two labels of one level
MAX_NAME, MAX_VALUE = 36, 26  # characters
NUMBER_LEVELS = 2  # rows of labels that the axis of a number may take
RIGHT = 0.4  # inches
FloatArray: TypeAlias = NDArray[np.float64]
_Place: TypeAlias = Callable[[FloatArray], list[float]]


@dataclass(frozen=True)
class _Scale:
    """One horizontal axis: its name, and where its ticks and line lie in inches."""

    name: str
    x: list[float]
    labels: list[str]
    line: tuple[float, float] | None  # None: nothing to draw
    is_bold: bool = False

    @property
    def levels(self) -> list[int]:
        widths = [style.text_width(label, SIZE) for label in self.labels]
        return label_levels(self.x, widths, gap=LABEL_GAP)

    @property
    def above(self) -> float:
        """Room above the line, in inches."""
        n = (max(self.levels, default=0) + 1) // 2
        return TICK + TEXT_LINE * max(n, 0.5)

    @property
    def below(self) -> float:
        return TICK + TEXT_LINE * (max(self.levels, default=0) // 2 + 1)


@style.styled
def nomogram_figure(
    points: pd.DataFrame,
    total: pd.DataFrame,
    *,
    probability_axis: pd.DataFrame,
    title: str = "Nomogram",
) -> Figure:
    """Nomogram: a scale of points, an axis a predictor, total points and their probability.

    Labels that would lie on each other are written above and below their axis in turn.

    points: variable, value (a level, or a number to tick), points (0-100); NaN points are left
    out, and a variable without any is named as not estimable. total: total_points,
    linear_predictor (which must grow with them), probability: the lower scales. probability_axis:
    probability, total_points: ticks, as far as the total points reach.
    """
    values = style.required(points, ["variable", "value", "points"], name="nomogram points")
    sums = style.required(
        total, ["total_points", "linear_predictor", "probability"], name="the total"
    )
    ticks = style.required(
        probability_axis, ["probability", "total_points"], name="probability axis"
    )
    scales = _scales(values, sums, ticks)
    height = 0.55 + sum(scale.above + scale.below + GAP for scale in scales)
    figure, axes = style.page(style.PAGE_WIDTH, height)
    axes.text(0.1, 0.2, title, weight="bold", size=10, va="center")
    y, heights = 0.45, []
    for scale in scales:
        y += scale.above
        heights.append(y)
        _draw_scale(axes, scale, y)
        y += scale.below + GAP
    last = heights[values["variable"].nunique()]  # guides run down through the predictors
    axes.vlines(scales[0].x, heights[0], last, color=style.GRID, linewidth=0.7, zorder=0)
    return figure


def _scales(values: pd.DataFrame, sums: pd.DataFrame, ticks: pd.DataFrame) -> list[_Scale]:
    variables = [str(name) for name in dict.fromkeys(values["variable"])]
    names = ["Total points", "Linear predictor", *variables]
    shown = [shortened(name, MAX_NAME) for name in names]
    left = 0.35 + max(style.text_width(name, SIZE + 1, weight="bold") for name in shown)
    right = style.PAGE_WIDTH - RIGHT
    largest = max(FULL_SCALE, float(values["points"].max())) if len(values) else FULL_SCALE
    place = _place(left, right, 0.0, largest)
    full = np.linspace(0.0, FULL_SCALE, 11)
    scales = [_number_scale("Points", full, full, place)]
    for name in variables:
        scales.append(_variable_scale(name, values[values["variable"] == name], place))
    return [*scales, *_lower_scales(sums.dropna(), ticks.dropna(), left, right)]


def _place(left: float, right: float, low: float, high: float) -> _Place:
    """Linear map of a scale's numbers, from low to high, onto the page in inches."""

    def inches(value: FloatArray) -> list[float]:
        share = (value - low) / ((high - low) or 1.0)
        return [float(x) for x in left + share * (right - left)]

    return inches


def _number_scale(name: str, numbers: FloatArray, at: FloatArray, place: _Place) -> _Scale:
    """Scale whose ticks are the numbers, drawn at the points `at`."""
    x = place(at)
    return _Scale(name, x, [_number(each) for each in numbers], _ends(x), is_bold=True)


def _ends(x: Sequence[float]) -> tuple[float, float] | None:
    return (min(x), max(x)) if x else None


def _number(value: float) -> str:
    text = f"{value:.4g}"
    return text.replace("-", MINUS) if float(text) else "0"


def _variable_scale(name: str, values: pd.DataFrame, place: _Place) -> _Scale:
    """Scale of a predictor; of a number whose ticks are crowded, every second, third, ... one."""
    known, title = values.dropna(subset=["points"]), shortened(name, MAX_NAME)
    x = place(known["points"].to_numpy(dtype=np.float64))
    numbers = pd.to_numeric(known["value"], errors="coerce")
    if numbers.isna().any():
        labels = [shortened(str(value), MAX_VALUE) for value in known["value"]]
        return _Scale(title, x, labels, _ends(x))
    for step in range(1, len(x) + 1):
        labels = [_number(float(value)) for value in numbers.iloc[::step]]
        scale = _Scale(title, x[::step], labels, _ends(x))
        if max(scale.levels) < NUMBER_LEVELS:
            return scale
    return _Scale(title, [], [], _ends(x))


def _lower_scales(
    sums: pd.DataFrame, ticks: pd.DataFrame, left: float, right: float
) -> list[_Scale]:
    """Total points, linear predictor and probability, which share one place on the page."""
    if sums.empty:
        names = ("Total points", "Linear predictor", "Probability")
        return [_Scale(name, [], [], None, is_bold=True) for name in names]
    ordered = sums.sort_values("total_points")
    low, high = float(ordered["total_points"].iloc[0]), float(ordered["total_points"].iloc[-1])
    place = _place(left, right, low, high)
    totals = _nice(low, high)
    predictor = ordered["linear_predictor"].to_numpy(dtype=np.float64)
    predictors = _nice(predictor[0], predictor[-1])
    at = np.interp(predictors, predictor, ordered["total_points"])
    inside = ticks[ticks["total_points"].between(low, high)]
    probabilities, points = inside[["probability", "total_points"]].to_numpy(dtype=np.float64).T
    return [
        _number_scale("Total points", totals, totals, place),
        _number_scale("Linear predictor", predictors, at, place),
        _number_scale("Probability", probabilities, points, place),
    ]


def _nice(low: float, high: float) -> FloatArray:
    """Round numbers inside [low, high]."""
    ticks = np.asarray(MaxNLocator(10, steps=[1, 2, 5, 10]).tick_values(low, high))
    slack = 1e-9 * max(abs(low), abs(high), 1.0)
    return ticks[(ticks >= low - slack) & (ticks <= high + slack)]


def _draw_scale(axes: Axes, scale: _Scale, y: float) -> None:
    weight = "bold" if scale.is_bold else "normal"
    axes.text(0.1, y, scale.name, va="center", size=SIZE + 1, weight=weight)
    if scale.line is None:
        middle = style.PAGE_WIDTH / 2
        axes.text(middle, y, NOT_ESTIMABLE, va="center", size=SIZE, color=style.MUTED)
        return
    axes.plot(scale.line, [y, y], color=style.INK, linewidth=1.1, solid_capstyle="butt")
    for x, label, level in zip(scale.x, scale.labels, scale.levels, strict=True):
        side = 1 if level % 2 == 0 else -1
        end = y + side * (TICK + TEXT_LINE * (level // 2))
        axes.plot([x, x], [y, end], color=style.INK, linewidth=0.8)
        axes.text(
            x, end + side * 0.02, label, ha="center", va="top" if side > 0 else "bottom",
            size=SIZE, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip


def label_levels(centres: Sequence[float], widths: Sequence[float], *, gap: float) -> list[int]:
    """Level (0, 1, ...) of every label of an axis: labels of one level keep `gap` apart.

    >>> label_levels([0.0, 0.2, 1.0], [0.3, 0.3, 0.3], gap=0.05)
    [0, 1, 0]
    """
    right_ends: list[float] = []
    chosen = [0] * len(centres)
    for index in np.argsort(np.asarray(centres, dtype=np.float64), kind="stable"):
        left = centres[index] - widths[index] / 2
        fits = [level for level, end in enumerate(right_ends) if end + gap <= left]
        level = fits[0] if fits else len(right_ends)
        if not fits:
            right_ends.append(0.0)
        right_ends[level] = centres[index] + widths[index] / 2
        chosen[index] = level
    return chosen
