"""One look for all figures: sizes, colours that colour-blind readers can tell apart, layout.

The style is applied only while a figure is built and does not touch the settings of the caller.

References
----------
.. [1] Okabe M, Ito K. Color universal design. 2008. https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from types import MappingProxyType
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import ScaledTranslation

Arguments = ParamSpec("Arguments")

INK = "#222222"
MUTED = "#666666"
GRID = "#e6e6e6"
REFERENCE = "#8c8c8c"
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
    "shape": "#CC79A7",
    "firstorder": "#E69F00",
    "glcm": "#0072B2",
    "glrlm": "#009E73",
    "glszm": "#56B4E9",
    "gldm": "#D55E00",
    "ngtdm": "#B8A800",  # the yellow of the palette, dark enough to be seen on white
    "deep": "#5B5B5B",
}
OTHER_COLOURS = ("#CC79A7", "#882255", "#44AA99", "#999933", "#332288")
MODEL_COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#333333",
)  # fmt: skip
MODEL_LINES: tuple[Any, ...] = ("solid", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)))
LEGEND_DROP = 0.55  # inches from the axes to the legend: ticks and axis label lie between
PAGE_WIDTH = 9.4  # inches: the text width of the report, so that fonts show at their own size

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "axes.labelsize": 9.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.7,
    "text.color": INK,
    "text.parse_math": False,  # names come from users: a "$" is a dollar sign
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",  # glyphs travel with the file: the same picture on every machine
    "svg.hashsalt": "her2",
}


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


NO_LOOKS: Mapping[str, tuple[str, Any]] = MappingProxyType({})
_looks: ContextVar[Mapping[str, tuple[str, Any]]] = ContextVar("looks", default=NO_LOOKS)


@contextmanager
def looks_of(names: Iterable[str]) -> Iterator[None]:
    """Inside the block, models of these names have colours and lines that differ.

    Without it the colour of an unknown arm follows from its name, and two may share one. Seven
    colours and four lines make 28 pairs.

    Examples
    --------
    >>> with looks_of(["vgg19", "resnet50"]):
    ...     arm_colour("vgg19"), arm_colour("resnet50")
    ('#0072B2', '#D55E00')
    """
    looks = {
        name: (MODEL_COLOURS[i % len(MODEL_COLOURS)], MODEL_LINES[i % len(MODEL_LINES)])
        for i, name in enumerate(names)
    }
    token = _looks.set(looks)
    try:
        yield
    finally:
        _looks.reset(token)


def arm_colour(arm: str) -> str:
    """Colour of an arm: the same in every figure, also for an arm we do not know."""
    if arm in _looks.get():
        return _looks.get()[arm][0]
    return ARM_COLOURS.get(arm) or _other_colour(arm)


def family_colour(family: str) -> str:
    """Colour of a feature family: the same in every figure."""
    return FAMILY_COLOURS.get(family) or _other_colour(family)


def _other_colour(name: str) -> str:
    return OTHER_COLOURS[zlib.crc32(name.encode()) % len(OTHER_COLOURS)]


def arm_line(arm: str) -> Any:
    """Line style of an arm, so that arms differ without colour too."""
    if arm in _looks.get():
        return _looks.get()[arm][1]
    return ARM_LINES.get(arm, "solid")


def arms_in_order(arms: Iterable[str]) -> list[str]:
    """Arms in the order of the study, then unknown ones as they come; each once."""
    return _in_order(arms, ARM_COLOURS)


def families_in_order(families: Iterable[str]) -> list[str]:
    """Feature families in one order for all figures, then unknown ones as they come."""
    return _in_order(families, FAMILY_COLOURS)


def _in_order(names: Iterable[str], order: Iterable[str]) -> list[str]:
    seen = list(dict.fromkeys(names))
    known = [name for name in order if name in seen]
    return known + [name for name in seen if name not in known]


def legend_below(
    axes: Axes, entries: Mapping[str, Artist], *, title: str | None = None, n_columns: int = 1
) -> None:
    """Draw a legend under the axes, where no curve can run through it."""
    figure = axes.get_figure(root=True) or Figure()
    below = ScaledTranslation(0.0, -LEGEND_DROP, figure.dpi_scale_trans)
    axes.legend(
        list(entries.values()),
        list(entries),
        title=title,
        title_fontproperties={"weight": "bold", "size": 8.5},
        alignment="left",
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        bbox_transform=axes.transAxes + below,
        ncols=n_columns,
        handlelength=2.6,
        borderaxespad=0.0,
    )


def say_in(axes: Axes, text: str) -> None:
    """Write a muted sentence in the middle of axes that have nothing to draw."""
    axes.text(
        0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=MUTED, size=9
    )


def blank(axes: Axes) -> None:
    """Take frame, ticks and grid from axes that only carry text and patches."""
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def unit_square(axes: Axes) -> None:
    """Make both axes run from 0 to 1, with the identity line."""
    axes.plot([0, 1], [0, 1], color=REFERENCE, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
