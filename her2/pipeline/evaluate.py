"""From signatures to results.json: predictions are written first, and only they are judged."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from her2.cohort import CATALOGUE
from her2.core.store import write_atomic
from her2.core.types import ARMS, Cohort
from her2.evaluation import Evaluation, by_patient, evaluate
from her2.models.nested_cv import Signature
from her2.models.predictions import predictions_table, repeats_table
from her2.pipeline.run import OpenRun
from her2.radiomics.parameters import family_counts

SEARCHED = "search.json"  # in the folder of a search's winner: how it was found


@dataclass(frozen=True)
class Outcome:
    """What a run has found: rows of predictions.parquet, numbers, and notes.

    feature_counts: image_type, family, n of the radiomic (or brought) features; unit: what is
    judged, ``lesion`` or ``patient``.
    """

    predictions: pd.DataFrame
    evaluation: Evaluation
    notes: list[str]
    feature_counts: pd.DataFrame
    unit: str = "lesion"


def judge(
    run: OpenRun,
    signatures: Mapping[str, Signature],
    notes: Sequence[str],
    *,
    features: pd.DataFrame | None = None,
) -> Outcome:
    """Write the predictions, and compute every number from what was written."""
    evaluation = run.settings.evaluation
    ordered = [signatures[arm] for arm in ARMS if arm in signatures]
    predicted = predictions_table(ordered, run.cohort.lesions, run.split.roles(), run.training)
    repeats = repeats_table(ordered, run.cohort.lesions, run.training)
    if evaluation.unit == "patient":
        predicted, repeats = by_patient(predicted), by_patient(repeats)
    predictions = _written(run, "predictions.parquet", predicted)
    repeated = _written(run, "repeated_cv.parquet", repeats)
    found = evaluate(
        predictions, repeated, n_features={s.arm: s.n_features for s in ordered},
        n_resamples=evaluation.n_resamples, n_permutations=evaluation.n_permutations,
        seed=run.seed,
    )  # fmt: skip
    names = [] if features is None else [str(name) for name in features.columns]
    said = [
        *cohort_notes(run.cohort, evaluation.unit), *search_notes(run.folder.path), *notes,
        *found.notes,
    ]  # fmt: skip
    return Outcome(predictions, found, said, family_counts(names), evaluation.unit)


def _written(run: OpenRun, name: str, table: pd.DataFrame) -> pd.DataFrame:
    path = run.folder.file(name)
    write_parquet(path, table)
    return pd.read_parquet(path)


def results_document(run: OpenRun, outcome: Outcome) -> dict[str, Any]:
    """Return results.json, schema 1, before tracking has filled its part."""
    return {
        "schema": 1,
        "cohort": _cohort_summary(run) | {"unit": outcome.unit},
        "arms": outcome.evaluation.arms,
        "comparisons": outcome.evaluation.comparisons,
        "repeated_comparisons": outcome.evaluation.repeated_comparisons,
        "timing": dict(run.watch.seconds),
        "notes": outcome.notes,
        "mlflow": {"tracking_uri": None, "experiment": None, "run_id": None},
    }


def cohort_notes(cohort: Cohort, unit: str) -> list[str]:
    """Return what a reader must know of the cohort before any number."""
    notes = list(cohort.notes)
    if cohort.simulated:
        notes.insert(0, "The patients are simulated: no number here says anything of patients.")
    if len(cohort.lesions) > cohort.n_patients:
        judged = {
            "lesion": "but intervals and tests count lesions as independent",
            "patient": "and a patient is judged once, by the mean probability of all of them at "
            "the prevalence of patients",
        }
        notes.append(
            f"{len(cohort.lesions)} lesions of {cohort.n_patients} patients: splits and folds "
            f"keep a patient together, {judged[unit]}."
        )
    warned = Counter(p.code for p in cohort.problems if p.severity == "warning" and p.patient_id)
    notes.extend(f"{code} ({n} x): {CATALOGUE[code].title}." for code, n in sorted(warned.items()))
    return notes


def search_notes(folder: Path) -> list[str]:
    """Return what a reader must know of a run whose settings won a search."""
    path = folder / SEARCHED
    if not path.is_file():
        return []
    found = json.loads(path.read_text())
    return [
        f"The settings are the best of {found['n_trials']} trials by cross-validation among these "
        "training patients, so the cross-validated results are too good; no test patient was "
        "given to a trial."
    ]


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table as parquet, whole or not at all."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    write_atomic(path, buffer.getvalue())


def write_features(path: Path, cohort: Cohort, features: pd.DataFrame) -> None:
    """Write a feature table as parquet with patient_id and lesion_id in front."""
    ids = pd.DataFrame(
        {
            "patient_id": [lesion.patient_id for lesion in cohort.lesions],
            "lesion_id": [lesion.lesion_id for lesion in cohort.lesions],
        }
    )
    write_parquet(path, pd.concat([ids, features.reset_index(drop=True)], axis=1))


def _cohort_summary(run: OpenRun) -> dict[str, Any]:
    cohort, split = run.cohort, run.split
    patient_of = {lesion.key: lesion.patient_id for lesion in cohort.lesions}
    return {
        "name": cohort.name,
        "simulated": cohort.simulated,
        "n_patients": cohort.n_patients,
        "n_lesions": len(cohort.lesions),
        "n_positive": len({x.patient_id for x in cohort.lesions if x.outcome}),
        "n_train": len({patient_of[key] for key in split.train}),
        "n_test": len({patient_of[key] for key in split.test}),
        "n_external": len({patient_of[key] for key in split.external}),
        "n_quarantined": cohort.count("quarantined"),
        "n_excluded": cohort.count("excluded"),
        "data_sha256": cohort.data_sha256,
        "split_sha256": split.sha256,
    }
