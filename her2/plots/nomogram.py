"""Nomogram of a logistic model, drawn as the rms package of R draws it.

References
----------
.. [1] Harrell FE. Regression Modeling Strategies. 2nd ed. Springer; 2015.
   doi:10.1007/978-3-319-19425-7
.. [2] Iasonos A, et al. How to build and interpret a nomogram for cancer prognosis. J Clin Oncol
   2008;26:1364-1370. doi:10.1200/JCO.2007.12.9791
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from her2.plots.placing import levels, text_width
from her2.plots.plotted_tables import required
from her2.plots.style import GRID, INK, MUTED, PAGE_WIDTH, page, styled
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


@dataclass(frozen=True)
class _Scale:
    """One horizontal axis: its name, and where its ticks and line lie in inches."""

    name: str
    x: tuple[float, ...]
    labels: tuple[str, ...]
    line: tuple[float, float] | None  # None: nothing to draw
    is_bold: bool = False

    @property
    def levels(self) -> list[int]:
        widths = [text_width(label, SIZE) for label in self.labels]
        return levels(self.x, widths, gap=LABEL_GAP)

    @property
    def above(self) -> float:
        """Room above the line, in inches."""
        n = (max(self.levels, default=0) + 1) // 2
        return TICK + TEXT_LINE * max(n, 0.5)

    @property
    def below(self) -> float:
        return TICK + TEXT_LINE * (max(self.levels, default=0) // 2 + 1)


@styled
def nomogram_figure(
    points: pd.DataFrame,
    total: pd.DataFrame,
    *,
    probability_axis: pd.DataFrame,
    title: str = "Nomogram",
) -> Figure:
    """Nomogram: a scale of points, an axis a predictor, total points and their probability.

    Labels that would lie on each other are written above and below their axis in turn.

    Parameters
    ----------
    points
        Columns variable, value (a level, or a number to tick) and points (0-100). Variables
        and values keep the order of the table; NaN points are left out, and a variable
        without any is named as not estimable.
    total
        Columns total_points, linear_predictor and probability: the lower scales. The linear
        predictor must grow with the total points.
    probability_axis
        Columns probability and total_points: the ticks of the probability axis; those beyond
        the total points are not drawn.
    title
        Above the scales.

    Raises
    ------
    BadArgument
        A table is empty or lacks a column.

    Examples
    --------
    >>> points = pd.DataFrame({"variable": "PR", "value": ["-", "+"], "points": [100.0, 0.0]})
    >>> total = pd.DataFrame({"total_points": [0.0, 100.0], "linear_predictor": [-2.0, 0.0],
    ...                       "probability": [0.12, 0.5]})
    >>> axis = pd.DataFrame({"probability": [0.2, 0.5], "total_points": [30.7, 100.0]})
    >>> figure = nomogram_figure(points, total, probability_axis=axis)
    >>> "Total points" in [text.get_text() for text in figure.axes[0].texts]
    True
    """
    values = required(points, ["variable", "value", "points"], name="nomogram points")
    sums = required(total, ["total_points", "linear_predictor", "probability"], name="the total")
    ticks = required(probability_axis, ["probability", "total_points"], name="probability axis")
    scales = _scales(values, sums, ticks)
    height = 0.55 + sum(scale.above + scale.below + GAP for scale in scales)
    figure, axes = page(PAGE_WIDTH, height)
    axes.text(0.1, 0.2, title, weight="bold", size=10, va="center")
    _draw_scales(axes, scales, n_points=1 + values["variable"].nunique())
    return figure


def _scales(values: pd.DataFrame, sums: pd.DataFrame, ticks: pd.DataFrame) -> list[_Scale]:
    variables = [str(name) for name in dict.fromkeys(values["variable"])]
    names = ["Total points", "Linear predictor", *variables]
    left = 0.35 + max(text_width(shortened(n, MAX_NAME), SIZE + 1, weight="bold") for n in names)
    right = PAGE_WIDTH - RIGHT
    largest = max(FULL_SCALE, float(values["points"].max())) if len(values) else FULL_SCALE
    place = _Place(left, right, 0.0, largest)
    full = np.linspace(0.0, FULL_SCALE, 11)
    scales = [_number_scale("Points", full, full, place)]
    for name in variables:
        scales.append(_variable_scale(name, values[values["variable"] == name], place))
    return [*scales, *_lower_scales(sums.dropna(), ticks.dropna(), left, right)]


@dataclass(frozen=True)
class _Place:
    """Linear map of a scale's numbers onto the page."""

    left: float
    right: float
    low: float
    high: float

    def inches(self, value: NDArray[np.float64] | float) -> NDArray[np.float64]:
        span = (self.high - self.low) or 1.0
        share = (np.asarray(value, dtype=np.float64) - self.low) / span
        return self.left + share * (self.right - self.left)


def _number_scale(
    name: str, numbers: NDArray[np.float64], at: NDArray[np.float64], place: _Place
) -> _Scale:
    """Scale whose ticks are the numbers, drawn at the points `at`."""
    x = tuple(float(each) for each in place.inches(at))
    line = (min(x), max(x)) if x else None
    return _Scale(name, x, tuple(_number(each) for each in numbers), line, is_bold=True)


def _number(value: float) -> str:
    text = f"{value:.4g}"
    return text.replace("-", MINUS) if float(text) else "0"


def _variable_scale(name: str, values: pd.DataFrame, place: _Place) -> _Scale:
    """Scale of a predictor; of a number whose ticks are crowded, every second, third, ... one."""
    known = values.dropna(subset=["points"])
    x = [float(each) for each in place.inches(known["points"].to_numpy(dtype=np.float64))]
    line = (min(x), max(x)) if x else None
    numbers = pd.to_numeric(known["value"], errors="coerce")
    if numbers.isna().any():
        labels = [shortened(str(value), MAX_VALUE) for value in known["value"]]
        return _Scale(shortened(name, MAX_NAME), tuple(x), tuple(labels), line)
    for step in range(1, len(x) + 1):
        labels = [_number(float(value)) for value in numbers.iloc[::step]]
        scale = _Scale(shortened(name, MAX_NAME), tuple(x[::step]), tuple(labels), line)
        if max(scale.levels) < NUMBER_LEVELS:
            return scale
    return _Scale(shortened(name, MAX_NAME), (), (), line)


def _lower_scales(
    sums: pd.DataFrame, ticks: pd.DataFrame, left: float, right: float
) -> list[_Scale]:
    """Total points, linear predictor and probability, which share one place on the page."""
    if sums.empty:
        names = ("Total points", "Linear predictor", "Probability")
        return [_Scale(name, (), (), None, is_bold=True) for name in names]
    ordered = sums.sort_values("total_points")
    low, high = float(ordered["total_points"].iloc[0]), float(ordered["total_points"].iloc[-1])
    place = _Place(left, right, low, high)
    totals = _nice(low, high)
    predictor = ordered["linear_predictor"].to_numpy(dtype=np.float64)
    predictors = _nice(predictor[0], predictor[-1])
    at = np.interp(predictors, predictor, ordered["total_points"])
    inside = ticks[ticks["total_points"].between(low, high)]
    return [
        _number_scale("Total points", totals, totals, place),
        _number_scale("Linear predictor", predictors, at, place),
        _number_scale(
            "Probability",
            inside["probability"].to_numpy(dtype=np.float64),
            inside["total_points"].to_numpy(dtype=np.float64),
            place,
        ),
    ]


def _nice(low: float, high: float) -> NDArray[np.float64]:
    """Round numbers inside [low, high]."""
    ticks = np.asarray(MaxNLocator(10, steps=[1, 2, 5, 10]).tick_values(low, high))
    slack = 1e-9 * max(abs(low), abs(high), 1.0)
    return ticks[(ticks >= low - slack) & (ticks <= high + slack)]


def _draw_scales(axes: Axes, scales: Sequence[_Scale], *, n_points: int) -> None:
    """Scales from top to bottom, with guides from the points down through the predictors."""
    y, first, last = 0.45, 0.0, 0.0
    for position, scale in enumerate(scales):
        y += scale.above
        first = y if position == 0 else first
        last = y if position == n_points - 1 else last
        _draw_scale(axes, scale, y)
        y += scale.below + GAP
    axes.vlines(scales[0].x, first, last, color=GRID, linewidth=0.7, zorder=0)


def _draw_scale(axes: Axes, scale: _Scale, y: float) -> None:
    weight = "bold" if scale.is_bold else "normal"
    axes.text(0.1, y, scale.name, va="center", size=SIZE + 1, weight=weight)
    if scale.line is None:
        axes.text(PAGE_WIDTH / 2, y, NOT_ESTIMABLE, va="center", size=SIZE, color=MUTED)
        return
    axes.plot(scale.line, [y, y], color=INK, linewidth=1.1, solid_capstyle="butt")
    for x, label, level in zip(scale.x, scale.labels, scale.levels, strict=True):
        side = 1 if level % 2 == 0 else -1
        end = y + side * (TICK + TEXT_LINE * (level // 2))
        axes.plot([x, x], [y, end], color=INK, linewidth=0.8)
        axes.text(
            x,
            end + side * 0.02,
            label,
            ha="center",
            va="top" if side > 0 else "bottom",
            size=SIZE,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )
