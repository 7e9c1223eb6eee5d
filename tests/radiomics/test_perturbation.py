"""Small changes of a lesion: of the stated size, reproducible, of mask or image alone."""

import numpy as np
import pytest
from scipy import ndimage

from her2.core.errors import BadConfig
from her2.core.seeds import generator
from her2.core.types import LesionImage
from her2.radiomics.perturbation import (
    IMAGE_KINDS,
    KINDS,
    MASK_KINDS,
    Perturbation,
    dilate,
    erode,
    shift_mask,
)
from her2.radiomics.region import Length

SIDE = 90


def lesion(dtype=np.uint8, spacing=(0.1, 0.1)) -> LesionImage:
    rows, columns = np.indices((SIDE, SIDE)) * np.array(spacing)[:, None, None]
    centre = SIDE / 2 * np.array(spacing)
    mask = np.hypot(rows - centre[0], columns - centre[1]) < 2.0
    pixels = generator(0, "pixels").rayleigh(50, (SIDE, SIDE)).clip(0, 255).astype(dtype)
    return LesionImage(pixels, mask, spacing, True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_is_the_same_every_time_and_another_for_every_lesion(kind):
    image = lesion()
    first, again = (Perturbation(kind).of(image, "P1/1") for _ in range(2))
    assert np.array_equal(first.mask, again.mask)
    assert np.array_equal(first.pixels, again.pixels)
    others = [Perturbation(kind, number=n).of(image, f"P{i}/1") for i in range(6) for n in (0, 1)]
    differ = any(
        not np.array_equal(o.mask, first.mask) or not np.array_equal(o.pixels, first.pixels)
        for o in others
    )
    assert differ == (kind not in ("erosion", "dilation"))


@pytest.mark.parametrize("kind", KINDS)
def test_only_mask_or_image_changes_and_the_given_one_is_left_alone(kind):
    image, before = lesion(), lesion()
    changed = Perturbation(kind).of(image, "P1/1")
    assert np.array_equal(image.mask, before.mask) and np.array_equal(image.pixels, before.pixels)
    assert np.array_equal(changed.mask, image.mask) == (kind in IMAGE_KINDS)
    assert np.array_equal(changed.pixels, image.pixels) == (kind in MASK_KINDS)
    assert changed.pixels.dtype == image.pixels.dtype
    assert changed.mask.dtype == bool
    assert (changed.spacing_mm, changed.spacing_known) == (image.spacing_mm, True)


@pytest.mark.parametrize("spacing", [(0.1, 0.1), (0.05, 0.1)])
def test_the_edge_moves_by_the_stated_millimetres(spacing):
    image = lesion(spacing=spacing)
    size = Length(0.4)

    def radius(mask):
        return np.sqrt(mask.sum() * spacing[0] * spacing[1] / np.pi)

    before = radius(image.mask)
    grown = Perturbation("dilation", size).of(image, "x").mask
    shrunk = Perturbation("erosion", size).of(image, "x").mask
    assert radius(grown) - before == pytest.approx(0.4, abs=0.05)
    assert before - radius(shrunk) == pytest.approx(0.4, abs=0.06)
    moved = Perturbation("shift", size).of(image, "x").mask
    way = np.array(ndimage.center_of_mass(moved)) - ndimage.center_of_mass(image.mask)
    assert np.linalg.norm(way * spacing) == pytest.approx(0.4, abs=0.08)
    assert moved.sum() == image.mask.sum()


def test_a_wavy_contour_moves_in_and_out_by_its_standard_deviation():
    image = lesion()
    from_centre = np.hypot(*(np.indices((SIDE, SIDE)) - SIDE / 2)) * 0.1
    angle = np.arctan2(*(np.indices((SIDE, SIDE)) - SIDE / 2))
    sectors = np.digitize(angle, np.linspace(-np.pi, np.pi, 37)) - 1
    moves = []
    for number in range(12):
        mask = Perturbation("contour", Length(0.2), number=number).of(image, "x").mask
        area = np.bincount(sectors[mask], minlength=36) * 0.01
        moves += list(np.sqrt(area[:36] * 72 / (2 * np.pi)) - 2.0)
        assert mask[from_centre < 1.0].all()
        assert not mask[from_centre > 3.0].any()
    assert np.mean(moves) == pytest.approx(0.0, abs=0.06)
    assert np.std(moves) == pytest.approx(0.2, abs=0.06)


def test_erosion_and_dilation_are_each_other_s_complement():
    mask = lesion().mask
    assert np.array_equal(erode(mask, 0.3, (0.1, 0.1)), ~dilate(~mask, 0.3, (0.1, 0.1)))


def test_a_size_below_a_pixel_is_a_pixel():
    image = lesion(spacing=(1.0, 1.0))
    image = LesionImage(image.pixels, lesion().mask, (1.0, 1.0), True)
    for kind in ("erosion", "dilation", "shift"):
        assert not np.array_equal(Perturbation(kind).of(image, "x").mask, image.mask)


def test_what_is_eroded_away_or_shifted_out_is_empty():
    image = lesion()
    assert not Perturbation("erosion", Length(5.0)).of(image, "x").mask.any()
    assert not shift_mask(image.mask, SIDE + 3, 0).any()
    assert np.array_equal(shift_mask(shift_mask(image.mask, 4, -7), -4, 7), image.mask)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_gain_moves_all_grey_levels_alike_and_noise_has_its_size(dtype):
    image = lesion(dtype)
    grey = image.pixels.astype(float)
    inside = (grey > grey.min() + 40) & (grey < grey.max() - 40)
    range_of = 255.0 if dtype == np.uint8 else np.ptp(grey)
    steps = (Perturbation("gain").of(image, "x").pixels.astype(float) - grey)[inside]
    assert np.abs(steps) == pytest.approx(0.04 * range_of, abs=0.51)
    assert len(np.unique(np.sign(steps))) == 1
    noise = (Perturbation("noise", share=0.02).of(image, "x").pixels.astype(float) - grey)[inside]
    assert noise.std() == pytest.approx(0.02 * range_of, rel=0.05)
    assert noise.mean() == pytest.approx(0.0, abs=0.3)


def test_grey_levels_stay_within_what_the_type_or_the_image_holds():
    for dtype in (np.uint8, np.float32):
        image = lesion(dtype)
        high = 255 if dtype == np.uint8 else image.pixels.max()
        for kind in IMAGE_KINDS:
            changed = Perturbation(kind, share=0.9).of(image, "x").pixels
            assert changed.min() >= 0 and changed.max() <= high


def test_an_unknown_change_or_size_is_refused():
    with pytest.raises(BadConfig, match=r"among erosion, dilation, .* found 'rotation'"):
        Perturbation("rotation")
    with pytest.raises(BadConfig, match="positive size, found 0 for shift"):
        Perturbation("shift", Length(0.0))
    with pytest.raises(BadConfig, match="found -1 for gain"):
        Perturbation("gain", share=-1.0)
