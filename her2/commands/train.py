"""One backbone, fine-tuned: a network for each fold, and one for the test role."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from her2.core.errors import BadCohort
from her2.core.settings import StudySettings
from her2.pipeline.deep_features import DeepInputs
from her2.pipeline.enhance import check_enhance
from her2.pipeline.fine_tuning import check_weights, fine_tune, settle_networks, tuned_signature
from her2.pipeline.fit_arms import FittedRun, enhanced_fit
from her2.pipeline.grad_cam import check_cam, explain_tuned
from her2.pipeline.load_cohort import NEEDS_IMAGES
from her2.pipeline.lost_lesions import on_readable
from her2.pipeline.run import OpenRun, open_run
from her2.pipeline.write_outputs import conclude, finished_before

DEEP = "deep_learning"


def train(settings: StudySettings, run_dir: Path) -> int:
    """Fine-tune the backbone on training patients and return the exit status."""
    check_enhance(settings.enhance)
    check_cam(settings)
    check_weights(settings.backbone)  # missing weights are refused before anything long
    run = open_run("train", settings, run_dir)
    if not run.has_images:
        raise BadCohort(NEEDS_IMAGES)
    kept = finished_before(run)
    if kept is not None:  # the networks of its folds are gone, and would be trained again
        return kept
    return on_readable(_concluded, run)


def _concluded(run: OpenRun) -> int:
    found = enhanced_fit(run, _fine_tuned, reads_features=False)
    if run.settings.evaluation.grad_cam:
        found = replace(found, explained=explain_tuned(found.run, found.signatures[DEEP]))
        settle_networks(found.run)
    return conclude(found, [*found.enhancement.notes, *found.deep.notes])


def _fine_tuned(run: OpenRun, *, keeps: bool = True) -> FittedRun:
    tuned = fine_tune(run, keeps=keeps)
    signatures = {DEEP: tuned_signature(run, tuned)}
    return FittedRun(run, signatures, deep=DeepInputs(tuned=tuned))
