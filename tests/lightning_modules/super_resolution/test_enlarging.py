"""Whole frames by tiles: no seam, the image's own type, the same tissue in a crop."""

import numpy as np
import pytest
import torch

from her2.core.errors import BadConfig
from her2.core.types import LesionImage
from lightning_modules.crops import lesion_crop
from lightning_modules.networks.rrdb import RRDBGenerator
from lightning_modules.super_resolution.enlarging import (
    bicubic_enlarger,
    enlarged_by_tiles,
    generator_enlarger,
)


@pytest.fixture(scope="module")
def network():
    """A generator that is far from bicubic."""
    torch.manual_seed(0)
    network = RRDBGenerator(1, 6)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    return network.eval()


@pytest.mark.parametrize("tile_size", [8, 24, 33])
def test_tiled_equals_whole(network, tile_size):
    small = torch.rand(1, 1, 70, 61, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole = network(small)
        tiled = enlarged_by_tiles(network, small, reach=network.reach, tile_size=tile_size)
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)


def test_a_reach_that_is_too_short_leaves_seams(network):
    """The test above can fail."""
    small = torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        seams = enlarged_by_tiles(network, small, reach=1, tile_size=16) - network(small)
    assert float(seams.abs().max()) > 1e-3


def test_a_frame_keeps_type_and_mean(network):
    enlarger = generator_enlarger(network, key="k", tile_size=32)
    frame = np.random.default_rng(0).integers(0, 256, (21, 30)).astype(np.uint8)
    large = enlarger(frame)
    assert large.dtype == np.uint8 and large.shape == (84, 120)
    means = large.reshape(21, 4, 30, 4).mean(axis=(1, 3))
    assert np.abs(means - frame).max() <= 0.5  # back-projection, up to 8 bits


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_other_types_keep_their_range(dtype):
    frame = np.linspace(1000, 3000, 64).reshape(8, 8).astype(dtype)
    large = bicubic_enlarger()(frame)
    assert large.dtype == dtype and large.shape == (32, 32)
    assert large.min() >= 1000 and large.max() <= 3000
    flat = bicubic_enlarger()(np.full((8, 8), 7, dtype))
    np.testing.assert_allclose(flat, 7, atol=1e-4)


def test_a_tile_of_no_size_is_refused(network):
    with pytest.raises(BadConfig, match="tile_size"):
        enlarged_by_tiles(network, torch.zeros(1, 1, 9, 9), reach=1, tile_size=0)


@pytest.mark.parametrize("aspect", ["squash", "keep"])
def test_a_crop_of_an_enhanced_image_shows_the_same_tissue(aspect):
    rows, columns = np.indices((40, 50))
    pixels = (3 * rows + 2 * columns).astype(np.uint8)
    mask = np.zeros((40, 50), bool)
    mask[12:22, 5:30] = True
    blocks = pixels.repeat(4, axis=0).repeat(4, axis=1)
    native = lesion_crop(LesionImage(pixels, mask), margin_px=4, size=33, aspect=aspect)
    enhanced = lesion_crop(
        LesionImage(pixels, mask, enhanced=blocks), margin_px=4, size=33, aspect=aspect
    )
    assert np.abs(native.astype(int) - enhanced.astype(int)).mean() < 8
    inverted = lesion_crop(
        LesionImage(pixels, mask, enhanced=255 - blocks), margin_px=4, size=33, aspect=aspect
    )
    assert np.abs(enhanced.astype(int) + inverted - 255).max() <= 1  # it is what is read
