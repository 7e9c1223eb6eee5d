"""One classifier grid on one feature table, with nested cross-validation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from her2.errors import BadCohort
from her2.settings import (
    CohortSettings,
    ComputeSettings,
    EvaluationSettings,
    RadiomicsSettings,
    SelectionSettings,
    SplitSettings,
    TrackingSettings,
)
from her2.workflows import recipes
from her2.workflows.conclude import conclude
from her2.workflows.fitting import fit_run
from her2.workflows.inputs import n_workers, radiomic_features
from her2.workflows.opening import open_run
from her2.workflows.outcome import write_features


def classify(
    *,
    run_dir: Path,
    config: dict[str, Any],
    cohort: CohortSettings,
    split: SplitSettings,
    radiomics: RadiomicsSettings,
    selection: SelectionSettings,
    classifier: Mapping[str, Any],
    evaluation: EvaluationSettings,
    tracking: TrackingSettings,
    compute: ComputeSettings,
    seed: int,
    cache: str | None,
) -> int:
    """Fit the grid on the radiomic (or brought) features and return the exit status."""
    recipes.check_recipe(classifier, selection, seed)
    run = open_run(
        run_dir, config, cohort=cohort, split=split, evaluation=evaluation, compute=compute,
        seed=seed, cache=cache,
    )  # fmt: skip
    features = run.cohort.features
    if run.has_images:
        with run.watch.step("radiomics"):
            table = radiomic_features(run.cohort, radiomics, compute=compute, cache=cache)
        features = table.values
    if features is None:
        raise BadCohort(
            "expected images with masks or a table of features, found neither; add the columns "
            "image and mask to the table, or set cohort.features=FILE"
        )
    write_features(run.folder.file("features.parquet"), run.cohort, features)
    arms = [recipes.radiomics_arm(features, classifier, selection, seed)]
    fitted = fit_run(
        run, arms, members=(),
        evaluation=evaluation, seed=seed, n_workers=n_workers(compute),
    )  # fmt: skip
    return conclude(
        run, arms, fitted, (), features=features, evaluation=evaluation, tracking=tracking,
        seed=seed, n_workers=n_workers(compute),
    )  # fmt: skip
