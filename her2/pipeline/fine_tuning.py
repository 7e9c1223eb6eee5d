"""Networks that are fine-tuned in a run: out of fold in training, held out in test."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from her2.core.errors import BadConfig
from her2.core.seeds import integer_seed
from her2.core.settings import (
    BackboneSettings,
    EvaluationSettings,
    FusionSettings,
    TrackingSettings,
    TrainerSettings,
)
from her2.core.types import split_groups
from her2.models.nested_cv import Signature
from her2.pipeline.cost import charged
from her2.pipeline.run import OpenRun
from her2.pipeline.watching import watched
from her2.tracking import system_metrics

if TYPE_CHECKING:
    from lightning_modules.fine_tuning.cross_fitting import FineTuned

logger = logging.getLogger(__name__)

WORK = "training"  # folder of a run: outputs and checkpoints of its networks


def check_once(evaluation: EvaluationSettings) -> None:
    """Refuse a cross-validation that is repeated: every fold is a network to train."""
    if evaluation.n_repeats != 1:
        raise BadConfig(
            f"expected evaluation.n_repeats=1 to fine-tune, found {evaluation.n_repeats}; every "
            "fold of every repeat is a network to train: use evaluation=once"
        )


def fine_tune(
    run: OpenRun,
    backbone: BackboneSettings,
    trainer: TrainerSettings,
    *,
    tracking: TrackingSettings,
    seed: int,
    wants_features: bool = False,
    explains: bool = False,
    keeps: bool = True,
) -> FineTuned:
    """Return what networks of the run's folds say, and one of all training lesions of the rest.

    Stopped and run again, it goes on from the last epoch; what is finished is not trained again.
    explains: keep the networks of all folds, for who looks at them before `settle_networks`;
    keeps: leave networks in the run at all, not their outputs alone.
    """
    from lightning_modules.crops import cohort_crops
    from lightning_modules.fine_tuning.cross_fitting import out_of_fold_training
    from lightning_modules.fine_tuning.jobs import TrainingTask

    crops = cohort_crops(
        run.cohort.lesions,
        size=backbone.image_size,
        margin_px=backbone.margin_px,
        margin_mm=backbone.margin_mm,
        aspect=backbone.aspect,
    )
    position = {lesion.key: i for i, lesion in enumerate(run.cohort.lesions)}
    live = watched(run, tracking)
    with (
        run.watch.step("train"),
        system_metrics(live, enabled=tracking.system_metrics),
        charged(run.folder) as charge,
    ):

        def say(line: str) -> None:  # after every network
            charge()
            logger.info(line)

        task = TrainingTask(
            crops,
            run.cohort.y_true,
            groups=split_groups(run.cohort.lesions),
            backbone=backbone,
            trainer=replace(trainer, keep="all") if explains else trainer,
            seed=integer_seed(seed, "train"),
            folder=run.folder.file(WORK),
            model_dir=run.folder.file("model") if keeps else None,
            record=None if live is None else live.record,
        )
        return out_of_fold_training(
            task,
            run.training.fold,
            np.array([position[key] for key in run.training.keys], dtype=np.int64),
            np.array([position[key] for key in run.held_out], dtype=np.int64),
            wants_features=wants_features,
            log=say,
        )


def settle_networks(run: OpenRun, trainer: TrainerSettings) -> None:
    """Delete the networks of the folds where the settings keep the final ones only."""
    from lightning_modules.fine_tuned import keep_final

    if trainer.keep == "final":
        keep_final(run.folder.file("model"))


@dataclass(frozen=True)
class DeepInputs:
    """What a study has of its deep network.

    features: of all lesions (index `Lesion.key`), None without images; by_fold: of the training
    lesions, by networks that were fine-tuned without an outer fold; tuned: the fine-tuned
    networks' own predictions, None where the network stays frozen.
    """

    features: pd.DataFrame | None = None
    by_fold: tuple[pd.DataFrame, ...] = ()
    tuned: FineTuned | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a report must say."""
        if self.tuned is None:
            return ()
        if not self.by_fold:
            return self.tuned.notes
        return (
            *self.tuned.notes,
            "Deep features of a fold come from a network that was fine-tuned without it, on the "
            "patients of the other folds; inner folds and the combined arm's weights therefore "
            "see features that are better than new patients' would be.",
        )

    @property
    def history(self) -> pd.DataFrame | None:
        """Losses of the fine-tuned networks."""
        return None if self.tuned is None else self.tuned.history


def check_mode(
    backbone: BackboneSettings, fusion: FusionSettings, evaluation: EvaluationSettings
) -> None:
    """Refuse what a study with fine-tuned networks cannot do.

    Raises
    ------
    BadConfig
        More than one repeat, or a combined arm of a network that has no inner folds.
    """
    if backbone.mode == "frozen":
        return
    check_once(evaluation)
    if backbone.mode == "finetune" and "deep_learning" in fusion.members:
        raise BadConfig(
            "expected fusion.members without deep_learning for backbone.mode=finetune, because "
            "the combined arm learns from inner folds, which a network does not have; found "
            f"{', '.join(fusion.members)}: use backbone.mode=finetune_features"
        )


def check_weights(backbone: BackboneSettings) -> None:
    """Raise MissingWeights or BadConfig now, unless the network and its weights can be had."""
    from lightning_modules.backbones import check_image_size, describe_backbone

    describe_backbone(backbone.name, backbone.weights)
    check_image_size(backbone.name, backbone.image_size)


def tuned_inputs(
    run: OpenRun,
    backbone: BackboneSettings,
    trainer: TrainerSettings,
    frozen: pd.DataFrame | None,
    *,
    tracking: TrackingSettings,
    seed: int,
    explains: bool = False,
    keeps: bool = True,
) -> DeepInputs:
    """Return the deep inputs of a study; networks are fine-tuned where its mode asks for it.

    frozen: features of the network as it is; explains, keeps: see `fine_tune`.
    """
    if backbone.mode == "frozen" or not run.has_images:
        return DeepInputs(frozen)
    describes = backbone.mode == "finetune_features"
    tuned = fine_tune(
        run, backbone, trainer, tracking=tracking, seed=seed, wants_features=describes,
        explains=explains, keeps=keeps,
    )  # fmt: skip
    if not describes:
        return DeepInputs(frozen, tuned=tuned)
    *of_folds, of_all = tuned.features
    train = run.training.keys
    everybody = _described(of_all, [*train, *run.held_out])
    by_fold = tuple(_described(features, train) for features in of_folds)
    return DeepInputs(everybody, by_fold, tuned)


def _described(features: NDArray[np.float32], keys: Sequence[str]) -> pd.DataFrame:
    names = [f"deep_{j}" for j in range(features.shape[1])]
    return pd.DataFrame(features.astype(np.float64), index=list(keys), columns=names)


def tuned_signature(run: OpenRun, tuned: FineTuned, backbone: BackboneSettings) -> Signature:
    """Return the deep learning arm's signature."""
    from lightning_modules.backbones import embedding_width

    return Signature(
        arm="deep_learning",
        model=f"{backbone.name}, fine-tuned",
        n_features=embedding_width(backbone.name),
        repeats=tuned.out_of_fold[np.newaxis],
        in_sample=tuned.in_sample,
        held_out=dict(zip(run.held_out, tuned.held_out.tolist(), strict=True)),
    )
