"""What a reader sees of a figure: its texts, and whether each of them can be read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import BboxBase

from her2.plots.style import settings


def texts(figure: Figure) -> str:
    """Every visible text, a line each."""
    return "\n".join(text.get_text() for text in figure.findobj(Text) if text.get_visible())


def shown_boxes(figure: Figure) -> Iterator[tuple[str, BboxBase]]:
    """Boxes of the texts that are drawn (a tick beyond its axis' limits exists but is not)."""
    renderer = figure._get_renderer()
    axes = [axis for each in figure.axes for axis in (each.xaxis, each.yaxis)]
    ticks = {id(t.label1) for axis in axes for t in [*axis.majorTicks, *axis.minorTicks]}
    shown = [axis for axis in axes if axis.axes.axison]
    drawn = {id(tick.label1) for axis in shown for tick in axis._update_ticks()}
    for text in figure.findobj(Text):
        is_drawn = text.get_visible() and id(text) not in ticks - drawn
        if is_drawn and text.get_text().strip():
            # of the text alone: an annotation would count its arrow in
            yield text.get_text(), Text.get_window_extent(text, renderer)


def assert_readable(figure: Figure) -> None:
    """No text leaves the page or covers another text."""
    with mpl.rc_context(settings()):  # the number of ticks depends on the text size
        figure.draw_without_rendering()
        boxes = list(shown_boxes(figure))
    for text, box in boxes:
        assert box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1, f"{text!r} leaves the page"
        assert box.y0 >= -1 and box.y1 <= figure.bbox.y1 + 1, f"{text!r} leaves the page"
    for (first, a), (second, b) in itertools.combinations(boxes, 2):
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        high = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert wide < 1.5 or high < 1.5, f"{first!r} lies on {second!r}"
