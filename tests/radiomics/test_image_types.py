"""Each filter gives, at the lesion's pixels, the very values of pyradiomics' filtered image."""

import numpy as np
import pytest
from pyradiomics_oracle import filtered, images, masks, quiet, speckle

from her2.core.errors import InputProblem
from her2.radiomics.image_types import (
    gradient_magnitude,
    laplacians_of_gaussian,
    plane_filters,
    point_filters,
    volume_filters,
    wavelet_bands,
)
from her2.radiomics.local_patterns import local_patterns
from her2.radiomics.parameters import IMAGE_TYPES, PLANE_IMAGE_TYPES
from her2.radiomics.roi import SliceLesion

KINDS = list(images(0, (8, 8)))
MASKS = ["ellipse", "noise", "whole image", "first corner", "last corner", "right angle"]
POINT = ("Square", "SquareRoot", "Logarithm", "Exponential")


def lesion(image: str, mask: str, shape=(37, 44), spacing_mm=(1.0, 1.0)) -> SliceLesion:
    return SliceLesion(images(0, shape)[image], masks(0, shape)[mask], spacing_mm)


def equal(found, expected: dict[str, np.ndarray]) -> None:
    found = dict(found)
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert found[name].dtype == values.dtype, name
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("shape", [(37, 44), (60, 61), (7, 90)])
def test_wavelet_bands_are_equal_to_the_last_bit(mask, shape):
    """Half of them are rounding noise, whose sign is their texture."""
    for image in ("speckle", "flat", "below one"):
        one = lesion(image, mask, shape)
        equal(wavelet_bands(one), filtered("Wavelet", one.image, one.mask))


def test_a_small_lesion_is_transformed_on_a_crop_not_on_the_image(monkeypatch):
    from her2.radiomics import image_types

    seen = []
    transform = image_types.pywt.swtn
    monkeypatch.setattr(
        image_types.pywt,
        "swtn",
        lambda a, *rest, **named: seen.append(a.shape) or transform(a, *rest, **named),
    )
    image, mask = speckle(0, (301, 299)), np.zeros((301, 299), dtype=bool)
    mask[151:160, 120:140] = True
    found = dict(wavelet_bands(SliceLesion(image, mask, (1.0, 1.0))))
    assert max(seen[0]) < 50
    monkeypatch.undo()
    equal(found.items(), filtered("Wavelet", image, mask))


@pytest.mark.parametrize("image", KINDS)
def test_point_filters_are_equal_to_the_last_bit(image):
    one = lesion(image, "ellipse")
    expected = {}
    for name in POINT:
        expected |= filtered(name, one.image, one.mask)
    equal(point_filters(one), expected)


@pytest.mark.parametrize("mask", MASKS)
def test_the_gradient_is_equal_to_the_last_bit(mask):
    one = lesion("smooth", mask, spacing_mm=(0.3, 0.07))
    expected = filtered("Gradient", one.image, one.mask, one.spacing_mm)
    equal([("gradient", gradient_magnitude(one))], expected)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("image", KINDS)
def test_local_patterns_are_equal_where_features_hang_on_it(image, mask):
    """The two levels to the last bit; the kurtosis at least to where no feature can tell."""
    one = lesion(image, mask, (19, 22))
    expected = filtered("LBP3D", one.image, one.mask)
    with quiet():
        found = dict(local_patterns(one))
    equal([(name, found[name]) for name in ("lbp-3D-m1", "lbp-3D-m2")],
          {name: expected[name] for name in ("lbp-3D-m1", "lbp-3D-m2")})  # fmt: skip
    np.testing.assert_allclose(found["lbp-3D-k"], expected["lbp-3D-k"], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("image", ["flat", "bands"])
def test_where_patterns_repeat_the_kurtosis_is_equal_to_the_last_bit(image):
    one = lesion(image, "whole image", (19, 22))
    with quiet():
        found = dict(local_patterns(one))["lbp-3D-k"]
    np.testing.assert_array_equal(found, filtered("LBP3D", one.image, one.mask)["lbp-3D-k"])


def test_the_names_of_filtered_images_are_those_of_the_presets():
    one = lesion("speckle", "ellipse")
    assert tuple(name for name, _ in volume_filters(one)) == IMAGE_TYPES
    assert tuple(name for name, _ in plane_filters(one)) == PLANE_IMAGE_TYPES


def test_an_image_smaller_than_the_laplacian_is_an_input_problem():
    small = SliceLesion(speckle(0, (3, 40)), np.ones((3, 40), dtype=bool), (1.0, 1.0))
    fine = SliceLesion(speckle(0, (30, 40)), np.ones((30, 40), dtype=bool), (0.078, 0.078))
    for one in (small, fine):
        with pytest.raises(InputProblem, match="too small for the Laplacian of Gaussian of 3 mm"):
            list(laplacians_of_gaussian(one))
