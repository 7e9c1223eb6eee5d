"""What a network is given: every channel, its own statistics or the crop's, channels last."""

import pytest
import torch

from lightning_modules.backbones import build_backbone, network_input


def crops() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, 1, 32, 32), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("in_chans", [1, 3])
def test_grey_levels_are_given_by_mean_and_std_of_the_network(in_chans) -> None:
    built = build_backbone("resnet50", weights="none", in_chans=in_chans)
    images = network_input(crops(), built.normalisation, 32)
    assert images.shape == (3, in_chans, 32, 32)
    for channel in range(in_chans):
        mean = built.normalisation.mean[channel]
        expected = (crops()[:, 0] / 255 - mean) / built.normalisation.std[channel]
        torch.testing.assert_close(images[:, channel], expected)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert built.network(images).isfinite().all()


@pytest.mark.parametrize("in_chans", [1, 3])
def test_each_crop_may_have_its_own_mean_and_std(in_chans) -> None:
    built = build_backbone("resnet50", weights="none", in_chans=in_chans, normalisation="zscore")
    images = network_input(crops(), built.normalisation, 32)
    assert images.shape == (3, in_chans, 32, 32)
    std, mean = torch.std_mean(images, dim=(2, 3), correction=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-5, rtol=0)
    torch.testing.assert_close(std, torch.ones_like(std))
