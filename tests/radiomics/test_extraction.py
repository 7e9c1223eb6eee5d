"""Features equal the reference implementation's, whatever the image, the mask and the type."""

import itertools
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pyradiomics_oracle import difference, disc, images, masks, plain, speckle, volume

from her2.core.errors import BadArgument, BadConfig, InputProblem
from her2.radiomics import extract_features
from her2.radiomics.parameters import PRESETS, paper_1561

GOLDEN = {
    "case003": (1.0, 1.0),
    "case048": (1.0, 1.0),
    "case069_spacing_0.078": (0.078, 0.078),
    "case177": (1.0, 1.0),
    "case238": (1.0, 1.0),
}


def red(path) -> np.ndarray:
    picture = np.asarray(Image.open(path))
    return picture[..., 0] if picture.ndim == 3 else picture


def reference_of(image, mask, spacing_mm) -> pd.Series:
    return plain(volume(image, spacing_mm), volume(mask, spacing_mm), paper_1561().parameters)


@pytest.mark.parametrize("name", GOLDEN)
def test_features_of_a_real_lesion_are_those_of_the_reference(shared, name):
    folder = shared / "data" / "breast_lesions_usg" / "images_and_masks"
    case = name.split("_")[0]
    image, mask = red(folder / f"{case}.png"), red(folder / f"{case}_tumor.png") > 0
    found = extract_features(image, mask, spacing_mm=GOLDEN[name])
    golden = shared / "golden" / "radiomics" / f"{name}.csv"
    expected = pd.read_csv(golden, index_col="feature")["value"]
    assert list(found.index) == list(expected.index)
    assert difference(found, expected) <= 1e-9


SHAPES = ((23, 18), (18, 23), (31, 12), (12, 16))
SPACINGS = ((1.0, 1.0), (0.078, 0.078), (0.3, 0.07), (0.07, 0.3))
# every kind of image and every kind of mask twice, each time in other company
PAIRS = [
    (seed, image, mask)
    for seed in range(2)
    for image, mask in itertools.islice(
        zip(itertools.cycle(images(0, (8, 8))), list(masks(0, (8, 8))) * 2, strict=False),
        3 * seed,
        3 * seed + 11,
    )
]


@pytest.mark.parametrize(("seed", "image", "mask"), PAIRS)
def test_features_are_those_of_pyradiomics(seed, image, mask):
    shape, spacing_mm = SHAPES[(seed + len(mask)) % 4], SPACINGS[(seed + len(image)) % 4]
    picture, region = images(seed, shape)[image], masks(seed, shape)[mask]
    found = extract_features(picture, region, spacing_mm=spacing_mm)
    assert difference(found, reference_of(picture, region, spacing_mm)) <= 1e-9


def test_rows_and_columns_of_unequal_size_are_taken_as_pyradiomics_takes_them():
    """The gradient and the shape depend on which is which."""
    found = extract_features(speckle(), disc(), spacing_mm=(0.5, 0.1))
    assert difference(found, reference_of(speckle(), disc(), (0.5, 0.1))) <= 1e-9


def test_a_lesion_far_from_every_edge_is_measured_on_a_crop_that_changes_nothing():
    image, mask = speckle(1, (90, 101)), np.zeros((90, 101), dtype=bool)
    mask[41:50, 43:57] = disc((9, 14), 4.0)
    expected = reference_of(image, mask, (1.0, 1.0))
    assert difference(extract_features(image, mask), expected) <= 1e-9


def test_the_brightest_pixel_of_the_image_scales_the_point_filters():
    image = speckle().clip(0, 200)
    brighter = image.copy()
    brighter[0, 0] = 255
    before, after = (extract_features(i, disc()) for i in (image, brighter))
    changed = {name.split("_")[0] for name in before.index[before != after]}
    assert {"square", "squareroot", "logarithm", "exponential"} <= changed
    assert not {"original", "gradient"} & changed


def test_an_image_with_a_flat_dark_border_wider_than_the_spline_decays():
    """There the spline is exactly 0, and so is the spread that the kurtosis is divided by.

    pyradiomics makes a grey level of the NaN, unless it comes first: then it stops, and the
    kurtosis is taken as -3, as SciPy had it when pyradiomics 3.0.1 came out.
    """
    image = np.zeros((12, 1300))
    image[:, 1290:] = speckle(2, (12, 10))
    mask = np.zeros(image.shape, dtype=bool)
    mask[3:9, 2:12] = True
    mask[3:9, 1288:1296] = True
    with pytest.raises(ValueError, match="arange: cannot compute length"):
        reference_of(image, mask, (1.0, 1.0))
    found = extract_features(image, mask)
    assert np.isfinite(found).all()
    assert found["lbp-3D-k_firstorder_Minimum"] == -3
    assert found["lbp-3D-k_firstorder_10Percentile"] == -3
    mask[2, 1291] = True
    expected = reference_of(image, mask, (1.0, 1.0))
    assert difference(extract_features(image, mask), expected) <= 1e-9


@pytest.fixture(scope="module")
def reference() -> pd.Series:
    return extract_features(speckle(), disc())


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "int64", "float32", ">f8"])
def test_the_stored_type_does_not_matter(reference, kind):
    """8-bit levels above 205 overflow pyradiomics' bin edges unless they are cast first."""
    image = speckle().astype(kind)
    assert image[disc()].max() > 205
    found = extract_features(image, disc())
    assert found.to_numpy().tobytes() == reference.to_numpy().tobytes()


def test_the_layout_in_memory_does_not_matter(reference):
    image, mask = np.asfortranarray(speckle()), np.asfortranarray(disc())
    wide = np.repeat(speckle(), 2, axis=1)[:, ::2]
    for found in (extract_features(image, mask), extract_features(wide, disc().astype(np.uint8))):
        assert found.to_numpy().tobytes() == reference.to_numpy().tobytes()


def test_the_values_of_first_order_are_those_of_the_lesion_s_pixels(reference):
    """Not of the mask, not of the whole image."""
    inside = speckle()[disc()]
    found = reference.filter(like="original_firstorder_")
    assert found["original_firstorder_Mean"] == pytest.approx(inside.mean())
    assert found["original_firstorder_Maximum"] == inside.max()
    assert found["original_firstorder_90Percentile"] == pytest.approx(np.percentile(inside, 90))
    assert found["original_firstorder_Energy"] == pytest.approx((inside**2).sum())
    assert reference["original_shape_VoxelVolume"] == disc().sum()


def test_every_feature_is_a_number(reference):
    assert list(reference.index) == list(paper_1561().feature_names)
    assert reference.dtype == np.float64
    assert np.isfinite(reference).all()


def test_spacing_goes_row_first():
    found = extract_features(speckle(), disc(), spacing_mm=(0.5, 0.1))
    rows, columns = (int(disc().any(axis=axis).sum()) for axis in (1, 0))
    assert found["original_shape_VoxelVolume"] == pytest.approx(disc().sum() * 0.05)
    assert columns > rows
    # the lesion is wider than high in pixels and higher than wide in millimetres
    longest = found["original_shape_Maximum2DDiameterSlice"]
    assert 0.5 * (rows - 1) < longest < 0.5 * (rows + 2)


def test_the_image_and_the_mask_are_left_as_they_were():
    image, mask = speckle(), disc()
    extract_features(image, mask)
    assert (image == speckle()).all()
    assert (mask == disc()).all()


def test_a_family_that_is_missing_is_an_error_that_names_its_package(monkeypatch):
    """pyradiomics itself drops the family with a line in its log."""
    monkeypatch.setitem(sys.modules, "trimesh.creation", None)
    sentence = (
        "expected trimesh 4.5 or later for image type LBP3D .*, found trimesh [0-9.]+, which"
    )
    with pytest.raises(BadConfig, match=sentence):
        extract_features(speckle(), disc())


def test_a_newer_scipy_is_an_error_that_names_the_version_that_does(monkeypatch):
    monkeypatch.delattr("scipy.special.sph_harm")
    with pytest.raises(BadConfig, match=r"expected scipy below 1\.17 .*, found scipy 1"):
        extract_features(speckle(), disc())


def test_an_unknown_preset_is_a_sentence():
    sentence = f"expected radiomics.preset to be one of {', '.join(PRESETS)}, found 'all'"
    with pytest.raises(BadConfig, match=sentence):
        extract_features(speckle(), disc(), preset="all")


def alone(*pixels: tuple[int, int]) -> np.ndarray:
    mask = np.zeros((40, 40), dtype=bool)
    mask[tuple(zip(*pixels, strict=True))] = True
    return mask


BAD = {
    "mask of another shape": ("M02", speckle(), disc()[:-1]),
    "empty mask": ("M06", speckle(), np.zeros((40, 40), dtype=bool)),
    "NaN in the image": ("D48", np.where(disc(), np.nan, speckle()), disc()),
    "infinity beside the lesion": ("D48", np.where(disc(), 1.0, np.inf), disc()),
    "black image": ("D48", np.zeros((40, 40)), disc()),
    "one pixel": ("M15", speckle(), alone((3, 4))),
    "one row": ("M15", speckle(), alone((3, 4), (3, 5), (3, 9))),
    "one column": ("M15", speckle(), alone((3, 4), (8, 4))),
    "more levels than a matrix holds": ("D29", speckle() * 1000, disc()),
}


@pytest.mark.parametrize("what", BAD)
def test_a_lesion_that_has_no_features_is_an_input_problem(what):
    code, image, mask = BAD[what]
    with pytest.raises(InputProblem, match=code) as caught:
        extract_features(image, mask)
    assert caught.value.code == code


@pytest.mark.parametrize("spacing_mm", [(0.0, 1.0), (1.0, -1.0), (np.nan, 1.0)])
def test_an_impossible_spacing_is_an_input_problem(spacing_mm):
    with pytest.raises(InputProblem, match="D45"):
        extract_features(speckle(), disc(), spacing_mm=spacing_mm)


@pytest.mark.parametrize(
    ("image", "spacing_mm", "preset"),
    [
        (np.zeros((3, 8, 8)), (1.0, 1.0), "paper_1561"),
        (np.zeros((8, 8)), (1.0, 1.0, 1.0), "paper_1561"),
        (np.zeros((8, 8)), (1.0, 1.0), "volume_1834"),
        (np.zeros((8, 8, 8)), (1.0, 1.0), "volume_1834"),
    ],
)
def test_a_preset_is_for_slices_or_for_stacks(image, spacing_mm, preset):
    with pytest.raises(BadArgument, match=f"for radiomics.preset {preset}, found shape"):
        extract_features(image, image > 0, spacing_mm=spacing_mm, preset=preset)
