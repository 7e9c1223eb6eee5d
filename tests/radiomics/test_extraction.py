"""Features equal the reference implementation's, whatever type the grey levels are stored in."""

import sys

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from PIL import Image
from radiomics.featureextractor import RadiomicsFeatureExtractor

from her2.errors import BadConfig, InputProblem
from her2.radiomics import extract_features
from her2.radiomics.settings import paper_1561
from her2.seeds import generator

GOLDEN = {"case003": (1.0, 1.0), "case069_spacing_0.078": (0.078, 0.078)}


def speckle(seed: int = 0, size: int = 40) -> np.ndarray:
    """Whole grey levels 0 to 255 as float64, a bright one inside the lesion."""
    return np.floor(generator(seed, "speckle").rayleigh(60, (size, size))).clip(0, 255)


def disc(size: int = 40, radius: float = 8.0) -> np.ndarray:
    rows, columns = np.indices((size, size))
    return np.hypot(rows - 19.5, (columns - 19.5) / 1.4) < radius


def red(path) -> np.ndarray:
    picture = np.asarray(Image.open(path))
    return picture[..., 0] if picture.ndim == 3 else picture


@pytest.mark.parametrize("name", GOLDEN)
def test_features_of_a_real_lesion_are_those_of_the_reference(shared, name):
    folder = shared / "data" / "breast_lesions_usg" / "images_and_masks"
    case = name.split("_")[0]
    image, mask = red(folder / f"{case}.png"), red(folder / f"{case}_tumor.png") > 0
    found = extract_features(image, mask, spacing_mm=GOLDEN[name])
    golden = shared / "golden" / "radiomics" / f"{name}.csv"
    expected = pd.read_csv(golden, index_col="feature")["value"]
    assert list(found.index) == list(expected.index)
    difference = (found - expected).abs() / expected.abs().clip(lower=1.0)
    assert difference.notna().all()
    assert difference.max() <= 1e-9, difference.nlargest(5)


def pyradiomics(image: np.ndarray, mask: np.ndarray, spacing_mm) -> pd.Series:
    """What pyradiomics itself says, without anything of ours but its parameters."""
    volumes = [sitk.GetImageFromArray(array[np.newaxis]) for array in (image, mask.astype("u1"))]
    for volume in volumes:
        volume.SetSpacing((spacing_mm[1], spacing_mm[0], 1.0))
    found = RadiomicsFeatureExtractor(paper_1561().parameters).execute(*volumes)
    return pd.Series({k: float(v) for k, v in found.items() if not k.startswith("diagnostics")})


def test_rows_and_columns_of_unequal_size_are_taken_as_pyradiomics_takes_them():
    """The gradient and the shape depend on which is which."""
    found = extract_features(speckle(), disc(), spacing_mm=(0.5, 0.1))
    expected = pyradiomics(speckle(), disc(), (0.5, 0.1))[found.index]
    assert found.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-9, abs=1e-9)


@pytest.fixture(scope="module")
def reference() -> pd.Series:
    return extract_features(speckle(), disc())


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_the_stored_type_does_not_matter(reference, kind):
    """8-bit levels above 205 overflow pyradiomics' bin edges unless they are cast first."""
    image = speckle().astype(kind)
    assert image[disc()].max() > 205
    found = extract_features(image, disc())
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
    sentence = "expected 1561 features .* lacks SciPy below 1.17 and trimesh: run make install"
    with pytest.raises(BadConfig, match=sentence):
        extract_features(speckle(), disc())


def test_an_unknown_preset_is_a_sentence():
    sentence = "expected radiomics.preset to be one of paper_1561, found 'all'"
    with pytest.raises(BadConfig, match=sentence):
        extract_features(speckle(), disc(), preset="all")


BAD = {
    "M02": (speckle(), disc()[:-1]),
    "M06": (speckle(), np.zeros((40, 40), dtype=bool)),
    "D48": (np.where(disc(), np.nan, speckle()), disc()),
}


@pytest.mark.parametrize("code", BAD)
def test_a_lesion_that_has_no_features_is_an_input_problem(code):
    with pytest.raises(InputProblem, match=code) as caught:
        extract_features(*BAD[code])
    assert caught.value.code == code
