"""The smallest leak that the checks of `her2 audit` see in a cohort, without a fit.

Usage: python benchmarks/leak_power.py [OVERRIDE ...]   (as `her2 audit`; none: the simulated
cohort; cohort=breast_lesions_usg cohort.root=ROOT for the public one)

Plants patients who stand twice, a column that tells the outcome, and shifts of the positive
patients in the cohort's own features and images, and prints the table `audit_power` of the audit
as Markdown. Fails if a copied patient is missed.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter

# radiomics.py beside this file must not hide the package of that name
sys.path = [
    entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent
]

from her2.commands.study import study_arms
from her2.core.settings import StudySettings
from her2.pipeline.audit_power import NOT_SEEN, audit_power
from her2.pipeline.run import open_run


def main() -> int:
    """Print a row for each leak; return 1 if copies of patients are not seen."""
    settings = StudySettings.from_overrides(sys.argv[1:]).untracked()
    with tempfile.TemporaryDirectory() as folder:
        run, arms = study_arms(open_run("audit", settings, Path(folder)))
        start = perf_counter()
        table = audit_power(run, arms, ())
    print("| leak | tried | smallest seen |\n| --- | --- | --- |")
    for row in table.itertuples():
        print(f"| {row.leak} | {row.tried} | {row.seen} |")
    print(f"\n{run.cohort.name}: {run.cohort.n_patients} patients, {perf_counter() - start:.0f} s")
    copied = table["leak"].str.startswith("Patients entered again")
    return int(table.loc[copied, "seen"].eq(NOT_SEEN).any())


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
