"""One backbone, fine-tuned: a network a fold for out-of-fold signatures, one for the test role."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from her2.arms import Signature
from her2.errors import BadCohort, BadConfig
from her2.seeds import integer_seed
from her2.settings import (
    BackboneSettings,
    CohortSettings,
    ComputeSettings,
    EnhanceSettings,
    EvaluationSettings,
    SplitSettings,
    TrackingSettings,
    TrainerSettings,
)
from her2.store import write_atomic
from her2.workflows.enhancement import check_enhance, enhanced_run
from her2.workflows.enhancement_evidence import with_evidence
from her2.workflows.explain import Explainer, check_explained
from her2.workflows.finish import Fits, finish
from her2.workflows.fitting import model_selection_table
from her2.workflows.opening import OpenRun, open_run
from her2.workflows.outcome import judge

if TYPE_CHECKING:
    from lightning_modules.training import FineTuned

logger = logging.getLogger(__name__)


def train(
    *,
    run_dir: Path,
    config: dict[str, Any],
    cohort: CohortSettings,
    split: SplitSettings,
    enhance: EnhanceSettings,
    backbone: BackboneSettings,
    trainer: TrainerSettings,
    evaluation: EvaluationSettings,
    tracking: TrackingSettings,
    compute: ComputeSettings,
    seed: int,
    cache: str | None,
) -> int:
    """Fine-tune the backbone on training patients and return the exit status."""
    if evaluation.n_repeats != 1:
        raise BadConfig(
            f"expected evaluation.n_repeats=1 to fine-tune, found {evaluation.n_repeats}; every "
            "fold of every repeat is a network to train: use evaluation=once"
        )
    check_enhance(enhance)
    check_explained(backbone, evaluation)
    run = open_run(
        run_dir, config, cohort=cohort, split=split, evaluation=evaluation, compute=compute,
        seed=seed, cache=cache,
    )  # fmt: skip
    if not run.has_images:
        raise BadCohort(
            "expected an image and a mask of every lesion, found a cohort without; add the "
            "columns image and mask to the table"
        )
    run, made = enhanced_run(run, enhance, compute=compute, cache=cache, seed=seed)
    made = with_evidence(run, made, enhance, None, compute=compute, cache=cache, seed=seed)
    explainer = Explainer(run, backbone, seed=seed) if evaluation.grad_cam else None
    tuned = _fine_tune(run, backbone, trainer, seed, explainer)
    history = tuned.history.to_csv(index=False, lineterminator="\n")
    write_atomic(run.folder.file("tables") / "history.csv", history.encode())
    signature = _signature(run, tuned, backbone)
    outcome = judge(
        run,
        {"deep_learning": signature},
        [*made.notes, *tuned.notes],
        evaluation=evaluation,
        seed=seed,
    )
    explained = explainer.finished() if explainer else None
    fits = Fits(model_selection=model_selection_table({}), enhancement=made, explained=explained)
    return finish(run, outcome, fits, evaluation=evaluation, tracking=tracking, seed=seed)


def _fine_tune(
    run: OpenRun,
    backbone: BackboneSettings,
    trainer: TrainerSettings,
    seed: int,
    explainer: Explainer | None,
) -> FineTuned:
    from lightning_modules.cohort_embedding import cohort_crops
    from lightning_modules.training import out_of_fold_training

    crops = cohort_crops(
        run.cohort.lesions,
        size=backbone.image_size,
        margin_px=backbone.margin_px,
        aspect=backbone.aspect,
    )
    position = {lesion.key: i for i, lesion in enumerate(run.cohort.lesions)}
    with run.watch.step("train"):
        return out_of_fold_training(
            crops,
            run.cohort.y_true,
            run.training.fold,
            np.array([position[key] for key in run.training.keys], dtype=np.int64),
            np.array([position[key] for key in run.held_out], dtype=np.int64),
            backbone=backbone.name,
            weights=backbone.weights,
            image_size=backbone.image_size,
            max_epochs=trainer.max_epochs,
            batch_size=trainer.batch_size,
            learning_rate=trainer.learning_rate,
            accelerator=trainer.accelerator,
            augmentation=trainer.augmentation,
            seed=integer_seed(seed, "train"),
            log=logger.info,
            on_fitted=explainer.explain_classifier if explainer else None,
        )


def _signature(run: OpenRun, tuned: FineTuned, backbone: BackboneSettings) -> Signature:
    from lightning_modules.embedding import embedding_width

    return Signature(
        arm="deep_learning",
        model=f"{backbone.name}, fine-tuned",
        n_features=embedding_width(backbone.name),
        repeats=tuned.out_of_fold[np.newaxis],
        in_sample=tuned.in_sample,
        held_out=dict(zip(run.held_out, tuned.held_out.tolist(), strict=True)),
    )
