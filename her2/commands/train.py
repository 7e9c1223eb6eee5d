"""One backbone, fine-tuned: a network a fold for out-of-fold signatures, one for the test role."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from her2.core.errors import BadCohort
from her2.core.settings import StudySettings
from her2.models.nested_cv import Signature
from her2.pipeline.enhance import check_enhance
from her2.pipeline.enhanced_and_native import enhanced_fit
from her2.pipeline.fine_tuning import (
    check_weights,
    fine_tune,
    settle_networks,
    tuned_signature,
)
from her2.pipeline.grad_cam import check_cam, explain_tuned
from her2.pipeline.load_cohort import NEEDS_IMAGES
from her2.pipeline.run import OpenRun, open_run
from her2.pipeline.write_outputs import Fits, conclude, finished_before

if TYPE_CHECKING:
    from lightning_modules.fine_tuning.cross_fitting import FineTuned

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
    found, enhancement = enhanced_fit(run, _fine_tuned, reads_features=False)
    explained = None
    if settings.evaluation.grad_cam:
        explained = explain_tuned(found.run, found.signatures[DEEP])
        settle_networks(found.run)
    fits = Fits(
        found.signatures, enhancement=enhancement, explained=explained,
        history=found.tuned.history,
    )  # fmt: skip
    return conclude(found.run, fits, [*enhancement.notes, *found.tuned.notes])


@dataclass(frozen=True)
class _TunedRun:
    """A run, the networks that were fine-tuned on its images, and their signature."""

    run: OpenRun
    tuned: FineTuned
    signatures: dict[str, Signature]


def _fine_tuned(run: OpenRun, *, keeps: bool = True) -> _TunedRun:
    tuned = fine_tune(run, keeps=keeps)
    return _TunedRun(run, tuned, {DEEP: tuned_signature(run, tuned)})
