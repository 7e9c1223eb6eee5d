"""One backbone, fine-tuned: a network a fold for out-of-fold signatures, one for the test role."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from her2.core.errors import BadCohort, BadConfig
from her2.core.settings import (
    BackboneSettings,
    CohortSettings,
    ComputeSettings,
    EnhanceSettings,
    EvaluationSettings,
    SplitSettings,
    TrackingSettings,
    TrainerSettings,
)
from her2.models.nested_cv import Signature
from her2.pipeline.enhance import check_enhance
from her2.pipeline.enhanced_and_native import enhanced_fit
from her2.pipeline.evaluate import judge
from her2.pipeline.fine_tuning import (
    check_once,
    check_weights,
    fine_tune,
    settle_networks,
    tuned_signature,
)
from her2.pipeline.fit_arms import model_selection_table
from her2.pipeline.grad_cam import check_explained, explain_tuned
from her2.pipeline.load_cohort import NEEDS_IMAGES, n_workers
from her2.pipeline.run import OpenRun, open_run
from her2.pipeline.write_outputs import Fits, finish, finished_before

if TYPE_CHECKING:
    from lightning_modules.fine_tuning.cross_fitting import FineTuned

DEEP = "deep_learning"


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
    check_once(evaluation)
    if backbone.mode != "finetune":
        raise BadConfig(
            f"expected backbone.mode=finetune, found {backbone.mode}; her2 study has the others"
        )
    check_enhance(enhance)
    check_explained(backbone, evaluation)
    check_weights(backbone)  # what cannot be had is missed before anything long
    run = open_run(
        run_dir, config, cohort=cohort, split=split, evaluation=evaluation, compute=compute,
        seed=seed, cache=cache,
    )  # fmt: skip
    if not run.has_images:
        raise BadCohort(NEEDS_IMAGES)
    kept = finished_before(run)
    if kept is not None:  # the networks of its folds are gone, and would be trained again
        return kept
    fit = partial(_tuned, backbone=backbone, trainer=trainer, seed=seed)
    found, made = enhanced_fit(
        run, partial(fit, tracking=tracking, explains=evaluation.grad_cam),
        native=partial(fit, tracking=replace(tracking, enabled=False), keeps=False),
        enhance=enhance, radiomics=None, evaluation=evaluation, tracking=tracking,
        compute=compute, seed=seed, cache=cache,
    )  # fmt: skip
    run, tuned = found.run, found.tuned
    explained = None
    if evaluation.grad_cam:
        explained = explain_tuned(
            run, found.signatures[DEEP], backbone, seed=seed, n_threads=n_workers(compute)
        )
        settle_networks(run, trainer)
    outcome = judge(
        run,
        found.signatures,
        [*made.notes, *tuned.notes],
        evaluation=evaluation,
        seed=seed,
    )
    fits = Fits(
        model_selection=model_selection_table({}), enhancement=made, explained=explained,
        history=tuned.history,
    )  # fmt: skip
    return finish(
        run, outcome, fits, evaluation=evaluation, tracking=tracking, seed=seed,
        n_workers=n_workers(compute),
    )  # fmt: skip


@dataclass(frozen=True)
class _TunedRun:
    """A run with the networks that were fine-tuned on its images, and what they say."""

    run: OpenRun
    tuned: FineTuned
    signatures: dict[str, Signature]


def _tuned(run: OpenRun, *, backbone: BackboneSettings, **named: Any) -> _TunedRun:
    tuned = fine_tune(run, backbone, **named)
    return _TunedRun(run, tuned, {DEEP: tuned_signature(run, tuned, backbone)})
