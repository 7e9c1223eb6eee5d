"""A generator learns, in two stages, may be stopped at any time, and ends with the same bytes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from her2.core.errors import BadConfig
from her2.core.settings import EnhanceSettings, GeneratorSettings
from lightning_modules.networks.rrdb import RRDBGenerator
from lightning_modules.networks.unet_discriminator import UNetDiscriminator
from lightning_modules.super_resolution import patches
from lightning_modules.super_resolution.generator_files import Seen, load_generator
from lightning_modules.super_resolution.generator_fitting import (
    CHECKPOINT,
    WEIGHTS,
    fit_generator,
    read_history,
)
from lightning_modules.super_resolution.patches import Degradation, Pair, quantised
from lightning_modules.super_resolution.rescaling import enlarged_bicubic, shrunk
from lightning_modules.super_resolution.srgan import (
    SuperResolution,
    feature_distance,
    learning_rate,
)

SEEN = Seen(("patient",), ("image",))
TINY = EnhanceSettings(
    generator=GeneratorSettings(n_blocks=1, n_channels=4), max_steps_pixel=4,
    max_steps_adversarial=3, discriminator_channels=4, patch_size=8, batch_size=2,
    steps_per_epoch=2, accelerator="cpu",
)  # fmt: skip


def striped(seed, side=72):
    """Stripes with sharp edges, as no bicubic enlargement gives them back."""
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    line = np.where(np.sin(2 * np.pi * np.arange(side) / 9 + phase) > 0, 200, 40)
    return np.tile(line.astype(np.uint8), (side, 1))


FRAMES = [striped(i) for i in range(4)]


class Stopped(Exception):
    """Stands for whatever ends a process."""


def fit(folder, settings=TINY, train=FRAMES[:1], validation=(), seed=0, **given):
    return fit_generator(train, validation, settings, SEEN, seed=seed, folder=folder, **given)


def test_a_fit_beats_bicubic_on_images_that_it_has_not_seen(tmp_path, monkeypatch):
    mild = Degradation(axial=(0, 0), speckle=(0, 0), bicubic=0)
    monkeypatch.setattr(patches, "DEGRADATION", mild)
    settings = replace(
        TINY, max_steps_pixel=60, max_steps_adversarial=0, learning_rate=1e-2, ema=0.9,
        generator=GeneratorSettings(n_blocks=1, n_channels=8), batch_size=4, steps_per_epoch=30,
    )  # fmt: skip
    train = [striped(i) for i in range(8)]
    history = fit(tmp_path, settings, train, [striped(8)])
    assert list(history["step"]) == [30, 60]
    assert history["pixel"].is_monotonic_decreasing
    assert history["psnr"].is_monotonic_increasing
    assert history["psnr"].iloc[-1] > history["psnr_bicubic"].iloc[-1] + 4
    network = load_generator(tmp_path / WEIGHTS).network
    large = torch.from_numpy(striped(99))[None, None].float() / 255
    small = quantised(shrunk(large))
    with torch.no_grad():
        errors = [float(((made - large) ** 2).mean())
                  for made in (network(small), enlarged_bicubic(small))]  # fmt: skip
    assert errors[0] < 0.5 * errors[1]


def test_a_stopped_fit_goes_on_and_ends_with_the_same_bytes(tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    for folder in (whole, stopped):
        folder.mkdir()
    told, images = [], {"train": FRAMES[:3], "validation": FRAMES[3:]}
    history = fit(whole, **images, report=lambda step, network: told.append(step))
    assert told == list(range(1, 8))

    def stop_at(step, network):
        if step == 6:
            raise Stopped

    with pytest.raises(Stopped):
        fit(stopped, **images, report=stop_at)
    assert (stopped / CHECKPOINT).is_file() and not (stopped / WEIGHTS).exists()
    assert len(read_history(stopped)) == 2
    again = fit(stopped, **images)
    assert again.equals(history)
    assert (stopped / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()
    assert sorted(path.name for path in stopped.iterdir()) == ["generator.safetensors",
                                                               "history.csv"]  # fmt: skip


def test_stages_have_their_own_losses_and_another_seed_gives_other_weights(tmp_path):
    history = fit(tmp_path / "a", train=FRAMES[:2])
    assert list(history["stage"]) == ["pixel", "pixel", "adversarial", "adversarial"]
    assert history.loc[history["stage"].eq("pixel"), "discriminator"].isna().all()
    assert history.loc[history["stage"].eq("adversarial"), "adversarial"].notna().all()
    assert "psnr" not in history
    fit(tmp_path / "b", train=FRAMES[:2], seed=1)
    contents = [(tmp_path / name / WEIGHTS).read_bytes() for name in "ab"]
    assert contents[0] != contents[1]


def test_a_fit_leaves_torchs_global_state_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    fit(tmp_path)
    assert torch.equal(torch.rand(1), expected)
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_schedule_is_a_cosine_in_each_stage():
    settings = EnhanceSettings(max_steps_pixel=100, max_steps_adversarial=50, learning_rate=1.0)
    assert settings.n_steps == 150
    rate = [learning_rate(settings, step) for step in range(150)]
    assert rate[4] == pytest.approx(1.0)
    assert rate[4] > rate[60] > rate[99]
    assert rate[99] < 0.01
    assert 0.01 < rate[103] <= 0.25


def test_the_judge_learns_in_the_second_stage_only_and_its_features_count(tmp_path):
    images = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    judge = UNetDiscriminator(4).eval()
    with torch.no_grad():
        real, other = judge(images), judge(1 - images)
    assert float(feature_distance(real, real)) == 0
    assert float(feature_distance(other, real)) > 0
    module = SuperResolution(RRDBGenerator(1, 4), judge, TINY)
    assert torch.equal(module(images), module.mean_generator(images))
    assert not any(p.requires_grad for p in module.mean_generator.parameters())
    assert Pair(images, images).small is images


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"max_steps_pixel": 0}, "max_steps_pixel=0"),
        ({"max_steps_adversarial": -1}, "max_steps_adversarial"),
        ({"batch_size": 0}, "batch_size"),
        ({"patch_size": 9}, "patch_size"),
        ({"patch_size": 4}, "patch_size"),
    ],
)
def test_plans_that_cannot_be_run_are_refused(tmp_path, change, fragment):
    with pytest.raises(BadConfig, match=fragment):
        fit(tmp_path, replace(TINY, **change))


def test_an_accelerator_that_is_not_there(tmp_path):
    with pytest.raises(BadConfig, match=r"enhance\.accelerator"):
        fit(tmp_path, replace(TINY, accelerator="nonsense"))


def test_a_fit_that_diverges_is_refused(tmp_path):
    wild = replace(TINY, max_steps_pixel=6, max_steps_adversarial=0, learning_rate=float("inf"))
    with pytest.raises(BadConfig, match="not finite"):
        fit(tmp_path, wild)
    assert not Path(tmp_path / WEIGHTS).exists()
