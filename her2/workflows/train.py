"""One backbone, fine-tuned: a network a fold for out-of-fold signatures, one for the test role."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from her2.errors import BadCohort, BadConfig
from her2.settings import (
    BackboneSettings,
    CohortSettings,
    ComputeSettings,
    EvaluationSettings,
    SplitSettings,
    TrackingSettings,
    TrainerSettings,
)
from her2.workflows.finish import Fits, finish
from her2.workflows.fitting import model_selection_table
from her2.workflows.opening import open_run
from her2.workflows.outcome import judge
from her2.workflows.tuning import check_once, fine_tune, tuned_signature


def train(
    *,
    run_dir: Path,
    config: dict[str, Any],
    cohort: CohortSettings,
    split: SplitSettings,
    backbone: BackboneSettings,
    trainer: TrainerSettings,
    evaluation: EvaluationSettings,
    tracking: TrackingSettings,
    compute: ComputeSettings,
    seed: int,
    cache: str | None,
) -> int:
    """Fine-tune the backbone on training patients and return the exit status."""
    check_once(evaluation)
    if backbone.mode != "finetune":
        raise BadConfig(
            f"expected backbone.mode=finetune, found {backbone.mode}; her2 study has the others"
        )
    run = open_run(
        run_dir, config, cohort=cohort, split=split, evaluation=evaluation, compute=compute,
        seed=seed, cache=cache,
    )  # fmt: skip
    if not run.has_images:
        raise BadCohort(
            "expected an image and a mask of every lesion, found a cohort without; add the "
            "columns image and mask to the table"
        )
    tuned = fine_tune(run, backbone, trainer, tracking=tracking, seed=seed)
    signature = tuned_signature(run, tuned, backbone)
    outcome = judge(
        run, {"deep_learning": signature}, tuned.notes, evaluation=evaluation, seed=seed
    )
    fits = Fits(model_selection=model_selection_table({}), history=tuned.history)
    return finish(run, outcome, fits, evaluation=evaluation, tracking=tracking, seed=seed)
