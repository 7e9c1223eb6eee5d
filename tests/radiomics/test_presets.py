"""us2d and volume_1834 measure what pyradiomics measures on a plane and on a stack."""

import itertools
import sys
from types import ModuleType

import numpy as np
import pytest
import SimpleITK as sitk
from pyradiomics_oracle import difference, disc, images, masks, plain, speckle, volume

from her2.core.errors import BadConfig, InputProblem
from her2.core.seeds import generator
from her2.radiomics import extract_features
from her2.radiomics.local_patterns import uniform_patterns
from her2.radiomics.parameters import Preset, us2d, volume_1834
from her2.radiomics.pyradiomics_engine import check_packages
from her2.radiomics.roi import SliceLesion


def bilinear(image: np.ndarray, r: float, c: float) -> float:
    def pixel(r: int, c: int) -> float:
        is_in = 0 <= r < image.shape[0] and 0 <= c < image.shape[1]
        return image[r, c] if is_in else 0.0

    r0, c0, r1, c1 = int(np.floor(r)), int(np.floor(c)), int(np.ceil(r)), int(np.ceil(c))
    top = (1 - (c - c0)) * pixel(r0, c0) + (c - c0) * pixel(r0, c1)
    bottom = (1 - (c - c0)) * pixel(r1, c0) + (c - c0) * pixel(r1, c1)
    return (1 - (r - r0)) * top + (r - r0) * bottom


def local_binary_pattern(image: np.ndarray, P: int, R: float, method: str) -> np.ndarray:
    """The uniform pattern of scikit-image, pixel by pixel, as its documentation defines it."""
    assert method == "uniform"
    found = np.empty(image.shape)
    for (r, c), value in np.ndenumerate(image):
        bits = []
        for p in range(P):
            dr, dc = -R * np.sin(2 * np.pi * p / P), R * np.cos(2 * np.pi * p / P)
            bits.append(bilinear(image, r + round(dr, 5), c + round(dc, 5)) - value >= 0)
        n_changes = sum(a != b for a, b in itertools.pairwise(bits))
        found[r, c] = sum(bits) if n_changes <= 2 else P + 1
    return found


@pytest.fixture
def scikit_image(monkeypatch):
    """A stand-in for the package that pyradiomics imports, unless the real one is there."""
    try:
        import skimage.feature  # noqa: F401
    except ImportError:
        package, feature = ModuleType("skimage"), ModuleType("skimage.feature")
        feature.local_binary_pattern = local_binary_pattern
        monkeypatch.setitem(sys.modules, "skimage", package)
        monkeypatch.setitem(sys.modules, "skimage.feature", feature)


def in_plane(array: np.ndarray, spacing_mm: tuple[float, float]) -> sitk.Image:
    found = sitk.GetImageFromArray(array.astype(np.uint8) if array.dtype == bool else array)
    found.SetSpacing(spacing_mm[::-1])
    return found


CASES = [("speckle", "ellipse"), ("smooth", "ring"), ("flat", "noise"), ("patches", "blocks"),
         ("negative", "whole image"), ("bands", "last corner")]  # fmt: skip


@pytest.mark.parametrize(("image", "mask"), CASES)
def test_us2d_is_pyradiomics_on_a_two_dimensional_image(scikit_image, image, mask):
    shape, spacing_mm = (25, 22), (0.5, 0.3)
    picture, region = images(0, shape)[image], masks(0, shape)[mask]
    expected = plain(
        in_plane(picture, spacing_mm), in_plane(region, spacing_mm), us2d().parameters
    )
    found = extract_features(picture, region, spacing_mm=spacing_mm, preset="us2d")
    assert list(found.index) == list(us2d().feature_names)
    assert difference(found, expected) <= 1e-9


def test_us2d_is_pyradiomics_forced_to_two_dimensions_but_for_the_laplacian():
    parameters = us2d().parameters
    for absent in ("LoG", "LBP2D"):
        del parameters["imageType"][absent]
    parameters["setting"]["force2D"] = True
    spacing_mm = (0.2, 0.2)
    expected = plain(volume(speckle(), spacing_mm), volume(disc(), spacing_mm), parameters)
    found = extract_features(speckle(), disc(), spacing_mm=spacing_mm, preset="us2d")
    # a volume has a thickness of 1 mm, and so has its energy
    assert difference(found[expected.index], expected) <= 1e-9


def test_us2d_needs_neither_scikit_image_nor_an_image_that_is_all_lesion(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    found = extract_features(speckle(), disc(), preset="us2d")
    assert np.isfinite(found).all()
    assert found["lbp-2D_firstorder_Maximum"] <= 9
    assert found["lbp-2D_firstorder_Entropy"] > 1


@pytest.mark.parametrize("image", ["speckle", "flat", "patches", "bands"])
def test_uniform_patterns_are_those_of_the_definition(image):
    picture, mask = images(1, (13, 17))[image], masks(1, (13, 17))["noise"]
    found = uniform_patterns(SliceLesion(picture, mask, (1.0, 1.0)))
    assert found.tolist() == local_binary_pattern(picture, 8, 1, "uniform")[mask].tolist()


def test_a_bright_line_is_a_pattern_of_two_changes():
    image = np.zeros((5, 5))
    image[2] = 9
    mask = np.zeros((5, 5), dtype=bool)
    mask[2, 2] = mask[1, 2] = True
    # above the line all eight are at least as bright; on it only its two neighbours are
    assert uniform_patterns(SliceLesion(image, mask, (1.0, 1.0))).tolist() == [8, 9]


def stack() -> tuple[np.ndarray, np.ndarray]:
    image = np.floor(generator(3, "stack").rayleigh(60, (6, 16, 15))).clip(0, 255)
    z, y, x = np.indices(image.shape)
    return image, ((z - 2.5) / 2.2) ** 2 + ((y - 8) / 5) ** 2 + ((x - 7) / 6) ** 2 < 1


def test_volume_1834_is_pyradiomics_on_a_stack():
    image, mask = stack()
    spacing_mm = (1.5, 0.6, 0.8)
    found = extract_features(image, mask, spacing_mm=spacing_mm, preset="volume_1834")
    assert list(found.index) == list(volume_1834().feature_names)
    expected = plain(volume(image, spacing_mm), volume(mask, spacing_mm), volume_1834().parameters)
    assert list(expected.index) == list(found.index)
    assert difference(found, expected) == 0
    eight_bit = extract_features(
        image.astype(np.uint8), mask, spacing_mm=spacing_mm, preset="volume_1834"
    )
    assert eight_bit.to_numpy().tobytes() == found.to_numpy().tobytes()


def test_a_stack_too_thin_for_the_laplacian_is_an_input_problem():
    """pyradiomics leaves the filter out with a line in its log."""
    image, mask = stack()
    with pytest.raises(InputProblem, match=r"M15: expected 1834 features .*'log-sigma-1-0-mm-3D_"):
        extract_features(image[1:4], mask[1:4], spacing_mm=(1.0, 1.0, 1.0), preset="volume_1834")


def test_a_filter_of_pyradiomics_that_lacks_its_package_is_told_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    monkeypatch.setitem(sys.modules, "skimage.feature", None)
    with_patterns = Preset("mine", {"imageType": {"LBP2D": {}}}, ())
    sentence = "expected scikit-image 0.22 or later for image type LBP2D .* mine, found"
    with pytest.raises(BadConfig, match=sentence):
        check_packages(with_patterns)
