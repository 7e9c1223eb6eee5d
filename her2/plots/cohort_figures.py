"""The cohort: flow of patients from the table's rows to the roles, agreement of two readers.

References
----------
.. [1] Collins GS, et al. TRIPOD+AI statement. BMJ 2024;385:e078378. doi:10.1136/bmj-2023-078378
.. [2] Dice LR. Measures of the amount of ecologic association between species. Ecology
   1945;26:297-302. doi:10.2307/1932409
.. [3] Huttenlocher DP, Klanderman GA, Rucklidge WJ. Comparing images using the Hausdorff
   distance. IEEE Trans Pattern Anal Mach Intell 1993;15:850-863. doi:10.1109/34.232073
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from her2.plots import style
from her2.plots.text import NOT_ESTIMABLE, count, role_title, shortened

LINE = 0.185  # inches a text line takes
PADDING = 0.24
GAP = 0.42
MAX_CODES = 8
LONGEST_ROLE = 26  # characters
MAX_NAME = 46  # characters of a code and its meaning
BINS = 20  # of a histogram
RASTER_ABOVE = 1000  # lesions


@dataclass(frozen=True)
class _Box:
    """One box: centre x, top y, width (inches) and its lines, the first one bold."""

    x: float
    top: float
    width: float
    lines: tuple[str, ...]
    colour: str = "#eef3f8"

    @property
    def height(self) -> float:
        return LINE * len(self.lines) + PADDING

    @property
    def bottom(self) -> float:
        return self.top - self.height

    @property
    def middle(self) -> float:
        return self.top - self.height / 2


@style.styled
def flow_figure(flow: Mapping[str, Any], titles: Mapping[str, str] | None = None) -> Figure:
    """Flow diagram of the cohort, with what the codes mean where `titles` says it.

    flow: n_rows, excluded ``{code: n}``, quarantined ``{code: n}``, n_lesions, n_patients, and for
    roles ``{role: {n_patients, n_positive}}``.
    """
    main, side = 2.65, 7.2
    rows = _Box(main, 0.0, 3.4, ("Rows of the patient table", f"n = {count(flow['n_rows'])}"))
    lines = _reasons("Not eligible", flow["excluded"], titles or {})
    excluded = _Box(side, rows.bottom - 0.16, 4.0, lines, "#fbf1e6")
    lines = _reasons("Quarantined (bad input)", flow["quarantined"], titles or {})
    quarantined = _Box(side, excluded.bottom - 0.16, 4.0, lines, "#fbf1e6")
    lesions, patients = count(flow["n_lesions"]), count(flow["n_patients"])
    lines = ("Analysed", f"{lesions} lesions of {patients} patients")
    analysed = _Box(main, quarantined.bottom - 0.16, 3.4, lines)
    splits = _split_boxes(flow, main, analysed.bottom - GAP)
    boxes = [rows, excluded, quarantined, analysed, *splits]
    axes = _canvas(boxes)
    for box in boxes:
        _draw_box(axes, box)
    _draw_arrows(axes, rows, (excluded, quarantined), analysed, splits)
    return axes.get_figure(root=True) or Figure()


def _reasons(
    heading: str, counts: Mapping[str, int], titles: Mapping[str, str]
) -> tuple[str, ...]:
    """Lines of a box of lesions that left the study, the most frequent code first."""
    reasons = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    lines = [f"{heading}: n = {count(sum(counts.values()))}"]
    for code, n in reasons[:MAX_CODES]:
        name = f"{titles[code]} ({code})" if code in titles else code
        name = name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
        lines.append(f"{name}: {count(n)}")
    if len(reasons) > MAX_CODES:
        rest = sum(n for _, n in reasons[MAX_CODES:])
        lines.append(f"{len(reasons) - MAX_CODES} other codes: {count(rest)}")
    return tuple(lines)


def _split_boxes(flow: Mapping[str, Any], main: float, top: float) -> list[_Box]:
    present = flow.get("roles", {})
    spread = 2.75
    first = main - spread * (len(present) - 1) / 2
    boxes = []
    for position, (name, of) in enumerate(present.items()):
        n_patients, n_positive = (count(of[n]) for n in ("n_patients", "n_positive"))
        title = shortened(role_title(name).split(",")[0], LONGEST_ROLE)
        lines = (title, f"{n_patients} patients", f"{n_positive} positive")
        boxes.append(_Box(first + spread * position, top, 2.4, lines, "#eaf5f0"))
    return boxes


def _canvas(boxes: Sequence[_Box]) -> Axes:
    """Axes of the size of the boxes, in inches."""
    left = min(box.x - box.width / 2 for box in boxes) - 0.1
    right = max(box.x + box.width / 2 for box in boxes) + 0.1
    bottom = min(box.bottom for box in boxes) - 0.1
    figure = style.new_figure(right - left, 0.1 - bottom)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(left, right), ylim=(bottom, 0.1))
    axes.set_axis_off()
    return axes


def _draw_box(axes: Axes, box: _Box) -> None:
    frame = FancyBboxPatch(
        (box.x - box.width / 2, box.bottom), box.width, box.height, facecolor=box.colour,
        edgecolor=style.MUTED, linewidth=0.9, boxstyle="round,pad=0,rounding_size=0.07",
    )  # fmt: skip
    axes.add_patch(frame)
    for number, line in enumerate(box.lines):
        y = box.top - PADDING / 2 - LINE * (number + 0.5)
        weight = "bold" if number == 0 else "normal"
        axes.text(box.x, y, line, ha="center", va="center", weight=weight, size=9)


def _draw_arrows(
    axes: Axes, rows: _Box, left_out: Sequence[_Box], analysed: _Box, splits: Sequence[_Box]
) -> None:
    _arrow(axes, (rows.x, rows.bottom), (analysed.x, analysed.top))
    for box in left_out:
        _arrow(axes, (rows.x, box.middle), (box.x - box.width / 2, box.middle))
    if not splits:
        return
    fork = analysed.bottom - GAP / 2
    axes.plot([analysed.x, analysed.x], [analysed.bottom, fork], color=style.INK, linewidth=1.0)
    axes.plot([splits[0].x, splits[-1].x], [fork, fork], color=style.INK, linewidth=1.0)
    for box in splits:
        _arrow(axes, (box.x, fork), (box.x, box.top))


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    look = {"arrowstyle": "-|>", "color": style.INK, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=end, xytext=start, arrowprops=look)


@style.styled
def agreement_figure(per_lesion: pd.DataFrame, *, dice_limit: float) -> Figure:
    """Histograms of Dice (0-1) and of the Hausdorff distance (mm), and one against the other.

    One row a lesion, NaN where a mask is empty or the pixel spacing is unknown. Orange: below
    `dice_limit`, where a third reader decides.
    """
    table = style.required(per_lesion, ["dice", "hausdorff_mm"], name="the agreement per lesion")
    is_low = table["dice"] < dice_limit
    figure = style.new_figure(style.PAGE_WIDTH, 2.9)
    overlap, distance, both = figure.subplots(1, 3)
    _draw_histogram(overlap, table["dice"], is_low, "Dice coefficient", edge=dice_limit)
    overlap.axvline(dice_limit, **style.THRESHOLD_LINE)
    n_known = int(table["dice"].notna().sum())
    overlap.set_title(f"Dice: {count(int(is_low.sum()))} of {count(n_known)} below {dice_limit:g}")
    _draw_histogram(distance, table["hausdorff_mm"], is_low, "Hausdorff distance (mm)")
    distance.set_title(f"Orange: Dice below {dice_limit:g}")
    _draw_both(both, table, is_low, dice_limit)
    overlap.set_ylabel("Lesions")
    return figure


def _draw_histogram(
    axes: Axes, values: pd.Series, is_low: pd.Series, label: str, *, edge: float = 0.0
) -> None:
    """Stacked histogram; one of its bins ends at `edge`, so that no bin holds both colours."""
    axes.set_xlabel(label)
    known = values.dropna()
    if known.empty:
        _leave_empty(axes)
        return
    low = is_low.loc[known.index]
    axes.hist(
        [known[low], known[~low]], bins=_edges(known, edge), stacked=True,
        color=[style.POSITIVE, style.NEGATIVE], rwidth=0.92,
    )  # fmt: skip
    axes.locator_params(axis="y", integer=True, nbins=5)
    axes.grid(axis="x", visible=False)


def _edges(values: pd.Series, edge: float) -> list[float]:
    """Edges of about 20 equal bins over values and `edge`, one of them at `edge`."""
    span = max(float(values.max()), edge) - min(float(values.min()), edge)
    width = max(span / BINS, 1e-3)
    first = math.floor((float(values.min()) - edge) / width)
    last = math.floor((float(values.max()) - edge) / width) + 1
    return [edge + width * step for step in range(first, last + 1)]


def _draw_both(axes: Axes, table: pd.DataFrame, is_low: pd.Series, dice_limit: float) -> None:
    axes.set(xlabel="Dice coefficient", ylabel="Hausdorff distance (mm)")
    known = table.dropna(subset=["dice", "hausdorff_mm"])
    axes.set_title("Overlap and distance")
    if known.empty:
        _leave_empty(axes)
        return
    colours = [style.POSITIVE if low else style.NEGATIVE for low in is_low.loc[known.index]]
    axes.scatter(
        known["dice"], known["hausdorff_mm"], s=12, c=colours, linewidths=0, alpha=0.75,
        rasterized=len(known) > RASTER_ABOVE,
    )  # fmt: skip
    axes.axvline(dice_limit, **style.THRESHOLD_LINE)
    axes.set_ylim(bottom=0)


def _leave_empty(axes: Axes) -> None:
    style.say_in(axes, NOT_ESTIMABLE)
    axes.set(xticks=[], yticks=[])
