"""First-order statistics are those of pyradiomics' class, and of the definitions."""

import numpy as np
import pytest
from pyradiomics_oracle import quiet, volume
from radiomics.firstorder import RadiomicsFirstOrder

from her2.core.seeds import generator
from her2.radiomics.first_order import first_order_features
from her2.radiomics.parameters import FAMILIES
from her2.radiomics.roi import digitise

RANDOM = generator(0, "first order")
SAMPLES = {
    "normal": RANDOM.normal(0, 60, 143),
    "ties": RANDOM.integers(0, 30, 143).astype(float),
    "percentile on a value": np.arange(11.0) * 7,
    "two": np.array([3.0, 200.0]),
    "constant that has no exact mean": np.full(49, 0.1),
    "noise": RANDOM.normal(0, 1e-15, 101),
    "float32": RANDOM.normal(50, 20, 77).astype(np.float32),
    "heavy tail": np.append(np.zeros(60), 255.0),
}


def features(values: np.ndarray) -> dict[str, float]:
    inside = np.ones((1, len(values)), dtype=bool)
    return first_order_features(values, digitise(values, inside, 25).counts, 0.03)


@pytest.mark.parametrize("name", SAMPLES)
def test_statistics_are_those_of_pyradiomics(name):
    values = SAMPLES[name]
    image = volume(values[np.newaxis], (0.3, 0.1))
    mask = volume(np.ones((1, len(values)), dtype=bool), (0.3, 0.1))
    with quiet():
        expected = RadiomicsFirstOrder(image, mask, label=1, binWidth=25).execute()
        found = features(values)
    assert sorted(found) == sorted(FAMILIES["firstorder"])
    expected = {name: float(value) for name, value in expected.items()}
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)


def test_a_hand_example():
    found = features(np.array([10.0, 20.0, 30.0, 40.0]))
    assert found["Mean"] == found["Median"] == 25
    assert found["Range"] == 30
    assert found["Energy"] == 3000
    assert found["TotalEnergy"] == pytest.approx(90)
    assert found["Variance"] == pytest.approx(125)
    assert found["Entropy"] == pytest.approx(1)  # two bins of two
    assert found["InterquartileRange"] == pytest.approx(15)
    assert found["RobustMeanAbsoluteDeviation"] == pytest.approx(5)
    assert found["Skewness"] == pytest.approx(0)


@pytest.mark.parametrize("name", ["normal", "ties"])
def test_a_shift_moves_location_and_leaves_spread(name):
    values = SAMPLES[name]
    before, after = features(values), features(values + 50)
    for moved in ("Mean", "Median", "Minimum", "Maximum", "10Percentile", "90Percentile"):
        assert after[moved] == pytest.approx(before[moved] + 50)
    for kept in ("Variance", "Skewness", "Kurtosis", "Range", "Entropy", "Uniformity"):
        assert after[kept] == pytest.approx(before[kept])
