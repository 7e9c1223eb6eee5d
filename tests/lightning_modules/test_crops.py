"""Crops against boxes worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from her2.core.errors import BadConfig, InputProblem
from her2.core.types import LesionImage
from lightning_modules.crops import (
    Box,
    crop_place,
    grey_levels,
    lesion_box,
    lesion_crop,
    square_side,
    widened,
)


def lesion(height, width, rows, columns, pixels=None) -> LesionImage:
    mask = np.zeros((height, width), dtype=bool)
    mask[slice(*rows), slice(*columns)] = True
    if pixels is None:
        pixels = np.random.default_rng(0).integers(0, 200, (height, width)).astype(np.uint8)
    return LesionImage(pixels=pixels, mask=mask)


def test_box_is_the_bounding_box_and_the_margin() -> None:
    image = lesion(100, 120, (40, 50), (60, 80))
    assert lesion_box(image.mask, margin_px=10) == Box(30, 50, 60, 90)
    assert lesion_box(image.mask, margin_px=0) == Box(40, 60, 50, 80)


def test_box_spans_all_parts_of_a_mask() -> None:
    mask = np.zeros((50, 50), dtype=bool)
    mask[20, 15] = mask[30, 40] = True
    assert lesion_box(mask, margin_px=2) == Box(18, 13, 33, 43)


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        ((0, 5), (50, 60), Box(0, 40, 15, 70)),
        ((95, 100), (3, 60), Box(85, 0, 100, 70)),
        ((0, 100), (0, 120), Box(0, 0, 100, 120)),
        ((40, 50), (115, 120), Box(30, 105, 60, 120)),
    ],
)
def test_box_is_clipped_to_the_image(rows, columns, expected) -> None:
    assert lesion_box(lesion(100, 120, rows, columns).mask, margin_px=10) == expected


def test_empty_mask_is_a_problem() -> None:
    with pytest.raises(InputProblem, match="M06"):
        lesion_crop(lesion(20, 20, (0, 0), (0, 0)))


def test_crop_of_the_wanted_size_is_the_image_itself() -> None:
    image = lesion(100, 120, (40, 52), (60, 72))
    crop = lesion_crop(image, size=32)
    np.testing.assert_array_equal(crop, image.pixels[30:62, 50:82])


@pytest.mark.parametrize("aspect", ["squash", "keep"])
def test_crop_has_the_wanted_size(aspect) -> None:
    crop = lesion_crop(lesion(100, 120, (40, 50), (20, 80)), size=48, aspect=aspect)
    assert crop.shape == (48, 48)
    assert crop.dtype == np.uint8


def test_reduction_is_antialiased() -> None:
    """A fine checkerboard becomes its mean; without antialiasing it becomes black or white."""
    board = (np.indices((200, 200)).sum(axis=0) % 2 * 255).astype(np.uint8)
    crop = lesion_crop(LesionImage(board, np.ones((200, 200), dtype=bool)), size=20)
    assert np.abs(crop.astype(int) - 127).max() <= 3


def test_a_box_is_widened_on_its_shorter_side_within_the_image() -> None:
    for box, shape, expected in (
        (Box(40, 50, 60, 90), (100, 120), Box(30, 50, 70, 90)),
        (Box(0, 50, 20, 90), (100, 120), Box(0, 50, 40, 90)),
        (Box(85, 50, 100, 90), (100, 120), Box(60, 50, 100, 90)),
        (Box(0, 0, 30, 120), (30, 120), Box(0, 0, 30, 120)),  # no more rows
    ):
        assert widened(box, square_side(box), shape) == expected


def test_a_kept_aspect_is_that_of_the_tissue() -> None:
    rows, columns = np.indices((100, 100))
    round_one = np.hypot((rows - 50) * 0.1, (columns - 50) * 0.2) < 3.0  # 60 rows, 30 columns
    white = np.where(round_one, 255, 0).astype(np.uint8)
    for known, proportion in ((True, 1.0), (False, 2.0)):
        spacing = (0.1, 0.2) if known else (1.0, 1.0)
        image = LesionImage(white, round_one, spacing, known)
        crop = lesion_crop(image, margin_px=0, size=64, aspect="keep") > 127
        found = crop.any(axis=1).sum() / crop.any(axis=0).sum()
        assert found == pytest.approx(proportion, rel=0.07)
        shown = crop_place(image, margin_px=0, aspect="keep").crop_mask(round_one, 64)
        assert np.mean(shown != crop) < 0.03


def test_keep_fills_with_black_where_the_image_ends() -> None:
    image = LesionImage(np.full((10, 40), 200, np.uint8), np.ones((10, 40), dtype=bool))
    crop = lesion_crop(image, size=40, aspect="keep")
    assert crop[15:25].min() == 200
    assert crop[:14].max() == crop[26:].max() == 0


def test_a_margin_in_millimetres_follows_the_spacing_of_rows_and_columns() -> None:
    image = lesion(100, 120, (40, 50), (60, 80))
    spaced = replace(image, spacing_mm=(0.5, 0.25), spacing_known=True)
    np.testing.assert_array_equal(
        lesion_crop(spaced, margin_mm=2.0, size=24),
        np.asarray(Image.fromarray(image.pixels[36:54, 52:88]).resize((24, 24), 2)),
    )
    with pytest.raises(BadConfig, match="spacing is known"):
        lesion_crop(image, margin_mm=2.0)


def test_aspect_is_checked() -> None:
    with pytest.raises(BadConfig, match="squash or keep"):
        lesion_crop(lesion(20, 20, (5, 9), (5, 9)), aspect="stretch")


def test_grey_levels_are_scaled_by_the_stored_range() -> None:
    eight_bit = np.array([[10, 20], [30, 40]], dtype=np.uint8)
    np.testing.assert_array_equal(grey_levels(eight_bit), eight_bit)
    twelve_bit = np.array([[0, 1024], [2048, 4096]], dtype=np.uint16)
    np.testing.assert_array_equal(grey_levels(twelve_bit), [[0, 64], [128, 255]])
    np.testing.assert_array_equal(grey_levels(np.array([[-1.0, 1.0]], np.float32)), [[0, 255]])
    assert grey_levels(np.full((2, 2), 7, np.uint16)).max() == 0


def test_the_place_by_hand() -> None:
    place = crop_place(lesion(100, 120, (40, 50), (60, 80)), margin_px=5)
    assert (place.box, place.side, place.offset) == (Box(35, 55, 55, 85), (20, 30), (0, 0))
    kept = crop_place(lesion(20, 120, (5, 15), (60, 80)), margin_px=5, aspect="keep")
    assert (kept.box, kept.side, kept.offset) == (Box(0, 55, 20, 85), (30, 30), (5, 0))


@pytest.mark.parametrize("aspect", ["squash", "keep"])
@pytest.mark.parametrize("corner", [(0, 0), (60, 3), (33, 99)])
def test_the_crops_mask_is_the_crop_of_the_mask(aspect, corner) -> None:
    """The crop of an image that is white inside the lesion is white where its mask says."""
    top, left = corner
    image = lesion(90, 130, (top, top + 24), (left, left + 30))
    white = LesionImage((255 * image.mask).astype(np.uint8), image.mask)
    crop = lesion_crop(white, margin_px=6, size=64, aspect=aspect)
    mask = crop_place(image, margin_px=6, aspect=aspect).crop_mask(image.mask, 64)
    assert mask.shape == (64, 64)
    assert ((crop > 127) == mask).mean() > 0.97


@pytest.mark.parametrize("aspect", ["squash", "keep"])
def test_a_map_of_the_crop_returns_to_its_place(aspect) -> None:
    rows, columns = np.indices((90, 130))
    ramp = (rows + columns).astype(np.uint8)  # at most 218
    image = lesion(90, 130, (60, 84), (10, 50), ramp)
    place = crop_place(image, margin_px=6, aspect=aspect)
    crop = lesion_crop(image, margin_px=6, size=96, aspect=aspect)
    back = place.to_image(crop.astype(float))
    box = place.box
    inner = (slice(box.top + 2, box.bottom - 2), slice(box.left + 2, box.right - 2))
    np.testing.assert_allclose(back[inner], ramp[inner], atol=1.5)
    outside = np.ones_like(ramp, dtype=bool)
    outside[box.top : box.bottom, box.left : box.right] = False
    assert back.shape == ramp.shape and not back[outside].any()


def test_what_has_no_place_is_refused() -> None:
    with pytest.raises(InputProblem, match="M06"):
        crop_place(lesion(20, 20, (0, 0), (0, 0)))
    with pytest.raises(BadConfig, match="squash or keep"):
        crop_place(lesion(20, 20, (5, 9), (5, 9)), aspect="stretch")
