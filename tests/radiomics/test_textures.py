"""Texture formulas are those of pyradiomics' feature classes, on any grey levels."""

import numpy as np
import pytest
from pyradiomics_oracle import masks, quiet, volume
from radiomics import getFeatureClasses

from her2.core.seeds import generator
from her2.radiomics.parameters import FAMILIES
from her2.radiomics.roi import digitise
from her2.radiomics.textures import (
    co_occurrence_features,
    size_statistics,
    texture_features,
    tone_difference_features,
)

SHAPE = (17, 21)
RANDOM = generator(0, "textures")
IMAGES = {
    "many levels": RANDOM.integers(0, 40, SHAPE),
    "few levels with gaps": RANDOM.choice([1, 2, 9, 30], SHAPE),
    "two levels": RANDOM.integers(0, 2, SHAPE),
    "one level": np.full(SHAPE, 3),
    "runs": np.repeat(RANDOM.integers(0, 5, (SHAPE[0], 1)), SHAPE[1], axis=1),
    "one other pixel": np.where(np.arange(17 * 21).reshape(SHAPE) == 180, 7, 2),
    "hundreds of levels": RANDOM.integers(0, 700, SHAPE),
}


def by_pyradiomics(image: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    volumes = volume(image[box].astype(float), (1.0, 1.0)), volume(mask[box], (1.0, 1.0))
    found = {}
    for family, names in FAMILIES.items():
        if family != "firstorder":
            measured = getFeatureClasses()[family](*volumes, label=1, binWidth=1)
            measured.enabledFeatures = dict.fromkeys(names, True)
            found |= {f"{family}_{name}": float(v) for name, v in measured.execute().items()}
    return found


@pytest.mark.parametrize("mask", ["ellipse", "noise", "lone pixels", "diagonal", "right angle"])
@pytest.mark.parametrize("image", IMAGES)
def test_features_are_those_of_pyradiomics(image, mask):
    picture, region = IMAGES[image], masks(0, SHAPE)[mask]
    with quiet():
        expected = by_pyradiomics(picture, region)
        rows, columns = (np.flatnonzero(region.any(axis=axis)) for axis in (1, 0))
        inside = region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        found = texture_features(digitise(picture[region].astype(float), inside, 1))
    assert set(found) == set(expected)
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)


def test_a_flat_lesion_is_perfectly_uniform():
    grey = digitise(np.full(12, 80.0), np.ones((3, 4), dtype=bool), 25)
    with quiet():
        found = texture_features(grey)
    assert found["glcm_JointEnergy"] == found["glcm_MaximumProbability"] == 1
    assert found["glcm_Contrast"] == found["glcm_Imc1"] == found["glcm_Imc2"] == 0
    assert found["glcm_Correlation"] == 1
    assert found["glszm_ZonePercentage"] == pytest.approx(1 / 12)
    assert found["ngtdm_Coarseness"] == 1e6


def test_co_occurrence_of_a_hand_example():
    """Ones beside twos twice, ones beside ones once, in one direction."""
    counts = np.array([[[1.0], [2.0]], [[0.0], [0.0]]])
    with quiet():
        found = co_occurrence_features(counts, np.array([1, 2]), 2)
    # both ways: 2 of (1, 1), 2 of (1, 2), 2 of (2, 1), of 6
    assert found["Contrast"] == found["DifferenceAverage"] == pytest.approx(2 / 3)
    assert found["JointAverage"] == pytest.approx((4 / 6) * 1 + (2 / 6) * 2)
    assert found["Autocorrelation"] == pytest.approx((2 * 1 + 4 * 2) / 6)
    assert found["MaximumProbability"] == pytest.approx(1 / 3)
    assert found["JointEntropy"] == pytest.approx(np.log2(3))


def test_an_empty_direction_is_left_out_of_the_mean():
    random = generator(1, "pairs").integers(0, 9, (4, 4, 2)).astype(float)
    padded = np.concatenate([random, np.zeros((4, 4, 1))], axis=2)
    levels = np.array([1, 2, 5, 6])
    with quiet():
        found, expected = (co_occurrence_features(c, levels, 6) for c in (padded, random))
        nothing = co_occurrence_features(np.zeros((4, 4, 2)), levels, 6)
    assert found == expected
    assert list(nothing) == list(FAMILIES["glcm"])
    assert np.isnan(list(nothing.values())).all()
    assert size_statistics(padded, levels).tolist() == size_statistics(random, levels).tolist()
    assert np.isnan(size_statistics(np.zeros((4, 4, 2)), levels)).all()


def test_tone_differences_of_a_hand_example():
    """The one 1 differs by 1 from its three neighbours, each 2 by a third from its own."""
    grey = digitise(np.array([1.0, 2, 2, 2]), np.ones((2, 2), dtype=bool), 1)
    found = texture_features(grey)
    assert found["ngtdm_Coarseness"] == pytest.approx(1 / (0.25 * 1 + 0.75 * 1))
    assert found["ngtdm_Busyness"] == pytest.approx(1 / (2 * abs(0.25 - 1.5)))
    assert found["ngtdm_Contrast"] == pytest.approx(2 * 0.25 * 0.75 / 2 * (2 / 4))
    assert found["ngtdm_Complexity"] == pytest.approx(2 * (0.25 + 0.75) / 4)
    assert found["ngtdm_Strength"] == pytest.approx(2 * 1 / 2)


def test_tone_differences_of_one_level_are_those_of_no_difference():
    found = tone_difference_features(np.array([[9.0, 0.0, 2.0]]))
    assert found == {
        "Busyness": 0.0, "Coarseness": 1e6, "Complexity": 0.0, "Contrast": 0.0, "Strength": 0.0
    }  # fmt: skip
