"""PSNR and SSIM against values by hand and against torchmetrics."""

from math import inf

import numpy as np
import pytest
import torch
from torchmetrics.functional import image as oracle

from her2.core.errors import BadArgument
from her2.stats import psnr, ssim


@pytest.fixture
def pair():
    rng = np.random.default_rng(3)
    reference = rng.uniform(0, 255, (40, 53))
    return reference, np.clip(reference + rng.normal(0, 9, reference.shape), 0, 255)


def as_batch(image):
    return torch.from_numpy(image)[None, None]


def test_psnr_by_hand_and_of_equal_images():
    assert psnr([[0, 0], [0, 2]], np.zeros((2, 2)), data_range=10) == pytest.approx(20.0)
    assert psnr(np.ones((3, 3)), np.ones((3, 3))) == inf


def test_psnr_is_that_of_torchmetrics(pair):
    expected = oracle.peak_signal_noise_ratio(*map(as_batch, pair[::-1]), data_range=255.0)
    assert psnr(*pair) == pytest.approx(float(expected), abs=1e-5)


def test_ssim_is_that_of_torchmetrics_inside_the_image(pair):
    _, full = oracle.structural_similarity_index_measure(
        *map(as_batch, pair), data_range=255.0, return_full_image=True
    )
    assert ssim(*pair) == pytest.approx(float(full[..., 5:-5, 5:-5].mean()), abs=1e-9)


def test_ssim_is_symmetric_and_one_for_equal_images(pair):
    first, second = pair
    assert ssim(first, second) == pytest.approx(ssim(second, first), abs=1e-12)
    assert ssim(first, first) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("first", "second", "data_range", "fragment"),
    [
        (np.zeros((12, 12)), np.zeros((12, 13)), 255.0, "one shape"),
        (np.zeros((12, 12)), np.zeros((12, 12)), 0.0, "positive data_range"),
        (np.full((12, 12), np.nan), np.zeros((12, 12)), 255.0, "finite"),
        (np.zeros((10, 12)), np.zeros((10, 12)), 255.0, "11 x 11"),
    ],
)
def test_what_cannot_be_compared_is_refused(first, second, data_range, fragment):
    with pytest.raises(BadArgument, match=fragment):
        ssim(first, second, data_range=data_range)
