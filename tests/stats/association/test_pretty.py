import numpy as np
import pytest

from her2.core.errors import BadArgument
from her2.stats.association.nomogram_points import pretty


@pytest.mark.parametrize(
    ("values", "n", "expected"),
    [  # the third from the golden values of rms, the others by hand from the published rules
        ([1, 10], 5, [0, 2, 4, 6, 8, 10]),
        ([0, 1], 5, [0, 0.2, 0.4, 0.6000000000000001, 0.8, 1]),
        ([0, 1], 10, [0, 0.1, 0.2, 0.30000000000000004, 0.4, 0.5, 0.6000000000000001,
                      0.7000000000000001, 0.8, 0.9, 1]),
        ([1, 10], 10, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ([0, 97], 10, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]),
        ([-7.3, 7.1], 10, [-8, -6, -4, -2, 0, 2, 4, 6, 8]),
        ([0], 5, [-1, 0]),
        ([23, 87], 10, list(range(20, 95, 5))),
        ([1234, 1239], 5, [1234, 1235, 1236, 1237, 1238, 1239]),
    ],
)  # fmt: skip
def test_by_hand(values, n, expected):
    assert pretty(values, n).tolist() == expected


@pytest.mark.parametrize("seed", range(20))
def test_ticks_cover_the_range_with_round_steps(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=5) * 10.0 ** rng.integers(-6, 7) + 10.0 ** rng.integers(-3, 4)
    ticks = pretty(values, 10)
    steps = np.diff(ticks)
    assert ticks[0] <= values.min() * (1 + 1e-9 * -np.sign(values.min())) + 1e-9 * steps[0]
    assert ticks[-1] >= values.max() - 1e-9 * steps[0]
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
    first = steps[0] / 10 ** np.floor(np.log10(steps[0] * (1 + 1e-9)))
    assert min(abs(first - x) for x in (1, 2, 5)) < 1e-6
    assert 4 <= len(ticks) <= 17


def test_a_constant_still_has_an_axis():
    for value in (5.0, -3.0, 1e6):
        ticks = pretty([value, value], 10)
        assert len(ticks) > 1
        assert ticks[0] <= value <= ticks[-1]


def test_nothing_to_draw():
    with pytest.raises(BadArgument, match="finite value"):
        pretty([np.nan])
    with pytest.raises(BadArgument, match="n = 0"):
        pretty([1.0], 0)
