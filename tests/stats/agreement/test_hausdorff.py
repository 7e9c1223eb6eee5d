import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from scipy.spatial.distance import directed_hausdorff

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import hausdorff_distance


def rectangle(rows: slice, columns: slice, side: int = 20) -> np.ndarray:
    mask = np.zeros((side, side), dtype=bool)
    mask[rows, columns] = True
    return mask


def blob(seed: int, side: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, 60)
    centre = side / 2 + rng.uniform(-3, 3, 2)
    radius = 9 + rng.uniform(0, 3) * np.cos(2 * angle + rng.uniform(0, 6))
    rows, columns = np.indices((side, side))
    at = np.arctan2(rows - centre[0], columns - centre[1]) % (2 * np.pi)
    return np.hypot(rows - centre[0], columns - centre[1]) < np.interp(at, angle, radius)


def test_identical_masks_are_no_distance_apart():
    mask = blob(0)
    found = hausdorff_distance(mask, mask, spacing_mm=(0.1, 0.1))
    assert (found.maximum_mm, found.percentile_95_mm, found.mean_surface_mm) == (0.0, 0.0, 0.0)


def test_two_lines_by_hand():
    """Rows of 4 pixels, the second one row lower and one pixel longer."""
    first, second = rectangle(slice(5, 6), slice(2, 6)), rectangle(slice(6, 7), slice(2, 7))
    found = hausdorff_distance(first, second, spacing_mm=(2.0, 1.0))
    assert found.maximum_mm == pytest.approx(np.sqrt(5))
    assert found.mean_surface_mm == pytest.approx((8 * 2 + np.sqrt(5)) / 9)
    to_first = [2.0, 2.0, 2.0, 2.0, np.sqrt(5)]
    assert found.percentile_95_mm == pytest.approx(np.percentile(to_first, 95))


@pytest.mark.parametrize(("shift", "expected"), [((3, 0), 1.5), ((0, 3), 0.3)])
def test_spacing_may_differ_between_the_axes(shift, expected):
    mask = rectangle(slice(4, 10), slice(4, 10))
    found = hausdorff_distance(mask, np.roll(mask, shift, axis=(0, 1)), spacing_mm=(0.5, 0.1))
    assert found.maximum_mm == pytest.approx(expected)


def test_a_square_in_a_square_by_hand():
    inner, outer = rectangle(slice(6, 9), slice(6, 9)), rectangle(slice(4, 11), slice(4, 11))
    found = hausdorff_distance(inner, outer, spacing_mm=(1.0, 1.0))
    assert found.maximum_mm == pytest.approx(np.hypot(2, 2))  # corner to corner


@pytest.mark.parametrize("seed", range(5))
def test_against_scipy_on_the_contours(seed):
    first, second = blob(seed), blob(seed + 100)
    spacing = np.array([0.2, 0.07])
    contours = [
        np.argwhere(mask & (distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] <= 1.0)) * spacing
        for mask in (first, second)
    ]
    expected = max(directed_hausdorff(*contours)[0], directed_hausdorff(*contours[::-1])[0])
    found = hausdorff_distance(first, second, spacing_mm=spacing)
    assert found.maximum_mm == pytest.approx(expected)
    assert 0 < found.mean_surface_mm < found.percentile_95_mm <= found.maximum_mm


def test_it_is_symmetric_and_scales_with_the_spacing():
    first, second = blob(1), blob(2)
    here = hausdorff_distance(first, second, spacing_mm=(0.1, 0.1))
    assert hausdorff_distance(second, first, spacing_mm=(0.1, 0.1)) == here
    wide = hausdorff_distance(first, second, spacing_mm=(0.3, 0.3))
    assert wide.mean_surface_mm == pytest.approx(3 * here.mean_surface_mm)


def test_a_mask_at_the_image_s_border_has_a_contour_there():
    whole = np.ones((9, 9), dtype=bool)
    found = hausdorff_distance(whole, rectangle(slice(1, 8), slice(1, 8), side=9),
                               spacing_mm=(1.0, 1.0))  # fmt: skip
    assert found.maximum_mm == pytest.approx(np.sqrt(2))


def test_volumes():
    mask = np.zeros((6, 8, 8), dtype=bool)
    mask[1:4, 2:6, 2:6] = True
    found = hausdorff_distance(mask, np.roll(mask, 1, axis=0), spacing_mm=(3.0, 1.0, 1.0))
    assert found.maximum_mm == 3.0


@pytest.mark.parametrize("order", [1, -1])
def test_an_empty_mask_has_no_contour(order):
    masks = [blob(0), np.zeros((40, 40), dtype=bool)][::order]
    with pytest.raises(NotEstimable, match="needs two masks, found an empty one"):
        hausdorff_distance(*masks, spacing_mm=(1, 1))


@pytest.mark.parametrize("spacing", [(1.0,), (1.0, 0.0), (1.0, np.nan), (1.0, 1.0, 1.0)])
def test_a_spacing_that_does_not_fit(spacing):
    with pytest.raises(BadArgument, match="2 positive lengths"):
        hausdorff_distance(blob(0), blob(1), spacing_mm=spacing)


def test_masks_must_be_boolean_and_of_one_shape():
    with pytest.raises(BadArgument, match="boolean"):
        hausdorff_distance(blob(0).astype(int), blob(1), spacing_mm=(1, 1))
    with pytest.raises(BadArgument, match="one shape"):
        hausdorff_distance(blob(0), blob(1)[1:], spacing_mm=(1, 1))
