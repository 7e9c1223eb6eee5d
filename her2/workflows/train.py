"""One backbone, fine-tuned: a network a fold for out-of-fold signatures, one for the test role."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from her2.arms import Signature
from her2.errors import BadCohort, BadConfig
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
from her2.workflows.enhancement import check_enhance, enhanced_run
from her2.workflows.enhancement_evidence import (
    compared,
    is_compared,
    judged_patients,
    with_evidence,
)
from her2.workflows.explain import check_explained, explain_tuned
from her2.workflows.finish import Fits, finish, finished_before
from her2.workflows.fitting import model_selection_table
from her2.workflows.inputs import NEEDS_IMAGES, n_workers
from her2.workflows.opening import OpenRun, Stopwatch, open_run
from her2.workflows.outcome import judge
from her2.workflows.tuning import (
    check_once,
    check_weights,
    fine_tune,
    settle_networks,
    tuned_signature,
)

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
    native = run
    run, made = enhanced_run(
        run, enhance, tracking=tracking, compute=compute, cache=cache, seed=seed
    )
    made = with_evidence(run, made, enhance, None, compute=compute, cache=cache, seed=seed)
    without = {}
    if is_compared(native, enhance):
        without = _native_signatures(native, backbone, trainer, tracking, seed)
    tuned = fine_tune(
        run, backbone, trainer, tracking=tracking, seed=seed, explains=evaluation.grad_cam
    )
    signature = tuned_signature(run, tuned, backbone)
    signatures = {DEEP: signature}
    if without:
        made = compared(
            made, run.training, signatures, native.training, without,
            patients=judged_patients(run, evaluation.unit),
        )  # fmt: skip
    explained = None
    if evaluation.grad_cam:
        explained = explain_tuned(
            run, signature, backbone, seed=seed, n_threads=n_workers(compute)
        )
        settle_networks(run, trainer)
    outcome = judge(
        run,
        signatures,
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


def _native_signatures(
    run: OpenRun,
    backbone: BackboneSettings,
    trainer: TrainerSettings,
    tracking: TrackingSettings,
    seed: int,
) -> dict[str, Signature]:
    """Return the signature of the same networks of native images, which nobody keeps or tracks."""
    tuned = fine_tune(
        replace(run, watch=Stopwatch()), backbone, trainer,
        tracking=replace(tracking, enabled=False), seed=seed, keeps=False,
    )  # fmt: skip
    return {DEEP: tuned_signature(run, tuned, backbone)}
