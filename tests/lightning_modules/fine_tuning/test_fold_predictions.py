"""Networks fold by fold are those of the whole cross-validation, and none is trained twice."""

from dataclasses import replace

import numpy as np
import pytest
from backbone_settings import backbone

from her2.core.settings import TrainerSettings
from lightning_modules.fine_tuning.cross_fitting import fold_predictions, out_of_fold_training
from lightning_modules.fine_tuning.jobs import TrainingTask

FOLDS = np.arange(18) % 2


@pytest.fixture
def task(tmp_path):
    crops = np.random.default_rng(3).integers(0, 255, (18, 32, 32), dtype=np.uint8)
    network = backbone("test_resnet", image_size=32)
    trainer = TrainerSettings(
        max_epochs=1, batch_size=8, ema=0.0, accelerator="cpu", keep="final", refit="folds"
    )
    y_true = (np.arange(18) % 3 == 0).astype(int)
    return TrainingTask(crops, y_true, np.arange(18), network, trainer, 5, tmp_path / "folds")


def test_folds_one_by_one_are_those_of_the_whole(task, tmp_path, monkeypatch):
    rows = np.arange(18)
    whole = out_of_fold_training(replace(task, folder=tmp_path / "all"), FOLDS, rows, rows[:0])
    found = np.full(18, np.nan)
    for judged, probability in fold_predictions(task, FOLDS):
        found[judged] = probability
    np.testing.assert_allclose(found, whole.out_of_fold, atol=1e-12)
    trained_again = "lightning_modules.fine_tuning.device_processes.train_network"
    monkeypatch.setattr(trained_again, None)
    again = {int(FOLDS[judged[0]]): found for judged, found in fold_predictions(task, FOLDS)}
    np.testing.assert_array_equal(again[0], found[FOLDS == 0])


def test_a_fold_is_trained_when_it_is_asked_for(task):
    next(fold_predictions(task, FOLDS))
    assert len(list(task.folder.glob("fold0-*.npz"))) == 1
    assert list(task.folder.glob("fold1-*.npz")) == []
