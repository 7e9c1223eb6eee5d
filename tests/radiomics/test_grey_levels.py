"""Grey levels are those of pyradiomics' binning, in the type of the values."""

import numpy as np
import pytest
from radiomics import imageoperations

from her2.core.errors import InputProblem
from her2.core.seeds import generator
from her2.radiomics.roi import MAX_LEVELS, digitise

VALUES = {
    "whole levels": generator(0, "levels").integers(0, 256, 60).astype(float),
    "on the edges": np.repeat([0.0, 25.0, 50.0, 75.0, 250.0], 12),
    "negative": generator(1, "levels").normal(0, 300, 60),
    "noise around 0": generator(2, "levels").normal(0, 1e-14, 60),
    "one value on an edge": np.full(60, 50.0),
    "one value": np.full(60, 51.3),
    "float32": generator(3, "levels").normal(0, 90, 60).astype(np.float32),
    "a rounding below an edge": np.linspace(0, 25 * (1 - 1e-16), 60),
}


@pytest.mark.parametrize("bin_width", [25, 25.0, 1, 0.1])
@pytest.mark.parametrize("name", VALUES)
def test_levels_are_those_of_pyradiomics(name, bin_width):
    values = VALUES[name]
    inside = np.zeros((9, 11), dtype=bool)
    inside.ravel()[generator(4, "mask").permutation(99)[:60]] = True
    whole = np.zeros((1, 9, 11), dtype=values.dtype)
    whole[0, inside] = values
    if np.ptp(values) / bin_width > MAX_LEVELS:
        with pytest.raises(InputProblem, match="more than 2000 bins"):
            digitise(values, inside, bin_width)
        return
    expected, _ = imageoperations.binImage(whole, inside[np.newaxis], binWidth=bin_width)
    found = digitise(values, inside, bin_width)
    np.testing.assert_array_equal(found.image, expected)
    levels, counts = np.unique(expected[0, inside], return_counts=True)
    assert found.levels.tolist() == levels.tolist()
    assert found.counts.tolist() == counts.tolist()
    assert found.highest == levels.max()


def test_bins_are_half_open_and_start_at_a_multiple_of_the_width():
    found = digitise(np.array([54.0, 74.999, 75.0, 166.0]), np.ones((2, 2), dtype=bool), 25)
    assert found.image.tolist() == [[[1, 1], [2, 5]]]
