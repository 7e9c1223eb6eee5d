"""Read and verify a cohort and print its lesions and problems; nothing is fitted."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pandas as pd

from her2.cohort import CATALOGUE
from her2.core.run_folder import RunFolder
from her2.core.settings import StudySettings
from her2.core.types import Cohort
from her2.models.splits import Split, centre_folds, make_split
from her2.pipeline.load_cohort import attention, open_cohort, record_cohort, warn


def check(settings: StudySettings, run_dir: Path) -> int:
    """Verify the cohort, print the flow of patients, and return the exit status."""
    run = RunFolder.open(run_dir, settings.record("check"))
    patients = open_cohort(settings, run)
    # as a study will have it, so that the same cohorts are accepted
    split = make_split(patients.lesions, settings.split, seed=settings.seed)
    record_cohort(run, patients, split)
    sys.stdout.write("\n".join([*_lines(patients), *_roles(split, settings, patients)]) + "\n")
    excluded = [f"{n} x {code} {CATALOGUE[code].title}"
                for code, n in patients.by_code("excluded").items()]  # fmt: skip
    without = f"; excluded are {', '.join(excluded)}" if excluded else ""
    sys.stdout.write(f"details: {run.file('quarantine.csv')}{without}\n")
    return warn(attention(patients, settings.cohort.max_quarantine))


def _roles(split: Split, settings: StudySettings, cohort: Cohort) -> list[str]:
    """Return the lesions of every role, or of every centre that is left out in turn, as text."""
    sizes = Counter(split.roles().values())
    if settings.split.leave_out is not None:
        centre_folds(cohort.lesions)
        sizes = Counter(str(lesion.centre) for lesion in cohort.lesions)
    return [f"role         {role}: {n} lesions" for role, n in sizes.items()]


def _lines(cohort: Cohort) -> list[str]:
    """Return the flow of patients and every problem by its code, as text."""
    n_positive = int(cohort.y_true.sum())
    lines = [
        f"cohort       {cohort.name}{' (simulated)' if cohort.simulated else ''}",
        f"rows         {cohort.n_rows}",
        f"excluded     {cohort.count('excluded')}",
        f"quarantined  {cohort.count('quarantined')}",
        f"used         {len(cohort.lesions)} lesions of {cohort.n_patients} patients",
        f"outcome      {n_positive} {cohort.positive}, {len(cohort.lesions) - n_positive} not",
        f"clinical     {', '.join(cohort.clinical.columns) or 'none'}",
        *_variables(cohort),
        f"data         {cohort.data_sha256}",
    ]
    counted = Counter((p.severity, p.code) for p in cohort.problems)
    of_table: dict[tuple[str, str], list[str]] = {}
    for problem in cohort.problems:
        if not problem.patient_id:
            of_table.setdefault((problem.severity, problem.code), []).append(problem.what)
    order = ("quarantined", "excluded", "warning", "normalised")
    for severity, code in sorted(counted, key=lambda item: (order.index(item[0]), item[1])):
        n = counted[severity, code]
        lines.append(f"{severity:<12} {code} {CATALOGUE[code].title} ({n} x)")
        lines += [f"{'':<17}{what}" for what in of_table.get((severity, code), ())]
    return lines


def _variables(cohort: Cohort) -> list[str]:
    """Return one line a clinical variable: type, unit, range or levels, how many are missing."""
    lines = []
    for name, column in cohort.clinical.items():
        known = column.dropna()
        if pd.api.types.is_numeric_dtype(column):
            unit = f" in {cohort.units[str(name)]}" if str(name) in cohort.units else ""
            low, middle, high = known.min(), known.median(), known.max()
            said = f"number{unit}, {low:g} to {high:g}, median {middle:g}"
        else:
            levels = [f"{level} {n}" for level, n in known.value_counts(sort=True).items()]
            said = f"category, {', '.join(levels)}"
        lines.append(f"variable     {name}: {said}; {len(column) - len(known)} missing")
    return lines
