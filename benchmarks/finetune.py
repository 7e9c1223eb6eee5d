"""A fine-tuned network against its frozen probe, out of fold, on the same folds of real lesions.

Usage: python benchmarks/finetune.py ROOT [IMAGE_SIZE [EPOCHS]]   (default 128 12)

ROOT: the folder of the public data set BrEaST-Lesions-USG (benign or malignant). The network is
tf_efficientnet_lite0 with the ImageNet weights that are installed. Prints the AUC of both, out of
fold in five folds, with DeLong's intervals and their paired difference.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

# radiomics.py beside this file must not hide the package of that name
sys.path = [
    entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent
]

import numpy as np
import pandas as pd
import yaml

from her2.cohort import read_cohort
from her2.core.places import config_folder
from her2.core.settings import BackboneSettings, TrainerSettings
from her2.core.types import Lesion, split_groups
from her2.models.nested_cv import TrainingSet, fit_arms
from her2.models.splits import grouped_folds
from her2.pipeline.arm_definitions import deep_learning_arm
from her2.stats import auc_interval, delong_test
from lightning_modules.crops import cohort_crops
from lightning_modules.fine_tuning.cross_fitting import out_of_fold_training
from lightning_modules.fine_tuning.jobs import TrainingTask
from lightning_modules.frozen_features import embed

N_FOLDS = 5
SEED = 0
LEARNING_RATE = 1e-3
NETWORK = "tf_efficientnet_lite0"


def probe(crops: np.ndarray, training: TrainingSet, backbone: BackboneSettings) -> np.ndarray:
    """Return out-of-fold probabilities of the study's default: frozen features, regression."""
    features = embed(crops, backbone)
    table = pd.DataFrame(features.astype(np.float64), index=list(training.keys))
    arm = deep_learning_arm(table.rename(columns=str), backbone)
    fitted = fit_arms([arm], training, n_folds=N_FOLDS, seed=SEED, scoring="log_loss")
    return fitted["deep_learning"].out_of_fold


def fine_tuned(
    crops: np.ndarray, training: TrainingSet, backbone: BackboneSettings, epochs: int
) -> np.ndarray:
    """Return out-of-fold probabilities of networks that were fine-tuned without their fold."""
    trainer = TrainerSettings(
        max_epochs=epochs,
        learning_rate=LEARNING_RATE,
        refit="folds",
        test_time_augmentation=True,
        accelerator="cpu",
    )
    rows = np.arange(len(crops))
    with tempfile.TemporaryDirectory() as folder:
        task = TrainingTask(
            crops, training.y_true, training.groups, backbone, trainer, SEED, Path(folder)
        )
        return out_of_fold_training(task, training.fold, rows, rows[:0], log=print).out_of_fold


def training_set(lesions: Sequence[Lesion], y_true: np.ndarray) -> TrainingSet:
    """Return all lesions with the folds that both are judged by."""
    groups = split_groups(lesions)
    fold = grouped_folds(y_true, groups, n_folds=N_FOLDS, seed=SEED, name="outer")
    return TrainingSet(tuple(lesion.key for lesion in lesions), y_true, groups, fold)


def main(root: str, image_size: int = 128, epochs: int = 12) -> None:
    cohort = read_cohort("breast_lesions_usg", root=root, n_workers=1)
    head = yaml.safe_load((config_folder() / "_backbone.yaml").read_text())["head"]
    backbone = BackboneSettings(
        name=NETWORK, weights="offline", image_size=int(image_size), head=head
    )
    training = training_set(cohort.lesions, cohort.y_true)
    crops = cohort_crops(cohort.lesions, backbone)
    print(
        f"{len(crops)} lesions of {Path(root).name}, {cohort.y_true.sum()} positive, "
        f"{NETWORK} at {image_size} px, {epochs} epochs, {N_FOLDS} folds"
    )
    found = {}
    ways = {
        "frozen probe": lambda: probe(crops, training, backbone),
        "fine-tuned": lambda: fine_tuned(crops, training, backbone, int(epochs)),
    }
    for name, way in ways.items():
        start = perf_counter()
        found[name] = way()
        area = auc_interval(training.y_true, found[name])
        print(f"{name:>14s}: AUC {area.auc:.3f} ({area.low:.3f} to {area.high:.3f}), "
              f"{perf_counter() - start:.0f} s", flush=True)  # fmt: skip
    test = delong_test(training.y_true, found["fine-tuned"], found["frozen probe"])
    print(f"    difference: {test.difference:+.3f}, p {test.p_value:.3f} (DeLong, paired)")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
