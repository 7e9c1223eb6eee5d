"""Augmentation: changes that can be checked by eye, and what is never done to an image."""

import math

import pytest
import torch

from lightning_modules.fine_tuning.augmentation import (
    AUGMENTATIONS,
    Augmentation,
    Changes,
    affine_grid,
    apply_affine,
    apply_changes,
    draw_changes,
)


def crops(n: int, size: int = 8) -> torch.Tensor:
    return torch.arange(n * size * size, dtype=torch.float32).reshape(n, 1, size, size)


def affine(x: float = 1.0, y: float = 1.0, dx: float = 0.0, dy: float = 0.0) -> torch.Tensor:
    return torch.tensor([[[x, 0.0, dx], [0.0, y, dy]]])


def drawn(name: str, n: int = 400) -> Changes:
    return draw_changes(n, AUGMENTATIONS[name], torch.Generator().manual_seed(0))


def test_identity_changes_nothing() -> None:
    image = crops(1)
    torch.testing.assert_close(apply_affine(image, affine()), image)


def test_the_grid_is_torchs() -> None:
    matrices = drawn("default", 5).affine
    expected = torch.nn.functional.affine_grid(matrices, [5, 1, 12, 8], align_corners=False)
    torch.testing.assert_close(affine_grid(matrices, 12, 8), expected, atol=1e-6, rtol=0)


def test_flips_mirror_the_image() -> None:
    image = crops(1)
    torch.testing.assert_close(apply_affine(image, affine(x=-1)), image.flip(3))
    torch.testing.assert_close(apply_affine(image, affine(y=-1)), image.flip(2))


def test_a_shift_of_a_quarter_moves_two_of_eight_pixels() -> None:
    image = crops(1)
    moved = apply_affine(image, affine(dx=0.5))
    torch.testing.assert_close(moved[..., :6], image[..., 2:])


@pytest.mark.parametrize(("name", "vertical"), [("default", False), ("paper", True)])
def test_only_the_papers_augmentation_turns_images_upside_down(name, vertical) -> None:
    matrix = drawn(name).affine
    across, down = matrix[:, 0, 0], matrix[:, 1, 1]
    assert 150 < (across < 0).sum() < 250
    assert (down < 0).any() == vertical
    assert matrix[:, :, 2].abs().max() <= 2 * AUGMENTATIONS[name].shift
    assert matrix[:, :, 2].std() > 0.05


def test_the_papers_augmentation_keeps_size_angle_and_grey_levels() -> None:
    changes = drawn("paper")
    assert set(changes.affine[:, 0, 0].tolist()) == {-1.0, 1.0}
    assert changes.affine[:, 0, 1].abs().max() == 0
    assert (changes.contrast == 1).all()
    assert (changes.gain == 0).all()


def test_scale_and_rotation_stay_within_their_limits() -> None:
    matrix = drawn("default").affine
    zoom = torch.linalg.det(matrix[:, :, :2]).abs().sqrt()
    angle = torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0].abs() * matrix[:, 0, 0].sign())
    angle = torch.minimum(angle.abs(), math.pi - angle.abs())
    assert 1.05 < zoom.max() <= 1.1 + 1e-5
    assert 1 / 1.1 - 1e-5 <= zoom.min() < 0.95
    assert math.radians(6) < angle.max() <= math.radians(7) + 1e-5


def test_every_sample_has_parameters_of_its_own() -> None:
    changes = drawn("default", 50)
    for part in changes:
        assert len(torch.unique(part.reshape(50, -1), dim=0)) > 40


def test_gain_adds_and_contrast_stretches_around_the_middle_within_the_range() -> None:
    image = torch.tensor([0.0, 100.0, 127.5, 250.0]).reshape(1, 1, 2, 2).repeat(2, 1, 1, 1)
    changes = Changes(affine().repeat(2, 1, 1), torch.tensor([1.0, 1.1]), torch.tensor([10.0, 0]))
    changed = apply_changes(image, changes).flatten(1)
    torch.testing.assert_close(changed[0], torch.tensor([10.0, 110.0, 137.5, 255.0]))
    torch.testing.assert_close(changed[1], torch.tensor([0.0, 97.25, 127.5, 255.0]))


def test_nothing_is_changed_where_nothing_is_asked_for() -> None:
    image = crops(3)
    still = draw_changes(3, Augmentation(0.0, False, False), torch.Generator().manual_seed(1))
    torch.testing.assert_close(apply_changes(image, still), image.clamp(0, 255))
