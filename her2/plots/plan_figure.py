"""The picture of a plan: patients by criterion, learning curve, and assurance of a validation."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from her2.plots import style
from her2.plots.text import count

ROW = 0.26  # inches of a criterion
STAGES = {"development": "To develop", "validation": "To validate externally"}
COLOURS = {"development": style.NEGATIVE, "validation": style.POSITIVE}
CLAIMS: dict[str, tuple[str, str]] = {
    "above_chance": ("AUC above 0.5", style.MODEL_COLOURS[2]),
    "above_required": ("AUC above {:g}", style.NEGATIVE),
    "slope_shown": ("Slope of 1, precisely", style.POSITIVE),
}
SLOPES = (0.0, 2.5)  # shown
TICKS = (1, 2, 5)


@style.styled
def study_plan_figure(
    requirements: pd.DataFrame,
    learning: pd.DataFrame,
    assurance: pd.DataFrame,
    *,
    attainable_auc: float,
    required_auc: float,
    wanted: float,
) -> Figure:
    """Draw required patients; below, what models of n patients reach, and validations show.

    requirements: stage, case, criterion, n_required (None is left out). learning: n, auc,
    auc_low, auc_high, slope, slope_low, slope_high; may be empty. assurance: case, n,
    above_chance, above_required, slope_shown.
    """
    columns = ["stage", "case", "criterion", "n_required"]
    rows = style.required(requirements, columns, name="the requirements")
    rows = rows[rows["n_required"].notna()]
    n_rows = len(rows.drop_duplicates(["stage", "criterion"]))
    top = 0.9 + ROW * (n_rows + 2)
    figure = style.new_figure(style.PAGE_WIDTH, top + 3.4)
    grid = figure.add_gridspec(2, 1, height_ratios=[top, 3.4])
    above, below = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    _draw_requirements(above.subplots(), rows)
    area, slope, shown = below.subplots(1, 3)
    _draw_curve(area, learning, "auc", attainable_auc)
    _draw_curve(slope, learning, "slope", 1.0)
    _draw_assurance(shown, assurance, required_auc, wanted)
    return figure


def _draw_requirements(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw a dot a criterion, filled where it decides, hollow for the pessimistic case."""
    names: list[str] = []
    places: list[int] = []
    at = 0
    for stage, title in STAGES.items():
        found = rows[rows["stage"].eq(stage)]
        usual = found[found["case"].eq("expected")].set_index("criterion")["n_required"]
        worst = found[found["case"].eq("pessimistic")].set_index("criterion")["n_required"]
        names.append(title)
        places.append(at)
        for criterion, n in usual.astype(float).items():
            at += 1
            names.append(str(criterion))
            places.append(at)
            _draw_requirement(axes, at, n, worst.get(criterion), COLOURS[stage], n == usual.max())
        at += 1
    axes.set_yticks(places, names)
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() in STAGES.values() else "normal")
    axes.set(ylim=(at - 0.3, -0.6), title="Patients that each criterion asks for")
    _scale_patients(axes, rows["n_required"].astype(float), room=0.4)
    style.rows_only(axes)
    _explain(axes, has_worst=bool(rows["case"].eq("pessimistic").any()))


def _draw_requirement(
    axes: Axes, at: int, n: float, worst: Any, colour: str, decides: bool
) -> None:
    axes.hlines(at, 1, n, color=colour, linewidth=1.2, alpha=0.45)
    axes.plot(n, at, "o", color=colour, markersize=9 if decides else 5, zorder=3)
    text, right = count(n), n
    if worst is not None and float(worst) != n:
        axes.hlines(at, n, worst, color=colour, linewidth=0.8, linestyle=(0, (1, 2)))
        axes.plot(worst, at, "o", color=colour, markersize=5, mfc="white", zorder=3)
        text, right = f"{text} – {count(float(worst))}", max(n, float(worst))
    axes.annotate(
        text, (right, at), xytext=(9, 0), textcoords="offset points", va="center", size=8.5,
        weight="bold" if decides else "normal",
    )  # fmt: skip


def _explain(axes: Axes, *, has_worst: bool) -> None:
    look: dict[str, Any] = {"marker": "o", "linestyle": "none", "color": style.MUTED}
    entries = {
        "criterion": Line2D([], [], markersize=5, **look),
        "the one that decides": Line2D([], [], markersize=9, **look),
    }
    if has_worst:
        entries["if the AUC is only the pessimistic one"] = Line2D(
            [], [], markersize=5, mfc="white", **look
        )
    style.legend_below(axes, dict(entries), n_columns=3)


def _scale_patients(axes: Axes, sizes: pd.Series, *, room: float = 0.0) -> None:
    """Show patients on a logarithmic axis with `room` for text, as a share of their range."""
    low, high = float(sizes.min()), float(sizes.max())
    steps = TICKS if high / low < 60 else TICKS[:1]
    ticks = [k * 10.0**power for power in range(9) for k in steps]
    axes.set_xscale("log")
    left = low / (1.3 if room else 1.08)
    axes.set_xlim(left, high * max((high / left) ** room, 1.08))
    axes.xaxis.set_major_locator(FixedLocator([x for x in ticks if left <= x <= high * 1.08]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: count(x)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("Patients")


def _draw_curve(axes: Axes, learning: pd.DataFrame, measure: str, goal: float) -> None:
    """Draw what simulated developments reach, with the band of 90 % of them."""
    is_auc = measure == "auc"
    axes.set_title("AUC of the developed model" if is_auc else "Its calibration slope")
    if learning.empty:
        style.say_in(axes, "not simulated:\ntoo many candidates")
        axes.set_axis_off()
        return
    axes.axhline(goal, **style.REFERENCE_LINE)
    low, high = (learning[f"{measure}_{end}"] for end in ("low", "high"))
    style.draw_band(axes, learning["n"], low, high, colour=style.NEGATIVE)
    look: dict[str, Any] = {"marker": "o", "markersize": 3, "color": style.NEGATIVE}
    # a slope far away is one of hardly any predictions at all
    seen = learning[measure] if is_auc else learning[measure].where(learning[measure] <= SLOPES[1])
    axes.plot(learning["n"], seen, **look)
    if is_auc:
        axes.set_ylim(0.5, min(1.0, goal + 0.08))
    else:
        axes.set_ylim(*SLOPES)
    _scale_patients(axes, learning["n"].astype(float))
    axes.set_xlabel("Patients of the development")


def _draw_assurance(
    axes: Axes, assurance: pd.DataFrame, required_auc: float, wanted: float
) -> None:
    """Draw the share of simulated validations that show each claim; pessimistic ones dashed."""
    axes.axhline(wanted, **style.REFERENCE_LINE)
    entries = {}
    for column, (title, colour) in CLAIMS.items():
        for case, points in assurance.groupby("case"):
            dashes: Any = "solid" if case == "expected" else (0, (1, 1))
            (line,) = axes.plot(
                points["n"], points[column], color=colour, linestyle=dashes, linewidth=1.5
            )
            if case == "expected":
                entries[title.format(required_auc)] = line
    if assurance["case"].eq("pessimistic").any():
        entries["pessimistic AUC"] = Line2D([], [], color=style.MUTED, linestyle=(0, (1, 1)))
    axes.set(ylim=(-0.02, 1.03), title="What a validation shows", ylabel="Probability")
    _scale_patients(axes, assurance["n"].astype(float))
    axes.set_xlabel("Patients of the validation")
    style.legend_below(axes, entries, n_columns=1)
