"""Batches and augmentation: order, shifts and flips that can be checked by eye."""

import pytest
import torch

from lightning_modules.data import (
    AUGMENTATIONS,
    Augmentation,
    Batches,
    LesionDataModule,
    apply_affine,
    draw_affine,
)


def crops(n: int, size: int = 8) -> torch.Tensor:
    return torch.arange(n * size * size, dtype=torch.float32).reshape(n, 1, size, size)


def affine(x: float = 1.0, y: float = 1.0, dx: float = 0.0, dy: float = 0.0) -> torch.Tensor:
    return torch.tensor([[[x, 0.0, dx], [0.0, y, dy]]])


def test_identity_changes_nothing() -> None:
    image = crops(1)
    torch.testing.assert_close(apply_affine(image, affine()), image)


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
    drawn = draw_affine(400, AUGMENTATIONS[name], torch.Generator().manual_seed(0))
    assert 150 < (drawn[:, 0, 0] == -1).sum() < 250
    assert (drawn[:, 1, 1] == -1).any() == vertical
    assert drawn[:, :, 2].abs().max() <= 2 * AUGMENTATIONS[name].shift
    assert drawn[:, :, 2].std() > 0.05


def test_batches_cover_every_row_once_in_sizes_that_differ_by_one() -> None:
    batches = list(Batches(crops(21), torch.arange(21.0), batch_size=10, seed=0))
    assert sorted(len(batch.y_true) for batch in batches) == [7, 7, 7]
    assert torch.cat([batch.y_true for batch in batches]).sort().values.tolist() == [*range(21)]


def test_rows_keep_their_outcome_when_shuffled() -> None:
    image = crops(9)
    for batch in Batches(image, torch.arange(9.0), batch_size=4, seed=1):
        torch.testing.assert_close(batch.crops, image[batch.y_true.long()])


def test_order_follows_the_seed_and_no_seed_keeps_it() -> None:
    def order(seed: int | None) -> list[float]:
        batches = Batches(crops(30), torch.arange(30.0), batch_size=7, seed=seed)
        return torch.cat([batch.y_true for batch in batches]).tolist()

    assert order(None) == [*range(30)]
    assert order(3) == order(3) != order(4)


def test_no_rows_give_no_batches() -> None:
    batches = Batches(crops(0), torch.zeros(0), batch_size=4)
    assert len(batches) == 0
    assert list(batches) == []


def test_judged_rows_are_never_augmented() -> None:
    rows = (crops(6), torch.zeros(6))
    module = LesionDataModule(
        rows, rows, batch_size=3, augmentation=Augmentation(0.2, True, True), seed=0
    )
    assert all(batch.affine is not None for batch in module.train_dataloader())
    judged = [module.on_after_batch_transfer(batch, 0) for batch in module.val_dataloader()]
    torch.testing.assert_close(torch.cat([batch.crops for batch in judged]), rows[0])
