"""The interval of a mean against scipy's, and samples that have none."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import mean_interval


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_interval_is_students(level):
    values = np.random.default_rng(1).gamma(2.0, size=17)
    found = mean_interval(values, level=level)
    expected = ttest_1samp(values, 0.0).confidence_interval(level)
    assert (found.n, found.mean) == (17, pytest.approx(values.mean()))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, np.nan], [2.0, 2.0, 2.0], [[1.0, 2.0]]])
def test_a_sample_that_does_not_determine_it_is_refused(values):
    with pytest.raises(NotEstimable):
        mean_interval(values)


def test_a_level_lies_between_0_and_1():
    with pytest.raises(BadArgument, match="level"):
        mean_interval([1.0, 2.0], level=95)
