"""Read and verify a cohort and print its lesions and problems; nothing is fitted."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from her2.cohort import CATALOGUE
from her2.core.run_folder import RunFolder
from her2.core.settings import StudySettings
from her2.core.types import Cohort
from her2.pipeline.load_cohort import attention, open_cohort, record_cohort, warn


def check(settings: StudySettings, run_dir: Path) -> int:
    """Verify the cohort, print the flow of patients, and return the exit status."""
    run = RunFolder.open(run_dir, settings.record("check"))
    patients = open_cohort(settings)
    record_cohort(run, patients)
    sys.stdout.write("\n".join(_lines(patients)) + "\n")
    sys.stdout.write(f"details: {run.file('quarantine.csv')}\n")
    return warn(attention(patients, settings.cohort.max_quarantine))


def _lines(cohort: Cohort) -> list[str]:
    """Return the flow of patients and every problem by its code, as text."""
    n_positive = int(cohort.y_true.sum())
    clinical = ", ".join(cohort.clinical.columns) or "none"
    lines = [
        f"cohort       {cohort.name}{' (simulated)' if cohort.simulated else ''}",
        f"rows         {cohort.n_rows}",
        f"excluded     {cohort.count('excluded')}",
        f"quarantined  {cohort.count('quarantined')}",
        f"used         {len(cohort.lesions)} lesions of {cohort.n_patients} patients",
        f"outcome      {n_positive} {cohort.positive}, {len(cohort.lesions) - n_positive} not",
        f"clinical     {clinical}",
        f"data         {cohort.data_sha256}",
    ]
    counted = Counter((p.severity, p.code) for p in cohort.problems)
    order = ("quarantined", "excluded", "warning", "normalised")
    for severity, code in sorted(counted, key=lambda item: (order.index(item[0]), item[1])):
        n = counted[severity, code]
        lines.append(f"{severity:<12} {code} {CATALOGUE[code].title} ({n} x)")
    return lines
