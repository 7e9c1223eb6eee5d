"""What a coarser scanner does to an image, and the patches that a generator learns from."""

import numpy as np
import pytest
import torch

from her2.core.errors import BadArgument
from her2.core.settings import EnhanceSettings
from lightning_modules.super_resolution import patches
from lightning_modules.super_resolution.patches import (
    Degradation,
    PatchBatches,
    PatchDataModule,
    blur,
    correlated_noise,
    degrade,
    quantised,
    validation_pair,
)
from lightning_modules.super_resolution.rescaling import shrunk

STILL = Degradation(axial=(0, 0), speckle=(0, 0), gain=(1, 1), bicubic=0)
SETTINGS = EnhanceSettings(max_steps_pixel=1, max_steps_adversarial=0, patch_size=8, batch_size=16)


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def test_without_any_change_an_image_is_shrunk_and_quantised():
    large = torch.rand(3, 1, 16, 24, generator=draw())
    small, same = degrade(large, STILL, draw())
    torch.testing.assert_close(small, quantised(shrunk(large)))
    torch.testing.assert_close(same, large)


def test_the_point_spread_is_wider_across_the_beam_and_keeps_the_sum():
    point = torch.zeros(1, 1, 41, 41)
    point[..., 20, 20] = 1
    spread = blur(point, torch.tensor([1.0]), torch.tensor([2.5]))[0, 0]
    offsets = torch.arange(-20.0, 21.0)
    sds = [float((spread.sum(dim) * offsets**2).sum().sqrt()) for dim in (1, 0)]  # rows, columns
    assert sds == [pytest.approx(1.0, abs=0.05), pytest.approx(2.5, abs=0.05)]
    assert float(spread.sum()) == pytest.approx(1.0, abs=1e-5)


def test_each_image_has_its_own_blur():
    images = torch.rand(2, 1, 20, 20, generator=draw())
    made = blur(images, torch.tensor([0.0, 2.0]), torch.tensor([0.0, 2.0]))
    torch.testing.assert_close(made[0], images[0])
    assert made[1].std() < 0.5 * images[1].std()


def test_speckle_is_multiplicative_mild_and_correlated_across_the_beam():
    large = torch.full((4, 1, 256, 256), 0.5)
    large[..., :128] = 0.0
    speckled = Degradation(axial=(0, 0), speckle=(0.05, 0.05), gain=(1, 1), bicubic=0)
    small = degrade(large, speckled, draw())[0]
    assert small[..., :32].max() == 0  # nothing where there is no echo
    assert float(small[..., 32:].std()) == pytest.approx(0.025, rel=0.2)
    noise = correlated_noise((1, 1, 200, 200), 1.0, draw())[0, 0]
    across = float((noise[:, 1:] * noise[:, :-1]).mean())
    along = float((noise[1:] * noise[:-1]).mean())
    assert across > along + 0.1 and across > 0.4
    assert float(noise.std()) == pytest.approx(1.0, abs=1e-4)


def test_gain_changes_both_images_alike():
    large = torch.full((8, 1, 16, 16), 0.4)
    varied = Degradation(axial=(0, 0), speckle=(0, 0), gain=(0.5, 1.5), bicubic=0)
    small, target = degrade(large, varied, draw())
    torch.testing.assert_close(small, quantised(shrunk(target)))
    assert target.amax(dim=(1, 2, 3)).std() > 0.05


def batches(frames, steps=range(2)):
    return list(PatchBatches(frames, SETTINGS, 0, steps))


@pytest.fixture
def still(monkeypatch):
    """Small patches are shrunk and nothing else."""
    monkeypatch.setattr(patches, "DEGRADATION", STILL)


def test_patches_are_mirrored_left_to_right_and_never_upside_down(still):
    rows, columns = np.indices((60, 80))
    frame = (2 * rows + columns).astype(np.uint8)
    large = torch.cat([pair.large for pair in batches([frame])])[:, 0]
    down = large[:, -1].mean(1) - large[:, 0].mean(1)
    right = large[:, :, -1].mean(1) - large[:, :, 0].mean(1)
    assert (down > 0).all()
    assert 4 < int((right > 0).sum()) < 28


def test_a_step_has_the_same_patches_whenever_it_is_made():
    frames = [np.random.default_rng(i).integers(0, 256, (50, 64)).astype(np.uint8) for i in (0, 1)]
    whole = batches(frames, steps=range(4))
    resumed = batches(frames, steps=range(2, 4))
    for one, other in zip(whole[2:], resumed, strict=True):
        assert torch.equal(one.small, other.small) and torch.equal(one.large, other.large)
    assert not torch.equal(whole[0].large, whole[1].large)


def test_a_frame_that_is_too_small_is_mirrored_at_its_edges(still):
    pair = batches([np.full((10, 50), 51, np.uint8)])[0]
    assert pair.large.shape == (16, 1, 32, 32)
    assert float(pair.large.min()) == float(pair.large.max()) == pytest.approx(0.2)


def test_a_validation_frame_is_the_middle_in_whole_blocks():
    pair = validation_pair(np.arange(301 * 90, dtype=np.uint32).reshape(301, 90).astype(np.uint8))
    assert pair.large.shape == (1, 1, 256, 92)
    assert pair.small.shape == (1, 1, 64, 23)


def test_no_images_to_fit_on():
    with pytest.raises(BadArgument, match="found none"):
        PatchDataModule([], [], SETTINGS, 0)
