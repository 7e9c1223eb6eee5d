"""Figures as files whose bytes depend on the figure alone: no date, no program name."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from her2.errors import BadConfig
from her2.plots.style import settings

PNG_DPI = 300
SVG_IMAGE_DPI = 200  # of the pictures inside a drawing
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def svg_bytes(figure: Figure) -> bytes:
    """Figure as SVG, the same bytes for the same figure; text is drawn as outlines."""
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    buffer = io.BytesIO()
    with _drawn_at(figure, SVG_IMAGE_DPI):
        FigureCanvasSVG(figure).print_svg(buffer, metadata=nothing)  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def png_bytes(figure: Figure, *, dpi: int = PNG_DPI) -> bytes:
    """Figure as PNG of `dpi` dots per inch, without a text chunk."""
    nothing = {"Software": None}
    buffer = io.BytesIO()
    with _drawn_at(figure, dpi):
        FigureCanvasAgg(figure).print_png(buffer, metadata=nothing)  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def save_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write ``name.svg`` and ``name.png`` (300 dpi) and return their paths.

    Raises
    ------
    BadConfig
        A name that is not letters, digits, ``_`` and ``-``.
    """
    if not _NAME.fullmatch(name):
        msg = f"expected a figure name of letters, digits, _ and -, found {name!r}; rename it"
        raise BadConfig(msg)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for suffix, content in ((".svg", svg_bytes(figure)), (".png", png_bytes(figure))):
        path = folder / f"{name}{suffix}"
        path.write_bytes(content)
        paths.append(path)
    return paths


@contextmanager
def _drawn_at(figure: Figure, dpi: int) -> Iterator[None]:
    """Drawing in the style of the study, at `dpi`; the figure is given back as it was.

    The canvas is called directly because `Figure.savefig` draws everything twice.
    """
    canvas, own_dpi = figure.canvas, figure.dpi
    try:
        figure.set_dpi(dpi)
        with mpl.rc_context(settings()):
            yield
    finally:
        figure.set_canvas(canvas)
        figure.set_dpi(own_dpi)
