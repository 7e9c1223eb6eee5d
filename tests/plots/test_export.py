"""Files: the same bytes for the same figure, no date, no program name."""

import io
import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from her2.core.errors import BadConfig
from her2.plots import roc_panels, save_figure, save_figures
from her2.plots.export import _png, png_bytes, svg_bytes


@pytest.fixture(scope="module")
def figure(study):
    return roc_panels({role: (study.curves[role], study.auc[role]) for role in study.curves})


def test_the_same_figure_gives_the_same_bytes_twice(figure, study, tmp_path):
    again = roc_panels({role: (study.curves[role], study.auc[role]) for role in study.curves})
    first = [path.read_bytes() for path in save_figure(figure, tmp_path / "a", "roc")]
    second = [path.read_bytes() for path in save_figure(figure, tmp_path / "b", "roc")]
    third = [path.read_bytes() for path in save_figure(again, tmp_path / "c", "roc")]
    assert first == second == third


def test_a_saved_figure_is_given_back_as_it_was(figure, tmp_path):
    before = (figure.dpi, figure.canvas, figure.get_size_inches().tolist())
    save_figure(figure, tmp_path, "roc")
    assert before == (figure.dpi, figure.canvas, figure.get_size_inches().tolist())


def test_files_carry_no_date_and_no_program(figure, tmp_path):
    svg, png = save_figure(figure, tmp_path, "roc")
    assert (svg.name, png.name) == ("roc.svg", "roc.png")
    assert not re.search(rb"<dc:date|matplotlib\.org|Matplotlib v", svg.read_bytes())
    with Image.open(png) as image:
        assert set(image.info) == {"dpi"}
        assert round(image.info["dpi"][0]) == 300


def test_png_holds_the_pixels_that_were_drawn(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    with Image.open(io.BytesIO(png_bytes(figure, dpi=round(figure.dpi)))) as image:
        image.verify()
    with Image.open(io.BytesIO(png_bytes(figure, dpi=round(figure.dpi)))) as image:
        assert np.array_equal(np.asarray(image), np.asarray(canvas.buffer_rgba())[..., :3])


def test_png_of_any_pixels_is_read_back_as_it_was():
    page = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    with Image.open(io.BytesIO(_png(page, 300))) as image:
        assert image.mode == "RGB" and np.array_equal(np.asarray(image), page)


def test_svg_needs_no_font_and_fetches_nothing(figure):
    svg = svg_bytes(figure).decode()
    assert "<text" not in svg and "<script" not in svg
    addresses = re.findall(r'(\S+)="(https?://[^"]*)"', svg)
    assert all(name.startswith("xmlns") for name, _ in addresses)


@pytest.mark.parametrize("name", ["", "../roc", "a/b", ".roc", "roc.svg", "-rf"])
def test_a_name_that_is_a_path_is_refused(figure, tmp_path, name):
    with pytest.raises(BadConfig, match="rename"):
        save_figure(figure, tmp_path, name)


def test_import_needs_no_pyplot():
    code = "import sys, her2.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_files_do_not_depend_on_the_number_of_processes(study, tmp_path):
    def named():
        for role in study.curves:
            yield f"roc_{role}", roc_panels({role: (study.curves[role], study.auc[role])})
        yield "counts", _picture_of_integers()

    alone = save_figures(named(), tmp_path / "1", n_workers=1)
    together = save_figures(named(), tmp_path / "2", n_workers=2)
    assert list(alone) == list(together)
    assert [svg_bytes(x) for x in alone.values()] == [svg_bytes(x) for x in together.values()]
    for path in sorted((tmp_path / "1").iterdir()):
        assert path.read_bytes() == (tmp_path / "2" / path.name).read_bytes(), path.name


def _picture_of_integers():
    figure = Figure(figsize=(1, 1))
    figure.add_subplot().imshow(np.arange(6, dtype=np.uint8).reshape(2, 3))
    return figure
