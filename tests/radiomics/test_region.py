"""The ring around a lesion: exact distances, any spacing, any shape, cut at the border."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from her2.core.errors import BadArgument, BadConfig
from her2.core.seeds import generator
from her2.core.types import LesionImage
from her2.radiomics.region import Length, check_region, peritumoural_ring, share_cut_off

SPACINGS = [(1.0, 1.0), (0.1, 0.1), (0.08, 0.2)]


def blob(number: int, side: int = 40) -> np.ndarray:
    """An irregular mask (side, side) of one or more pieces, some at the border."""
    field = ndimage.gaussian_filter(generator(number, "blob").standard_normal((side, side)), 3)
    return field > np.quantile(field, 0.85)


def distances(mask: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """Distance of every pixel to the nearest pixel of the mask, by comparing all pairs."""
    everywhere = np.argwhere(np.ones_like(mask)) * np.array(spacing)
    lesion = np.argwhere(mask) * np.array(spacing)
    between = np.linalg.norm(everywhere[:, None] - lesion[None], axis=2)
    return between.min(axis=1).reshape(mask.shape)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("number", range(4))
def test_it_is_everything_within_the_width_and_nothing_else(number, spacing):
    mask = ndimage.binary_fill_holes(blob(number))
    width = 6.3 * min(spacing)
    away = distances(mask, spacing)
    ring = peritumoural_ring(mask, spacing_mm=spacing, width_mm=width)
    assert np.array_equal(ring, (away > 0) & (away <= width))
    assert not (ring & mask).any()


def test_a_wider_ring_holds_the_narrower_one():
    mask = blob(0)
    rings = [peritumoural_ring(mask, spacing_mm=(0.1, 0.1), width_mm=w) for w in (0.3, 0.6, 1.2)]
    for narrow, wide in pairwise(rings):
        assert (wide | ~narrow).all()
        assert wide.sum() > narrow.sum()


def test_a_width_of_whole_pixels_includes_the_last_one():
    mask = np.zeros((1, 81), bool)
    mask[0, 40] = True
    ring = peritumoural_ring(mask, spacing_mm=(0.1, 0.1), width_mm=3.0)  # 30 * .1 > 3 in floats
    assert ring.sum() == 60


def test_the_ring_goes_with_the_lesion_and_with_its_mirror_image():
    mask = np.zeros((60, 60), bool)
    mask[20:34, 18:30] = blob(3)[:14, :12] | True
    ring = peritumoural_ring(mask, spacing_mm=(0.1, 0.2), width_mm=0.9)
    moved = peritumoural_ring(np.roll(mask, (3, 5), (0, 1)), spacing_mm=(0.1, 0.2), width_mm=0.9)
    assert np.array_equal(moved, np.roll(ring, (3, 5), (0, 1)))
    mirrored = peritumoural_ring(mask[:, ::-1], spacing_mm=(0.1, 0.2), width_mm=0.9)
    assert np.array_equal(mirrored, ring[:, ::-1])


def test_holes_are_no_surroundings():
    mask = np.zeros((30, 30), bool)
    mask[8:22, 8:22] = True
    with_hole = mask.copy()
    with_hole[12:18, 12:18] = False
    rings = [peritumoural_ring(m, spacing_mm=(1, 1), width_mm=3) for m in (mask, with_hole)]
    assert np.array_equal(*rings)


def test_what_lies_beyond_the_image_is_cut_off_and_counted():
    mask = np.zeros((20, 20), bool)
    mask[0:6, 8:12] = True
    inside = peritumoural_ring(mask, spacing_mm=(1, 1), width_mm=4)
    unbounded = peritumoural_ring(np.pad(mask, 8), spacing_mm=(1, 1), width_mm=4)
    assert np.array_equal(inside, unbounded[8:-8, 8:-8])
    share = share_cut_off(mask, spacing_mm=(1, 1), width_mm=4)
    assert share == pytest.approx(1 - inside.sum() / unbounded.sum())
    assert share > 0.1
    assert share_cut_off(np.pad(mask, 8), spacing_mm=(1, 1), width_mm=4) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": np.zeros((5, 5), bool)}, "not empty"),
        ({"mask": np.ones(5, bool)}, r"shape \(H, W\)"),
        ({"spacing_mm": (0.0, 1.0)}, "positive pixel spacing"),
        ({"width_mm": 0.5}, r"at least as wide as a pixel \(1\)"),
        ({"width_mm": float("nan")}, "at least as wide"),
        ({"width_mm": float("inf")}, "at least as wide"),
    ],
)
def test_what_has_no_ring(change, message):
    arguments = {"mask": blob(1), "spacing_mm": (1.0, 1.0), "width_mm": 3.0} | change
    with pytest.raises(BadArgument, match=message):
        peritumoural_ring(arguments.pop("mask"), **arguments)


def test_a_length_in_millimetres_needs_a_pixel_size():
    image = LesionImage(np.zeros((3, 3)), np.ones((3, 3), bool))
    with pytest.raises(BadArgument, match="known pixel spacing for a length of 3 mm"):
        Length(3.0).on(image)
    assert Length(3.0, px=12).on(image) == (12.0, (1.0, 1.0))
    assert (Length(3.0).is_known_on(image), Length(3.0, px=2).is_known_on(image)) == (False, True)


@pytest.mark.parametrize("ring", [Length(0.0), Length(-1.0), Length(3.0, px=0)])
def test_a_ring_without_a_width_is_refused_where_it_is_used(ring):
    with pytest.raises(BadConfig, match="a ring of a positive width"):
        check_region("ring", ring)
    check_region("lesion", ring)
