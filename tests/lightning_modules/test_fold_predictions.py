"""Networks fold by fold are those of the whole cross-validation, and none is trained twice."""

import numpy as np
import pytest

from her2.core.settings import BackboneSettings, TrainerSettings
from lightning_modules.fold_predictions import fold_predictions
from lightning_modules.training import out_of_fold_training

BACKBONE = BackboneSettings(name="resnet10t", weights="none", image_size=32)
TRAINER = TrainerSettings(
    max_epochs=1, batch_size=8, ema=0.0, accelerator="cpu", keep="final", refit="folds"
)


@pytest.fixture
def material():
    rng = np.random.default_rng(3)
    crops = rng.integers(0, 255, (18, 32, 32), dtype=np.uint8)
    y_true = np.arange(18) % 3 == 0
    return crops, y_true.astype(int), np.arange(18) % 2


def test_folds_one_by_one_are_those_of_the_whole(material, tmp_path, monkeypatch):
    crops, y_true, folds = material
    rows = np.arange(len(crops))
    given = {"backbone": BACKBONE, "trainer": TRAINER, "groups": rows, "seed": 5}
    whole = out_of_fold_training(crops, y_true, folds, rows, rows[:0], **given)
    found = np.full(len(crops), np.nan)
    for judged, probability in fold_predictions(
        crops, y_true, folds, **given, folder=tmp_path
    ):  # fmt: skip
        found[judged] = probability
    np.testing.assert_allclose(found, whole.out_of_fold, atol=1e-12)
    monkeypatch.setattr(
        "lightning_modules.device_processes.run_job", None
    )  # nothing is trained again
    again = dict(fold_predictions_by_fold(crops, y_true, folds, given, tmp_path))
    np.testing.assert_array_equal(again[0], found[folds == 0])


def fold_predictions_by_fold(crops, y_true, folds, given, folder):
    for judged, probability in fold_predictions(crops, y_true, folds, **given, folder=folder):
        yield int(folds[judged[0]]), probability


def test_a_fold_is_trained_when_it_is_asked_for(material, tmp_path):
    crops, y_true, folds = material
    steps = fold_predictions(
        crops, y_true, folds, backbone=BACKBONE, trainer=TRAINER, groups=np.arange(18), seed=5,
        folder=tmp_path,
    )  # fmt: skip
    next(steps)
    assert len(list(tmp_path.glob("fold0-*.npz"))) == 1
    assert list(tmp_path.glob("fold1-*.npz")) == []
