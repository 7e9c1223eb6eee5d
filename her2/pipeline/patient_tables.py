"""Tables about the patients: Table 1 twice, odds ratios, agreement of the readers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from her2 import stats
from her2.core.errors import NotEstimable
from her2.core.store import write_atomic
from her2.models.clinical_imputation import clinical_table
from her2.pipeline.reader_agreement import ReaderAgreement, reader_agreement
from her2.pipeline.run import OpenRun


@dataclass(frozen=True)
class PatientTables:
    """Tables about the patients.

    Attributes
    ----------
    baseline
        Table 1 by role.
    baseline_outcome
        Table 1 by outcome.
    odds_ratios
        Of the clinical variables, one at a time and all together.
    readers
        Agreement of two readers.
    """

    baseline: pd.DataFrame
    baseline_outcome: pd.DataFrame
    odds_ratios: pd.DataFrame
    readers: ReaderAgreement


def patient_tables(run: OpenRun, notes: list[str]) -> PatientTables:
    """Return the tables of a run's patients; `notes` gets what is not estimable.

    Odds ratios are of training patients, because only these may choose variables. Where patients
    are judged, the first lesion of each counts.
    """
    lesions, role_of = run.cohort.lesions, run.split.roles()
    roles = np.array([role_of[lesion.key] for lesion in lesions])
    is_counted = np.ones(len(lesions), dtype=bool)
    if run.settings.evaluation.unit == "patient":
        is_counted = ~pd.Index([lesion.patient_id for lesion in lesions]).duplicated()
    table = clinical_table(run.cohort.clinical)[is_counted]
    y_true = run.cohort.y_true[is_counted]
    return PatientTables(
        baseline=stats.baseline_table(table, roles[is_counted], y_true=y_true),
        baseline_outcome=stats.baseline_by_outcome(table, y_true),
        odds_ratios=_odds_ratios(run, table, notes),
        readers=reader_agreement(run.cohort, roles=role_of),
    )


def write_adjudication(run: OpenRun, readers: ReaderAgreement) -> None:
    """Write adjudication.csv to the run: the lesions a third reader must decide, by name.

    Like quarantine.csv it stays in the run folder and is never sent anywhere.
    """
    text = readers.adjudication.to_csv(index=False, lineterminator="\n")
    write_atomic(run.folder.file("adjudication.csv"), text.encode())


def _odds_ratios(run: OpenRun, table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    names = list(table.columns)
    if not names:
        return pd.DataFrame()
    is_counted = pd.Index(run.training.keys).isin(table.index)
    trained = table.loc[[key for key in run.training.keys if key in table.index]]
    stepwise = run.settings.evaluation.stepwise
    rule = None if stepwise == "none" else stepwise
    try:
        return stats.odds_ratio_table(
            trained, run.training.y_true[is_counted], names, stepwise=rule
        )
    except NotEstimable as reason:
        notes.append(f"Odds ratios are not estimable: {reason}")
        return pd.DataFrame()
