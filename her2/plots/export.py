"""Figures as files whose bytes depend on the figure alone: no date, no program name."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import matplotlib as mpl
import numpy as np
from joblib import delayed
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from her2.core.errors import BadConfig
from her2.core.parallel import run_jobs
from her2.plots.style import settings

PNG_DPI = 300
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_FILTER_UP = 2
PNG_COMPRESSION = 3
SVG_IMAGE_DPI = 200  # of the pictures inside a drawing
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_drawings: WeakKeyDictionary[Figure, bytes] = WeakKeyDictionary()


def svg_bytes(figure: Figure) -> bytes:
    """Figure as SVG, the same bytes for the same figure; text is drawn as outlines.

    A figure is finished when it is first drawn here: the file and the report share the drawing.
    """
    if figure not in _drawings:
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        buffer, canvas = io.BytesIO(), FigureCanvasSVG
        with _drawn_at(figure, SVG_IMAGE_DPI):
            canvas(figure).print_svg(buffer, metadata=nothing)  # type: ignore[no-untyped-call]
        _drawings[figure] = buffer.getvalue()
    return _drawings[figure]


def png_bytes(figure: Figure, *, dpi: int = PNG_DPI) -> bytes:
    """Figure as PNG of `dpi` dots per inch, without a text chunk."""
    with _drawn_at(figure, dpi):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # type: ignore[no-untyped-call]
        drawn = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    page = np.asarray(Image.fromarray(drawn).convert("RGB"))  # every page is opaque: no alpha
    return _png(page, dpi)


def _png(page: NDArray[np.uint8], dpi: int) -> bytes:
    """Pixels of shape (height, width, 3) as a PNG file.

    Rows of a drawing mostly repeat the row above, so all of them are filtered as "up"; Pillow
    tries five filters on every row, which takes three times as long for a tenth less.

    References
    ----------
    .. [1] Portable Network Graphics (PNG) Specification. 2nd ed. W3C; 2003. Sections 9.2, 11.
    """
    height, width, _ = page.shape
    flat = page.reshape(height, -1)
    rows = np.full((height, 1 + 3 * width), PNG_FILTER_UP, dtype=np.uint8)
    rows[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])  # modulo 256, as the filter asks for
    per_metre = round(dpi / 0.0254)
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0),
        b"pHYs": struct.pack(">IIB", per_metre, per_metre, 1),
        b"IDAT": zlib.compress(rows.data, PNG_COMPRESSION),
        b"IEND": b"",
    }
    return PNG_SIGNATURE + b"".join(_chunk(name, content) for name, content in chunks.items())


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(content, zlib.crc32(name))
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def save_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write ``name.svg`` and ``name.png`` (300 dpi) and return their paths."""
    if not _NAME.fullmatch(name):
        raise BadConfig(
            f"expected a figure name of letters, digits, _ and -, found {name!r}; rename it"
        )
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.svg", folder / f"{name}.png"]
    for path, drawn in zip(paths, (svg_bytes(figure), png_bytes(figure)), strict=True):
        path.write_bytes(drawn)
    return paths


def save_figures(
    named: Iterable[tuple[str, Figure]], folder: Path, *, n_workers: int = 1
) -> dict[str, Figure]:
    """Write figures as `save_figure` does, as they are made, and return them by name.

    n_workers: processes that draw; the files do not depend on it.
    """
    made: dict[str, Figure] = {}

    def jobs() -> Iterator[Any]:
        for name, figure in named:
            made[name] = figure
            yield delayed(_saved)(figure, folder, name)

    if n_workers == 1:
        for name, figure in named:
            save_figure(figure, folder, name)
            made[name] = figure
        return made
    for name, drawing in run_jobs(jobs(), n_workers=n_workers, at_once=True):
        _drawings[made[name]] = drawing
    return made


def _saved(figure: Figure, folder: Path, name: str) -> tuple[str, bytes]:
    save_figure(figure, folder, name)
    return name, svg_bytes(figure)


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
