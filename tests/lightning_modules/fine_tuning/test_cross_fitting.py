"""Fine-tuning learns what is there, repeats to the byte, and never learns from a judged row."""

import numpy as np
import pytest
import torch
from backbone_settings import backbone
from small_training import FIELDS, FOLDS, N_TRAIN, TEST, TRAIN, cohort, tuned

from her2.core.errors import BadConfig, LeakageError, NotEstimable
from her2.core.settings import TrainerSettings
from lightning_modules.backbones import build_backbone
from lightning_modules.fine_tuning.classifier import LesionClassifier
from lightning_modules.fine_tuning.cross_fitting import REFIT


@pytest.fixture(scope="module")
def result():
    return tuned(*cohort())


def test_learns_a_separable_problem(result) -> None:
    y_true = cohort()[1]
    for rows, y_prob in ((TRAIN, result.out_of_fold), (TEST, result.held_out)):
        positive, negative = y_prob[y_true[rows] == 1], y_prob[y_true[rows] == 0]
        assert positive.min() > negative.max()
    assert result.in_sample.shape == (N_TRAIN,)


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(result) -> None:
    again, other = tuned(*cohort()), tuned(*cohort(), seed=1)
    for field in FIELDS:
        assert getattr(again, field).tobytes() == getattr(result, field).tobytes()
        assert getattr(other, field).tobytes() != getattr(result, field).tobytes()
    assert again.history.equals(result.history)


def test_the_threads_of_the_machine_change_no_byte(result) -> None:
    torch.set_num_threads(2)
    again = tuned(*cohort())
    assert torch.get_num_threads() == 2
    assert again.out_of_fold.tobytes() == result.out_of_fold.tobytes()


def test_held_out_rows_are_never_learned_from(result) -> None:
    crops, y_true = cohort()
    crops[TEST] = np.random.default_rng(9).integers(0, 256, crops[TEST].shape)
    poisoned_y = y_true.astype(float)
    poisoned_y[TEST] = np.nan
    poisoned = tuned(crops, poisoned_y)
    assert poisoned.out_of_fold.tobytes() == result.out_of_fold.tobytes()
    assert poisoned.in_sample.tobytes() == result.in_sample.tobytes()
    assert poisoned.history.equals(result.history)
    assert poisoned.held_out.tobytes() != result.held_out.tobytes()


def test_a_judged_fold_is_never_learned_from(result) -> None:
    """Outcomes of fold 0 turned round: its own out-of-fold probabilities stay as they were."""
    crops, y_true = cohort()
    judged = TRAIN[FOLDS == 0]
    y_true[judged] = 1 - y_true[judged]
    turned = tuned(crops, y_true)
    is_judged = FOLDS == 0
    assert turned.out_of_fold[is_judged].tobytes() == result.out_of_fold[is_judged].tobytes()
    assert turned.out_of_fold[~is_judged].tobytes() != result.out_of_fold[~is_judged].tobytes()


def test_history_has_every_epoch_of_every_network(result) -> None:
    history = result.history
    assert list(history.columns) == [
        "fold", "network", "epoch", "train_loss", "val_loss", "inner_loss",
    ]  # fmt: skip
    assert history["inner_loss"].isna().all()
    assert history.groupby("fold")["epoch"].apply(list).to_dict() == {
        fold: [1, 2, 3, 4] for fold in (REFIT, 0, 1)
    }
    assert history["val_loss"].isna().equals(history["fold"] == REFIT)
    for _, losses in history.groupby("fold")["train_loss"]:
        assert losses.iloc[-1] < losses.iloc[0]


def test_leaves_nothing_behind(tmp_path, monkeypatch, recwarn, capfd) -> None:
    monkeypatch.chdir(tmp_path)
    generator = torch.get_rng_state()
    lines: list[str] = []
    tuned(*cohort(), max_epochs=1, test=TEST[:0], log=lines.append)
    assert list(tmp_path.iterdir()) == []
    assert torch.equal(torch.get_rng_state(), generator)
    assert not torch.are_deterministic_algorithms_enabled()
    assert [str(warning.message) for warning in recwarn] == []
    assert capfd.readouterr() == ("", "")
    assert [line.split(":")[0] for line in lines] == [
        "fold 1, network 1",
        "fold 2, network 1",
        "all training rows, network 1",
    ]


def test_notes_say_that_weights_were_random(result) -> None:
    assert any("random weights" in note for note in result.notes)
    assert any("4 epochs" in note for note in result.notes)


def test_pretrained_batch_norm_keeps_its_statistics() -> None:
    crops = cohort()[0]
    built = build_backbone(
        backbone("tf_efficientnet_lite0", "offline", image_size=32), num_classes=1
    )
    module = LesionClassifier(built, TrainerSettings(ema=0.0), freezes_batch_norm=True).train()
    before = built.network.bn1.running_mean.clone()
    module.on_train_epoch_start()
    module(torch.from_numpy(crops[:4])[:, None])
    assert torch.equal(built.network.bn1.running_mean, before)
    assert module.network.conv_stem.training


def test_a_row_on_both_sides_is_refused() -> None:
    with pytest.raises(LeakageError, match="found 1 in both"):
        tuned(*cohort(), test=np.array([3, 30]))


def test_one_outcome_to_train_on_is_refused() -> None:
    crops, y_true = cohort()
    with pytest.raises(NotEstimable, match="use fewer folds"):
        tuned(crops, y_true, folds=y_true[TRAIN])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"accelerator": "abacus"}, "found 'abacus'"),
        ({"folds": np.zeros(N_TRAIN, int)}, "two or more folds"),
        ({"folds": FOLDS[:-1]}, "two or more folds"),
        ({"name": "resnet5"}, "did you mean"),
    ],
)
def test_settings_are_checked(changes, message) -> None:
    with pytest.raises(BadConfig, match=message):
        tuned(*cohort(), **changes)
