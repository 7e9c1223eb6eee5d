"""Labels: far enough apart, as near to their place as can be, in few rows."""

import numpy as np
import pytest

from her2.plots.feature_importance import spread
from her2.plots.nomogram import label_levels
from her2.plots.style import text_width


def test_spread_leaves_alone_what_is_far_enough_apart():
    assert spread([0.9, 0.1, 0.5], 0.2, low=0, high=1).tolist() == [0.9, 0.1, 0.5]


@pytest.mark.parametrize("n", [2, 7, 11])
def test_spread_keeps_the_gap_the_order_and_the_range(n):
    wanted = np.random.default_rng(n).uniform(0.4, 0.6, n)
    placed = spread(wanted, 0.1, low=0.0, high=1.0)
    ordered = placed[np.argsort(wanted)]
    assert np.diff(ordered).min() >= 0.1 - 1e-9
    assert placed.min() >= 0 and placed.max() <= 1 + 1e-9


def test_spread_of_equal_places_is_centred_on_them():
    assert spread([0.5] * 3, 0.1, low=0, high=1) == pytest.approx([0.4, 0.5, 0.6])


def test_spread_narrows_the_gap_where_there_is_no_room():
    assert spread([0.5] * 5, 0.4, low=0.0, high=1.0) == pytest.approx([0, 0.25, 0.5, 0.75, 1])


@pytest.mark.parametrize(("wanted", "placed"), [([], []), ([2.0], [1.0])])
def test_spread_of_one_or_none(wanted, placed):
    assert spread(wanted, 0.1, low=0.0, high=1.0).tolist() == placed


def test_levels_of_one_row_keep_their_distance():
    rng = np.random.default_rng(0)
    centres, widths = rng.uniform(0, 3, 20), rng.uniform(0.1, 0.6, 20)
    chosen = np.array(label_levels(list(centres), list(widths), gap=0.05))
    for level in range(chosen.max() + 1):
        order = np.argsort(centres[chosen == level])
        left = (centres - widths / 2)[chosen == level][order]
        right = (centres + widths / 2)[chosen == level][order]
        assert (left[1:] - right[:-1] >= 0.05 - 1e-12).all()


def test_width_is_that_of_the_widest_line():
    assert text_width("a\nlonger line", 8) == pytest.approx(text_width("longer line", 8))
    assert text_width("n", 16) == pytest.approx(2 * text_width("n", 8), rel=0.05)
