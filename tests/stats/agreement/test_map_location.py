"""Maps against values by hand, PyTorch's resizing, properties, and maps that say nothing."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import (
    area_under_steps,
    enrichment,
    points_inside,
    rank_correlation,
    share_inside,
    upsampled,
    with_largest_replaced,
)

RNG = np.random.default_rng(0)
LEFT = np.array([[True, False], [True, False]])


def disc(size=24, radius=7):
    rows, columns = np.indices((size, size)) - size / 2
    return rows**2 + columns**2 < radius**2


@pytest.mark.parametrize("shape", [(7, 7), (20, 33), (56, 8), (3, 5)])
def test_upsampling_is_pytorchs_without_aligned_corners(shape):
    coarse = RNG.normal(size=(3, 5))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(coarse)[None, None], size=shape, mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(upsampled(coarse, shape), expected[0, 0], atol=1e-14)


def test_upsampling_keeps_a_flat_map_flat_and_the_range():
    assert (upsampled(np.full((7, 7), 2.5), (50, 40)) == pytest.approx(2.5)) is True
    coarse = RNG.normal(size=(7, 7))
    image = upsampled(coarse, (224, 224))
    assert coarse.min() <= image.min() and image.max() <= coarse.max()


def test_share_inside_by_hand():
    assert share_inside([[2.0, 1.0], [1.0, 0.0]], LEFT) == 0.75
    assert share_inside([[2.0, 1.0], [-9.0, 0.0]], LEFT) == pytest.approx(2 / 3)


@pytest.mark.parametrize("factor", [1e-6, 3.0])
def test_places_do_not_depend_on_the_scale_of_the_map(factor):
    saliency, mask = RNG.normal(size=(24, 24)), disc()
    for measure in (share_inside, enrichment, points_inside):
        assert measure(factor * saliency, mask) == pytest.approx(measure(saliency, mask))


def test_a_map_without_preference_has_an_enrichment_of_one():
    assert enrichment(np.ones((24, 24)), disc()) == pytest.approx(1)
    assert enrichment(disc().astype(float), disc()) == pytest.approx(1 / disc().mean())
    assert enrichment(RNG.random((24, 24)), np.ones((24, 24), bool)) == pytest.approx(1)


def test_inside_and_outside_make_up_the_whole_map():
    saliency, mask = RNG.random((24, 24)), disc()
    assert share_inside(saliency, mask) + share_inside(saliency, ~mask) == pytest.approx(1)


def test_no_overlap_is_zero_and_no_lesion_is_not_estimable():
    saliency = np.zeros((24, 24))
    saliency[0, 0] = 1
    assert share_inside(saliency, disc()) == enrichment(saliency, disc()) == 0
    assert points_inside(saliency, disc()) is False
    assert share_inside(saliency, np.zeros((24, 24), bool)) == 0
    with pytest.raises(NotEstimable, match="empty mask"):
        enrichment(saliency, np.zeros((24, 24), bool))


@pytest.mark.parametrize("measure", [share_inside, enrichment, points_inside])
def test_a_map_that_says_nothing_has_no_place(measure):
    for saliency in (np.zeros((2, 2)), -np.ones((2, 2))):
        with pytest.raises(NotEstimable, match="positive value"):
            measure(saliency, LEFT)


def test_a_flat_map_points_nowhere_and_equal_largest_values_must_all_lie_inside():
    with pytest.raises(NotEstimable, match="found 3"):
        points_inside(np.full((2, 2), 3.0), LEFT)
    assert points_inside([[3.0, 0.0], [3.0, 0.0]], LEFT)
    assert not points_inside([[3.0, 3.0], [0.0, 0.0]], LEFT)


@pytest.mark.parametrize(
    ("saliency", "mask"),
    [
        (np.ones((2, 3)), LEFT),
        (np.ones((2, 2)), LEFT.astype(int)),
        (np.ones(4), np.ones(4, bool)),
        ([[np.nan, 1.0], [0.0, 0.0]], LEFT),
        (np.ones((0, 2)), np.ones((0, 2), bool)),
    ],
)
def test_a_map_and_its_mask_must_fit(saliency, mask):
    with pytest.raises(BadArgument):
        share_inside(saliency, mask)


def test_the_largest_leave_first_and_all_at_the_end():
    image, other = RNG.random((6, 5)), RNG.random((6, 5)) + 2
    saliency = RNG.normal(size=(6, 5))
    steps = with_largest_replaced(image, other, saliency, np.linspace(0, 1, 31))
    n_gone = (steps == other).sum(axis=(1, 2))
    assert n_gone.tolist() == list(range(31))
    assert (steps[1] == other)[np.unravel_index(saliency.argmax(), saliency.shape)]
    np.testing.assert_array_equal(steps[0], image)
    np.testing.assert_array_equal(steps[-1], other)
    back = with_largest_replaced(other, image, -saliency, 1 - np.linspace(0, 1, 31))
    np.testing.assert_array_equal(back, steps)


@pytest.mark.parametrize(
    ("image", "shares"), [(np.ones((3, 2)), [0.5]), (np.ones((2, 2)), [1.5]), (LEFT, 0.5)]
)
def test_what_is_replaced_must_fit(image, shares):
    with pytest.raises(BadArgument):
        with_largest_replaced(image, np.ones((2, 2)), np.ones((2, 2)), shares)


def test_the_area_is_the_mean_height():
    assert area_under_steps([0.3, 0.3, 0.3]) == pytest.approx(0.3)
    assert area_under_steps([1, 1, 0, 0]) == 0.5
    assert area_under_steps(np.linspace(0.2, 0.6, 9)) == pytest.approx(0.4)
    with pytest.raises(BadArgument, match="two or more"):
        area_under_steps([1.0])
    with pytest.raises(NotEstimable, match="finite"):
        area_under_steps([1.0, np.nan])


def test_the_correlation_is_spearmans_and_knows_no_scale():
    first, second = RNG.normal(size=(2, 7, 7)).round(1)
    found = rank_correlation(first, second)
    assert found == pytest.approx(spearmanr(first.ravel(), second.ravel()).statistic)
    assert rank_correlation(np.exp(first), second) == pytest.approx(found)
    assert rank_correlation(first, first) == pytest.approx(1)
    assert rank_correlation(first, -first) == pytest.approx(-1)
    with pytest.raises(NotEstimable, match="flat"):
        rank_correlation(first, np.zeros((7, 7)))
    with pytest.raises(BadArgument, match="one shape"):
        rank_correlation(first, second[:3])
