"""What follows the fit of a run's arms: models kept, refits, judgement, pages."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from her2.arms import Arm
from her2.settings import EvaluationSettings, TrackingSettings
from her2.workflows.enhancement import Enhancement
from her2.workflows.explain import Explanation
from her2.workflows.finish import Fits, finish
from her2.workflows.fitting import Fitted, model_selection_table, save_models, selection_notes
from her2.workflows.opening import OpenRun
from her2.workflows.outcome import judge
from her2.workflows.radiomic_inputs import RadiomicInputs
from her2.workflows.refits import refit_run


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
    return finish(run, outcome, fits, evaluation=evaluation, tracking=tracking, seed=seed)
