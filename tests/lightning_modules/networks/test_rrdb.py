"""The generator, what it adds to bicubic enlargement, and how far a pixel reaches."""

import numpy as np
import pytest
import torch
from PIL import Image

from her2.core.errors import BadConfig
from lightning_modules.networks.rrdb import RRDBGenerator
from lightning_modules.networks.unet_discriminator import UNetDiscriminator
from lightning_modules.super_resolution.rescaling import (
    back_projected,
    enlarged_bicubic,
    repeated,
    shrunk,
    shrunk_bicubic,
)


def restless(network):
    """The network with large random weights, the last layer's too."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.eval()


def test_bicubic_is_pillows():
    small = torch.rand(1, 1, 9, 13, generator=torch.Generator().manual_seed(1))
    picture = Image.fromarray(small[0, 0].numpy())
    large = np.asarray(picture.resize((52, 36), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(enlarged_bicubic(small)[0, 0].numpy(), large, atol=1e-5)
    again = np.asarray(Image.fromarray(large).resize((13, 9), Image.Resampling.BICUBIC))
    made = shrunk_bicubic(torch.tensor(large)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(made, again, atol=1e-5)


@pytest.mark.parametrize("n_iterations", [0, 2])
def test_back_projection_is_exact_within_the_grey_levels(n_iterations):
    draw = torch.Generator().manual_seed(2)
    small = (torch.rand(2, 1, 6, 7, generator=draw) * 1.6 - 0.3).clamp(0, 1)  # black and white too
    large = torch.rand(2, 1, 24, 28, generator=draw) * 3 - 1
    made = back_projected(large, small, n_iterations=n_iterations)
    torch.testing.assert_close(shrunk(made), small, atol=2e-6, rtol=0)
    assert made.min() >= 0 and made.max() <= 1


def test_back_projection_leaves_alone_what_is_right():
    large = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(back_projected(large, shrunk(large)), large, atol=1e-6, rtol=0)
    assert repeated(shrunk(large)).shape == large.shape


def test_an_untrained_generator_is_bicubic_enlargement():
    small = torch.rand(1, 1, 8, 9, generator=torch.Generator().manual_seed(4))
    plain = RRDBGenerator(1, 4, back_projection=False)
    torch.testing.assert_close(plain(small), enlarged_bicubic(small))
    exact = RRDBGenerator(1, 4)
    torch.testing.assert_close(shrunk(exact(small)), small, atol=1e-6, rtol=0)


def test_the_usual_generator_has_the_usual_size():
    n = sum(p.numel() for p in RRDBGenerator(6, 64).parameters())
    assert 4.2e6 < n < 4.8e6


@pytest.mark.parametrize("back_projection", [False, True])
def test_a_pixel_reaches_no_farther_than_it_says(back_projection):
    network = restless(RRDBGenerator(1, 4, back_projection=back_projection))
    side, at = 96, 48
    small = torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(5)) / 2 + 0.25
    changed = small.clone()
    changed[..., at, at] += 0.2
    with torch.no_grad():
        moved = (network(changed) - network(small)).abs()[0, 0] > 0
    rows = torch.nonzero(moved.any(1))[:, 0] // 4
    assert moved.any()
    assert int(rows.min()) >= at - network.reach and int(rows.max()) <= at + network.reach


@pytest.mark.parametrize("sizes", [(0, 16), (1, 0), (1, 5)])
def test_sizes_that_are_none_are_refused(sizes):
    with pytest.raises(BadConfig, match="n_blocks"):
        RRDBGenerator(*sizes)


def test_the_discriminator_is_spectrally_normal_and_judges_every_pixel():
    images = torch.rand(2, 1, 16, 24, generator=torch.Generator().manual_seed(6))
    torch.manual_seed(0)
    network = UNetDiscriminator(4).train()
    for _ in range(100):  # power iterations
        judged = network(images)
    assert judged.logits.shape == images.shape
    assert len(judged.features) == 7
    for conv in [*network.down, *network.up, network.after]:
        largest = torch.linalg.matrix_norm(conv.weight.detach().flatten(1), ord=2)
        assert float(largest) == pytest.approx(1.0, abs=0.02)
