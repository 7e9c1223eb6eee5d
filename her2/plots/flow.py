"""Flow of patients from the table's rows to training and test, as a drawn diagram.

References
----------
.. [1] Collins GS, et al. TRIPOD+AI statement. BMJ 2024;385:e078378. doi:10.1136/bmj-2023-078378
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from her2.plots import style
from her2.plots.text import count, role_title

LINE = 0.185  # inches a text line takes
PADDING = 0.24
GAP = 0.42
MAX_CODES = 8
MAX_NAME = 46  # characters of a code and its meaning
SPLITS = ("train", "test", "external")


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
    each of train, test, external that exists ``{n_patients, n_positive}``.
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
    present = [name for name in SPLITS if flow.get(name)]
    spread = 2.75
    first = main - spread * (len(present) - 1) / 2
    boxes = []
    for position, name in enumerate(present):
        n_patients, n_positive = (count(flow[name][n]) for n in ("n_patients", "n_positive"))
        title = role_title(name).split(",")[0]
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
