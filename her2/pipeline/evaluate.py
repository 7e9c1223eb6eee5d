"""From signatures to results.json: predictions are written first, and only they are judged."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from her2 import stats
from her2.cohort import CATALOGUE
from her2.core.errors import NotEstimable
from her2.core.store import write_atomic
from her2.core.types import ARMS, Cohort
from her2.evaluation import Evaluation, PredictionRows, by_patient, evaluate
from her2.evaluation.prediction_rows import RoleRows
from her2.models.nested_cv import Signature
from her2.models.predictions import predictions_table, repeats_table
from her2.pipeline.run import OpenRun

SEARCHED = "search.json"  # in the folder of a search's winner: how it was found
SUBGROUP_COLUMNS = [
    "role", "arm", "variable", "level", "n", "n_positive", "auc", "low", "high",
    "interaction_p", "note",
]  # fmt: skip
MOST_LEVELS = 6
TITLES = {"vendor": "scanner", "diameter_mm": "diameter, mm"}


def judge(
    run: OpenRun, signatures: Mapping[str, Signature], notes: Sequence[str]
) -> tuple[list[RoleRows], Evaluation]:
    """Write the predictions; return them by role and arm, and every number with all notes."""
    evaluation = run.settings.evaluation
    ordered = [signatures[arm] for arm in ARMS if arm in signatures]
    predicted = predictions_table(ordered, run.cohort.lesions, run.split.roles(), run.training)
    repeats = repeats_table(ordered, run.cohort.lesions, run.training)
    if run.unit == "patient":
        predicted, repeats = by_patient(predicted), by_patient(repeats)
    rows = PredictionRows(
        _written(run, "predictions.parquet", predicted),
        _written(run, "repeated_cv.parquet", repeats),
    )
    found = evaluate(
        rows, n_features={s.arm: s.n_features for s in ordered},
        n_permutations=evaluation.n_permutations, seed=run.seed,
    )  # fmt: skip
    subgroups = subgroup_table(run.cohort, rows)
    known = [*_cohort_notes(run.cohort, run.unit), *_search_notes(run.folder.path)]
    return list(rows.judged(found.arms, rows.honest_roles)), replace(
        found, notes=[*known, *notes, *found.notes],
        tables={**found.tables, "subgroups": subgroups},
    )  # fmt: skip


def _written(run: OpenRun, name: str, table: pd.DataFrame) -> pd.DataFrame:
    path = run.folder.file(name)
    write_parquet(path, table)
    return pd.read_parquet(path)


def results_document(run: OpenRun, evaluation: Evaluation) -> dict[str, Any]:
    """Return results.json, schema 1, before tracking has filled its part."""
    cohort, split = run.cohort, run.split
    patient_of = {lesion.key: lesion.patient_id for lesion in cohort.lesions}

    def n_patients(keys: Iterable[str]) -> int:
        return len({patient_of[key] for key in keys})

    summary = {
        "name": cohort.name,
        "simulated": cohort.simulated,
        "n_patients": cohort.n_patients,
        "n_lesions": len(cohort.lesions),
        "n_positive": len({x.patient_id for x in cohort.lesions if x.outcome}),
        "n_train": n_patients(split.train),
        "n_test": n_patients(split.test),
        "n_external": n_patients(key for keys in split.external.values() for key in keys),
        "centres": {name: n_patients(keys) for name, keys in sorted(split.external.items())},
        "n_quarantined": cohort.count("quarantined"),
        "n_excluded": cohort.count("excluded"),
        "data_sha256": cohort.data_sha256,
        "split_sha256": split.sha256,
        "unit": run.unit,
    }
    return {
        "schema": 1,
        "cohort": summary,
        "arms": evaluation.arms,
        "comparisons": evaluation.comparisons,
        "best_arm": evaluation.best_arm,
        "timing": dict(run.watch.seconds),
        "notes": evaluation.notes,
        "mlflow": {"tracking_uri": None, "experiment": None, "run_id": None},
    }


def _cohort_notes(cohort: Cohort, unit: str) -> list[str]:
    """Return the report's notes on the cohort."""
    notes = list(cohort.notes)
    if cohort.simulated:
        notes.insert(0, "The patients are simulated: no number here says anything of patients.")
    if len(cohort.lesions) > cohort.n_patients:
        judged = {
            "lesion": "and intervals and tests count the rows of a patient as one patient's",
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


def _search_notes(folder: Path) -> list[str]:
    """Return the report's note on settings that were found by a search."""
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
    names = [(lesion.patient_id, lesion.lesion_id) for lesion in cohort.lesions]
    ids = pd.DataFrame(names, columns=["patient_id", "lesion_id"])
    write_parquet(path, pd.concat([ids, features.reset_index(drop=True)], axis=1))


def subgroup_table(cohort: Cohort, predicted: PredictionRows) -> pd.DataFrame:
    """Return the AUC of every arm in every level, with the p-value of heterogeneity.

    Numbers are cut at the median of all lesions, to three digits; variables with one level or
    more than `MOST_LEVELS` are left out.
    """
    variables = pd.DataFrame(dict(_levels(cohort)), index=[x.key for x in cohort.lesions])
    frames = []
    arms = dict.fromkeys(predicted.predictions["arm"])
    for rows in predicted.judged(arms, predicted.honest_roles):
        for name in variables.columns:
            found = _subgroup_rows(rows, variables[name].loc[list(rows.keys)])
            frames.append(found.assign(role=rows.role, arm=rows.arm, variable=name))
    return stacked(frames, SUBGROUP_COLUMNS)


def stacked(frames: Sequence[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Return tables one below the other, of some columns; an empty one of no table."""
    if not frames:
        return pd.DataFrame(columns=columns)
    return pd.concat(frames, ignore_index=True)[columns]


def _levels(cohort: Cohort) -> Iterator[tuple[str, pd.Series]]:
    """Yield each usable variable and the level of every lesion in it (index `Lesion.key`)."""
    known = pd.concat([cohort.acquisition, cohort.clinical], axis=1)
    for name in known.columns:
        values = known[name]
        is_measured = pd.api.types.is_numeric_dtype(values) and values.nunique() > MOST_LEVELS
        if is_measured:
            median = float(f"{values.median():.3g}")  # so that it can be read and used again
            try:
                values = stats.cut(values.to_numpy(), [median]).set_axis(known.index)
            except NotEstimable:
                continue
        if 1 < values.nunique() <= MOST_LEVELS:
            yield TITLES.get(name, str(name)), values


def _subgroup_rows(rows: RoleRows, levels: pd.Series) -> pd.DataFrame:
    of = rows.y_true, rows.y_prob, levels, rows.patient
    found = stats.subgroup_performance(*of, n_folds=rows.n_folds)
    try:
        p_value: float | None = stats.interaction_p(*of, n_folds=rows.n_folds)
    except NotEstimable:
        p_value = None  # fewer than two levels have an AUC, and their notes say why
    return found.assign(interaction_p=p_value)
