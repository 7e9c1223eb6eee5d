"""Agreement of two readers: overlap and distance of their masks, lesion by lesion.

References
----------
.. [1] Dice LR. Measures of the amount of ecologic association between species. Ecology
   1945;26:297-302. doi:10.2307/1932409
.. [2] Huttenlocher DP, Klanderman GA, Rucklidge WJ. Comparing images using the Hausdorff
   distance. IEEE Trans Pattern Anal Mach Intell 1993;15:850-863. doi:10.1109/34.232073
"""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from her2.plots import style
from her2.plots.text import NOT_ESTIMABLE, count

BINS = 20
RASTER_ABOVE = 1000


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
