"""From the crop back to the image: boxes by hand, and maps that return to where they came from."""

import numpy as np
import pytest

from her2.core.errors import BadConfig, InputProblem
from her2.core.types import LesionImage
from lightning_modules.crop_places import crop_place
from lightning_modules.crops import Box, lesion_crop


def lesion(height, width, rows, columns, pixels=None) -> LesionImage:
    mask = np.zeros((height, width), dtype=bool)
    mask[slice(*rows), slice(*columns)] = True
    if pixels is None:
        pixels = np.random.default_rng(0).integers(0, 200, (height, width)).astype(np.uint8)
    return LesionImage(pixels=pixels, mask=mask)


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
