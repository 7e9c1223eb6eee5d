"""What models cost: parameters, seconds and memory, a row a run."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from her2.plots.plotted_tables import required
from her2.plots.style import MUTED, NEGATIVE, PAGE_WIDTH, new_figure, styled
from her2.plots.text import is_missing, number

ROW = 0.34  # inches
MILLION = 1e6
ABSENT = "–"
Scale = Callable[[float], float]
PANELS: dict[str, tuple[str, Scale]] = {
    "parameters": ("Parameters (millions)", lambda n: n / MILLION),
    "seconds": ("Seconds of fitting", lambda s: s),
    "peak_memory_mb": ("Peak memory (MiB)", lambda m: m),
    "peak_gpu_memory_mb": ("Peak memory of the GPU (MiB)", lambda m: m),
}


@styled
def cost_figure(costs: pd.DataFrame) -> Figure:
    """Bars of what each run costs, one panel a quantity.

    Parameters
    ----------
    costs
        Columns run, and of `PANELS` those that are known: parameters (a count), seconds,
        peak_memory_mb, peak_gpu_memory_mb. NaN is shown as a dash; a column without any number
        has no panel.

    Raises
    ------
    BadArgument
        The table is empty or lacks the column run.

    Examples
    --------
    >>> costs = pd.DataFrame({"run": ["vgg19"], "parameters": [139.6e6], "seconds": [61.0]})
    >>> [axes.get_title(loc="left") for axes in cost_figure(costs).axes]
    ['Parameters (millions)', 'Seconds of fitting']
    """
    table = required(costs, ["run"], name="the costs")
    shown = [name for name in PANELS if name in table and table[name].notna().any()]
    figure = new_figure(PAGE_WIDTH, 0.9 + ROW * len(table))
    panels = figure.subplots(1, max(len(shown), 1), squeeze=False, sharey=True)[0]
    for axes, name in zip(panels, shown, strict=False):
        title, scale = PANELS[name]
        _draw_bars(axes, table[name].astype(float).map(scale).tolist(), title)
    panels[0].set_yticks(range(len(table)), table["run"])
    panels[0].set_ylim(len(table) - 0.4, -0.6)
    return figure


def _draw_bars(axes: Axes, values: list[float], title: str) -> None:
    largest = max((v for v in values if not is_missing(v)), default=1.0) or 1.0
    for row, value in enumerate(values):
        if is_missing(value):
            axes.text(0, row, f" {ABSENT}", va="center", size=8, color=MUTED)
            continue
        axes.barh(row, value, height=0.62, color=NEGATIVE)
        digits = 0 if largest >= 100 else 1
        axes.text(value, row, f" {number(value, digits)}", va="center", size=8)
    axes.set_title(title)
    axes.set_xlim(0, 1.32 * largest)  # room for the number beside the longest bar
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
