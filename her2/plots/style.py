"""One look for all figures: sizes, colours that colour-blind readers can tell apart, layout.

The style is applied only while a figure is built and does not touch the settings of the caller.

References
----------
.. [1] Okabe M, Ito K. Color universal design. 2008. https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from types import MappingProxyType
from typing import Any, ParamSpec, TypeAlias

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.textpath import text_to_path
from matplotlib.transforms import ScaledTranslation
from numpy.typing import ArrayLike, NDArray

from her2.core.errors import BadArgument

Arguments = ParamSpec("Arguments")

INK = "#222222"
MUTED = "#666666"
GRID = "#e6e6e6"
REFERENCE = "#8c8c8c"
REFERENCE_LINE: dict[str, Any] = {"color": REFERENCE, "linewidth": 1.0, "linestyle": (0, (4, 3))}
THRESHOLD_LINE: dict[str, Any] = {"color": INK, "linewidth": 1.0, "linestyle": (0, (4, 2))}
POSITIVE = "#D55E00"
NEGATIVE = "#0072B2"
ARM_COLOURS = {
    "clinical": "#E69F00",
    "radiomics": "#56B4E9",
    "deep_learning": "#009E73",
    "dlr": "#0072B2",
    "combined": "#D55E00",
}
ARM_LINES: dict[str, Any] = {
    "clinical": (0, (1, 1)),
    "radiomics": (0, (5, 1.5)),
    "deep_learning": (0, (5, 1.5, 1, 1.5)),
    "dlr": (0, (8, 1.5)),
    "combined": "solid",
}
FAMILY_COLOURS = {
    "shape": "#CC79A7", "firstorder": "#E69F00", "glcm": "#0072B2", "glrlm": "#009E73",
    "glszm": "#56B4E9", "gldm": "#D55E00",
    "ngtdm": "#B8A800",  # the yellow of the palette, dark enough to be seen on white
    "deep": "#5B5B5B",
}  # fmt: skip
OTHER_COLOURS = ("#CC79A7", "#882255", "#44AA99", "#999933", "#332288")
MODEL_COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#333333",
)  # fmt: skip
MODEL_LINES: tuple[Any, ...] = ("solid", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)))
GOLDEN = 0.6180339887498949
LEGEND_DROP = 0.55  # inches from the axes to the legend: ticks and axis label lie between
FONT = "DejaVu Sans"
PAGE_WIDTH = 9.4  # inches: the text width of the report, so that fonts show at their own size

STYLE: dict[str, Any] = {
    "font.family": FONT, "font.size": 9.0,
    "axes.titlesize": 10.0, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.titlepad": 8.0, "axes.labelsize": 9.0, "axes.labelcolor": INK,
    "axes.edgecolor": MUTED, "axes.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "axes.axisbelow": True, "grid.color": GRID, "grid.linewidth": 0.7,
    "xtick.color": MUTED, "xtick.labelcolor": INK, "xtick.labelsize": 8.5,
    "ytick.color": MUTED, "ytick.labelcolor": INK, "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5, "legend.frameon": False,
    "lines.linewidth": 1.7, "text.color": INK,
    "text.parse_math": False,  # names come from users: a "$" is a dollar sign
    "figure.facecolor": "white", "savefig.facecolor": "white",
    "svg.fonttype": "path",  # glyphs travel with the file: the same picture on every machine
    "svg.hashsalt": "her2",
}  # fmt: skip


def settings() -> Any:
    """Complete drawing settings: library defaults (not the user's file) with this style."""
    defaults = {name: mpl.rcParamsDefault[name] for name in mpl.rcParamsDefault}
    backend = {name for name in defaults if name.startswith("backend")}
    return {k: v for k, v in defaults.items() if k not in backend} | STYLE


def styled(build: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Figure function that draws in the style of the study and freezes the layout it found.

    The layout is solved once, here: solved again for each file format it would differ by the
    rounding of text sizes, and the same figure would not give the same bytes twice.
    """

    @wraps(build)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with mpl.rc_context(settings()):
            figure = build(*args, **kwargs)
            engine = figure.get_layout_engine()
            if engine is not None:  # executed alone: a full draw would cost half as much again
                engine.execute(figure)
            figure.set_layout_engine("none")
        return figure

    return wrapped


def new_figure(width: float, height: float) -> Figure:
    """Empty figure of this size in inches, with automatic spacing."""
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1, wspace=0.04, hspace=0.04)
    return Figure(figsize=(width, height), layout=layout)


def page(width: float, height: float) -> tuple[Figure, Axes]:
    """Figure whose axes cover the page, in inches from its upper left corner, y downwards.

    For drawings that place their own parts; no automatic spacing.
    """
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return figure, axes


def panel_grid(
    n: int, n_columns: int, *, width: float, height: float, more: float = 0.0, **options: Any
) -> tuple[Figure, list[Axes]]:
    """Figure with the axes of n panels in rows; places without a panel stay empty.

    Inches: the width of the figure, the height of a row, and what there is more outside the rows.
    """
    n_rows = max(1, math.ceil(n / n_columns))
    figure = new_figure(width, height * n_rows + more)
    grid = figure.subplots(n_rows, n_columns, squeeze=False, **options).ravel()
    for axes in grid[n:]:
        axes.set_axis_off()
    return figure, list(grid[:n])


def required(table: pd.DataFrame, columns: Sequence[str], *, name: str) -> pd.DataFrame:
    """Table with a fresh index, once it is known to have these columns and a row.

    A missing value is no error: a figure says "not estimable" in its place.

    >>> required(pd.DataFrame({"arm": ["dlr"], "auc": [0.8]}), ["auc"], name="repeats")
       arm  auc
    0  dlr  0.8
    >>> required(pd.DataFrame({"auc": []}), ["auc"], name="repeats")
    Traceback (most recent call last):
    her2.core.errors.BadArgument: expected repeats with at least one row, found none; leave it out
    """
    absent = [column for column in columns if column not in table.columns]
    if absent:
        found = ", ".join(map(str, table.columns)) or "none"
        raise BadArgument(
            f"expected {name} with the columns {', '.join(columns)}, found {found}; "
            f"add {', '.join(absent)}"
        )
    if table.empty:
        raise BadArgument(f"expected {name} with at least one row, found none; leave it out")
    return table.reset_index(drop=True)


_Styles: TypeAlias = Mapping[str, tuple[str, Any]]
_model_styles: ContextVar[_Styles] = ContextVar("model_styles", default=MappingProxyType({}))


@contextmanager
def distinct_styles(names: Iterable[str]) -> Iterator[None]:
    """Inside the block, models of these names have different colours and lines.

    Without it the colour of an unknown arm follows from its name, and two may share one. Seven
    colours and four lines make 28 pairs.

    >>> with distinct_styles(["vgg19", "resnet50"]):
    ...     arm_colour("vgg19"), arm_colour("resnet50")
    ('#0072B2', '#D55E00')
    """
    styles = {
        name: (MODEL_COLOURS[i % len(MODEL_COLOURS)], MODEL_LINES[i % len(MODEL_LINES)])
        for i, name in enumerate(names)
    }
    token = _model_styles.set(styles)
    try:
        yield
    finally:
        _model_styles.reset(token)


def arm_colour(arm: str) -> str:
    """Colour of an arm: the same in every figure, also for an arm we do not know."""
    return str(arm_look(arm)["color"])


def family_colour(family: str) -> str:
    """Colour of a feature family: the same in every figure."""
    return FAMILY_COLOURS.get(family) or _other_colour(family)


def _other_colour(name: str) -> str:
    return OTHER_COLOURS[zlib.crc32(name.encode()) % len(OTHER_COLOURS)]


def arm_look(arm: str) -> dict[str, Any]:
    """Colour and line of an arm's curve, so that arms differ without colour too."""
    known = (ARM_COLOURS.get(arm) or _other_colour(arm), ARM_LINES.get(arm, "solid"))
    colour, line = _model_styles.get().get(arm, known)
    return {"color": colour, "linestyle": line}


def arms_in_order(arms: Iterable[str], order: Iterable[str] = ARM_COLOURS) -> list[str]:
    """Arms in the order of the study, then unknown ones as they come; each once."""
    seen = dict.fromkeys(arms)
    return list(dict.fromkeys([*(arm for arm in order if arm in seen), *seen]))


families_in_order = partial(arms_in_order, order=FAMILY_COLOURS)


def legend_below(
    axes: Axes, entries: Mapping[str, Artist], *, title: str | None = None, n_columns: int = 1
) -> None:
    """Draw a legend under the axes, where no curve can run through it."""
    figure = axes.get_figure(root=True) or Figure()
    below = ScaledTranslation(0.0, -LEGEND_DROP, figure.dpi_scale_trans)
    axes.legend(
        list(entries.values()), list(entries), title=title, alignment="left", ncols=n_columns,
        title_fontproperties={"weight": "bold", "size": 8.5}, handlelength=2.6,
        loc="upper center", borderaxespad=0.0, bbox_to_anchor=(0.5, 0.0),
        bbox_transform=axes.transAxes + below,
    )  # fmt: skip


def head(figure: Figure, title: str) -> None:
    """Write a title over the whole figure, at its left edge."""
    figure.suptitle(title, x=0.01, ha="left", weight="bold", size=10)


def draw_band(
    axes: Axes, x: ArrayLike, low: ArrayLike, high: ArrayLike, *, colour: str, alpha: float = 0.2
) -> Artist:
    """Shade between the limits of an interval."""
    return axes.fill_between(x, low, high, color=colour, alpha=alpha, linewidth=0)


def spread_out(n: int) -> NDArray[np.float64]:
    """Numbers (n,) from 0 to 1 whose neighbours lie far apart: jitter without chance."""
    return np.asarray((np.arange(n) * GOLDEN) % 1)


def rows_only(axes: Axes) -> None:
    """Leave out ticks and grid of a y axis whose labels name rows."""
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


def say_in(axes: Axes, text: str) -> None:
    """Write a muted sentence in the middle of axes that have nothing to draw."""
    look: dict[str, Any] = {"ha": "center", "va": "center", "color": MUTED, "size": 9}
    axes.text(0.5, 0.5, text, transform=axes.transAxes, **look)


def blank(axes: Axes) -> None:
    """Leave out frame, ticks and grid of axes that only hold text and patches."""
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def text_width(text: str, size: float, *, weight: str = "normal") -> float:
    """Width of the widest line of a text of `size` points, in inches.

    >>> round(text_width("0.50", 8), 2) < round(text_width("0.500", 8), 2) < 0.5
    True
    """
    font = FontProperties(family=FONT, size=size, weight=weight)
    widths = [
        text_to_path.get_text_width_height_descent(line, font, ismath=False)[0]
        for line in text.split("\n")
    ]
    return float(max(widths)) / 72


def unit_square(axes: Axes) -> None:
    """Make both axes run from 0 to 1, with the identity line."""
    axes.plot([0, 1], [0, 1], **REFERENCE_LINE, zorder=1)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
