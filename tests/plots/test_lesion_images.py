"""The Grad-CAM figure of lesion images shows what it was given, and can be read."""

import base64
import io
import re

import numpy as np
import pytest
from drawn import assert_readable, texts
from matplotlib import colormaps
from PIL import Image

from her2.core.errors import BadConfig
from her2.plots import CamExample, grad_cam_figure, svg_bytes
from her2.plots.export import png_bytes

SIDE = 32


def example(caption="p = 0.71, HER2 positive\nsurest", proportion=0.8, **changes):
    rows, columns = np.indices((SIDE, SIDE))
    mask = (rows - 16) ** 2 + (columns - 16) ** 2 < 60
    parts = {
        "image": (rows * 4 + columns).astype(np.uint8),
        "mask": mask,
        "saliency": np.where(mask, columns / SIDE, 0.0),
    } | changes
    return CamExample(**parts, caption=caption, proportion=proportion)


def figure_of(**changes):
    groups = {
        "True positive (19)": [example(), example("p = 0.44, HER2 positive\nmiddle", 1.2)],
        "False positive (9)": [example("p = 0.62, not HER2 positive\nthe only one", 0.5)],
        "False negative (0)": [],
        "True negative (24)": [example(), example()],
    } | changes
    return grad_cam_figure(groups, title="Deep learning, test: called by the threshold 0.296")


def test_every_word_is_there_and_readable():
    figure = figure_of()
    shown = texts(figure)
    for text in ("True positive (19)", "False negative (0)", "No such lesion.", "middle",
                 "p = 0.62, not HER2 positive", "Grad-CAM of the called outcome"):  # fmt: skip
        assert text in shown
    assert_readable(figure)


def test_the_image_stands_alone_and_under_the_map():
    given = example()
    figure = grad_cam_figure({"True positive (1)": [given]})
    alone, below = figure.axes[:2]
    assert len(alone.images) == 1 and len(below.images) == 2
    for axes in (alone, below):
        np.testing.assert_array_equal(axes.images[0].get_array(), given.image)
        assert axes.images[0].get_clim() == (0, 255)
        assert axes.collections  # the outline
    strongest = np.unravel_index(given.saliency.argmax(), given.saliency.shape)
    assert below.images[1].get_array()[..., 3].argmax() == given.saliency.argmax()
    shown = below.images[1].get_array()[strongest][:3] / 255
    np.testing.assert_allclose(shown, colormaps["viridis"](given.saliency.max())[:3], atol=0.01)


def test_the_map_hides_nothing_where_it_is_zero_and_the_image_nowhere():
    figure = grad_cam_figure({"a": [example()]})
    opacity = figure.axes[1].images[1].get_array()[..., 3] / 255
    assert opacity.min() == 0 and 0.5 < opacity.max() < 0.8
    assert (opacity == 0).sum() == (example().saliency == 0).sum()


def test_drawings_keep_the_map_transparent():
    """What a browser shows: the pictures inside the SVG, in the order in which they lie."""
    drawing = svg_bytes(grad_cam_figure({"a": [example()]})).decode()
    found = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)\"", drawing)
    pictures = [Image.open(io.BytesIO(base64.b64decode(text))) for text in found]
    opacity = [np.asarray(p.convert("RGBA"))[..., 3] for p in pictures if p.size == (SIDE, SIDE)]
    assert [o.min() for o in opacity[:2]] == [255, 255]
    assert opacity[2].min() == 0 and 100 < opacity[2].max() < 200


def test_pixels_keep_the_image_under_an_empty_map():
    figure = grad_cam_figure({"a": [example(saliency=np.zeros((SIDE, SIDE)))]})
    page = np.asarray(Image.open(io.BytesIO(png_bytes(figure, dpi=100))))
    alone, below = (_pixels(page, axes) for axes in figure.axes[:2])
    assert (abs(alone.astype(int) - below) < 30).mean() > 0.9


def _pixels(page, axes):
    box, (height, width) = axes.get_position(), page.shape[:2]
    top, left = round((1 - box.y1) * height) + 2, round(box.x0 * width) + 2
    return page[top : top + 120, left : left + 150]


@pytest.mark.parametrize("proportion", [0.4, 1.0, 1.2])
def test_a_lesion_keeps_its_proportions(proportion):
    figure = grad_cam_figure({"a": [example(proportion=proportion)]})
    width, height = figure.get_size_inches()
    for axes in figure.axes[:2]:
        box = axes.get_position()
        assert box.height * height / (box.width * width) == pytest.approx(proportion)
    assert_readable(figure)


def test_no_lesion_at_all_is_a_figure():
    groups = {"True positive (0)": [], "True negative (0)": []}
    assert "No such lesion." in texts(grad_cam_figure(groups))
    assert_readable(grad_cam_figure(groups))


def test_a_mask_without_an_edge_has_no_outline():
    figure = grad_cam_figure({"a": [example(mask=np.ones((SIDE, SIDE), bool))]})
    assert not figure.axes[0].collections


def test_the_same_input_gives_the_same_bytes():
    assert svg_bytes(figure_of()) == svg_bytes(figure_of())


@pytest.mark.parametrize("name", ["mask", "saliency"])
def test_shapes_must_fit(name):
    with pytest.raises(BadConfig, match="of one shape"):
        grad_cam_figure({"a": [example(**{name: np.zeros((4, 4))})]})
