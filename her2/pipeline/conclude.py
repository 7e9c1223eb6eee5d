"""What follows the fit of a run's arms: models kept, refits, judgement, pages."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from her2.core.settings import EvaluationSettings, TrackingSettings
from her2.models.nested_cv import Arm
from her2.pipeline.enhance import Enhancement
from her2.pipeline.evaluate import judge
from her2.pipeline.fit_arms import Fitted, model_selection_table, save_models, selection_notes
from her2.pipeline.grad_cam import Explanation
from her2.pipeline.radiomic_features import RadiomicInputs
from her2.pipeline.resampling_checks import refit_run
from her2.pipeline.run import OpenRun
from her2.pipeline.write_outputs import Fits, finish


def conclude(
    run: OpenRun,
    arms: Sequence[Arm],
    fitted: Fitted,
    notes: Sequence[str],
    *,
    radiomic: RadiomicInputs | None,
    evaluation: EvaluationSettings,
    tracking: TrackingSettings,
    seed: int,
    n_workers: int,
    enhancement: Enhancement | None = None,
    explained: Explanation | None = None,
    history: pd.DataFrame | None = None,
) -> int:
    """Write everything that a run of fitted arms leaves, and return its exit status.

    history: losses of fine-tuned networks, if there are any.
    """
    save_models(run.folder, fitted, arms, run.training)
    refits = refit_run(
        run, arms, fitted.arms, evaluation=evaluation, seed=seed, n_workers=n_workers
    )
    said = radiomic.notes if radiomic else ()
    outcome = judge(
        run, fitted.signatures, [*said, *notes, *selection_notes(fitted.arms)],
        evaluation=evaluation, seed=seed, features=radiomic.features if radiomic else None,
    )  # fmt: skip
    fits = Fits(
        arms, fitted, refits, model_selection_table(fitted.arms), radiomic,
        enhancement=enhancement or Enhancement(), explained=explained,
        history=pd.DataFrame() if history is None else history,
    )  # fmt: skip
    return finish(
        run, outcome, fits, evaluation=evaluation, tracking=tracking, seed=seed,
        n_workers=n_workers,
    )  # fmt: skip
