"""Batches: order, balance, and shares of several processes."""

import pytest
import torch

from lightning_modules.fine_tuning.augmentation import Augmentation
from lightning_modules.fine_tuning.data import Batches, LesionDataModule, Shuffling


def crops(n: int, size: int = 8) -> torch.Tensor:
    return torch.arange(n * size * size, dtype=torch.float32).reshape(n, 1, size, size)


def test_batches_cover_every_row_once_in_sizes_that_differ_by_one() -> None:
    batches = list(Batches(crops(21), torch.arange(21.0), batch_size=10, shuffling=Shuffling(0)))
    assert sorted(len(batch.y_true) for batch in batches) == [7, 7, 7]
    assert torch.cat([batch.y_true for batch in batches]).sort().values.tolist() == [*range(21)]


def test_rows_keep_their_outcome_when_shuffled() -> None:
    image = crops(9)
    for batch in Batches(image, torch.arange(9.0), batch_size=4, shuffling=Shuffling(1)):
        torch.testing.assert_close(batch.crops, image[batch.y_true.long()])


def test_order_follows_the_seed_and_no_seed_keeps_it() -> None:
    def order(seed: int | None) -> list[float]:
        drawn = None if seed is None else Shuffling(seed)
        batches = Batches(crops(30), torch.arange(30.0), batch_size=7, shuffling=drawn)
        return torch.cat([batch.y_true for batch in batches]).tolist()

    assert order(None) == [*range(30)]
    assert order(3) == order(3) != order(4)


def test_no_rows_give_no_batches() -> None:
    batches = Batches(crops(0), torch.zeros(0), batch_size=4)
    assert len(batches) == 0
    assert list(batches) == []


def test_an_epoch_draws_its_own_order_and_draws_it_again() -> None:
    epoch = 0
    batches = Batches(
        crops(30), torch.arange(30.0), batch_size=30, shuffling=Shuffling(3), epoch=lambda: epoch
    )
    first, again = (next(iter(batches)).y_true.tolist() for _ in range(2))
    epoch = 1
    assert first == again != next(iter(batches)).y_true.tolist()


@pytest.mark.parametrize("n_positive", [3, 9, 15])
def test_a_balanced_epoch_has_as_many_rows_of_each_outcome(n_positive) -> None:
    outcomes = (torch.arange(18) < n_positive).float()
    image = crops(18)
    shuffling = Shuffling(0, balanced=True)
    drawn = list(Batches(image, outcomes, batch_size=6, shuffling=shuffling))
    y_true = torch.cat([batch.y_true for batch in drawn])
    assert y_true.sum() == 9
    rows = (torch.cat([batch.crops for batch in drawn])[:, 0, 0, 0] / 64).long()
    assert torch.equal(outcomes[rows], y_true)
    counts = torch.bincount(rows, minlength=18)
    for level in (0, 1):
        drawn_often = counts[outcomes == level]
        assert drawn_often.max() - drawn_often.min() <= 1


def test_processes_share_every_batch_without_overlap() -> None:
    rows = (crops(21), torch.arange(21.0))
    whole = list(Batches(*rows, batch_size=8, shuffling=Shuffling(5)))
    parts = [
        list(Batches(*rows, batch_size=8, shuffling=Shuffling(5), rank=(number, 2)))
        for number in (0, 1)
    ]
    for batch, first, second in zip(whole, *parts, strict=True):
        assert torch.cat([first.y_true, second.y_true]).tolist() == batch.y_true.tolist()
        assert first.share == second.share == batch.share == 1 / len(batch.y_true)


class Alone:
    """What a data module asks of its trainer."""

    current_epoch = global_rank = 0
    world_size = 1


def test_watched_rows_are_never_changed() -> None:
    rows = (crops(6), torch.zeros(6))
    module = LesionDataModule(
        rows, [rows], batch_size=3, shuffling=Shuffling(0, Augmentation(0.2, True, True))
    )
    module.trainer = Alone()
    changed = torch.cat([batch.crops for batch in module.train_dataloader()])
    assert not torch.equal(changed.sort(0).values, rows[0])
    (watched,) = module.val_dataloader()
    torch.testing.assert_close(torch.cat([batch.crops for batch in watched]), rows[0])
