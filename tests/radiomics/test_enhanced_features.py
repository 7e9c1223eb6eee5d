"""Features of an enhanced lesion: grey levels of the large image, shape of the native mask."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from her2.cohort import load_lesion
from her2.cohort.lesions import in_blocks, write_enhanced
from her2.core.store import Store
from her2.core.types import Lesion
from her2.radiomics import Perturbation, Recipe, extract_features, extract_table
from her2.radiomics.region import Length

PRESET = "us2d"
SPACING = (0.2, 0.1)


@pytest.fixture(scope="module")
def lesions(tmp_path_factory):
    """A lesion as it is, and the same one enhanced."""
    folder = tmp_path_factory.mktemp("lesions")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (30, 34)).astype(np.uint8)
    rows, columns = np.indices(pixels.shape)
    mask = ((rows - 15) / 8) ** 2 + ((columns - 17) / 10) ** 2 < 1
    second = np.roll(mask, 2, axis=1)
    Image.fromarray(pixels).save(folder / "i.png")
    for name, drawn in (("m", mask), ("r", second)):
        Image.fromarray(drawn.astype(np.uint8) * 255).save(folder / f"{name}.png")
    native = Lesion(
        "P", "1", 0, folder / "i.png", (folder / "m.png",), (folder / "r.png",), SPACING
    )
    large = rng.integers(0, 256, (120, 136)).astype(np.uint8)
    write_enhanced(folder / "e", large)
    return native, replace(native, enhanced=folder / "e"), large, mask, second


@pytest.fixture
def features(tmp_path):
    def of(lesion, **recipe):
        table = extract_table([lesion], Recipe(PRESET, **recipe), store=Store(tmp_path))
        return table.values.iloc[0]

    return of


def is_shape(series):
    return series.index.str.contains("_shape2D_|_shape_")


def test_shape_is_of_the_native_mask_and_the_rest_of_the_large_image(lesions, features):
    native, enhanced, large, mask, _ = lesions
    found, before = features(enhanced), features(native)
    fine = tuple(mm / 4 for mm in SPACING)
    expected = extract_features(large, in_blocks(mask, 4), spacing_mm=fine, preset=PRESET)
    shape = is_shape(found)
    assert 0 < shape.sum() < len(found)
    np.testing.assert_array_equal(found[shape], before[shape])
    np.testing.assert_array_equal(found[~shape], expected[~shape])
    assert not np.allclose(found[~shape], before[~shape], equal_nan=True)
    assert not np.allclose(found[shape], expected[shape])  # steps of the blocks are no contour


def test_an_enhanced_image_of_the_same_size_changes_grey_levels_only(lesions, features, tmp_path):
    native, *_, mask, _ = lesions
    other = 255 - load_lesion(native).pixels
    write_enhanced(tmp_path / "same", other)
    found = features(replace(native, enhanced=tmp_path / "same"))
    expected = extract_features(other, mask, spacing_mm=SPACING, preset=PRESET)
    np.testing.assert_array_equal(found, expected)


def test_progress_counts_the_pixels_that_are_measured(lesions, tmp_path):
    native, enhanced, *_, mask, _ = lesions
    for lesion, n_pixels in ((native, mask.sum()), (enhanced, 16 * mask.sum())):
        seen = []
        extract_table([lesion], Recipe(PRESET), store=Store(tmp_path), advance=seen.append)
        assert [work.done for work in seen] == [0, n_pixels]


def test_the_second_readers_mask_is_enlarged_too(lesions, features):
    _, enhanced, large, _, second = lesions
    found = features(enhanced, reader=2)
    fine = tuple(mm / 4 for mm in SPACING)
    expected = extract_features(large, in_blocks(second, 4), spacing_mm=fine, preset=PRESET)
    shape = is_shape(found)
    np.testing.assert_array_equal(found[~shape], expected[~shape])


def test_the_ring_is_drawn_at_native_size(lesions, features):
    native, enhanced, *_ = lesions
    rings = [features(x, region="ring", ring=Length(0.6)) for x in (native, enhanced)]
    shape = is_shape(rings[0])
    np.testing.assert_array_equal(rings[0][shape], rings[1][shape])
    assert not np.allclose(rings[0][~shape], rings[1][~shape], equal_nan=True)


@pytest.mark.parametrize("kind", ["gain", "noise", "erosion"])
def test_a_perturbation_changes_what_is_read(lesions, kind):
    enhanced = load_lesion(lesions[1])
    changed = Perturbation(kind, Length(1.0, px=1)).of(enhanced, "P/1")
    is_image = kind != "erosion"
    assert np.array_equal(changed.enhanced, enhanced.enhanced) != is_image
    assert np.array_equal(changed.mask, enhanced.mask) == is_image
    assert np.array_equal(changed.pixels, enhanced.pixels)
